package scenarios_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload/internal/invariants"
	"github.com/kload/kload/results"
	"github.com/kload/kload/scenarios"
)

// show returns a scenario of the library.
func show(t *testing.T, name string) string {
	t.Helper()
	src, err := scenarios.Show(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(src)
}

// TestLongRuns runs the quickstart for a minute and for ten. The bubble fails the
// test if a goroutine is left.
func TestLongRuns(t *testing.T) {
	for _, span := range []time.Duration{time.Minute, 10 * time.Minute} {
		t.Run(span.String(), func(t *testing.T) {
			if span > time.Minute && (testing.Short() || invariants.Enabled) {
				t.Skip("takes a minute with the race detector")
			}
			synctest.Test(t, func(t *testing.T) {
				o := run(t.Context(), t, show(t, "quickstart"), scenarios.RunOptions{}, "load.stocks.rate.profile.0.for="+span.String())
				o.judged(t, results.Pass, 0)
				n := uint64(1000 * span.Seconds())
				if d := cmp.Diff(all(n), o.ledger("reader")); d != "" || o.err != nil {
					t.Errorf("%v (-want +got)\n%s", o.err, d)
				}
				for _, hop := range []string{
					"stocks/gen.lag", "stocks/buffer", "stocks/put", "stocks/response", "stocks/arrive", "reader/fetch", "reader/e2e.read",
				} {
					h, least := o.Hops[hop], int64(n)
					if hop == "stocks/arrive" {
						least -= 1000 // its table may drop a few stream records
					}
					if got := h.Count + h.Negative; got < least || got > int64(n) {
						t.Errorf("%s has %d values, want one per record", hop, got)
					}
				}
			})
		})
	}
}

// short are settings that make a library scenario short without changing what it
// shows.
func short(name string) []string {
	switch name {
	case "quickstart":
		return []string{"load.stocks.rate.profile.0.for=1s"}
	case "max-throughput":
		return []string{"load.events.in_flight=200", "load.events.total=5000", "stream.shards=2", "phases=[{name: run, for: 1s}]"}
	case "producer-drivers":
		return []string{"load.events.rate.profile.0.for=1s"}
	case "hot-shard":
		return []string{"load.events.rate.profile=[{constant: 1000/s, for: 1s}]", "phases=[]"}
	case "capacity": // its first step
		return []string{"search.from=100/s", "search.hold=1s"}
	case "taxi-replay":
		return []string{"vars.speedup=64800", "load.trips.source.replay.limit=500"}
	case "taxi-replay-large":
		return []string{"load.trips.source.replay.from=local:nyc-taxi", "load.trips.source.replay.limit=500", "load.trips.source.replay.rate=1k/s"}
	case "consumer-compare":
		return []string{"load.events.rate.profile.0.for=3s"}
	case "reshard-under-load":
		return []string{"load.events.rate.profile.0={constant: 500/s, for: 40s}"}
	case "kcl-failover":
		return []string{
			"consumers.workers.host.kcl={members: 2, lease: 1s, handoff: 3s, checkpoint_every: 500ms}", "actions.0.at=2700ms",
			"phases.0.for=5s", "phases.1.for=1s", "load.events.rate.profile.0={constant: 1000/s, for: 6s}",
		}
	case "backlog-drain":
		return []string{
			"vars.pause=2s", "actions.0.at=500ms", "phases.0.for=5s", "phases.1.for=1s", "load.events.rate.profile.0={constant: 1000/s, for: 6s}",
		}
	}
	return nil
}

// TestMutations injects every fault that applies into every scenario of the
// library: each must be found, as exactly one.
func TestMutations(t *testing.T) {
	var mutants []mutant
	for _, e := range scenarios.List() {
		mutants = append(mutants, mutant{scenario: e.Name})
	}
	for _, driver := range []string{"a8m", "putrecords", "putrecord"} {
		mutants = append(mutants, mutant{scenario: "producer-drivers", set: "vars.driver=" + driver})
	}
	lost := func(l *ledger) { l.Lost, l.ReadUnique, l.OK, l.Sunk = 1, l.ReadUnique-1, l.OK-1, l.Sunk-1 }
	doubled := func(l *ledger) { l.Duplicates = 1 }
	for _, m := range mutants {
		t.Run(m.scenario+" "+m.set, func(t *testing.T) {
			t.Parallel()
			m.names = open(t, m.scenario, scenarios.OpenOptions{}).Spec.Consumers.Names()
			m.inject(t, "", nil, nil)
			if invariants.Enabled && m.scenario != "quickstart" { // the race detector makes all of them take minutes
				return
			}
			m.inject(t, "drop=1@target", m.names, lost)
			m.inject(t, "dup=1@target", m.names, doubled)
			for _, name := range m.names {
				m.inject(t, "drop=1@consumer:"+name, []string{name}, lost)
				m.inject(t, "dup=1@consumer:"+name, []string{name}, doubled)
				m.inject(t, "drop=1@sink:"+name, []string{name}, func(l *ledger) { l.Sunk-- })
			}
		})
	}
}

// mutant is a scenario of the library with faults.
type mutant struct {
	scenario, set string
	names         []string // of its consumers
	sent          uint64   // without a fault
}

// inject runs the scenario with a fault, which spoils the ledgers of some consumers.
func (m *mutant) inject(t *testing.T, fault string, spoilt []string, spoil func(*ledger)) {
	t.Run(fault, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			o, sets := scenarios.RunOptions{}, append(short(m.scenario), "drain_timeout=15s")
			if m.set != "" {
				sets = append(sets, m.set)
			}
			if fault != "" {
				o.Inject = []string{fault}
			}
			out := run(t.Context(), t, show(t, m.scenario), o, sets...)
			if fault == "" {
				out.judged(t, results.Pass, 0)
				m.sent = out.ledger(m.names[0]).Acked
			} else {
				out.judged(t, results.Fail, 3)
			}
			for _, name := range m.names {
				want := all(m.sent)
				if slices.Contains(spoilt, name) {
					spoil(&want)
				}
				got := out.ledger(name)
				if m.scenario == "reshard-under-load" { // what strayed is sent again
					got.Redelivered = 0
				}
				if m.scenario == "kcl-failover" { // which makes records come again
					if got.Redelivered == 0 {
						t.Error("nothing was redelivered")
					}
					got.Redelivered = 0
				}
				if d := cmp.Diff(want, got); d != "" || out.err != nil || m.sent == 0 {
					t.Errorf("%s: %v (-want +got)\n%s", name, out.err, d)
				}
			}
		})
	})
}

