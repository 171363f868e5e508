// Package hdr records latencies into high dynamic range histograms and keeps
// them as interval logs.
//
// A load or a consumer owns a [Set]. Each of its workers takes one [Recorder],
// locks it once per batch and records any number of values; once a second one
// goroutine calls [Set.Rotate], which swaps the workers' histograms for empty
// ones, merges them into one interval per hop and adds them to the totals.
// Memory grows with workers and hops, never with records or shards.
//
// # What a histogram cannot show
//
// Values are nanoseconds from 1 µs to 1 h with three significant digits.
// Nothing is dropped silently: a value above an hour is recorded as an hour and
// counted as over range, while the exact maximum is kept beside the histogram.
// A negative value is counted and not recorded. On hops that compare two
// clocks (arrive, fetch) a value within ±1 ms says nothing more than "within
// the resolution of the service's clock": it is recorded as 0 and counted.
//
// # Log
//
// [LogWriter] and [ReadLog] write and read HdrHistogram V2 interval logs, which
// other HdrHistogram tools read as well.
package hdr

import (
	"sync"

	"github.com/kload/kload"
)

// Set holds the recorders of one owner.
type Set struct {
	owner string
	hops  []kload.Hop

	mu struct {
		sync.Mutex
		recorders []*Recorder
		free      []*cells // empty, for recorders that come to another phase
	}

	// The following belong to the goroutine that rotates, under rotate.
	rotate             sync.Mutex
	spare, last, total *cells
	phases             []*cells // totals of phases that saw a value, by index
}

// NewSet returns a set for the owner, the load or consumer that names the
// results. Room for the given hops is made in advance; others work too and
// allocate on their first value.
func NewSet(owner string, hops ...kload.Hop) *Set {
	s := &Set{owner: owner, hops: hops}
	s.spare, s.last, s.total = s.newCells(), s.newCells(), s.newCells()
	return s
}

func (s *Set) newCells() *cells {
	c := new(cells)
	for _, h := range s.hops {
		c.at(h)
	}
	return c
}

// take returns empty cells, give takes them back.
func (s *Set) take() *cells {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.mu.free)
	if n == 0 {
		return s.newCells()
	}
	c := s.mu.free[n-1]
	s.mu.free = s.mu.free[:n-1]
	return c
}

func (s *Set) give(c *cells) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.free = append(s.mu.free, c)
}

// Owner returns the name the set was made for.
func (s *Set) Owner() string { return s.owner }

// NewRecorder returns a recorder for one more worker. It may be called at any
// time, from any goroutine.
func (s *Set) NewRecorder() *Recorder {
	r := &Recorder{set: s}
	s.give(s.newCells())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.recorders = append(s.mu.recorders, r)
	return r
}

// Interval is what all workers of an owner recorded for one hop between two
// rotations.
type Interval struct {
	Hop       kload.Hop
	Histogram *Histogram // valid until the next rotation
	Max       int64      // exact, in nanoseconds
	Odd
}

// Rotate ends the current interval and returns it, one entry per hop that saw a
// value, in the order of the hops. The histograms are reused by the next call.
func (s *Set) Rotate() []Interval {
	s.mu.Lock()
	recorders := s.mu.recorders
	s.mu.Unlock()
	s.rotate.Lock()
	defer s.rotate.Unlock()
	s.last.reset()
	for _, r := range recorders {
		for i := range r.slots() {
			s.collect(r, i)
		}
	}
	s.total.merge(s.last)
	return s.last.intervals()
}

// collect takes over what a recorder has in one slot. A slot that stayed empty
// gives up its memory: its phase is over.
func (s *Set) collect(r *Recorder, slot int) {
	full, idle := r.swap(slot, s.spare)
	if idle != nil {
		s.give(idle)
	}
	if full == nil {
		return
	}
	s.last.merge(full)
	if slot > 0 {
		s.phase(slot - 1).merge(full)
	}
	full.reset()
	s.spare = full
}

// phase returns the total of a phase, made on first use.
func (s *Set) phase(i int) *cells {
	for len(s.phases) <= i {
		s.phases = append(s.phases, nil)
	}
	if s.phases[i] == nil {
		s.phases[i] = new(cells)
	}
	return s.phases[i]
}

func (c *cells) merge(o *cells) {
	for h, from := range o {
		if from != nil && !from.empty() {
			c.at(kload.Hop(h)).merge(from)
		}
	}
}

func (c *cells) empty() bool {
	for _, one := range c {
		if one != nil && !one.empty() {
			return false
		}
	}
	return true
}

func (c *cells) reset() {
	for _, one := range c {
		if one != nil {
			one.reset()
		}
	}
}

func (c *cells) intervals() []Interval {
	var out []Interval
	for h, one := range c {
		if one != nil && !one.empty() {
			out = append(out, Interval{Hop: kload.Hop(h), Histogram: one.h, Max: one.max, Odd: one.odd})
		}
	}
	return out
}

// HopTotal sums up one hop of an owner over all rotations. Times are in
// nanoseconds. Count covers what the histogram holds, so negative values are
// not in it. Mean is the histogram's, with values over range counted as an hour.
type HopTotal struct {
	Hop                 kload.Hop
	Histogram           *Histogram // valid until the next rotation
	Count               int64
	P50, P90, P99, P999 int64
	Max                 int64 // exact
	Mean                float64
	Odd
}

// Totals returns the sums over all rotations so far, one entry per hop that saw
// a value. Rotate once more before the last call.
func (s *Set) Totals() []HopTotal {
	s.rotate.Lock()
	defer s.rotate.Unlock()
	return s.total.totals()
}

// PhaseTotals is Totals of what was recorded under one phase.
func (s *Set) PhaseTotals(phase int) []HopTotal {
	s.rotate.Lock()
	defer s.rotate.Unlock()
	if phase < 0 || phase >= len(s.phases) || s.phases[phase] == nil {
		return nil
	}
	return s.phases[phase].totals()
}

func (c *cells) totals() []HopTotal {
	var out []HopTotal
	for _, iv := range c.intervals() {
		out = append(out, total(iv))
	}
	return out
}

func total(iv Interval) HopTotal {
	t := HopTotal{
		Hop: iv.Hop, Histogram: iv.Histogram, Count: iv.Histogram.TotalCount(),
		Max: iv.Max, Odd: iv.Odd,
	}
	t.P50, t.P90, t.P99, t.P999 = iv.Quantile(50), iv.Quantile(90), iv.Quantile(99), iv.Quantile(99.9)
	t.Mean = min(iv.Histogram.Mean(), float64(iv.Max))
	return t
}

// Quantile returns the value below or at which percent of the interval's values
// lie, in nanoseconds and 0 without values. A bucket's upper edge can lie above
// everything that was recorded, so the exact maximum bounds it; and what is
// below the resolution of a cross-clock hop was recorded as 0, whatever its
// bucket's upper edge is. What is below the
// unit reads as 0 as well.
func (iv Interval) Quantile(percent float64) int64 {
	v := iv.Histogram.ValueAtPercentile(percent)
	if v < unit || iv.Hop.CrossClock() && v < Resolution {
		return 0
	}
	return min(v, iv.Max)
}

// LastQuantile returns a quantile of a hop in the last interval that Rotate
// ended, 0 when it saw no value.
func (s *Set) LastQuantile(h kload.Hop, percent float64) int64 {
	s.rotate.Lock()
	defer s.rotate.Unlock()
	c := s.last[h]
	if c == nil || c.h.TotalCount() == 0 {
		return 0
	}
	return Interval{Hop: h, Histogram: c.h, Max: c.max}.Quantile(percent)
}
