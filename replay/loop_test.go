package replay_test

import (
	"fmt"
	"io/fs"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/replay"
	"github.com/kload/kload/replay/builtin"
	"github.com/kload/kload/replay/origin"
)

func mustBuiltin(t *testing.T) fs.FS {
	t.Helper()
	fsys, err := builtin.Open("nyc-taxi")
	if err != nil {
		t.Fatal(err)
	}
	return fsys
}

// TestLoop sends exactly three times, with times and keys that go on.
func TestLoop(t *testing.T) {
	text := `{"trip_id":8,"pickup_datetime":"2023-12-31T23:59:50Z","dropoff_datetime":"2023-12-31T23:59:58.500Z"}
{"trip_id":9,"pickup_datetime":"2023-12-31 23:59:51","dropoff_datetime":"2023-12-31T23:59:59.750Z","note":"2023-12-31"}
`
	r := drain(t, replay.Config{Loop: 3}, files(text))
	want := []string{
		`{"trip_id":8,"pickup_datetime":"2023-12-31T23:59:50Z","dropoff_datetime":"2023-12-31T23:59:58.500Z"}`,
		`{"trip_id":9,"pickup_datetime":"2023-12-31 23:59:51","dropoff_datetime":"2023-12-31T23:59:59.750Z","note":"2023-12-31"}`,
		`{"trip_id":10,"pickup_datetime":"2023-12-31T23:59:52Z","dropoff_datetime":"2024-01-01T00:00:00.750Z"}`,
		`{"trip_id":11,"pickup_datetime":"2023-12-31 23:59:53","dropoff_datetime":"2024-01-01T00:00:02.000Z","note":"2023-12-31"}`,
		`{"trip_id":12,"pickup_datetime":"2023-12-31T23:59:54Z","dropoff_datetime":"2024-01-01T00:00:03.000Z"}`,
		`{"trip_id":13,"pickup_datetime":"2023-12-31 23:59:55","dropoff_datetime":"2024-01-01T00:00:04.250Z","note":"2023-12-31"}`,
	}
	if diff := cmp.Diff(want, r.Lines); diff != "" || r.Err != nil {
		t.Errorf("error %v, lines (-want +got):\n%s", r.Err, diff)
	}
	if diff := cmp.Diff([]int64{0, 1250 * ms, 2250 * ms, 3500 * ms, 4500 * ms, 5750 * ms}, r.Due); diff != "" {
		t.Errorf("offsets (-want +got):\n%s", diff)
	}
	if r.Stats["passes"] != 3 || r.Stats["rows"] != 6 {
		t.Errorf("counters %v", r.Stats)
	}
}

func TestLoopOverEverything(t *testing.T) {
	r := drain(t, replay.Config{Loop: 3, Speedup: speedup(t, "6480"), Reorder: 100}, mustBuiltin(t))
	seen := map[string]bool{}
	for _, line := range r.Lines {
		_, id, _ := strings.Cut(line, `"trip_id":`)
		id = id[:strings.IndexAny(id, ",}")]
		seen[id] = true
	}
	if len(r.Lines) != 15_000 || len(seen) != 15_000 || r.Err != nil {
		t.Errorf("%d rows, %d different ids, error %v", len(r.Lines), len(seen), r.Err)
	}
	r = drain(t, replay.Config{Loop: replay.Forever, Limit: 12_345, ASAP: true}, mustBuiltin(t))
	if len(r.Lines) != 12_345 || r.Stats["passes"] != 3 {
		t.Errorf("%d rows in %d passes", len(r.Lines), r.Stats["passes"])
	}
	r = drain(t, replay.Config{Loop: replay.Forever, Filter: "false"}, mustBuiltin(t))
	checkError(t, r.Err, "none of 5000 rows is wanted")
}