// TestManyShards puts a hundred thousand records a second through a thousand
// shards and back, target and all in one process: no record is missing, each shard
// is asked once a second, records still travel in numbers, and memory keeps to what
// the kload process alone may take.
func TestManyShards(t *testing.T) {
	if testing.Short() || invariants.Enabled {
		t.Skip("takes a minute with the race detector")
	}
	src, err := os.ReadFile("../test/bench/e2e/testdata/many-shards.yaml")
	if err != nil {
		t.Fatal(err)
	}
	const shards, seconds, most = 1000, 2, 256 << 20
	synctest.Test(t, func(t *testing.T) {
		var live runtime.MemStats
		time.AfterFunc(seconds*time.Second, func() {
			runtime.GC()
			runtime.ReadMemStats(&live)
		})
		o := run(t.Context(), t, string(src), scenarios.RunOptions{}, fmt.Sprint("vars.shards=", shards), fmt.Sprintf("vars.span=%ds", seconds), "vars.every=1s")
		o.judged(t, results.Pass, 0)
		if d := cmp.Diff(all(100_000*seconds), o.ledger("reader")); d != "" || o.err != nil {
			t.Errorf("%v (-want +got)\n%s", o.err, d)
		}
		// Until all is found read to its tip twice, which is called for at once.
		if n := o.net.calls("GetRecords"); n < shards*seconds || n > shards*(seconds+5) {
			t.Errorf("%d calls of GetRecords", n)
		}
		l := o.Load["events"]
		if l.StreamRecords > l.Acked/8 || l.Requests > l.StreamRecords/20 {
			t.Errorf("%d user records in %d stream records and %d requests", l.Acked, l.StreamRecords, l.Requests)
		}
		if live.HeapAlloc > most {
			t.Errorf("%d MiB in use after %d s", live.HeapAlloc>>20, seconds)
		}
		t.Logf("%d MiB, %d calls of GetRecords, %d requests, %d stream records", live.HeapAlloc>>20, o.net.calls("GetRecords"), l.Requests, l.StreamRecords)
	})
}

