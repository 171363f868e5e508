package scenarios_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload/results"
	"github.com/kload/kload/scenarios"
)

// TestNatural replays trips to which nothing is added: they are known by the ids
// that they have, for two consumers, and every mutation is found.
func TestNatural(t *testing.T) {
	src := strings.Replace(show(t, "taxi-replay"), "  reader:\n", "  other: {read: {polling: {every: 1s}}}\n  reader:\n", 1)
	settings := append(short("taxi-replay"), "load.trips.trace=natural", "load.trips.natural.id=trip_id",
		"consumers.reader.read.polling.every=400ms", "drain_timeout=3s")
	const n = 500
	for _, tc := range []struct {
		inject string
		spoil  func(*ledger)
	}{
		{"", func(*ledger) {}},
		{"drop=1@target", func(l *ledger) { l.Lost, l.ReadUnique, l.OK, l.Sunk = 1, n-1, n-1, n-1 }},
		{"dup=1@target", func(l *ledger) { l.Duplicates = 1 }},
		{"drop=1@consumer:reader", func(l *ledger) { l.Lost, l.ReadUnique, l.OK, l.Sunk = 1, n-1, n-1, n-1 }},
		{"dup=1@consumer:reader", func(l *ledger) { l.Duplicates = 1 }},
	} {
		t.Run(tc.inject, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := scenarios.RunOptions{}
				if tc.inject != "" {
					o.Inject = []string{tc.inject}
				}
				out := run(t.Context(), t, src, o, settings...)
				if tc.inject == "" {
					out.judged(t, results.Pass, 0)
				} else {
					out.judged(t, results.Fail, 3)
				}
				want := all(n)
				tc.spoil(&want)
				if d := cmp.Diff(want, out.ledger("reader")); d != "" || out.err != nil {
					t.Errorf("%v (-want +got)\n%s", out.err, d)
				}
				if h := out.Hops["reader/e2e.read"]; h.Count < n-1 {
					t.Errorf("e2e.read of %d records", h.Count)
				}
			})
		})
	}
}

// TestNaturalForgets has too little room for what is under way, and an id that
// many records share: such a run proves nothing, and says why.
func TestNaturalForgets(t *testing.T) {
	for name, setting := range map[string]string{
		"too little room": "load.trips.natural.entries=16",
		"a shared id":     "load.trips.natural.id=pickup_location_id",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				out := run(t.Context(), t, show(t, "taxi-replay"), scenarios.RunOptions{}, append(short("taxi-replay"),
					"load.trips.trace=natural", "load.trips.natural.id=trip_id", "drain_timeout=1s", setting)...)
				out.judged(t, results.Invalid, 3)
				if !strings.Contains(out.InvalidReason, "natural.entries") || !strings.Contains(out.InvalidReason, "load trips: ") {
					t.Errorf("the reason is %q", out.InvalidReason)
				}
			})
		})
	}
}
