package replay_test

import (
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload/internal/units"
	"github.com/kload/kload/replay"
)

const ms = int64(time.Millisecond)

func TestSchedule(t *testing.T) {
	for _, tc := range []struct {
		name    string
		cfg     replay.Config
		speedup string
		seconds []float64
		due     []int64
		stats   map[string]uint64
	}{
		{name: "recorded pace by default", seconds: []float64{0, 1, 5}, due: []int64{0, 1000 * ms, 5000 * ms}},
		{name: "faster", speedup: "4", seconds: []float64{0, 1, 5}, due: []int64{0, 250 * ms, 1250 * ms}},
		{name: "slower", speedup: "0.5", seconds: []float64{0, 1.25}, due: []int64{0, 2500 * ms}},
		{
			name: "spread", seconds: []float64{0, 0, 0, 0, 1, 1, 7},
			due: []int64{0, 250 * ms, 500 * ms, 750 * ms, 1000 * ms, 1500 * ms, 7000 * ms},
		},
		{name: "spread at the end", seconds: []float64{0, 2, 2}, due: []int64{0, 2000 * ms, 2500 * ms}},
		{name: "spread until the next time", seconds: []float64{0, 0, 0.5, 1}, due: []int64{0, 250 * ms, 500 * ms, 1000 * ms}},
		{name: "finer times are kept", seconds: []float64{0.25, 0.5, 0.5, 0.75}, due: []int64{0, 250 * ms, 250 * ms, 500 * ms}},
		{
			name: "burst", cfg: replay.Config{WithinSecond: "burst"}, seconds: []float64{0, 0, 0, 1, 1},
			due: []int64{0, 0, 0, 1000 * ms, 1000 * ms},
		},
		{name: "limit counts for the spread", cfg: replay.Config{Limit: 2}, seconds: []float64{0, 0, 0, 0}, due: []int64{0, 500 * ms}},
		{
			name: "backwards", seconds: []float64{3, 4, 1, 2, 5, 4.5, 6},
			due:   []int64{0, 1000 * ms, 1000 * ms, 1000 * ms, 2000 * ms, 2000 * ms, 3000 * ms},
			stats: map[string]uint64{"out_of_order": 3},
		},
		{
			name: "backwards inside a spread", seconds: []float64{3, 3, 2, 3, 3, 4},
			due:   []int64{0, 250 * ms, 250 * ms, 500 * ms, 750 * ms, 1000 * ms},
			stats: map[string]uint64{"out_of_order": 1},
		},
		{
			name: "gap", cfg: replay.Config{MaxGap: 2 * time.Second}, speedup: "10", seconds: []float64{0, 20, 3600, 3601, 3621.5},
			due:   []int64{0, 2000 * ms, 4000 * ms, 4100 * ms, 6100 * ms},
			stats: map[string]uint64{"gaps_compressed": 2, "gap_compressed_ns": 3560e9 + 5e8},
		},
		{
			name: "gap shorter than a second", cfg: replay.Config{MaxGap: 200 * time.Millisecond}, seconds: []float64{0, 0, 60},
			due:   []int64{0, 100 * ms, 200 * ms},
			stats: map[string]uint64{"gaps_compressed": 1, "gap_compressed_ns": 60e9 - 2e8},
		},
		{
			name: "rate", cfg: replay.Config{Rate: units.Rate{N: 3, Per: time.Second}}, seconds: []float64{9, 1, 5, 7},
			due: []int64{0, 333333334, 666666667, 1000 * ms}, stats: map[string]uint64{"out_of_order": 3},
		},
		{name: "asap", cfg: replay.Config{ASAP: true}, seconds: []float64{0, 1, 2}, due: []int64{0, 0, 0}},
		{
			name: "asap backwards", cfg: replay.Config{ASAP: true}, seconds: []float64{0, 2, 1, 2},
			due: []int64{0, 0, 0, 0}, stats: map[string]uint64{"out_of_order": 1},
		},
		{name: "one row", seconds: []float64{5}, due: []int64{0}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.speedup != "" {
				tc.cfg.Speedup = speedup(t, tc.speedup)
			}
			r := drain(t, tc.cfg, files(events(tc.seconds...)))
			if r.Err != nil {
				t.Fatal(r.Err)
			}
			if diff := cmp.Diff(tc.due, r.Due); diff != "" {
				t.Errorf("offsets (-want +got):\n%s", diff)
			}
			for name, v := range tc.stats {
				if r.Stats[name] != v {
					t.Errorf("%s = %d, want %d", name, r.Stats[name], v)
				}
			}
		})
	}
}

