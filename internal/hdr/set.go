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

type cells [kload.NumHops]*cell

// at returns the cell of a hop, made on first use.
func (c *cells) at(h kload.Hop) *cell {
	if c[h] == nil {
		c[h] = newCell()
	}
	return c[h]
}

// Recorder takes the values of one worker. Lock it around each batch of
// records; the per-second swap takes the same lock.
type Recorder struct {
	mu    sync.Mutex
	cells *cells // guarded by mu
}

// Lock admits the caller to Record until Unlock.
func (r *Recorder) Lock() { r.mu.Lock() }

// Unlock ends a batch.
func (r *Recorder) Unlock() { r.mu.Unlock() }

// Record records one value in nanoseconds. The recorder must be locked.
func (r *Recorder) Record(h kload.Hop, v int64) { r.RecordN(h, v, 1) }

// RecordN records n occurrences of a value in nanoseconds; n below 1 records
// nothing. The recorder must be locked.
func (r *Recorder) RecordN(h kload.Hop, v, n int64) {
	if n > 0 {
		r.cells.at(h).record(v, n, h.CrossClock())
	}
}

// Set holds the recorders of one owner.
type Set struct {
	owner string
	hops  []kload.Hop

	mu struct {
		sync.Mutex
		recorders []*Recorder
	}

	// The following belong to the goroutine that rotates, under rotate.
	rotate             sync.Mutex
	spare, last, total *cells
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

// Owner returns the name the set was made for.
func (s *Set) Owner() string { return s.owner }

// NewRecorder returns a recorder for one more worker. It may be called at any
// time, from any goroutine.
func (s *Set) NewRecorder() *Recorder {
	r := &Recorder{cells: s.newCells()}
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
		r.mu.Lock()
		r.cells, s.spare = s.spare, r.cells
		r.mu.Unlock()
		s.last.merge(s.spare)
		s.spare.reset()
	}
	s.total.merge(s.last)
	return s.last.intervals()
}

func (c *cells) merge(o *cells) {
	for h, from := range o {
		if from != nil && !from.empty() {
			c.at(kload.Hop(h)).merge(from)
		}
	}
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
	var out []HopTotal
	for _, iv := range s.total.intervals() {
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
