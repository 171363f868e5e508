package hdr

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/kload/kload/internal/invariants"
)

// The geometry of every histogram: nanoseconds between Lowest and Highest with
// Digits significant decimal digits, 197 KB each.
const (
	Lowest  = int64(time.Microsecond)
	Highest = int64(time.Hour)
	Digits  = 3
)

// unit is the width of the lowest bucket: Lowest rounded down to a power of two.
const unit = 512

// Resolution is how far apart two clocks may seem to be only because the
// service states its times in whole milliseconds.
const Resolution = int64(time.Millisecond)

// Histogram is the histogram behind an interval or a total.
type Histogram = hdrhistogram.Histogram

// Odd counts the values that a histogram cannot show as they are.
type Odd struct {
	OverRange       int64 // above Highest; recorded as Highest
	Negative        int64 // below zero; not recorded
	BelowResolution int64 // within ±Resolution on a cross-clock hop; recorded as 0
}

// Any reports whether anything was counted.
func (o Odd) Any() bool { return o != Odd{} }

// cell is one hop of one recorder: the histogram and what it cannot hold.
type cell struct {
	h   *Histogram
	max int64 // exact, also beyond Highest
	odd Odd
}

func newCell() *cell { return &cell{h: hdrhistogram.New(Lowest, Highest, Digits)} }

// record adds n occurrences of v. cross selects the rules of a cross-clock hop.
func (c *cell) record(v, n int64, cross bool) {
	if cross && v >= -Resolution && v <= Resolution {
		c.odd.BelowResolution += n
		v = 0
	}
	if v < 0 {
		c.odd.Negative += n
		return
	}
	c.max = max(c.max, v)
	if v > Highest {
		c.odd.OverRange += n
		v = Highest
	}
	if err := c.h.RecordValues(v, n); err != nil {
		invariants.Check(false, "recording %d × %d: %v", n, v, err)
	}
}

// merge adds what o holds. Equal geometry means that nothing can be dropped.
func (c *cell) merge(o *cell) {
	dropped := c.h.Merge(o.h)
	invariants.Check(dropped == 0, "merging histograms dropped %d values", dropped)
	c.max = max(c.max, o.max)
	c.odd.OverRange += o.odd.OverRange
	c.odd.Negative += o.odd.Negative
	c.odd.BelowResolution += o.odd.BelowResolution
}

func (c *cell) empty() bool { return c.h.TotalCount() == 0 && !c.odd.Any() }

func (c *cell) reset() {
	if c.empty() {
		return
	}
	c.h.Reset()
	c.max, c.odd = 0, Odd{}
}
