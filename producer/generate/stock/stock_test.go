package stock_test

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/invariants"
	"github.com/kload/kload/producer/generate/stock"
)

// next takes n records that are due every step from at on.
func next(tb testing.TB, s kload.Source, n int, at, step int64) []kload.Record {
	tb.Helper()
	recs := make([]kload.Record, n)
	for i := range recs {
		recs[i].Intended = at + int64(i)*step
	}
	if got, err := s.Next(tb.Context(), recs); got != n || err != nil {
		tb.Fatalf("Next gave %d, %v", got, err)
	}
	return recs
}

// TestRecords holds every record against the schema.
func TestRecords(t *testing.T) {
	var (
		at     = time.Date(2024, 2, 29, 23, 59, 58, 999_000_000, time.UTC).UnixNano()
		layout = regexp.MustCompile(`^\{"event_time":"[^"]+","ticker":"[A-Z]+","price":[0-9]{1,2}\.[0-9]{2}\}$`)
		ticks  = map[string]int{}
		prices [10]int
		bytes  int
	)
	const n = 20_000
	for _, r := range next(t, stock.New(&stock.Config{}, 1), n, at, 333_333) {
		var v struct {
			EventTime string   `json:"event_time"`
			Ticker    string   `json:"ticker"`
			Price     *float64 `json:"price"`
		}
		if err := json.Unmarshal(r.Data, &v); err != nil || v.Price == nil || !layout.Match(r.Data) {
			t.Fatalf("%s: %v", r.Data, err)
		}
		if want := time.Unix(0, r.Intended).UTC().Format("2006-01-02 15:04:05.000"); v.EventTime != want {
			t.Fatalf("event_time %s, want %s", v.EventTime, want)
		}
		if *v.Price < 0 || *v.Price >= 100 {
			t.Fatalf("price %v", *v.Price)
		}
		ticks[v.Ticker]++
		prices[int(*v.Price/10)]++
		bytes += len(r.Data)
		if string(r.Key) != "stock" || !r.HasHash {
			t.Fatalf("key %q, explicit hash key %v", r.Key, r.HasHash)
		}
	}
	even(t, "tickers", ticks, 5, n)
	byTen := map[int]int{}
	for i, c := range prices {
		byTen[i] = c
	}
	even(t, "prices", byTen, 10, n)
	if mean := float64(bytes) / n; math.Abs(mean-float64((&stock.Config{}).RecordBytes())) > 5 {
		t.Errorf("records have %.1f bytes, RecordBytes says %d", mean, (&stock.Config{}).RecordBytes())
	}
}

func even[K comparable](t *testing.T, what string, count map[K]int, classes, n int) {
	t.Helper()
	for k, c := range count {
		if c < n/classes*9/10 || c > n/classes*11/10 {
			t.Errorf("%s: %v comes %d times in %d", what, k, c, n)
		}
	}
	if len(count) != classes {
		t.Errorf("%s: %d different ones, want %d", what, len(count), classes)
	}
}

// copied lets records outlive the source's memory.
func copied(recs []kload.Record) (out []string) {
	for _, r := range recs {
		out = append(out, fmt.Sprintf("%s %s %v", r.Data, r.Key, r.Hash))
	}
	return out
}

func TestSeed(t *testing.T) {
	draw := func(seed uint64, parts ...int) (out []string) {
		s, at := stock.New(&stock.Config{}, seed), int64(0)
		for _, n := range parts {
			out = append(out, copied(next(t, s, n, at, 1e6))...)
			at += int64(n) * 1e6
		}
		return out
	}
	if diff := cmp.Diff(draw(1, 100), draw(1, 1, 60, 39)); diff != "" {
		t.Errorf("the same seed in other batches (-one +three):\n%s", diff)
	}
	if slices.Equal(draw(1, 100), draw(2, 100)) {
		t.Error("two seeds gave the same records")
	}
}

// TestLends holds that the records of one call do not share memory that a
// holder of one could grow into.
func TestLends(t *testing.T) {
	s := stock.New(&stock.Config{}, 1)
	recs := next(t, s, 10, 0, 1e6)
	before := copied(recs)
	_ = append(recs[0].Data, "overrun"...)
	if diff := cmp.Diff(before, copied(recs)); diff != "" {
		t.Errorf("appending to one record changed others:\n%s", diff)
	}
}

func TestAllocations(t *testing.T) {
	if invariants.Enabled {
		t.Skip("the race detector allocates")
	}
	s, recs := stock.New(&stock.Config{}, 1), make([]kload.Record, 1000)
	at := int64(1)
	if n := testing.AllocsPerRun(20, func() {
		for i := range recs {
			recs[i] = kload.Record{Intended: at}
			at += 1e8 // a new second every ten records
		}
		if _, err := s.Next(t.Context(), recs); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations for 1000 records, want none", n)
	}
}

// BenchmarkNext is one record; 150 ns are its budget.
func BenchmarkNext(b *testing.B) {
	s, recs := stock.New(&stock.Config{}, 1), make([]kload.Record, 1000)
	at, i := int64(1), 0
	b.ReportAllocs()
	for b.Loop() {
		recs[i].Intended = at
		at += 1e6
		if i++; i == len(recs) {
			i = 0
			if _, err := s.Next(b.Context(), recs); err != nil {
				b.Fatal(err)
			}
		}
	}
}
