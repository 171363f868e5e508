package results

import (
	"fmt"
	"maps"
	"slices"

	"github.com/kload/kload/internal/units"
)

// Verdict is the outcome of a run in one word.
type Verdict string

// The verdicts, in order of precedence, except that expectations come after the
// delivery of the load.
const (
	Interrupted  Verdict = "interrupted"   // stopped by the user, exit 130
	Unreachable  Verdict = "unreachable"   // the target could not be used, exit 5
	Errored      Verdict = "error"         // the run broke off, exit 1, 2 where the input is at fault, or 4 where a saturated load was to abort
	Invalid      Verdict = "invalid"       // the run proves nothing, exit 3
	Fail         Verdict = "fail"          // an expectation or the ledger failed, exit 3
	NotDelivered Verdict = "not_delivered" // the load was not delivered, exit 4
	Pass         Verdict = "pass"          // exit 0
	Partial      Verdict = "partial"       // killed, or not at its end yet; drawn up from its logs, exit 1
)

// DefaultDeliveredRatio is the least share of a schedule that must be
// acknowledged in time.
const DefaultDeliveredRatio = 0.99

// exitIncomplete is the exit code of a run that passed but whose results could
// not be written: a script that goes on to read them must not see success.
const exitIncomplete = 1

// exitCode returns the process exit code of a verdict.
func (v Verdict) exitCode() int {
	switch v {
	case Pass:
		return 0
	case Partial:
		return 1
	case NotDelivered:
		return 4
	case Unreachable:
		return 5
	case Interrupted:
		return 130
	}
	return 3
}

// Break notes the error that broke the run off, with the exit code it stands
// for: 5 makes the target unreachable. Call it before Judge.
func (s *Summary) Break(err error, exit int) {
	if exit == Unreachable.exitCode() {
		s.UnreachableReason = err.Error()
		return
	}
	s.Error, s.ExitCode = err.Error(), exit
}

// Judge sets Verdict, ExitCode and Reasons from everything else in the summary,
// expectations included. minDelivered is the least delivered_ratio of each load,
// usually [DefaultDeliveredRatio]. The ledger's own checks are always on. All
// that is wrong is listed, whatever decides the verdict. Without anything wrong
// but results that could not be written, the verdict is pass and the exit code 1.
func (s *Summary) Judge(minDelivered float64) {
	broken, undelivered, missed := s.ledgerFailures(), s.undelivered(minDelivered), s.expectFailures()
	s.Verdict = s.decide(broken, undelivered, missed)
	if s.Verdict != Errored { // whose code Break has set
		s.ExitCode = s.Verdict.exitCode()
	}
	if s.Verdict == Pass && (len(s.Incomplete) > 0 || s.Cleanup != "") {
		s.ExitCode = exitIncomplete
	}
	s.Reasons = slices.Concat(s.circumstances(), broken, undelivered, missed)
	if s.Cleanup != "" {
		s.Reasons = append(s.Reasons, "cleaning up: "+s.Cleanup)
	}
	for _, what := range s.Incomplete {
		s.Reasons = append(s.Reasons, "results incomplete: "+what)
	}
}

// decide puts the ledger above the load: records are lost at any rate. It puts
// the load above expectations, which were made for another load than the one
// that arrived.
func (s *Summary) decide(broken, undelivered, missed []string) Verdict {
	switch {
	case s.Interrupted:
		return Interrupted
	case s.UnreachableReason != "":
		return Unreachable
	case s.Error != "":
		return Errored
	case s.InvalidReason != "":
		return Invalid
	case len(broken) > 0, len(s.Broken) > 0, s.Aborted != "":
		return Fail
	case len(undelivered) > 0:
		return NotDelivered
	case len(missed) > 0:
		return Fail
	}
	return Pass
}

// circumstances lists what decides a verdict without looking at the numbers.
func (s *Summary) circumstances() []string {
	var out []string
	if s.Interrupted {
		out = append(out, "interrupted before the end")
	}
	if s.UnreachableReason != "" {
		out = append(out, s.UnreachableReason)
	}
	if s.Error != "" {
		out = append(out, "broke off: "+s.Error)
	}
	for _, b := range s.Broken {
		out = append(out, "the books do not balance, which is a defect of kload: "+b)
	}
	if s.InvalidReason != "" {
		out = append(out, "invalid: "+s.InvalidReason)
	}
	if s.Aborted != "" {
		out = append(out, "ended early: "+s.Aborted)
	}
	return out
}

func (s *Summary) ledgerFailures() []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(s.Load)) {
		out = append(out, s.Load[name].failures(name)...)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Consumers)) {
		out = append(out, s.Consumers[name].failures(name)...)
	}
	return out
}

// failures checks that every scheduled record has a fate.
func (l *LoadCounts) failures(name string) []string {
	var out []string
	if sum := l.Sent + l.Shed + l.Unsent; l.Scheduled != sum {
		out = append(out, fmt.Sprintf("%s: scheduled %s, but sent + shed + unsent is %s", name, units.Thousands(l.Scheduled), units.Thousands(sum)))
	}
	if sum := l.Acked + l.Rejected + l.Unknown; l.Sent != sum {
		out = append(out, fmt.Sprintf("%s: sent %s, but acked + rejected + unknown is %s", name, units.Thousands(l.Sent), units.Thousands(sum)))
	}
	return out
}

// failures checks what no correct consumer may show.
func (c *ConsumerCounts) failures(name string) []string {
	var out []string
	for _, bad := range []struct {
		what string
		n    uint64
	}{
		{"lost", c.Lost},
		{"unread", c.Unread},
		{"duplicates", c.Duplicates},
		{"corrupt", c.Corrupt},
		{"misrouted", c.Misrouted},
		{"reordered", c.Reordered},
		{"phantom", c.Phantom},
	} {
		if bad.n > 0 {
			out = append(out, fmt.Sprintf("%s: %s %s, expected 0", name, bad.what, units.Thousands(bad.n)))
		}
	}
	if sum := c.OK + c.DeadLettered + c.Filtered; c.ReadUnique != sum {
		out = append(out, fmt.Sprintf("%s: read_unique %s, but ok + dead_lettered + filtered is %s", name, units.Thousands(c.ReadUnique), units.Thousands(sum)))
	}
	if c.Sunk != c.OK {
		out = append(out, fmt.Sprintf("%s: ok %s, but sunk %s", name, units.Thousands(c.OK), units.Thousands(c.Sunk)))
	}
	for _, sink := range slices.Sorted(maps.Keys(c.Sinks)) {
		if s := c.Sinks[sink]; s.Sunk != s.Routed {
			out = append(out, fmt.Sprintf("%s: routed %s to sink %s, but sunk %s", name, units.Thousands(s.Routed), sink, units.Thousands(s.Sunk)))
		}
	}
	return out
}

func (s *Summary) expectFailures() []string {
	var out []string
	for _, e := range s.Expect {
		if e.Result == resultFail {
			out = append(out, fmt.Sprintf("expected %s, got %s", e.Expr, e.Value))
		}
	}
	return out
}

func (s *Summary) undelivered(limit float64) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(s.Load)) {
		l := s.Load[name]
		if l.Scheduled > 0 && !(l.DeliveredRatio >= limit) { // NaN fails too
			out = append(out, fmt.Sprintf("%s: delivered %s of %s scheduled records in time, below %s",
				name, ratio(l.DeliveredRatio), units.Thousands(l.Scheduled), ratio(limit)))
		}
	}
	return out
}
