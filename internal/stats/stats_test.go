package stats_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload/internal/stats"
)

func seeded(n uint64) *rand.Rand { return rand.New(rand.NewPCG(n, 1)) }

func TestAssign(t *testing.T) {
	tests := []struct {
		a, b, limit int
		n           int
		exact       bool
		smallest    float64
	}{
		{2, 2, 100, 6, true, 2.0 / 6},
		{5, 5, 1000, 252, true, 2.0 / 252},
		{3, 5, 1000, 56, true, 1.0 / 56},
		{1, 1, 10, 2, true, 1},
		{12, 12, 500, 500, false, 1.0 / 500},
		{400, 400, 50, 50, false, 1.0 / 50},
	}
	for _, tt := range tests {
		sets := stats.Assign(tt.a, tt.b, tt.limit, seeded(1))
		if len(sets.Sets) != tt.n || sets.Exact != tt.exact || sets.Smallest(tt.a, tt.b) != tt.smallest {
			t.Errorf("%d of %d: %d sets, exact %v, smallest p %v", tt.a, tt.a+tt.b, len(sets.Sets), sets.Exact, sets.Smallest(tt.a, tt.b))
		}
		seen := map[string]bool{}
		for i, set := range sets.Sets {
			key := ""
			for _, x := range set {
				key += string(rune(x))
			}
			if len(set) != tt.a || tt.exact && seen[key] {
				t.Fatalf("set %d is %v", i, set)
			}
			seen[key] = true
		}
		for i, x := range sets.Sets[0] {
			if x != i {
				t.Fatalf("the first set is %v", sets.Sets[0])
			}
		}
	}
}

func TestMaxT(t *testing.T) {
	sets := stats.Assign(5, 5, 1000, seeded(1))
	apart, flat := []float64{11, 12, 13, 14, 15}, []float64{0, 0, 0, 0, 0}
	tests := []struct {
		name string
		a, b [][]float64
		want []float64
	}{
		{"apart", [][]float64{{1, 2, 3, 4, 5}}, [][]float64{apart}, []float64{2.0 / 252}},
		{"the same in all", [][]float64{{7, 7, 7, 7, 7}}, [][]float64{{7, 7, 7, 7, 7}}, []float64{1}},
		{"mirrored", [][]float64{{1, 2, 3, 4, 5}}, [][]float64{{1, 2, 3, 4, 5}}, []float64{1}},
		{"one apart and one constant", [][]float64{{1, 2, 3, 4, 5}, flat}, [][]float64{apart, flat}, []float64{2.0 / 252, 1}},
		{"two that are the same cost nothing", [][]float64{{1, 2, 3, 4, 5}, {1, 2, 3, 4, 5}}, [][]float64{apart, apart}, []float64{2.0 / 252, 2.0 / 252}},
		{"none", nil, nil, []float64{}},
	}
	for _, tt := range tests {
		if d := cmp.Diff(tt.want, stats.MaxT(tt.a, tt.b, make([]float64, len(tt.a)), sets)); d != "" {
			t.Errorf("%s (-want +got)\n%s", tt.name, d)
		}
	}
}

// TestMaxTIgnoresSmallDifferences has one metric apart by 10 and one by 0.1.
func TestMaxTIgnoresSmallDifferences(t *testing.T) {
	sets := stats.Assign(5, 5, 1000, seeded(1))
	a := [][]float64{{1, 2, 3, 4, 5}, {0.01, 0.02, 0.03, 0.04, 0.05}}
	b := [][]float64{{11, 12, 13, 14, 15}, {0.11, 0.12, 0.13, 0.14, 0.15}}
	for least, want := range map[float64][]float64{0.1: {2.0 / 252, 2.0 / 252}, 0.11: {2.0 / 252, 1}, 11: {1, 1}} {
		if d := cmp.Diff(want, stats.MaxT(a, b, []float64{least, least}, sets)); d != "" {
			t.Errorf("from %v on (-want +got)\n%s", least, d)
		}
	}
}

