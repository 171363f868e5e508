package pace_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/kload/kload/internal/pace"
)

func TestSchedule(t *testing.T) {
	sec := int64(time.Second)
	tests := []struct {
		name  string
		s     pace.Schedule
		total uint64
		span  int64
		at    map[uint64]int64
	}{
		{
			name: "constant 1000/s for 10s", s: pace.Constant(1000, time.Second, 10*time.Second),
			total: 10_000, span: 10 * sec, at: map[uint64]int64{0: 0, 1: 1e6, 9999: 9_999e6},
		},
		{
			name: "three a second does not drift", s: pace.Constant(3, time.Second, 1_000_000*time.Second),
			total: 3_000_000, span: 1_000_000 * sec, at: map[uint64]int64{1: 333_333_333, 3: sec, 2_999_997: 999_999 * sec},
		},
		{
			name: "slower than one a second", s: pace.Constant(1, 2*time.Second, 5*time.Second),
			total: 3, span: 5 * sec, at: map[uint64]int64{2: 4 * sec},
		},
		{
			name: "ramp from zero", s: pace.Ramp(0, 100, 10*time.Second),
			total: 500, span: 10 * sec, at: map[uint64]int64{0: 0, 125: 5 * sec},
		},
		{
			name: "ramp down", s: pace.Ramp(100, 0, 10*time.Second),
			total: 500, span: 10 * sec, at: map[uint64]int64{0: 0, 375: 5 * sec},
		},
		{
			name: "flat ramp is constant", s: pace.Ramp(50, 50, 4*time.Second),
			total: 200, span: 4 * sec, at: map[uint64]int64{100: 2 * sec},
		},
		{
			name:  "sequence",
			s:     pace.Sequence(pace.Ramp(0, 100, 10*time.Second), pace.Constant(100, time.Second, time.Second)),
			total: 600, span: 11 * sec, at: map[uint64]int64{125: 5 * sec, 500: 10 * sec, 550: 10*sec + sec/2},
		},
		{
			name: "limit", s: pace.Limit(pace.Constant(10, time.Second, time.Hour), 25),
			total: 25, span: 2*sec + 4*sec/10, at: map[uint64]int64{24: 2*sec + 4*sec/10},
		},
		{
			name: "a limit beyond the end", s: pace.Limit(pace.Constant(10, time.Second, time.Second), 25),
			total: 10, span: sec, at: map[uint64]int64{9: 9 * sec / 10},
		},
		{
			name:  "sequence around an empty part",
			s:     pace.Sequence(pace.Constant(2, time.Second, time.Second), pace.Limit(pace.Constant(9, time.Second, time.Second), 0), pace.Constant(2, time.Second, time.Second)),
			total: 4, span: 2 * sec, at: map[uint64]int64{1: sec / 2, 2: sec, 3: sec + sec/2},
		},
		{
			name: "pieces with a pause", s: pace.Pieces([]pace.Piece{{Count: 4, Span: time.Second}, {Span: time.Second}, {Count: 1, Span: time.Second}}),
			total: 5, span: 3 * sec, at: map[uint64]int64{3: 3 * sec / 4, 4: 2 * sec},
		},
		{
			name: "sine: as many as its mean in whole periods, half the time faster", s: pace.Sine(1000, 1000, 10*time.Second, 20*time.Second),
			total: 20_000, span: 20 * sec, at: map[uint64]int64{0: 0, 10_000: 10 * sec, 8183: 5 * sec},
		},
		{
			name: "sine cut off at its middle", s: pace.Sine(100, 50, 8*time.Second, 4*time.Second),
			total: 527, span: 4 * sec, at: map[uint64]int64{0: 0},
		},
		{
			name: "poisson holds its base's total", s: pace.Poisson(pace.Constant(1000, time.Second, 10*time.Second), 1),
			total: 10_000, span: 10 * sec,
		},
		{
			name: "poisson along a ramp", s: pace.Poisson(pace.Ramp(0, 2000, 10*time.Second), 2),
			total: 10_000, span: 10 * sec,
		},
		{
			name: "poisson of one record", s: pace.Poisson(pace.Constant(1, time.Second, time.Second), 3),
			total: 1, span: sec,
		},
		{
			name: "poisson for ten years", s: pace.Poisson(pace.Constant(1e6, time.Second, 87_600*time.Hour), 4),
			total: 87_600 * 3600 * 1e6, span: 87_600 * 3600 * sec,
		},
		{
			name: "a million a second for a month", s: pace.Constant(1e6, time.Second, 30*24*time.Hour),
			total: 30 * 86_400 * 1e6, span: 30 * 86_400 * sec, at: map[uint64]int64{30*86_400*1e6 - 1: 30*86_400*sec - 1000},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.s.Total(); got != tt.total {
				t.Errorf("Total() = %d, want %d", got, tt.total)
			}
			if got := tt.s.Span(); got != tt.span {
				t.Errorf("Span() = %d, want %d", got, tt.span)
			}
			for n, want := range tt.at {
				if got := tt.s.At(n); got < want-2 || got > want+2 {
					t.Errorf("At(%d) = %d, want %d", n, got, want)
				}
			}
			checkDue(t, tt.s)
		})
	}
}

// checkDue holds Due against its definition by At, around every kind of edge.
func checkDue(t *testing.T, s pace.Schedule) {
	t.Helper()
	if got := s.Due(-1); got != 0 {
		t.Errorf("Due(-1) = %d, want 0", got)
	}
	if got := s.Due(1 << 62); got != s.Total() {
		t.Errorf("Due(far) = %d, want Total %d", got, s.Total())
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		n := r.Uint64N(s.Total())
		at := s.At(n)
		if due := s.Due(at); due <= n {
			t.Fatalf("Due(At(%d)=%d) = %d, want more than %d", n, at, due, n)
		}
		e := r.Int64N(s.Span() + 1)
		due := s.Due(e)
		if due > 0 && s.At(due-1) > e && e < s.Span() {
			t.Fatalf("Due(%d) = %d, but record %d is due only at %d", e, due, due-1, s.At(due-1))
		}
		if due < s.Total() && s.At(due) <= e {
			t.Fatalf("Due(%d) = %d, but record %d is due at %d", e, due, due, s.At(due))
		}
	}
}
