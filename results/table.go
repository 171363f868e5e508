package results

import (
	"strings"
	"unicode/utf8"
)

// table lays out rows in columns: the first is aligned left, the others right.
// Columns that are too wide for the page make the first one give way.
type table struct{ rows [][]string }

func (t *table) row(cells ...string) { t.rows = append(t.rows, cells) }

// pageWidth is the most columns any text output uses.
const pageWidth = 100

const columnGap = 2

// lines renders the table.
func (t *table) lines() []string {
	var widths []int
	for _, r := range t.rows {
		for i, c := range r {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(c))
		}
	}
	rest := 0
	for _, w := range widths[min(1, len(widths)):] {
		rest += w + columnGap
	}
	var out []string
	for _, r := range t.rows {
		var line strings.Builder
		first := clip(r[0], max(8, pageWidth-rest))
		line.WriteString(padRight(first, min(widths[0], max(8, pageWidth-rest))))
		for i, c := range r[1:] {
			line.WriteString(strings.Repeat(" ", columnGap+widths[i+1]-utf8.RuneCountInString(c)) + c)
		}
		out = append(out, strings.TrimRight(line.String(), " "))
	}
	return out
}

func padRight(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(s)))
}

// clip shortens s to width characters.
func clip(s string, width int) string {
	if utf8.RuneCountInString(s) <= width {
		return s
	}
	r := []rune(s)
	return string(r[:max(0, width-1)]) + "…"
}

// wrap breaks s at spaces into lines of at most width characters; lines after
// the first are indented by two. A longer word stays whole: paths and
// expressions are there to be copied.
func wrap(s string, width int) []string {
	var out []string
	line := ""
	for word := range strings.FieldsSeq(s) {
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) <= width:
			line += " " + word
		default:
			out = append(out, line)
			line = "  " + word
		}
	}
	return append(out, line)
}

// withoutEmpty returns the table without columns that are empty in all rows but
// the first, and without the heading of those.
func (t *table) withoutEmpty() table {
	used := make([]bool, len(t.rows[0]))
	used[0] = true
	for _, r := range t.rows[1:] {
		for i, c := range r {
			used[i] = used[i] || c != ""
		}
	}
	var out table
	for _, r := range t.rows {
		var cells []string
		for i, c := range r {
			if used[i] {
				cells = append(cells, c)
			}
		}
		out.rows = append(out.rows, cells)
	}
	return out
}