// TestScheduleAcrossObjects spreads a second whose rows lie in several objects.
func TestScheduleAcrossObjects(t *testing.T) {
	r := drain(t, replay.Config{}, files(events(0, 1), events(1), events(1, 1, 2)))
	want := []int64{0, 1000 * ms, 1250 * ms, 1500 * ms, 1750 * ms, 2000 * ms}
	if diff := cmp.Diff(want, r.Due); diff != "" {
		t.Errorf("offsets (-want +got):\n%s", diff)
	}
}

// TestSpreadAcrossBlocks spreads a second of more rows than fit into a block,
// exactly.
func TestSpreadAcrossBlocks(t *testing.T) {
	const n = 2*replay.MaxRows + 1000
	r := drain(t, replay.Config{}, files(strings.Repeat(events(0), n)+events(1)))
	if len(r.Due) != n+1 {
		t.Fatalf("%d rows, want %d", len(r.Due), n+1)
	}
	for i, due := range r.Due[:n] {
		if want := int64(i) * int64(time.Second) / n; due != want {
			t.Fatalf("offset %d = %d, want %d", i, due, want)
		}
	}
}

// TestSpreadBeyondTheWindow has a second of more rows than the clock may hold:
// they are still spread, in order, and the next second starts on time.
func TestSpreadBeyondTheWindow(t *testing.T) {
	const n = 20*replay.MaxRows + 17
	r := drain(t, replay.Config{}, files(strings.Repeat(events(0), n)+events(1)))
	if len(r.Due) != n+1 || r.Due[n] != int64(time.Second) {
		t.Fatalf("%d rows, the last at %d", len(r.Due), r.Due[len(r.Due)-1])
	}
	half := 0
	same := 0
	for i, due := range r.Due[:n] {
		if due < 500*ms {
			half++
		}
		if i > 0 && due == r.Due[i-1] {
			same++
		}
	}
	if r.Due[n-1] >= int64(time.Second) || half == 0 || half == n || same > 10 {
		t.Errorf("%d of %d rows in the first half, %d at the offset before, the last at %d", half, n, same, r.Due[n-1])
	}
}

// TestNeverEarly compares offsets with rational arithmetic at speedups that do
// not divide, over ten years of source time.
func TestNeverEarly(t *testing.T) {
	var b strings.Builder
	start := time.Date(2015, 1, 1, 0, 0, 0, 0, time.UTC)
	var at []time.Duration
	for i := range 3653 {
		d := time.Duration(i)*24*time.Hour + time.Duration(i*i%86_399)*time.Second + time.Duration(i%7)*time.Nanosecond
		at = append(at, d)
		fmt.Fprintf(&b, "{\"dropoff_datetime\":%q}\n", start.Add(d).Format(time.RFC3339Nano))
	}
	for _, text := range []string{"1", "7", "0.37", "6480", "86399.999"} {
		r := drain(t, replay.Config{Speedup: speedup(t, text)}, files(b.String()))
		ratio, _ := new(big.Rat).SetString(text)
		for i, due := range r.Due {
			exact := new(big.Rat).SetInt64(int64(at[i]))
			exact.Quo(exact, ratio)
			late := new(big.Rat).SetInt64(due)
			late.Sub(late, exact)
			if late.Sign() < 0 || late.Cmp(big.NewRat(1, 1)) >= 0 {
				t.Fatalf("speedup %s, row %d: %s ns late", text, i, late.FloatString(3))
			}
		}
	}
}

func TestTooLong(t *testing.T) {
	text := events(0, 1) + `{"dropoff_datetime":"2200-01-01T00:00:00Z"}` + "\n" + events(3)
	r := drain(t, replay.Config{Speedup: speedup(t, "0.1")}, files(text))
	checkError(t, r.Err, "scheduling the replay: it would last longer than 292 years")
	if diff := cmp.Diff([]int64{0, 10_000 * ms}, r.Due); diff != "" {
		t.Errorf("offsets before the error (-want +got):\n%s", diff)
	}
	slow := replay.Config{Rate: units.Rate{N: 1, Per: 1 << 62}}
	r = drain(t, slow, files(events(0, 1, 2)))
	checkError(t, r.Err, "scheduling the replay: it would last longer than 292 years")
	if diff := cmp.Diff([]int64{0, 1 << 62}, r.Due); diff != "" {
		t.Errorf("offsets before the error (-want +got):\n%s", diff)
	}
}
