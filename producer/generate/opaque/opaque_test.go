package opaque_test

import (
	"testing"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/invariants"
	"github.com/kload/kload/internal/sizes"
	"github.com/kload/kload/internal/units"
	"github.com/kload/kload/producer/generate/opaque"
)

func source(t testing.TB, bytes units.Bytes, seed uint64) kload.Source {
	t.Helper()
	s, err := opaque.New(&opaque.Config{Size: sizes.Config{Fixed: bytes}}, seed)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func payloads(t *testing.T, bytes units.Bytes, seed uint64, n int) []string {
	t.Helper()
	recs := make([]kload.Record, n)
	if got, err := source(t, bytes, seed).Next(t.Context(), recs); got != n || err != nil {
		t.Fatalf("Next gave %d, %v", got, err)
	}
	out := make([]string, n)
	for i, r := range recs {
		if out[i] = string(r.Data); len(r.Data) != int(bytes) || cap(r.Data) != int(bytes) || r.Key != nil || r.HasHash {
			t.Fatalf("record %d: %d bytes of %d, key %q", i, len(r.Data), cap(r.Data), r.Key)
		}
	}
	return out
}

func TestPayloads(t *testing.T) {
	for _, size := range []units.Bytes{1, 250, 1 << 20} {
		a, b, other := payloads(t, size, 1, 50), payloads(t, size, 1, 50), payloads(t, size, 2, 50)
		same, differ := 0, 0
		for i := range a {
			if a[i] != b[i] {
				t.Fatalf("size %d: the same seed gave another record %d", size, i)
			}
			if a[i] == other[i] {
				same++
			}
			if a[i] != a[0] {
				differ++
			}
		}
		if same > 5 || differ < 40 {
			t.Errorf("size %d: %d of 50 records alike under two seeds, %d unlike the first", size, same, differ)
		}
	}
}

// TestBytes holds that bytes are evenly spread: the payload must not compress.
func TestBytes(t *testing.T) {
	var count [256]int
	const n = 1 << 20
	for _, b := range []byte(payloads(t, n, 3, 1)[0]) {
		count[b]++
	}
	for b, c := range count {
		if c < n/256*9/10 || c > n/256*11/10 {
			t.Errorf("byte %d comes %d times in %d", b, c, n)
		}
	}
}

// TestSizes draws from a distribution; the capacity of a payload is its length.
func TestSizes(t *testing.T) {
	s, err := opaque.New(&opaque.Config{Size: sizes.Config{Uniform: &sizes.Uniform{Min: 3, Max: 5}}}, 1)
	if err != nil {
		t.Fatal(err)
	}
	recs, seen := make([]kload.Record, 200), map[int]int{}
	if _, err := s.Next(t.Context(), recs); err != nil {
		t.Fatal(err)
	}
	for _, r := range recs {
		if seen[len(r.Data)]++; cap(r.Data) != len(r.Data) {
			t.Fatalf("%d bytes of %d", len(r.Data), cap(r.Data))
		}
	}
	if len(seen) != 3 || seen[3] == 0 || seen[4] == 0 || seen[5] == 0 {
		t.Errorf("sizes %v", seen)
	}
}

func TestAllocations(t *testing.T) {
	if invariants.Enabled {
		t.Skip("the race detector allocates")
	}
	s, recs := source(t, 250, 1), make([]kload.Record, 1000)
	if n := testing.AllocsPerRun(20, func() {
		if _, err := s.Next(t.Context(), recs); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations for 1000 records, want none", n)
	}
}

// BenchmarkNext is one record; 150 ns are its budget.
func BenchmarkNext(b *testing.B) {
	s, recs := source(b, 250, 1), make([]kload.Record, 1000)
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		if i++; i == len(recs) {
			i = 0
			if _, err := s.Next(b.Context(), recs); err != nil {
				b.Fatal(err)
			}
		}
	}
}
