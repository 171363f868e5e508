package results

import (
	"fmt"
	"io"
	"strings"

	"github.com/kload/kload/internal/units"
)

// SearchSchema identifies the format of search.json.
const SearchSchema = "kload/search/v1"

// FileSearch is the result of a search, beside the directories of its steps.
const FileSearch = "search.json"

// SearchOutcome says in one word how a search ended.
type SearchOutcome string

// The outcomes of a search.
const (
	Found     SearchOutcome = "found"      // between two rates as close as asked for
	AboveTo   SearchOutcome = "above_to"   // the highest rate of interest held
	BelowFrom SearchOutcome = "below_from" // not even the first rate held
	BrokenOff SearchOutcome = "broken_off" // interrupted, or a step gave no answer
)

// Search is the result of a search for the highest rate that holds, the content
// of search.json. Rates are records per second.
type Search struct {
	Schema    string        `json:"schema"`
	Scenario  string        `json:"scenario"`
	Maximize  string        `json:"maximize"`
	Target    Target        `json:"target"`
	Seed      uint64        `json:"seed"`
	Precision float64       `json:"precision"` // asked for
	Outcome   SearchOutcome `json:"outcome"`
	ExitCode  int           `json:"exit_code"`
	// Held is the highest rate that held, 0 if none did; Failed the lowest that did
	// not, 0 if all held. The limit lies between them.
	Held   float64 `json:"held_per_s"`
	Failed float64 `json:"failed_per_s"`
	// Uncertainty is half the distance between the two over their middle, 0 where
	// one of them is missing.
	Uncertainty float64      `json:"uncertainty"`
	Steps       []SearchStep `json:"steps"`
	Process     *TargetStats `json:"target_process,omitempty"` // over all steps
}

// SearchStep is one rate that was tried.
type SearchStep struct {
	Rate    float64  `json:"rate_per_s"`
	Holds   bool     `json:"holds"`
	Dir     string   `json:"dir"` // below that of the search
	Summary *Summary `json:"summary"`
}

// NewSearch returns the result of a search that has not begun; if it is killed, it
// stays broken off.
func NewSearch(scenario, maximize string) *Search {
	return &Search{Schema: SearchSchema, Scenario: scenario, Maximize: maximize, Outcome: BrokenOff, ExitCode: 1, Steps: []SearchStep{}}
}

// Judged reports whether a run says if its load holds: it came to its end, or the
// load was too much for the producer, and the ledger has nothing against it but
// records not yet read. What loses records at one rate cannot be trusted at another.
func (s *Summary) Judged() bool {
	for _, c := range s.Consumers {
		if c.Lost+c.Duplicates+c.Corrupt+c.Misrouted+c.Reordered+c.Phantom > 0 || c.Sunk != c.OK {
			return false
		}
	}
	switch {
	case len(s.Broken) > 0 || len(s.Incomplete) > 0:
		return false
	case s.Verdict == Errored:
		return s.ExitCode == NotDelivered.exitCode()
	}
	return s.Verdict == Pass || s.Verdict == NotDelivered || s.Verdict == Fail
}

// Add appends a step.
func (s *Search) Add(rate float64, dir string, summary *Summary) *SearchStep {
	s.Steps = append(s.Steps, SearchStep{Rate: rate, Holds: summary.Verdict == Pass, Dir: dir, Summary: summary})
	return &s.Steps[len(s.Steps)-1]
}

// Conclude ends a search that needs no further step.
func (s *Search) Conclude(held, failed float64) {
	s.Narrow(held, failed)
	s.ExitCode = 0
	switch {
	case held == 0:
		s.Outcome, s.ExitCode = BelowFrom, Fail.exitCode()
	case failed == 0:
		s.Outcome = AboveTo
	default:
		s.Outcome = Found
	}
}

// BreakOff ends a search whose last step gave no answer. last is nil where it had
// no results.
func (s *Search) BreakOff(last *Summary, held, failed float64, interrupted bool) {
	s.Narrow(held, failed)
	s.Outcome, s.ExitCode = BrokenOff, 1
	switch {
	case interrupted:
		s.ExitCode = Interrupted.exitCode()
	case last != nil:
		s.ExitCode = last.ExitCode
	}
}

// Narrow says between which rates the limit is known to lie, 0 for not yet.
func (s *Search) Narrow(held, failed float64) {
	s.Held, s.Failed, s.Uncertainty = held, failed, 0
	if held > 0 && failed > 0 {
		s.Uncertainty = (failed - held) / (failed + held)
	}
}

// String says in one line how the step went.
func (s *SearchStep) String() string {
	switch {
	case s.Holds:
		return perSecond(s.Rate) + " holds"
	case !s.Summary.Judged():
		return perSecond(s.Rate) + " gave no answer: " + string(s.Summary.Verdict)
	}
	return perSecond(s.Rate) + " does not hold: " + strings.Join(s.Summary.Reasons[:min(1, len(s.Summary.Reasons))], "")
}

func perSecond(rate float64) string { return units.Thousands(uint64(rate)) + "/s" }

// Conclusion says in one sentence what was found.
func (s *Search) Conclusion() string {
	switch s.Outcome {
	case Found:
		return fmt.Sprintf("%s: the limit is %s ±%.1f%%: %s held, %s did not", s.Maximize, perSecond((s.Held+s.Failed)/2),
			100*s.Uncertainty, perSecond(s.Held), perSecond(s.Failed))
	case AboveTo:
		return fmt.Sprintf("%s: the limit is above %s, the highest rate of interest, which held", s.Maximize, perSecond(s.Held))
	case BelowFrom:
		return fmt.Sprintf("%s: the limit is below %s, the first rate, which did not hold", s.Maximize, perSecond(s.Failed))
	}
	line := s.Maximize + ": broken off"
	if s.Held > 0 {
		line += "; " + perSecond(s.Held) + " held"
	}
	if s.Failed > 0 {
		line += "; " + perSecond(s.Failed) + " did not"
	}
	return line
}

// WriteSearch writes the result of a search for people.
func WriteSearch(w io.Writer, s *Search, opts TextOptions) error {
	p := &page{color: opts.Color}
	p.line(p.mark(strings.ToUpper(strings.ReplaceAll(string(s.Outcome), "_", " ")), s.ExitCode == 0) + "  " + s.Conclusion())
	p.line("")
	p.hanging("target   ", len("target   "), s.Target.Kind+" "+s.Target.Detail)
	if opts.Dir != "" {
		p.line("results  " + opts.Dir)
	}
	var t table
	t.row("step", "rate", "holds", "in time", "throttled", "response p99", "end to end p99")
	for i := range s.Steps {
		step := &s.Steps[i]
		f := step.Summary.outline()
		t.row(step.Dir, perSecond(step.Rate), step.answer(), f.inTime, f.throttled, f.response, f.endToEnd)
	}
	if len(s.Steps) > 0 {
		p.table(t)
	}
	for i := range s.Steps {
		if step := &s.Steps[i]; !step.Holds {
			for _, r := range step.Summary.Reasons {
				p.wrapped("  ", "- "+step.Dir+": "+r)
			}
		}
	}
	_, err := io.WriteString(w, p.out.String())
	return err
}

func (s *SearchStep) answer() string {
	switch {
	case s.Holds:
		return "yes"
	case s.Summary.Judged():
		return "no"
	}
	return string(s.Summary.Verdict)
}
