package scenarios

import (
	"context"
	"sync"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/pace"
	"github.com/kload/kload/results"
)

// phases follows the phases of a run: which one an intended time belongs to, and
// how far the counters were when each ended. Latencies are told apart by intended
// time; counters by the time at which something happened, so that what a phase
// left undone counts for the next one, and the drain for the last.
type phases struct {
	list   []Phase
	starts func() int64 // of the run, 0 before

	mu    sync.Mutex
	marks []*results.Summary // counters at the ends of phases, the last one's missing
}

// of returns the function that tells the phase of an intended time by its index,
// -1 for one that is not measured: nil where there is nothing to tell apart.
func (p *phases) of() func(t0 int64) int {
	if len(p.list) == 1 && p.list[0].Measure {
		return nil
	}
	return func(t0 int64) int {
		i := p.at(time.Duration(t0 - p.starts()))
		if !p.list[i].Measure {
			return -1
		}
		return i
	}
}

// at returns the index of the phase at an offset from the start. The last one has
// no end, the first no beginning.
func (p *phases) at(offset time.Duration) int {
	last := len(p.list) - 1
	for i := range p.list[:last] {
		if offset < p.list[i].For {
			return i
		}
		offset -= p.list[i].For
	}
	return last
}

// follow notes the counters at the end of each phase but the last, until ctx ends.
func (p *phases) follow(ctx context.Context, clock *pace.Clock, counters func() *results.Summary) {
	pacer, end := pace.NewPacer(clock), p.starts()
	for _, phase := range p.list[:len(p.list)-1] {
		end += int64(phase.For)
		if _, err := pacer.Until(ctx, end); err != nil {
			return
		}
		mark := counters()
		p.mu.Lock()
		p.marks = append(p.marks, mark)
		p.mu.Unlock()
	}
}

// results returns the phases as they went up to now, with the counters of s
// spread over them. A run with one phase has its figures in s itself.
func (p *phases) results(s *results.Summary, now int64) []results.Phase {
	out := []results.Phase{}
	if p.starts() == 0 {
		return out
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	left, last := max(0, time.Duration(now-p.starts())), len(p.list)-1
	var before *results.Summary
	for i, phase := range p.list {
		span := left
		if phase.For > 0 && i < last {
			span = min(left, phase.For)
		}
		left -= span
		done := results.Phase{Name: phase.Name, WallS: span.Seconds()}
		switch {
		case last == 0, i > len(p.marks): // alone, or never reached
		case i < len(p.marks):
			done.Counts, before = results.CountsBetween(before, p.marks[i]), p.marks[i]
		default:
			done.Counts = results.CountsBetween(before, s)
		}
		out = append(out, done)
	}
	return out
}

// slots maps pairs of load and phase to numbers, for tables that know only one.
type slots struct{ loads int }

// slot returns the number of a load in a phase, -1 for none; split is its
// inverse.
func (s slots) slot(load, phase int) int { return (phase+1)*s.loads + load }

func (s slots) split(slot int) (load, phase int) { return slot % s.loads, slot/s.loads - 1 }

// byPhase hands over outcomes of stream records in groups of one phase, with as
// many receipts as are measured. A stream record across two phases is of the one
// in which it began.
func byPhase(out []kload.Outcome, phase func(int64) int, group func(phase int, out []kload.Outcome)) {
	if phase == nil {
		group(-1, out)
		return
	}
	kept, current := make([]kload.Outcome, 0, len(out)), -1
	flush := func() {
		if len(kept) > 0 {
			group(current, kept)
		}
		kept = kept[:0]
	}
	for _, o := range out {
		n, of := 0, -1
		for i := range o.Records {
			if p := phase(o.Records[i].Intended); p >= 0 {
				n++
				if of < 0 {
					of = p
				}
			}
		}
		if n == 0 {
			continue
		}
		if of != current {
			flush()
			current = of
		}
		o.Records = o.Records[:n]
		kept = append(kept, o)
	}
	flush()
}
