package pace_test

import (
	"math"
	"testing"
	"time"

	"github.com/kload/kload/internal/pace"
)

// TestPoisson holds the arrivals against what is known of a Poisson process: gaps
// with the deviation of an exponential distribution, and counts whose variance
// is their mean, in windows far below and far above the parts it is drawn in.
func TestPoisson(t *testing.T) {
	const n, gap = 1 << 20, int64(1000)
	s := pace.Poisson(pace.Constant(1e6, time.Second, n*1000), 7)
	var sum, squares float64
	last := int64(0)
	for i := range uint64(n) {
		at := s.At(i)
		if at < last {
			t.Fatalf("record %d is due at %d, before %d", i, at, last)
		}
		g := float64(at - last)
		sum, squares, last = sum+g, squares+g*g, at
	}
	mean := sum / n
	if cv := math.Sqrt(squares/n-mean*mean) / mean; math.Abs(cv-1) > 0.01 || math.Abs(mean-float64(gap)) > 2 {
		t.Errorf("gaps of %.1f ns with a coefficient of variation of %.3f, want %d and 1", mean, cv, gap)
	}
	for _, window := range []int64{16, 512, 2048, 8192} {
		var sum, squares, windows float64
		before := uint64(0)
		for end := window * gap; end <= n*gap; end += window * gap {
			due := s.Due(end - 1)
			c := float64(due - before)
			sum, squares, windows, before = sum+c, squares+c*c, windows+1, due
		}
		mean := sum / windows
		dispersion := (squares/windows - mean*mean) / mean
		// The deviation of the sample's dispersion is √(2/windows).
		if limit := 4 * math.Sqrt(2/windows); math.Abs(dispersion-1) > limit {
			t.Errorf("windows of %d: variance is %.3f of the mean, want 1 ± %.3f", window, dispersion, limit)
		}
	}
}

func TestPoissonIsTheSeeds(t *testing.T) {
	base := pace.Constant(1e6, time.Second, time.Second)
	a, again, b := pace.Poisson(base, 1), pace.Poisson(base, 1), pace.Poisson(base, 2)
	again.At(999_999) // what was asked before must not matter
	same := 0
	for n := uint64(0); n < a.Total(); n += 997 {
		if a.At(n) != again.At(n) {
			t.Fatalf("record %d: %d and %d from one seed", n, a.At(n), again.At(n))
		}
		if a.At(n) == b.At(n) {
			same++
		}
	}
	if same > 10 {
		t.Errorf("%d of 1004 times are the same under another seed", same)
	}
}

func BenchmarkAt(b *testing.B) {
	for _, tc := range []struct {
		name string
		s    pace.Schedule
	}{
		{"constant", pace.Constant(1e6, time.Second, time.Hour)},
		{"ramp", pace.Ramp(0, 1e6, time.Hour)},
		{"sine", pace.Sine(1e6, 1e5, time.Minute, time.Hour)},
		{"poisson", pace.Poisson(pace.Constant(1e6, time.Second, time.Hour), 1)},
	} {
		b.Run(tc.name, func(b *testing.B) {
			b.ReportAllocs()
			var n uint64
			for b.Loop() {
				tc.s.At(n)
				n++
			}
		})
	}
}
