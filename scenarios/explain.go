package scenarios

import (
	"bytes"
	"fmt"
	"time"

	"github.com/kload/kload/internal/conf"
	"github.com/kload/kload/internal/units"
)

// Schema returns the JSON Schema of scenario files.
func Schema() ([]byte, error) {
	return conf.Schema(Spec{}, newRegistry().kinds(), "kload scenario", "https://github.com/kload/kload/schema.json")
}

// Explain returns the resolved scenario: every setting with its value and
// meaning, and as comments above it what the plan works out from them.
func (s *Scenario) Explain() ([]byte, error) {
	resolved, err := conf.Resolved(&s.Spec, true)
	if err != nil {
		return nil, fmt.Errorf("explaining %s: %w", s.File, err)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "# %s, resolved\n#\n", s.File)
	if len(s.cells) > 0 {
		fmt.Fprintf(&b, "# matrix: %d runs, of which this is the first\n", len(s.cells))
	}
	for i := range s.plan.loads {
		fmt.Fprintf(&b, "# load %s: %s\n", s.plan.loads[i].name, s.plan.loads[i].explain())
	}
	for name, c := range s.Spec.Consumers.All() {
		if text := c.explainSinks(); text != "" {
			fmt.Fprintf(&b, "# consumer %s: %s\n", name, text)
		}
	}
	for _, p := range s.plan.phases {
		if p.For > 0 {
			fmt.Fprintf(&b, "# phase %s: %s, measured: %t\n", p.Name, p.For, p.Measure)
		}
	}
	for i := range s.plan.actions {
		fmt.Fprintf(&b, "# action %s\n", s.plan.actions[i].explain(s.Spec.Target.Kind))
	}
	for _, line := range s.plan.forecastLines() {
		fmt.Fprintf(&b, "# %s\n", line)
	}
	if s.Spec.Target.Kind == "aws" {
		c, err := s.plan.estimate()
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "# %s\n", &c)
	}
	fmt.Fprintf(&b, "# memory %s\n", s.explainMemory())
	for i := range s.plan.expect {
		fmt.Fprintf(&b, "# expect %s\n", s.plan.expect[i].explain())
	}
	fmt.Fprintf(&b, "# delivered_ratio counts acknowledgements up to %s after the schedule's end\n#\n# expectations may name these, and a phase behind them as in @%s:\n", grace, s.plan.phases[0].Name)
	for _, line := range s.plan.names().List() {
		fmt.Fprintf(&b, "#   %s\n", line)
	}
	b.WriteString("#\n")
	b.Write(resolved)
	return b.Bytes(), nil
}

// explain says in one line what a load will do.
func (l *loadPlan) explain() string {
	when := "records at their recorded times"
	switch {
	case l.inFlight > 0:
		when = fmt.Sprintf("a closed loop with %s records under way: latencies leave out the wait that a schedule would show", units.Thousands(uint64(l.inFlight)))
	case l.unpaced:
		when = "records as fast as they are taken"
	case l.schedule != nil:
		span := time.Duration(l.schedule.Span())
		when = fmt.Sprintf("%s records over %s, at most %s/s", units.Thousands(l.schedule.Total()), span, human(l.peak))
		if l.spec.Rate.Arrival == "poisson" {
			when += " on average, at random"
		}
	}
	return fmt.Sprintf("%s; keys: %s; traced by %s (%d bytes a record)", when, l.explainKeys(), l.carrier, l.carrier.Overhead())
}

func (l *loadPlan) explainKeys() string {
	if l.keys == nil {
		return "the source's own"
	}
	return l.keys.Describe()
}
