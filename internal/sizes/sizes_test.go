package sizes_test

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/kload/kload/internal/sizes"
)

// TestDistributions draws and looks at bounds, quantiles and the mean that the
// plan calculates with.
func TestDistributions(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sizes")
	if err := os.WriteFile(file, []byte("# measured\n100\n\n300B\n1KiB\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name     string
		c        sizes.Config
		min, max int
		p50, p99 float64
	}{
		{"fixed", sizes.Config{Fixed: 250}, 250, 250, 250, 250},
		{"uniform", sizes.Config{Uniform: &sizes.Uniform{Min: 10, Max: 29}}, 10, 29, 19.5, 29},
		{"lognormal", sizes.Config{Lognormal: &sizes.Lognormal{P50: 200, P99: 2048}}, 1, sizes.Clamp, 200, 2048},
		{"weights", sizes.Config{Empirical: &sizes.Empirical{Sizes: []sizes.Weight{{Size: 5, Weight: 3}, {Size: 9, Weight: 1}}}}, 5, 9, 5, 9},
		{"file", sizes.Config{Empirical: &sizes.Empirical{File: file}}, 100, 1024, 300, 1024},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if issues := tt.c.Validate(); len(issues) > 0 {
				t.Fatal(issues)
			}
			s, err := tt.c.Sampler(1)
			if err != nil {
				t.Fatal(err)
			}
			const n = 100_000
			drawn, sum := make([]int, n), 0.0
			for i := range drawn {
				drawn[i] = s.Next()
				sum += float64(drawn[i])
			}
			slices.Sort(drawn)
			if drawn[0] < tt.min || drawn[n-1] > tt.max || drawn[n-1] > tt.c.Max() {
				t.Errorf("from %d to %d, want %d to %d", drawn[0], drawn[n-1], tt.min, tt.max)
			}
			for q, want := range map[int]float64{n / 2: tt.p50, n * 99 / 100: tt.p99} {
				if got := float64(drawn[q]); math.Abs(got-want) > 0.05*want+1 {
					t.Errorf("quantile %d is %g, want %g", q, got, want)
				}
			}
			if mean := sum / n; math.Abs(mean-float64(tt.c.Mean())) > 0.03*mean+1 {
				t.Errorf("mean %g, Mean() = %d", mean, tt.c.Mean())
			}
		})
	}
}

func TestClampsAreCounted(t *testing.T) {
	c := sizes.Config{Lognormal: &sizes.Lognormal{P50: 100_000, P99: sizes.Clamp}}
	s, err := c.Sampler(1)
	if err != nil {
		t.Fatal(err)
	}
	at := uint64(0)
	for range 10_000 {
		if s.Next() == sizes.Clamp {
			at++
		}
	}
	if s.Clamped() == 0 || s.Clamped() != at {
		t.Errorf("%d clamped, %d of the largest size", s.Clamped(), at)
	}
}

func TestValidate(t *testing.T) {
	for name, c := range map[string]sizes.Config{
		"nothing": {}, "two": {Fixed: 1, Uniform: &sizes.Uniform{Min: 1, Max: 2}},
		"negative": {Fixed: -1}, "too large": {Fixed: sizes.Largest + 1},
		"uniform backwards": {Uniform: &sizes.Uniform{Min: 2, Max: 1}}, "uniform from 0": {Uniform: &sizes.Uniform{Max: 1}},
		"lognormal without tail": {Lognormal: &sizes.Lognormal{P50: 5, P99: 5}}, "lognormal above all": {Lognormal: &sizes.Lognormal{P50: 5, P99: 2_000_000}},
		"no list": {Empirical: &sizes.Empirical{}}, "no file": {Empirical: &sizes.Empirical{File: "/nowhere/at/all"}},
		"weight 0": {Empirical: &sizes.Empirical{Sizes: []sizes.Weight{{Size: 1}}}},
		"size 0":   {Empirical: &sizes.Empirical{Sizes: []sizes.Weight{{Weight: 1}}}},
	} {
		if len(c.Validate()) == 0 {
			t.Errorf("%s: let through", name)
		}
	}
}
