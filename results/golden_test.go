package results_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload/results"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares got with testdata/name, or rewrites that file under -update.
// On a mismatch got is left beside it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		if err := os.WriteFile(path+".got", []byte(got), 0o644); err != nil {
			t.Error(err)
		}
		t.Errorf("%s (-want +got)\n%s", path, d)
	}
}

// narrow fails for lines beyond 100 columns.
func narrow(t *testing.T, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 100 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

// passed returns the summary of a run in which everything went well.
func passed() *results.Summary {
	s := results.NewSummary("taxi-replay-enrich", "7f3a")
	s.Target = results.Target{Kind: "local", Detail: "(provisioned limits, 2 shards, latency model none, seed 1)"}
	s.Seed = 1
	s.Phases = []results.Phase{{Name: "steady", WallS: 30}}
	s.Load["trips"] = &results.LoadCounts{
		Scheduled: 193891, Sent: 193891, Acked: 193891, DeliveredRatio: 1, Bytes: 92_512_334,
		StreamRecords: 1950, Requests: 310, Attempts: 310, Sources: map[string]uint64{"malformed": 3, "late": 0},
	}
	s.Consumers["fares"] = &results.ConsumerCounts{
		Read: 193893, ReadUnique: 193891, Redelivered: 2, OK: 9695, Filtered: 184196, Sunk: 9695,
		Counters: map[string]uint64{"http_retries": 1},
	}
	s.Hops["trips/put"] = hop(310, 1_234_567)
	s.Hops["trips/gen.lag"] = hop(193891, 540_000)
	s.Hops["fares/e2e.read"] = hop(193891, 181_000_000)
	arrive := hop(1950, 1_000_000)
	arrive.BelowResolution, arrive.Negative = 1901, 2
	s.Hops["trips/arrive"] = arrive
	s.Process = results.Processes{
		Kload:  results.ProcessStats{CPUS: 1.84, MaxRSS: 88_000_000, Allocated: 312_000_000, GCS: 0.012, WallS: 33.2},
		Target: &results.TargetStats{CPUS: 0.91, MaxRSS: 61_000_000},
	}
	return s
}

func hop(n, p50 int64) results.HopStats {
	return results.HopStats{
		Count: n, P50: p50, P90: 2 * p50, P99: 3 * p50, P999: 4 * p50, Max: 5 * p50, Mean: float64(p50) * 1.1,
	}
}

// broken returns the summary of a run in which much went wrong.
func broken() *results.Summary {
	s := passed()
	s.RunID, s.Seed = "90c1", 2
	l := s.Load["trips"]
	l.Sent, l.Acked, l.Rejected, l.Unknown, l.Shed, l.Unsent = 190000, 189000, 900, 100, 3000, 891
	l.DeliveredRatio, l.Throttled = 0.9747745, 4512
	l.Shards = &results.ShardCounts{Acked: map[string]uint64{"shardId-7": 180000, "shardId-8": 9000}, Busiest: "shardId-7", Share: 0.952, Of: 2}
	s.Process.Driver = &results.TargetStats{CPUS: 2.5, MaxRSS: 40_000_000, Allocated: 67_000_000, GCS: 0.3}
	c := s.Consumers["fares"]
	c.Lost, c.Duplicates, c.Reordered, c.Misrouted, c.Corrupt, c.Phantom, c.DeadLettered = 1, 2, 3, 4, 5, 6, 7
	c.Sunk = 9000
	put := hop(310, 2_000_000_000)
	put.OverRange = 1
	s.Hops["trips/put"] = put
	s.Hops["fares/handle"] = results.HopStats{Negative: 4}
	delete(s.Hops, "trips/gen.lag")
	s.Incomplete = []string{"latency.hlog: no space left on device (12 writes failed)"}
	return s
}

// owners are the names both summaries have.
var owners = results.Names{
	Loads:     []results.Owner{{Name: "trips", Counters: []string{"malformed"}}},
	Consumers: []results.Owner{{Name: "fares"}},
}