// TestStraysAreLost has a producer that leaves strays where they are, and a
// consumer that drops their aggregates as the Kinesis Client Library does. What is
// sent again is neither lost nor misrouted, however strays are read.
func TestStraysAreLost(t *testing.T) {
	for _, tc := range []struct {
		name, strays, wrong string
		lost                bool
	}{
		{"sent again, strays kept", "keep", "kpl", false},
		{"sent again, strays dropped", "drop_stray", "kpl", false},
		{"sent again, aggregates dropped", "kcl", "kpl", false},
		{"left, aggregates dropped", "kcl", "accept", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := run(t.Context(), t, show(t, "reshard-under-load"), scenarios.RunOptions{},
					append(short("reshard-under-load"), "consumers.reader.range="+tc.strays, "load.events.ingress.kinesis.wrong_shard="+tc.wrong)...)
				want := map[bool]results.Verdict{false: results.Pass, true: results.Fail}[tc.lost]
				o.judged(t, want, map[bool]int{false: 0, true: 3}[tc.lost])
				c := o.Consumers["reader"]
				if c.Misrouted != 0 || (c.Lost > 0) != tc.lost || c.Counters["stray_records"] == 0 || (c.Counters["stray_dropped"] == 0) != (tc.strays == "keep") || tc.lost && c.Lost != c.Counters["stray_dropped"] {
					t.Errorf("lost %d, misrouted %d, counters %v", c.Lost, c.Misrouted, c.Counters)
				}
			})
		})
	}
}

// single is ten plain stream records of one user record each, sent one by one.
const single = `
apiVersion: kload/v1
name: single
stream: {shards: 1}
load: {events: {source: {generate: {opaque: {}}}, rate: {profile: [{constant: 10/s, for: 1s}]}, trace: prefix,
  ingress: {kinesis: {aggregation: {enabled: false}}}}}
consumers: {reader: {}}
drain_timeout: 2s
min_delivered_ratio: 0
`

// TestLostAnswers cuts the connection after the target has stored the records
// but before it could say so.
func TestLostAnswers(t *testing.T) {
	third := func(op string, n int) bool { return op == "PutRecords" && n == 3 }
	tests := []struct {
		name    string
		sets    []string
		inject  []string
		verdict results.Verdict
		want    ledger
	}{
		{
			// The record comes twice, and the lost answer explains why.
			"retried", nil, nil, results.Pass,
			ledger{Acked: 10, ReadUnique: 10, Redelivered: 1, OK: 10, Sunk: 10},
		},
		{
			"given up",
			[]string{"load.events.ingress.kinesis.ttl=1ns"},
			nil, results.Pass,
			ledger{Acked: 9, Unknown: 1, ReadUnique: 10, OK: 10, Sunk: 10},
		},
		{
			// As many records were read as acknowledged, but they are not the same.
			"given up, and another lost",
			[]string{"load.events.ingress.kinesis.ttl=1ns"},
			[]string{"drop=1@target"},
			results.Fail,
			ledger{Acked: 9, Unknown: 1, ReadUnique: 9, Lost: 1, OK: 9, Sunk: 9},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				net := newNetwork()
				net.lose = third
				o := run(t.Context(), t, single, scenarios.RunOptions{Memory: net, Inject: tt.inject}, tt.sets...)
				o.judged(t, tt.verdict, map[results.Verdict]int{results.Pass: 0, results.Fail: 3}[tt.verdict])
				if d := cmp.Diff(tt.want, o.ledger("reader")); d != "" {
					t.Errorf("(-want +got)\n%s", d)
				}
				if o.net.calls("PutRecords") < 10 {
					t.Error("the records were not sent one by one")
				}
				if u := o.Load["events"]; u.Unknown > 0 && u.Codes["ConnectionLost"] != 1 {
					t.Errorf("codes %v", u.Codes)
				}
			})
		})
	}
}

