package scenarios_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/consumers/checkpoints/file"
	"github.com/kload/kload/results"
	"github.com/kload/kload/scenarios"
)

// shared is a stream of six seconds that three workers share.
const shared = `
apiVersion: kload/v1
name: shared
stream: {shards: 6}
load: {events: {source: {generate: {opaque: {size: 100B}}}, rate: {profile: [{constant: 500/s, for: 12s}]}, trace: prefix,
  ingress: {kinesis: {aggregation: {enabled: false}}}}}
consumers: {workers: {host: {kcl: {members: 3, lease: 1s, handoff: 3s, checkpoint_every: 300ms, store: {file: {dir: %q}}}}}}
`

// TestFailover kills workers while shards are split and merged.
func TestFailover(t *testing.T) {
	const n = 6000
	tests := []struct {
		name, actions string
		check         func(h []happened, c map[string]uint64) bool
	}{
		{
			"nobody dies", "",
			func(_ []happened, c map[string]uint64) bool {
				return c["leases_taken"] == 6 && c["leases_lost"]+c["leases_handed_off"]+c["batches_fenced"]+c["lease_failures"] == 0
			},
		},
		{
			"one dies", "{at: 2s, do: {kill_member: {member: 2}}}",
			func(h []happened, c map[string]uint64) bool {
				return len(h) == 2 && h[1].State == "ended" && h[1].Leases == 2 && h[1].CaughtUpS > 0.6 && h[1].CaughtUpS < 3 && c["leases_taken"] == 8
			},
		},
		{
			"two die, one after the other", "{at: 2s, do: {kill_member: {member: 3}}}, {at: 6s, do: {kill_member: {member: 1}}}",
			func(_ []happened, c map[string]uint64) bool { return c["leases_taken"] == 11 },
		},
		{
			"one dies twice", "{at: 2s, do: {kill_member: {member: 3}}}, {at: 6s, do: {kill_member: {member: 3}}}",
			func(_ []happened, c map[string]uint64) bool { return c["leases_taken"] == 8 },
		},
		{
			"one dies among reshards", "{at: 1s, do: split}, {at: 2s, do: {kill_member: {}}}, {at: 2s, do: {split: {}}}, {at: 3s, do: {merge: {}}}, {at: 5s, do: {update_shard_count: {to: 3}}}",
			func(_ []happened, c map[string]uint64) bool { return c["leases_taken"] >= 12 },
		},
		{
			"all stand still", "{at: 2s, do: {pause_consumer: {for: 3s}}}",
			func(_ []happened, c map[string]uint64) bool { return c["leases_taken"] == 6 && c["leases_lost"] == 0 },
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "leases")
			synctest.Test(t, func(t *testing.T) {
				o := run(t.Context(), t, fmt.Sprintf(shared, dir)+"actions: ["+tt.actions+"]\n", scenarios.RunOptions{})
				o.judged(t, results.Pass, 0)
				got := o.ledger("workers")
				if c := o.Consumers["workers"].Counters; !tt.check(o.actions(t), c) {
					t.Errorf("actions %+v, counters %v", o.actions(t), c)
				}
				got.Redelivered = 0
				if d := cmp.Diff(all(n), got); d != "" || o.err != nil {
					t.Errorf("%v (-want +got)\n%s", o.err, d)
				}
			})
			s, err := file.Open(t.Context(), file.Config{Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			list, err := s.Leases(t.Context())
			if err != nil || len(list) < 6 {
				t.Errorf("%d leases left, %v", len(list), err)
			}
			for _, l := range list {
				if l.Owner != "" || l.Switches > 0 {
					t.Errorf("not let go of: %+v", l)
				}
			}
		})
	}
}

// TestLeasesOfAnEarlierStream keeps the leases of a stream that was deleted: a run
// that creates it anew is told so before it begins, as one that reads nothing of
// the shards that the former had done with would look like a loss.
func TestLeasesOfAnEarlierStream(t *testing.T) {
	src := fmt.Sprintf(shared, t.TempDir())
	synctest.Test(t, func(t *testing.T) {
		o := run(t.Context(), t, src, scenarios.RunOptions{})
		o.judged(t, results.Pass, 0)
		o = run(t.Context(), t, src, scenarios.RunOptions{})
		hint, ok := errors.AsType[*kload.HintError](o.err)
		if !errors.Is(o.err, kload.ErrInvalid) || !ok || !strings.Contains(hint.Hint, "earlier") {
			t.Errorf("error %v", o.err)
		}
	})
}

// TestSkippedBatches has processRecords throw for one record, as KCL sees it: the
// whole batch is passed over, the run goes on, and the books say what is missing.
func TestSkippedBatches(t *testing.T) {
	const src = `
apiVersion: kload/v1
name: skipping
load: {trips: {source: {generate: {taxi: {}}}, rate: {profile: [{constant: 100/s, for: 4s}]}}}
consumers: {workers: {read: {polling: {every: 500ms}}, host: {kcl: {skip_on_error: true, fail_on: "trip_id == 150", on_error: fail}}}}
expect: [workers.lost == 0, workers.batches_skipped == 1, workers.records_skipped > 1]
`
	synctest.Test(t, func(t *testing.T) {
		o := run(t.Context(), t, src, scenarios.RunOptions{})
		o.judged(t, results.Fail, 3)
		c := o.Consumers["workers"]
		skipped := c.Counters["records_skipped"]
		want := []string{fmt.Sprintf("workers: read_unique 400, but ok + dead_lettered + filtered is %d", 400-skipped)}
		if d := cmp.Diff(want, o.Reasons); d != "" || o.err != nil || skipped > 100 || c.OK != c.Sunk {
			t.Errorf("%v, %+v (-want +got)\n%s", o.err, c, d)
		}
		events, err := os.ReadFile(filepath.Join(o.dir, results.FileEvents))
		if n := bytes.Count(events, []byte(`"batch_skipped"`)); n != 1 || err != nil {
			t.Errorf("%d events, %v", n, err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		o := run(t.Context(), t, src, scenarios.RunOptions{}, "consumers.workers.host.kcl.skip_on_error=false")
		if o.err == nil || o.ExitCode == 0 || o.Consumers["workers"].OK == 400 {
			t.Errorf("exit code %d, %v", o.ExitCode, o.err)
		}
	})
}