// TestLoopDoesNotDrift passes over ten years of source time, at speedups that do
// not divide, and compares with rational arithmetic.
func TestLoopDoesNotDrift(t *testing.T) {
	const days, passes = 365, 10
	var b strings.Builder
	start := time.Date(2015, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range days {
		fmt.Fprintf(&b, "{\"dropoff_datetime\":%q}\n", start.Add(time.Duration(i)*24*time.Hour+time.Duration(i)).Format(time.RFC3339Nano))
	}
	span := time.Duration(days-1)*24*time.Hour + days - 1 + time.Second
	for _, text := range []string{"7", "0.37", "86399.999"} {
		r := drain(t, replay.Config{Speedup: speedup(t, text), Loop: passes}, files(b.String()))
		ratio, _ := new(big.Rat).SetString(text)
		if len(r.Due) != days*passes {
			t.Fatalf("%d rows, error %v", len(r.Due), r.Err)
		}
		for n, due := range r.Due {
			pass, i := n/days, n%days
			exact := new(big.Rat).SetInt64(int64(pass)*int64(span) + int64(i)*int64(24*time.Hour) + int64(i))
			exact.Quo(exact, ratio)
			late := new(big.Rat).SetInt64(due)
			late.Sub(late, exact)
			if late.Sign() < 0 || late.Cmp(big.NewRat(1, 1)) >= 0 {
				t.Fatalf("speedup %s, pass %d, row %d: %s ns late", text, pass, i, late.FloatString(3))
			}
		}
	}
}

func TestTimestamps(t *testing.T) {
	text := `{"pickup_datetime":"2023-05-08T03:50:00.000Z","dropoff_datetime":"2023-05-08T04:00:00.000Z"}
{"pickup_datetime":"2023-05-08T05:58:00+02:00","dropoff_datetime":"2023-05-08T04:00:40.000Z"}
`
	start := time.Date(2026, 1, 1, 0, 0, 0, 5e6, time.UTC)
	for mode, want := range map[string][]string{
		"original": strings.Split(strings.TrimSpace(text), "\n"),
		"invocation": {
			`{"pickup_datetime":"2025-12-31T23:50:00.005Z","dropoff_datetime":"2026-01-01T00:00:00.005Z"}`,
			`{"pickup_datetime":"2026-01-01T01:58:00+02:00","dropoff_datetime":"2026-01-01T00:00:40.005Z"}`,
		},
		"ingestion": {
			`{"pickup_datetime":"2025-12-31T23:50:00.005Z","dropoff_datetime":"2026-01-01T00:00:00.005Z"}`,
			`{"pickup_datetime":"2026-01-01T01:57:30+02:00","dropoff_datetime":"2026-01-01T00:00:10.005Z"}`,
		},
	} {
		src, err := replay.NewFrom(replay.Config{Timestamps: mode, Speedup: speedup(t, "4")}, origin.Files(files(text)))
		if err != nil {
			t.Fatal(err)
		}
		src.Start(start.UnixNano())
		r := drainSource(t, src)
		if diff := cmp.Diff(want, r.Lines); diff != "" || r.Err != nil {
			t.Errorf("%s: error %v, lines (-want +got):\n%s", mode, r.Err, diff)
		}
	}
}

// TestIngestionFollowsThePutOffSchedule hands rows out late enough to learn of it.
func TestIngestionFollowsThePutOffSchedule(t *testing.T) {
	src, err := replay.NewFrom(replay.Config{Timestamps: "ingestion"}, origin.Files(files(events(0, 1, 2))))
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	dst := make([]kload.Record, 10)
	zero := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i, want := range []string{"2026-01-01T00:00:00.000Z", "2026-01-01T00:00:11.000Z", "2026-01-01T00:00:22.000Z"} {
		src.Start(zero.Add(time.Duration(10*i) * time.Second).UnixNano())
		n, err := src.Next(t.Context(), dst)
		if err != nil || n != 1 || !strings.Contains(string(dst[0].Data), want) {
			t.Errorf("row %d: %d rows, error %v: %s", i, n, err, dst[0].Data)
		}
	}
}