// TestMaxTHoldsItsLevel counts false alarms over twenty metrics of two identical
// groups, half of which move together.
func TestMaxTHoldsItsLevel(t *testing.T) {
	rng, sets := seeded(7), stats.Assign(5, 5, 1000, seeded(1))
	const trials, metrics = 1000, 20
	alarms := 0
	for range trials {
		groups := [2][][]float64{make([][]float64, metrics), make([][]float64, metrics)}
		for g := range groups {
			for range 5 {
				shared := rng.NormFloat64()
				for m := range metrics {
					v := rng.NormFloat64()
					if m%2 == 0 {
						v = shared + v/10
					}
					groups[g][m] = append(groups[g][m], v)
				}
			}
		}
		if slices.Min(stats.MaxT(groups[0], groups[1], make([]float64, metrics), sets)) <= 0.05 {
			alarms++
		}
	}
	if alarms < trials*2/100 || alarms > trials*6/100 {
		t.Errorf("%d false alarms in %d trials, want about 4.8 %%", alarms, trials)
	}
}

func TestInterval(t *testing.T) {
	sets := stats.Assign(5, 5, 1000, seeded(1))
	a, b := []float64{1, 2, 3, 4, 5}, []float64{11, 12, 13, 14, 15}
	low, high, ok := stats.Interval(a, b, sets, 0.05)
	if !ok || low > 10 || high < 10 || low < 7 || high > 13 || math.Abs((low+high)/2-10) > 1e-6 {
		t.Errorf("interval [%v, %v], %v; want one around 10", low, high, ok)
	}
	// Both ends are where the test by itself turns: just inside it does not reject.
	for _, tt := range []struct {
		difference float64
		rejected   bool
	}{{low - 0.001, true}, {low + 0.001, false}, {high - 0.001, false}, {high + 0.001, true}} {
		shifted := slices.Clone(b)
		for i := range shifted {
			shifted[i] -= tt.difference
		}
		p := stats.MaxT([][]float64{a}, [][]float64{shifted}, []float64{0}, sets)[0]
		if (p <= 0.05) != tt.rejected {
			t.Errorf("a difference of %v has p = %v, rejected should be %v", tt.difference, p, tt.rejected)
		}
	}
	if _, _, ok := stats.Interval(a[:3], b[:3], stats.Assign(3, 3, 100, seeded(1)), 0.05); ok {
		t.Error("three against three gave an interval at 5 %")
	}
	if low, high, ok := stats.Interval([]float64{1, 1, 1, 1, 1}, []float64{1, 1, 1, 1, 1}, sets, 0.05); low != 0 || high != 0 || !ok {
		t.Errorf("values without spread: [%v, %v], %v", low, high, ok)
	}
}

func TestIntervalCovers(t *testing.T) {
	rng, sets := seeded(3), stats.Assign(5, 5, 1000, seeded(1))
	const trials = 400
	missed := 0
	for range trials {
		a, b := make([]float64, 5), make([]float64, 5)
		for i := range a {
			a[i], b[i] = rng.NormFloat64(), 3+rng.NormFloat64()
		}
		if low, high, _ := stats.Interval(a, b, sets, 0.05); low > 3 || high < 3 {
			missed++
		}
	}
	if missed > trials*7/100 {
		t.Errorf("%d of %d intervals missed the truth, want about 4.8 %%", missed, trials)
	}
}

// TestCorrelationTime holds the estimate against the known one of an AR(1)
// process, (1+φ)/(1−φ).
func TestCorrelationTime(t *testing.T) {
	for _, phi := range []float64{0, 0.5, 0.8, 0.95} {
		rng, x := seeded(9), 0.0
		series := make([]float64, 50_000)
		for i := range series {
			x = phi*x + rng.NormFloat64()
			series[i] = x
		}
		want := (1 + phi) / (1 - phi)
		if got := stats.CorrelationTime(series); got < want*0.85 || got > want*1.15 {
			t.Errorf("φ %v: %v, want about %v", phi, got, want)
		}
	}
	for _, odd := range [][]float64{nil, {1}, {1, 2, 3}, {5, 5, 5, 5, 5}, {1, -1, 1, -1, 1, -1, 1, -1}} {
		if got := stats.CorrelationTime(odd); got != 1 {
			t.Errorf("%v: %v, want 1", odd, got)
		}
	}
}

func TestBlocks(t *testing.T) {
	starts := stats.Blocks(100, 12, seeded(1))
	if len(starts) != 8 || slices.Min(starts) < 0 || slices.Max(starts) >= 100 {
		t.Errorf("starts %v", starts)
	}
}
