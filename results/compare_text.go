package results

import (
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/kload/kload/internal/units"
)

// WriteCompare writes the comparison for people, at most 100 columns wide.
// Counters that are zero on both sides are left out.
func WriteCompare(w io.Writer, c *Comparison, color bool) error {
	p := &page{color: color}
	p.line(p.mark(strings.ToUpper(string(c.Verdict)), c.Verdict != Regression) + "  " + c.headline())
	for _, r := range c.Reasons {
		p.wrapped("  ", "- "+r)
	}
	p.line("")
	p.runs("A", c.A)
	p.runs("B", c.B)
	for _, n := range c.Differences {
		p.wrapped("  ", "- NOT COMPARABLE: "+n)
	}
	for _, n := range c.Notes {
		p.wrapped("  ", "- "+n)
	}
	p.changes("latency", c.Latencies)
	p.changes("rate", c.Rates)
	p.changes("counter", c.Counters)
	p.changes("process", c.Process)
	p.line("")
	for _, l := range c.legend() {
		p.wrapped("", l)
	}
	_, err := io.WriteString(w, p.out.String())
	return err
}

// headline says in a sentence what the verdict means.
func (c *Comparison) headline() string {
	switch c.Verdict {
	case Regression:
		return fmt.Sprintf("B is worse than A, exit %d", c.ExitCode)
	case Improvement:
		return "B is better than A"
	case Same:
		return fmt.Sprintf("nothing changed by %s or more", share(c.Method.MinEffect))
	}
	return "no verdict"
}

// legend explains the method and the marks.
func (c *Comparison) legend() []string {
	m := c.Method
	if m.Name == methodNone {
		return []string{"Nothing was judged: differences may be chance."}
	}
	how := fmt.Sprintf("%d figures judged together by a permutation test over whole runs (%d assignments)", m.Metrics, m.Assignments)
	if m.Name == methodBootstrap {
		how = fmt.Sprintf("%d figures judged together by drawing the %d intervals of each run again in blocks of %d", m.Metrics, m.Intervals, m.Block)
	}
	return []string{
		how + fmt.Sprintf(", at %s. Intervals hold the true change with %s confidence; p is the probability of such a difference anywhere by chance.",
			share(m.Alpha), share(1-m.Alpha)),
		fmt.Sprintf("worse, better: significant and at least %s; = less than that for sure; ~ undecided; no mark: not judged.", share(m.MinEffect)),
	}
}

// share shows a fraction in percent.
func share(v float64) string { return fmt.Sprintf("%.3g%%", v*100) }

// runs names the runs of a side.
func (p *page) runs(name string, runs []RunRef) {
	for i, r := range runs {
		label := name
		if len(runs) > 1 {
			label = fmt.Sprint(name, i+1)
		}
		p.hanging(fmt.Sprintf("%-4s", label), 4, r.Line())
	}
}

// Line describes the run in one line.
func (r RunRef) Line() string {
	if r.Verdict == "" {
		return r.Path
	}
	return fmt.Sprintf("%s run %s, %s, seed %d, %s", r.Scenario, r.RunID, r.Target.Kind, r.Seed, r.Verdict)
}

func (p *page) changes(title string, changes []Change) {
	var t table
	t.row(title, "A", "B", "change", "", "95 % interval", "p", "")
	for _, c := range changes {
		if c.zero() || c.minor() {
			continue
		}
		t.row(c.Name+" "+c.Stat, c.show(c.A), c.show(c.B), c.delta(), c.percent(), c.interval(), c.probability(), c.Verdict.mark())
	}
	if len(t.rows) > 1 {
		p.table(t.withoutEmpty())
	}
}

// mark is a verdict as tables show it.
func (o Outcome) mark() string {
	return map[Outcome]string{Regression: "worse", Improvement: "better", Same: "=", Undecided: "~"}[o]
}

func (c Change) interval() string {
	if c.Low == nil {
		return ""
	}
	return "[" + signed(*c.Low) + ", " + signed(*c.High) + "]"
}

func (c Change) probability() string {
	if c.P == nil {
		return ""
	}
	return fmt.Sprintf("%.3f", *c.P)
}

// minor reports whether the text leaves a figure to the JSON: means, which say
// little about latencies, counts that are alike, and quantiles between the usual
// ones that did not change.
func (c Change) minor() bool {
	same := c.A != nil && c.B != nil && *c.A == *c.B
	between := c.Stat == "p10" || c.Stat == "p25" || c.Stat == "p75" || c.Stat == "p95"
	return c.Stat == "mean" || c.Stat == "count" && same || between && c.Verdict != Regression && c.Verdict != Improvement
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
	_, isQuantile := quantileShare(c.Stat)
	switch {
	case isTime, isQuantile, c.Stat == statCost:
		return duration(int64(*v))
	case c.Stat == statRate:
		return units.PerSecond(*v)
	case strings.HasSuffix(c.Stat, "_s"):
		return seconds(*v)
	case strings.HasSuffix(c.Stat, "_ratio"):
		return ratio(*v)
	case strings.HasSuffix(c.Stat, "bytes"):
		return units.Size(uint64(*v))
	}
	return units.Thousands(uint64(math.Round(*v)))
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
	if c.Relative == nil || *c.Relative == 0 {
		return ""
	}
	return signed(*c.Relative)
}

// signed shows a relative change; one to ten times as much and beyond, as a factor.
func signed(relative float64) string {
	switch {
	case relative >= 9:
		return fmt.Sprintf("×%.3g", relative+1)
	case math.Abs(relative) < 0.0005:
		return "0.0%"
	}
	return fmt.Sprintf("%+.1f%%", relative*100)
}