// TestSlowTarget runs against a target that takes a fifth of the rate.
func TestSlowTarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		o := run(t.Context(), t, single, scenarios.RunOptions{},
			"load.events.rate.profile.0={constant: 20/s, for: 8s}", "load.events.source={generate: {opaque: {size: 10KiB}}}",
			"load.events.ingress.kinesis.memory=1MiB", "load.events.allow_throttling=true",
			"target.limits.write_records=4/s", "min_delivered_ratio=0.99")
		o.judged(t, results.NotDelivered, 4)
		l := o.Load["events"]
		// The bucket holds a second's worth at the start. After the schedule there
		// are two seconds for sending what is late, and two for what is under way.
		least, most := uint64(4*11), uint64(4*14)
		if l.Scheduled != 160 || l.Unsent == 0 || l.Acked < least || l.Acked > most || l.Throttled == 0 {
			t.Errorf("books %+v, want 160 scheduled and %d to %d acknowledged", l, least, most)
		}
		if r := l.DeliveredRatio; r < 0.2 || r > 0.29 {
			t.Errorf("delivered %v: a fifth, and the 2 seconds of grace", r)
		}
		if c := o.Consumers["reader"]; c.Lost+c.Duplicates != 0 || c.ReadUnique != l.Acked {
			t.Errorf("of %d acknowledged, the reader has %+v", l.Acked, c)
		}
		if took := time.Since(began); took > 13*time.Second {
			t.Errorf("took %v: schedule, overtime and drain are 12s", took)
		}
	})
}

// TestInterrupt ends the context in the middle.
func TestInterrupt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		began := time.Now()
		time.AfterFunc(3*time.Second, cancel)
		o := run(ctx, t, show(t, "quickstart"), scenarios.RunOptions{})
		o.judged(t, results.Interrupted, 130)
		n, unsent := o.Load["stocks"].Acked, o.Load["stocks"].Unsent
		if n < 2900 || n > 3000 || unsent > 1 {
			t.Errorf("%d records in three seconds of a thousand each, %d due and not sent", n, unsent)
		}
		want := all(n)
		want.Unsent = unsent
		if d := cmp.Diff(want, o.ledger("reader")); d != "" || o.err != nil {
			t.Errorf("%v (-want +got)\n%s", o.err, d)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("took %v to drain 100 ms of records", took)
		}
		if o.net.calls("DeleteStream") != 1 {
			t.Error("the stream was left behind")
		}
	})
}

// TestUnread stops reading before everything was read: what is missing then is
// not called lost, and fails the run all the same.
func TestUnread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := run(t.Context(), t, single, scenarios.RunOptions{}, "target.limits.read_bytes=1B/s", "drain_timeout=2s")
		o.judged(t, results.Fail, 3)
		if c := o.Consumers["reader"]; c.Lost != 0 || c.Unread == 0 || c.Unread+c.ReadUnique != o.Load["events"].Acked {
			t.Errorf("%+v", c)
		}
	})
}

// TestLossBesideTrimmedData loses a record while the target trims what was read:
// the loss is real.
func TestLossBesideTrimmedData(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := run(t.Context(), t, single, scenarios.RunOptions{Inject: []string{"drop=1@consumer:reader"}},
			"load.events.rate.profile.0={constant: 100/s, for: 8s}", "load.events.source={generate: {opaque: {size: 10KiB}}}",
			"target={limits: off, store: 4MiB}")
		o.judged(t, results.Fail, 3)
		if c := o.Consumers["reader"]; c.Lost != 1 {
			t.Errorf("%+v", c)
		}
	})
}

// TestTrimmed gives the target less memory than its reader needs: losses then
// prove nothing.
func TestTrimmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := run(t.Context(), t, single, scenarios.RunOptions{},
			"load.events.rate.profile.0={constant: 100/s, for: 6s}", "load.events.source={generate: {opaque: {size: 10KiB}}}",
			"target={limits: off, store: 4MiB}", "consumers.reader={read: {polling: {every: 5s}}}")
		o.judged(t, results.Invalid, 3)
		c := o.Consumers["reader"]
		if n := c.Lost + c.Unread; n == 0 || !strings.Contains(o.InvalidReason, fmt.Sprintf("reader misses %d", n)) {
			t.Errorf("lost %d, unread %d, reason %q", c.Lost, c.Unread, o.InvalidReason)
		}
	})
}
