package conf

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/kload/kload"
)

// Problem is one thing wrong with a configuration, where it is, and what to do
// about it.
type Problem struct {
	// File is the file, or "--set path=value" for a value given that way.
	File string
	// Line and Col count from 1, in characters. Both are 0 where File is a --set.
	Line, Col int
	Path      string // keys from the root joined by dots; empty for the whole document
	Msg       string
	Hint      string // what to do; may be empty
	Excerpt   string // the line with a caret under the place; may be empty
}

// Error returns "file:line:col: path: message" with the excerpt and the hint on
// lines of their own.
func (p Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Col)
	}
	if p.Path != "" {
		b.WriteString(": " + p.Path)
	}
	b.WriteString(": " + p.Msg)
	if p.Excerpt != "" {
		b.WriteString("\n" + p.Excerpt)
	}
	if p.Hint != "" {
		b.WriteString("\n  hint: " + p.Hint)
	}
	return b.String()
}

// Is makes a problem match [kload.ErrInvalid].
func (p Problem) Is(target error) bool { return target == kload.ErrInvalid }

// Problems is everything wrong with a configuration, in the order of the file;
// values given by --set come last.
type Problems []Problem

// Error lists all problems.
func (ps Problems) Error() string {
	texts := make([]string, len(ps))
	for i, p := range ps {
		texts[i] = p.Error()
	}
	return strings.Join(texts, "\n")
}

// Is makes the problems match [kload.ErrInvalid].
func (ps Problems) Is(target error) bool { return target == kload.ErrInvalid }

// maxProblems bounds the list: a file of another kind is wrong in every line,
// and nobody reads all of that.
const maxProblems = 100

// add notes a problem at a place of the document.
func (ps *Problems) add(d *Document, pos position, path, msg, hint string) {
	switch n := len(*ps); {
	case n < maxProblems:
		*ps = append(*ps, d.problem(pos, path, msg, hint))
	case n == maxProblems:
		*ps = append(*ps, Problem{File: d.file, Msg: "there are more problems", Hint: "correct these first"})
	}
}

// With returns these problems and others as one list, sorted.
func (ps Problems) With(others Problems) Problems { return slices.Concat(ps, others).sorted() }

// err returns the problems sorted and without repetitions, nil if there are
// none.
func (ps Problems) err() error {
	if len(ps) == 0 {
		return nil
	}
	return ps.sorted()
}

func (ps Problems) sorted() Problems {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(
			compareBool(a.Line == 0, b.Line == 0),
			cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
	return slices.Compact(ps)
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// problem makes a Problem at a place of the document.
func (d *Document) problem(pos position, path, msg, hint string) Problem {
	p := Problem{File: d.file, Path: path, Msg: msg, Hint: hint}
	if pos.set != "" {
		p.File = pos.set
		return p
	}
	p.Line, p.Col = max(pos.line, 1), max(pos.col, 1)
	p.Excerpt = d.excerpt(p.Line, p.Col)
	return p
}

// excerptWidth is how many characters of a line an excerpt shows at most.
const excerptWidth = 80

// excerpt shows a line with a caret below one of its characters.
func (d *Document) excerpt(line, col int) string {
	if line > len(d.lines) {
		return ""
	}
	text := []rune(strings.ReplaceAll(strings.TrimRight(d.lines[line-1], "\r"), "\t", " "))
	if len(text) == 0 {
		return ""
	}
	at := min(col-1, len(text))
	if len(text) > excerptWidth {
		from := min(max(0, at-excerptWidth/2), len(text)-excerptWidth)
		more := from+excerptWidth < len(text)
		text, at = slices.Clone(text[from:from+excerptWidth]), at-from
		if more {
			text[len(text)-1] = '…'
		}
		if from > 0 {
			text[0] = '…'
		}
	}
	number := fmt.Sprintf("%4d", line)
	return fmt.Sprintf("%s | %s\n%s | %s^", number, strings.TrimRight(string(text), " "),
		strings.Repeat(" ", len(number)), strings.Repeat(" ", at))
}
