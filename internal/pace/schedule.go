// Package pace computes when records are due and waits for it. It is the only
// package that sleeps.
//
// A [Schedule] is a pure function from a record's number to its intended offset
// from the start of the load. The schedule is fixed in advance: a slow target
// makes records late, never fewer, and latency is measured from the intended
// time. A [Pacer] sleeps until something is due and reports all that is due at
// once, because a wait per record cannot hold a rate (docs/MEASURING.md).
package pace

import (
	"math"
	"math/bits"
	"sort"
	"time"
)

// Schedule says when each record of a load is due. What it says never changes.
// Total and Span are safe for concurrent use; At and Due belong to one goroutine.
type Schedule interface {
	// At returns the intended offset in nanoseconds of record n, counted from 0.
	// It never decreases with n.
	At(n uint64) int64
	// Due returns how many records have At(n) <= elapsed, at most Total.
	Due(elapsed int64) uint64
	// Total returns how many records the schedule has.
	Total() uint64
	// Span returns the length of the schedule in nanoseconds.
	Span() int64
}

// Constant emits count records per period, evenly spaced, for a span of time:
// record n is due at floor(n·period/count). All three must be positive. The
// arithmetic is exact: there is no drift however long it runs.
func Constant(count uint64, period, span time.Duration) Schedule {
	c := constant{count: count, period: uint64(period), span: int64(span)}
	// Records with n·period/count < span: ceil(span·count/period) of them.
	c.total = mulDivCeil(uint64(span), count, uint64(period))
	return c
}

type constant struct {
	count, period, total uint64
	span                 int64
}

func (c constant) At(n uint64) int64 { return int64(mulDiv(n, c.period, c.count)) }

func (c constant) Due(elapsed int64) uint64 {
	if elapsed < 0 {
		return 0
	}
	if elapsed >= c.span {
		return c.total
	}
	// floor(n·period/count) <= e  ⇔  n·period < (e+1)·count.
	return min(c.total, mulDivCeil(uint64(elapsed)+1, c.count, c.period))
}

func (c constant) Total() uint64 { return c.total }
func (c constant) Span() int64   { return c.span }

// Ramp changes the rate linearly from one value to another, both in records
// per second, over a span: the number of records due at t is a·t + (b−a)·t²/2D.
// Either rate may be 0, not both.
func Ramp(from, to float64, span time.Duration) Schedule {
	r := ramp{a: from / 1e9, span: int64(span)}
	r.slope = (to - from) / 1e9 / float64(span)
	r.total = uint64(math.Ceil(r.count(float64(span)) - 1e-9))
	return r
}

type ramp struct {
	a, slope float64 // records per ns, and per ns²
	span     int64
	total    uint64
}

func (r ramp) count(t float64) float64 { return r.a*t + r.slope*t*t/2 }

func (r ramp) At(n uint64) int64 {
	if n == 0 {
		return 0
	}
	x := float64(n)
	// The root of slope/2·t² + a·t − n that stays exact when slope is near 0.
	disc := math.Max(0, r.a*r.a+2*r.slope*x)
	return min(r.span, int64(2*x/(r.a+math.Sqrt(disc))))
}

func (r ramp) Due(elapsed int64) uint64 {
	if elapsed < 0 {
		return 0
	}
	if elapsed >= r.span {
		return r.total
	}
	n := uint64(math.Max(0, r.count(float64(elapsed)))) + 1
	// Rounding may leave the estimate one off in either direction.
	for n > 0 && (n > r.total || r.At(n-1) > elapsed) {
		n--
	}
	for n < r.total && r.At(n) <= elapsed {
		n++
	}
	return n
}

func (r ramp) Total() uint64 { return r.total }
func (r ramp) Span() int64   { return r.span }

// Sequence plays schedules one after the other.
func Sequence(parts ...Schedule) Schedule {
	s := sequence{parts: parts}
	var n uint64
	var at int64
	for _, p := range parts {
		s.firstN, s.startAt = append(s.firstN, n), append(s.startAt, at)
		n += p.Total()
		at += p.Span()
	}
	s.total, s.span = n, at
	return s
}

type sequence struct {
	parts   []Schedule
	firstN  []uint64 // number of the first record of each part
	startAt []int64  // offset at which each part starts
	total   uint64
	span    int64
}

func (s sequence) At(n uint64) int64 {
	i := sort.Search(len(s.parts)-1, func(i int) bool { return s.firstN[i+1] > n })
	return s.startAt[i] + s.parts[i].At(n-s.firstN[i])
}

func (s sequence) Due(elapsed int64) uint64 {
	var n uint64
	for i, p := range s.parts {
		n += p.Due(elapsed - s.startAt[i])
	}
	return n
}

func (s sequence) Total() uint64 { return s.total }
func (s sequence) Span() int64   { return s.span }

// Limit cuts a schedule after n records.
func Limit(s Schedule, n uint64) Schedule {
	if n >= s.Total() {
		return s
	}
	return limited{Schedule: s, n: n}
}

type limited struct {
	Schedule
	n uint64
}

func (l limited) Due(elapsed int64) uint64 { return min(l.n, l.Schedule.Due(elapsed)) }
func (l limited) Total() uint64            { return l.n }

func (l limited) Span() int64 {
	if l.n == 0 {
		return 0
	}
	return l.At(l.n - 1)
}

// mulDiv returns floor(a·b/c) without overflow in the product. The quotient
// saturates at the largest uint64.
func mulDiv(a, b, c uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	if hi >= c {
		return math.MaxUint64
	}
	q, _ := bits.Div64(hi, lo, c)
	return q
}

// mulDivCeil is mulDiv rounded up.
func mulDivCeil(a, b, c uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	if hi >= c {
		return math.MaxUint64
	}
	q, r := bits.Div64(hi, lo, c)
	if r > 0 {
		q++
	}
	return q
}
