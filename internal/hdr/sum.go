package hdr

import (
	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/kload/kload"
)

// Sum adds up histograms that were read back, whatever their geometry. The zero
// value is not usable: see [NewSum]. It is used from one goroutine.
type Sum struct{ cell *cell }

// NewSum returns an empty sum.
func NewSum() *Sum { return &Sum{newCell()} }

// Add adds the values of h, each multiplied by scale to make it nanoseconds.
// maximum is the exact largest value in nanoseconds; 0 where it is not known.
// Values that h could not show as they are, it has not counted.
func (s *Sum) Add(h *Histogram, scale float64, maximum int64) {
	if scale == 1 && sameGeometry(h) {
		s.cell.h.Merge(h) // the same geometry drops nothing
		s.cell.max = max(s.cell.max, known(maximum, h.Max()))
		return
	}
	for v, n := range Values(h) {
		s.cell.record(int64(float64(v)*scale), n, false)
	}
}

func known(exact, otherwise int64) int64 {
	if exact > 0 {
		return exact
	}
	return otherwise
}

func sameGeometry(h *Histogram) bool {
	return h.LowestTrackableValue() == Lowest && h.HighestTrackableValue() == Highest && h.SignificantFigures() == Digits
}

// Total returns the statistics of a hop, whose rules for values below the
// resolution apply.
func (s *Sum) Total(hop kload.Hop) HopTotal {
	return total(Interval{Hop: hop, Histogram: s.cell.h, Max: s.cell.max, Odd: s.cell.odd})
}

// Values yields the values a histogram holds, each the largest of its bucket,
// with their counts.
func Values(h *hdrhistogram.Histogram) func(yield func(value, count int64) bool) {
	return func(yield func(int64, int64) bool) {
		for _, bar := range h.Distribution() {
			if bar.Count > 0 && !yield(bar.To, bar.Count) {
				return
			}
		}
	}
}
