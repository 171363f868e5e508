package results

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// An expectation is compiled by expr-lang, which knows neither units nor names
// with dots in them. So a scan replaces each name and each number with a unit by
// a variable, padded to the length of what it stands for: positions in the
// compiler's messages are then positions in what the user wrote.

// scan is the rewriting of one expectation.
type scan struct {
	src   string
	at    int // byte offset in src
	names *index
	out   strings.Builder
	// Variables of the rewritten text.
	refs   map[string]ref
	consts map[string]literal
	lex    *lexicon
}

// literal is a number that was written with a unit.
type literal struct {
	value    float64 // durations in nanoseconds
	duration bool
}

// lexicon holds the token patterns, compiled once per call of Compile.
type lexicon struct{ word, name, number, operand, text *regexp.Regexp }

func newLexicon() *lexicon {
	return &lexicon{
		word:    regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*`),
		name:    regexp.MustCompile(`^[A-Za-z0-9_-]+`),
		number:  regexp.MustCompile(`^[0-9][0-9_]*(\.[0-9]+)?([eE][+-]?[0-9]+)?([A-Za-zµμ]+([0-9]+(\.[0-9]+)?[A-Za-zµμ]+)*|%)?`),
		operand: regexp.MustCompile(`^[A-Za-z0-9_(]`),
		text:    regexp.MustCompile("^(\"(\\\\.|[^\"\\\\])*\"|'(\\\\.|[^'\\\\])*'|`[^`]*`)"),
	}
}

// problem is something wrong at a byte offset of an expectation.
type problem struct {
	at  int
	msg string
}

// run rewrites the whole text.
func (s *scan) run() *problem {
	for s.at < len(s.src) {
		rest := s.src[s.at:]
		var p *problem
		switch {
		case s.word(rest) != "":
			p = s.name(s.word(rest))
		case s.lex.number.MatchString(rest):
			p = s.number(s.lex.number.FindString(rest))
		case rest[0] == '@':
			p = &problem{s.at, "a phase belongs behind a name, such as reader.e2e.read.p99@steady"}
		case rest[0] == ';': // the compiler would drop what stands before it
			p = &problem{s.at, "one condition each: join them with and, or write two expectations"}
		case s.lex.text.MatchString(rest):
			s.copy(len(s.lex.text.FindString(rest)))
		default:
			_, n := utf8.DecodeRuneInString(rest)
			s.copy(n)
		}
		if p != nil {
			return p
		}
	}
	return nil
}

// word returns the name at the start of rest. The owners' names are tried first,
// as they may hold hyphens.
func (s *scan) word(rest string) string {
	prefix := ""
	for _, o := range s.names.owners {
		if strings.HasPrefix(rest, o+".") && len(o) >= len(prefix) {
			prefix = o + "."
		}
	}
	if prefix == "" {
		return s.lex.word.FindString(rest)
	}
	return prefix + s.lex.word.FindString(rest[len(prefix):])
}

// phase returns the phase that rest begins with, and what is written there:
// @name. Known names are tried first, as they may hold hyphens and spaces.
func (s *scan) phase(rest string) (name, written string) {
	if !strings.HasPrefix(rest, "@") {
		return "", ""
	}
	for _, p := range s.names.phases {
		if strings.HasPrefix(rest[1:], p.Name) && len(p.Name) > len(name) {
			name = p.Name
		}
	}
	if tail := rest[1+len(name):]; name == "" || s.lex.operand.MatchString(tail) && tail[0] != '(' {
		name = s.lex.name.FindString(rest[1:]) // unknown, or only begins like a known one
	}
	return name, "@" + name
}

func (s *scan) copy(n int) {
	s.out.WriteString(s.src[s.at : s.at+n])
	s.at += n
}

func (s *scan) name(word string) *problem {
	next := strings.TrimLeft(s.src[s.at+len(word):], " ")
	switch word {
	case "and", "or", "not", "in", "true", "false":
		s.copy(len(word))
		return nil
	case "abs", "min", "max", "ceil", "floor", "round":
		if strings.HasPrefix(next, "(") {
			s.copy(len(word))
			return nil
		}
	}
	if strings.HasPrefix(next, "(") {
		return &problem{s.at, fmt.Sprintf("unknown function %q (known: abs, ceil, floor, max, min, round)", word)}
	}
	r, msg := s.names.find(word)
	if msg != "" {
		return &problem{s.at, msg}
	}
	if phase, written := s.phase(s.src[s.at+len(word):]); written != "" {
		if r, msg = s.names.in(r, phase); msg != "" {
			return &problem{s.at + len(word), msg}
		}
		word += written
	}
	for variable, known := range s.refs {
		if known == r {
			s.replace(word, variable)
			return nil
		}
	}
	variable, p := s.variable('v', len(s.refs))
	if p == nil {
		s.refs[variable] = r
		s.replace(word, variable)
	}
	return p
}

func (s *scan) number(text string) *problem {
	if strings.HasSuffix(text, "%") && s.lex.operand.MatchString(s.src[s.at+len(text):]) {
		text = strings.TrimSuffix(text, "%") // 7%x is a remainder
	}
	unit := strings.TrimLeft(text, "0123456789_.eE+-")
	if unit == "" {
		s.copy(len(text))
		return nil
	}
	lit, ok := parseLiteral(text, unit)
	if !ok {
		return &problem{s.at, fmt.Sprintf("bad number %q: units are ns us µs ms s m h, KiB MiB GiB, k M and %%", text)}
	}
	variable, p := s.variable('k', len(s.consts))
	if p == nil {
		s.consts[variable] = lit
		s.replace(text, variable)
	}
	return p
}

func parseLiteral(text, unit string) (literal, bool) {
	if factor, ok := map[string]float64{
		"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "k": 1e3, "M": 1e6, "%": 0.01,
	}[unit]; ok {
		v, err := strconv.ParseFloat(strings.ReplaceAll(strings.TrimSuffix(text, unit), "_", ""), 64)
		return literal{value: v * factor}, err == nil
	}
	d, err := time.ParseDuration(strings.ReplaceAll(text, "_", ""))
	return literal{value: float64(d), duration: true}, err == nil
}

// variable returns a name of two characters, the length of the shortest name or
// number with a unit.
func (s *scan) variable(kind byte, n int) (string, *problem) {
	const digits = "0123456789abcdefghijklmnopqrstuvwxyz"
	if n >= len(digits) {
		return "", &problem{s.at, fmt.Sprintf("more than %d names or numbers: split the expectation", len(digits))}
	}
	return string([]byte{kind, digits[n]}), nil
}

func (s *scan) replace(old, variable string) {
	s.out.WriteString(variable)
	s.out.WriteString(strings.Repeat(" ", max(0, utf8.RuneCountInString(old)-len(variable))))
	s.at += len(old)
}
