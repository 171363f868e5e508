package producer_test

import (
	"math"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/conf"
	"github.com/kload/kload/internal/shard"
	"github.com/kload/kload/internal/units"
	"github.com/kload/kload/producer"
)

// histogram counts the keys of n records.
func histogram(t *testing.T, c producer.KeyerConfig, n int) map[int]int {
	t.Helper()
	k, counts := c.Keyer(7), map[int]int{}
	recs := make([]kload.Record, 1000)
	for done := 0; done < n; done += len(recs) {
		if err := k.Assign(recs); err != nil {
			t.Fatal(err)
		}
		for i := range recs {
			rank, err := strconv.Atoi(string(recs[i].Key[1:]))
			if err != nil || recs[i].Key[0] != 'k' || recs[i].HasHash {
				t.Fatalf("key %q, %v", recs[i].Key, err)
			}
			counts[rank]++
		}
	}
	return counts
}

// within reports whether a count lies inside 5 standard deviations of a binomial
// distribution.
func within(got, n int, p float64) bool {
	want := float64(n) * p
	return math.Abs(float64(got)-want) <= 5*math.Sqrt(want*(1-p))+1
}

// TestZipf holds ranks against their exact probabilities.
func TestZipf(t *testing.T) {
	const draws = 400_000
	for _, s := range []float64{0.2, 0.99, 1, 1.0000001, 1.5, 3} {
		for _, n := range []int{1, 2, 10, 100_000} {
			counts := histogram(t, &producer.ZipfKeys{N: units.Count(n), Exponent: s}, draws)
			norm := 0.0
			for k := 1; k <= n; k++ {
				norm += math.Pow(float64(k), -s)
			}
			for rank := 1; rank <= min(n, 8); rank++ {
				if p := math.Pow(float64(rank), -s) / norm; !within(counts[rank-1], draws, p) {
					t.Errorf("n=%d s=%g: rank %d came %d times, want %.0f", n, s, rank, counts[rank-1], p*draws)
				}
			}
			for rank := range counts {
				if rank < 0 || rank >= n {
					t.Errorf("n=%d s=%g: key %d", n, s, rank)
				}
			}
		}
	}
}

func TestHotspot(t *testing.T) {
	const draws = 200_000
	counts := histogram(t, &producer.HotspotKeys{N: 100, Hot: producer.Hot{Share: 80, Keys: 2}}, draws)
	for key := range 100 {
		p := 0.2 / 98
		if key < 2 {
			p = 0.4
		}
		if !within(counts[key], draws, p) {
			t.Errorf("key %d came %d times, want %.0f", key, counts[key], p*draws)
		}
	}
	all := histogram(t, &producer.HotspotKeys{N: 3, Hot: producer.Hot{Share: 100, Keys: 3}}, 3000)
	if len(all) != 3 {
		t.Errorf("all hot: %v", all)
	}
}

func TestSequential(t *testing.T) {
	if diff := cmp.Diff(map[int]int{0: 334, 1: 333, 2: 333}, histogram(t, &producer.SequentialKeys{N: 3}, 1000)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestPinned routes hash keys as a stream does that was created with so many
// shards.
func TestPinned(t *testing.T) {
	tests := []struct {
		of     int
		shards []int
		want   map[int]int
	}{
		{1, nil, map[int]int{0: 600}},
		{3, nil, map[int]int{0: 200, 1: 200, 2: 200}},
		{4, []int{1}, map[int]int{1: 600}},
		{1000, []int{0, 998, 999}, map[int]int{0: 200, 998: 200, 999: 200}},
	}
	for _, tt := range tests {
		ranges := shard.Split(tt.of)
		recs := make([]kload.Record, 600)
		if err := (&producer.PinnedKeys{Of: tt.of, Shards: tt.shards}).Keyer(3).Assign(recs); err != nil {
			t.Fatal(err)
		}
		got := map[int]int{}
		for _, r := range recs {
			for i, rng := range ranges {
				if r.HasHash && rng.Contains(r.Hash) {
					got[i]++
				}
			}
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%d shards, %v: -want +got:\n%s", tt.of, tt.shards, diff)
		}
	}
}

func TestSkewedKeysValidate(t *testing.T) {
	tests := []struct {
		name string
		c    interface{ Validate() []conf.Issue }
		bad  bool
	}{
		{"zipf", &producer.ZipfKeys{N: 1, Exponent: 0.5}, false},
		{"zipf of none", &producer.ZipfKeys{Exponent: 1}, true},
		{"zipf without skew", &producer.ZipfKeys{N: 1}, true},
		{"zipf NaN", &producer.ZipfKeys{N: 1, Exponent: math.NaN()}, true},
		{"hotspot", &producer.HotspotKeys{N: 2, Hot: producer.Hot{Share: 1, Keys: 1}}, false},
		{"hotspot with no share", &producer.HotspotKeys{N: 2, Hot: producer.Hot{Keys: 1}}, true},
		{"hotspot above all", &producer.HotspotKeys{N: 2, Hot: producer.Hot{Share: 101, Keys: 1}}, true},
		{"hotspot with nowhere for the rest", &producer.HotspotKeys{N: 2, Hot: producer.Hot{Share: 80, Keys: 2}}, true},
		{"sequence of none", &producer.SequentialKeys{}, true},
		{"pinned", &producer.PinnedKeys{Of: 2, Shards: []int{1}}, false},
		{"pinned to none", &producer.PinnedKeys{}, true},
		{"pinned beyond", &producer.PinnedKeys{Of: 2, Shards: []int{2}}, true},
		{"template", &producer.TemplateKeys{Text: "{a}"}, false},
		{"template without attribute", &producer.TemplateKeys{Text: "a"}, true},
	}
	for _, tt := range tests {
		if got := len(tt.c.Validate()) > 0; got != tt.bad {
			t.Errorf("%s: refused %v, want %v", tt.name, got, tt.bad)
		}
	}
}
