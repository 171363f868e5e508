package results

import (
	"fmt"
	"io"
	"regexp"
	"strings"
)

// MatrixSchema identifies the format of matrix.json.
const MatrixSchema = "kload/matrix/v1"

// FileMatrix is the table of a matrix, beside the directories of its cells.
const FileMatrix = "matrix.json"

// Matrix is the result of running every combination of some settings, the content
// of matrix.json.
type Matrix struct {
	Schema   string   `json:"schema"`
	Scenario string   `json:"scenario"`
	Axes     []string `json:"axes"`    // paths of settings, the last changing fastest
	Planned  int      `json:"planned"` // cells; some are missing after an interruption or a kill
	// ExitCode is that of the first cell that did not pass, 130 after an interruption.
	ExitCode    int    `json:"exit_code"`
	Interrupted bool   `json:"interrupted,omitempty"` // cells are missing
	Cells       []Cell `json:"cells"`
}

// Setting is a setting with the value it had in one cell.
type Setting struct {
	Path  string `json:"path"`
	Value string `json:"value"`
}

// Cell is one combination: a run, a search, or why there is neither.
type Cell struct {
	Name     string    `json:"name"` // also of its directory, below that of the matrix
	Settings []Setting `json:"settings"`
	ExitCode int       `json:"exit_code"`
	Skipped  string    `json:"skipped,omitempty"` // why it was not run
	Error    string    `json:"error,omitempty"`   // what broke it off, or kept it from being run
	Summary  *Summary  `json:"summary,omitempty"`
	Search   *Search   `json:"search,omitempty"`
}

// NewMatrix returns the result of a matrix of which nothing was run yet.
func NewMatrix(scenario string, axes []string, planned int) *Matrix {
	return &Matrix{Schema: MatrixSchema, Scenario: scenario, Axes: axes, Planned: planned, Cells: []Cell{}}
}

// Add appends a cell that was run. Its exit code is that of its result, where it
// has one.
func (m *Matrix) Add(c Cell) {
	switch {
	case c.Summary != nil:
		c.ExitCode = c.Summary.ExitCode
	case c.Search != nil:
		c.ExitCode = c.Search.ExitCode
	}
	m.Cells = append(m.Cells, c)
	if m.ExitCode == 0 {
		m.ExitCode = c.ExitCode
	}
}

// Skip appends a cell that was not run.
func (m *Matrix) Skip(name string, settings []Setting, why string) {
	m.Cells = append(m.Cells, Cell{Name: name, Settings: settings, Skipped: why})
}

// Interrupt notes that the user ended it.
func (m *Matrix) Interrupt() { m.Interrupted, m.ExitCode = true, Interrupted.exitCode() }

// Label returns the last part of the setting's path, or all of it where another
// of the settings ends in the same.
func (s Setting) Label(all []Setting) string {
	short, same := lastPart(s.Path), 0
	for _, o := range all {
		if lastPart(o.Path) == short {
			same++
		}
	}
	if same > 1 {
		return s.Path
	}
	return short
}

func lastPart(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }

// FileName turns text into a part of a file name.
func FileName(text string) string {
	return regexp.MustCompile(`[^A-Za-z0-9._-]+`).ReplaceAllString(text, "-")
}

// verdict says in a few words how a cell went.
func (c *Cell) verdict() string {
	switch {
	case c.Skipped != "":
		return "skipped"
	case c.Summary != nil:
		return strings.ReplaceAll(string(c.Summary.Verdict), "_", " ")
	case c.Search != nil:
		return strings.ReplaceAll(string(c.Search.Outcome), "_", " ")
	}
	return "not run"
}

// WriteMatrix writes the table of a matrix for people.
func WriteMatrix(w io.Writer, m *Matrix, opts TextOptions) error {
	p := &page{color: opts.Color}
	passed, run := 0, 0
	for i := range m.Cells {
		if c := &m.Cells[i]; c.Skipped == "" {
			run++
			if c.ExitCode == 0 {
				passed++
			}
		}
	}
	line := fmt.Sprintf("%d of %d passed", passed, run)
	if skipped := len(m.Cells) - run; skipped > 0 {
		line += fmt.Sprintf(", %d skipped", skipped)
	}
	if m.Interrupted {
		line += ", interrupted"
	}
	if missing := m.Planned - len(m.Cells); missing > 0 {
		line += fmt.Sprintf(", %d more not run", missing)
	}
	p.line(p.mark("MATRIX", m.ExitCode == 0 && len(m.Cells) >= m.Planned) + "  " + m.Scenario + ": " + line)
	if opts.Dir != "" {
		p.line("results  " + opts.Dir)
	}
	p.table(m.table())
	for i := range m.Cells {
		p.reasons(&m.Cells[i])
	}
	_, err := io.WriteString(w, p.out.String())
	return err
}

func (m *Matrix) table() table {
	var t table
	if len(m.Cells) == 0 {
		return t
	}
	header := []string{"cell"}
	for _, s := range m.Cells[0].Settings {
		header = append(header, s.Label(m.Cells[0].Settings))
	}
	t.row(append(header, "verdict", "rate", "in time", "lost", "throttled", "response p99", "end to end p99")...)
	for i := range m.Cells {
		c := &m.Cells[i]
		number, _, _ := strings.Cut(c.Name, "-")
		row := []string{number}
		for _, s := range c.Settings {
			row = append(row, s.Value)
		}
		row = append(row, c.verdict())
		switch {
		case c.Summary != nil:
			o := c.Summary.outline()
			row = append(row, o.rate, o.inTime, o.lost, o.throttled, o.response, o.endToEnd)
		case c.Search != nil:
			row = append(row, perSecond(c.Search.Held))
		}
		t.row(row...)
	}
	return t
}

// reasons says what speaks against a cell.
func (p *page) reasons(c *Cell) {
	number, _, _ := strings.Cut(c.Name, "-")
	say := func(text string) { p.wrapped("  ", "- "+number+": "+text) }
	switch {
	case c.Skipped != "":
		say("skipped: " + c.Skipped)
	case c.Summary != nil:
		for _, r := range c.Summary.Reasons {
			say(r)
		}
	case c.Search != nil:
		say(c.Search.Conclusion())
	case c.Error != "":
		say(c.Error)
	}
}
