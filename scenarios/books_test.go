package scenarios_test

import (
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload/results"
	"github.com/kload/kload/scenarios"
)

// TestDuplicateBesidesRetry stores the first record twice and loses the answer:
// its retry explains one of the three copies, the fault must still be found.
func TestDuplicateBesidesRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newNetwork()
		net.lose = func(op string, n int) bool { return op == "PutRecords" && n == 1 }
		o := run(t.Context(), t, single, scenarios.RunOptions{Memory: net, Inject: []string{"dup=1@target"}})
		o.judged(t, results.Fail, 3)
		want := ledger{Acked: 10, ReadUnique: 10, Redelivered: 1, Duplicates: 1, OK: 10, Sunk: 10}
		if d := cmp.Diff(want, o.ledger("reader")); d != "" {
			t.Errorf("(-want +got)\n%s", d)
		}
	})
}

// TestDuplicateWithoutTrace finds by count what it cannot find by identity.
func TestDuplicateWithoutTrace(t *testing.T) {
	for _, inject := range [][]string{nil, {"dup=1@target"}} {
		synctest.Test(t, func(t *testing.T) {
			o := run(t.Context(), t, single, scenarios.RunOptions{Inject: inject}, "load.events.trace=none")
			n := uint64(len(inject))
			if n == 0 {
				o.judged(t, results.Pass, 0)
			} else {
				o.judged(t, results.Fail, 3)
			}
			want := ledger{Acked: 10, ReadUnique: 10, Duplicates: n, OK: 10 + n, Sunk: 10 + n}
			if d := cmp.Diff(want, o.ledger("reader")); d != "" {
				t.Errorf("inject %q (-want +got)\n%s", inject, d)
			}
		})
	}
}

// TestArriveByLoad sends two loads of different rates into one stream: each has
// its own records in the hop that only the stream's records tell.
func TestArriveByLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := run(t.Context(), t, `
apiVersion: kload/v1
name: two
stream: {shards: 2}
load:
  slow: {source: {generate: {opaque: {}}}, rate: {profile: [{constant: 50/s, for: 2s}]}}
  fast: {source: {generate: {opaque: {}}}, rate: {profile: [{constant: 200/s, for: 2s}]}}
consumers: {one: {read: {polling: {every: 400ms}}}, two: {read: {polling: {every: 500ms}}}}
`, scenarios.RunOptions{})
		o.judged(t, results.Pass, 0)
		for name, want := range map[string]int64{"slow": 100, "fast": 400} {
			if h := o.Hops[name+"/arrive"]; h.Count+h.Negative != want {
				t.Errorf("%s/arrive is %+v, want %d values", name, h, want)
			}
			if n, ok := o.Load[name].Sources["arrive_dropped"]; n > 0 || !ok {
				t.Errorf("%s: arrive_dropped is %d, stated %v", name, n, ok)
			}
		}
	})
}
