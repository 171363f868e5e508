package results

import (
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/kload/kload/internal/units"
)

// WriteCompare writes the comparison for people, at most 100 columns wide.
// Counters that are zero in both runs are left out.
func WriteCompare(w io.Writer, c *Comparison) error {
	p := &page{}
	p.line("A  " + c.A.line())
	p.line("B  " + c.B.line())
	for _, n := range c.Notes {
		p.wrapped("  ", "- "+n)
	}
	p.changes("latency", c.Latencies)
	p.changes("counter", c.Counters)
	p.changes("process", c.Process)
	p.line("")
	p.wrapped("", "Differences of two single runs; whether they mean anything takes repeated runs.")
	_, err := io.WriteString(w, p.out.String())
	return err
}

func (r RunRef) line() string {
	return fmt.Sprintf("%s  run %s, %s, seed %d, %s", r.Scenario, r.RunID, r.Target.Kind, r.Seed, r.Verdict)
}

func (p *page) changes(title string, changes []Change) {
	var t table
	t.row(title, "A", "B", "change", "")
	for _, c := range changes {
		if c.zero() || c.minor() {
			continue
		}
		t.row(c.Name+" "+c.Stat, c.show(c.A), c.show(c.B), c.delta(), c.percent())
	}
	if len(t.rows) > 1 {
		p.table(t)
	}
}

// minor reports whether the text leaves a figure to the JSON: means, which say
// little about latencies, and counts that are alike.
func (c Change) minor() bool {
	same := c.A != nil && c.B != nil && *c.A == *c.B
	return c.Stat == "mean" || c.Stat == "count" && same
}

func (c Change) zero() bool {
	return (c.A == nil || *c.A == 0) && (c.B == nil || *c.B == 0)
}

// show formats a figure by the unit its name implies.
func (c Change) show(v *float64) string {
	if v == nil {
		return "-"
	}
	_, isTime := HopStats{}.stat(c.Stat)
	switch {
	case isTime:
		return duration(int64(*v))
	case strings.HasSuffix(c.Stat, "_s"):
		return seconds(*v)
	case strings.HasSuffix(c.Stat, "_ratio"):
		return ratio(*v)
	case strings.HasSuffix(c.Stat, "bytes"):
		return units.Size(uint64(*v))
	}
	return units.Thousands(uint64(*v))
}

func (c Change) delta() string {
	switch {
	case c.Absolute == nil:
		return "-"
	case *c.Absolute == 0:
		return "="
	}
	size := math.Abs(*c.Absolute)
	if *c.Absolute < 0 {
		return "-" + c.show(&size)
	}
	return "+" + c.show(&size)
}

func (c Change) percent() string {
	switch {
	case c.Relative == nil || *c.Relative == 0:
		return ""
	case *c.Relative >= 9: // ten times as much
		return fmt.Sprintf("×%.0f", *c.Relative+1)
	}
	return fmt.Sprintf("%+.1f%%", *c.Relative*100)
}
