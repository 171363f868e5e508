package scenarios_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/kload/kload"
	"github.com/kload/kload/results"
	"github.com/kload/kload/scenarios"
)

// TestBreadth runs what scenarios can combine, each for two seconds at 100
// records a second and load: all records arrive, once, in their shards.
func TestBreadth(t *testing.T) {
	const rate = "rate: {profile: [{constant: 100/s, for: 2s}]}"
	const stock, opaque = "source: {generate: {stock: {}}}, ", "source: {generate: {opaque: {size: 100B}}}, "
	load := func(source, more string) string { return fmt.Sprintf("load: {events: {%s%s%s}}", source, rate, more) }
	// One record per stream record, so that the service routes each by itself.
	const plain = ", trace: prefix, ingress: {kinesis: {aggregation: {enabled: false}}}"
	tests := []struct {
		name  string
		lines []string
		loads uint64
		check func(t *testing.T, o *outcome)
	}{
		{name: "carrier json", lines: []string{load(stock, ", trace: json")}},
		{name: "carrier prefix", lines: []string{load(stock, ", trace: prefix")}},
		{name: "carrier tag in plain text", lines: []string{load(opaque, "")}},
		{name: "carrier none", lines: []string{load(stock, ", trace: none")}, check: func(t *testing.T, o *outcome) {
			if c := o.Consumers["reader"]; !c.ByCount || c.Untraced != 200 {
				t.Errorf("%+v", c)
			}
		}},
		{name: "key const", lines: []string{load(opaque, ", keys: const")}},
		{name: "key uniform", lines: []string{load(opaque, ", keys: {uniform: {n: 50}}"+plain)}},
		{name: "key random_hash", lines: []string{load(opaque, ", keys: random_hash"+plain)}},
		{name: "key random_hash aggregated", lines: []string{load(opaque, ", keys: random_hash")}},
		{name: "key field", lines: []string{load(stock, ", keys: {field: {name: ticker}}"+plain)}},
		{name: "key template", lines: []string{load(stock, ", ingress: {kinesis: {key: '{ticker}'}}")}},
		{name: "key field missing", lines: []string{load(stock, ", keys: {field: {name: nope, missing: random}}")}, check: func(t *testing.T, o *outcome) {
			if n := o.Load["events"].Sources["key_missing"]; n != 200 {
				t.Errorf("key_missing %d", n)
			}
		}},
		{
			// Throttled, so that records are retried.
			name: "ordered",
			lines: []string{
				load(opaque, ", keys: {uniform: {n: 20}}, trace: prefix, allow_throttling: true, ingress: {kinesis: {ordered: true, aggregation: {enabled: false}}}"),
				"target: {limits: {write_records: 30/s}}", "min_delivered_ratio: 0",
			},
			check: func(t *testing.T, o *outcome) {
				if o.Load["events"].Throttled == 0 {
					t.Error("nothing was throttled, so that order was not at stake")
				}
			},
		},
		{
			name: "two loads and two consumers", loads: 2,
			lines: []string{
				"load: {events: {" + stock + rate + ", trace: json}, other: {" + opaque + rate + ", trace: tag, keys: random_hash}}",
				"consumers: {reader: {read: {polling: {every: 400ms}}}, second: {read: {polling: {every: 500ms, start: trim_horizon}}, sink: file}}",
			},
			check: func(t *testing.T, o *outcome) {
				if d := cmp.Diff(all(400), o.ledger("second")); d != "" {
					t.Errorf("second consumer (-want +got)\n%s", d)
				}
				if a, b := o.Load["events"].Acked, o.Load["other"].Acked; a != 200 || b != 200 {
					t.Errorf("%d and %d acknowledged", a, b)
				}
			},
		},
		{name: "from the tip", lines: []string{load(stock, ""), "consumers: {reader: {read: {polling: {start: latest}}}}"}},
		{name: "nobody reads", lines: []string{load(stock, ""), "consumers:"}, check: func(t *testing.T, o *outcome) {
			if o.Load["events"].Acked != 200 {
				t.Errorf("%+v", o.Load["events"])
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := run(t.Context(), t, scenario(tt.lines...), scenarios.RunOptions{})
				o.judged(t, results.Pass, 0)
				if _, read := o.Consumers["reader"]; read {
					if d := cmp.Diff(all(200*max(1, tt.loads)), o.ledger("reader")); d != "" {
						t.Errorf("(-want +got)\n%s", d)
					}
				}
				if tt.check != nil {
					tt.check(t, &o)
				}
			})
		})
	}
}

// TestWarmUp leaves a phase out of the latencies and keeps it in the ledger and in
// the counts of the shards, which have each record once.
func TestWarmUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := run(t.Context(), t, scenario(
			events("rate: {profile: [{ramp: [0/s, 200/s], for: 2s}, {constant: 200/s, for: 3s}, {ramp: [200/s, 0/s], for: 1s}]}"),
			"phases: [{name: warmup, for: 2s, measure: false}, {name: steady, for: 3s}, {name: rest, for: 500ms, measure: false}]",
		), scenarios.RunOptions{})
		o.judged(t, results.Pass, 0)
		if d := cmp.Diff(all(200+600+100), o.ledger("reader")); d != "" {
			t.Errorf("(-want +got)\n%s", d)
		}
		stored := uint64(0)
		for _, n := range o.Load["events"].Shards.Acked {
			stored += n
		}
		if stored != 900 {
			t.Errorf("%d records in the shards, want 900", stored)
		}
		for name, h := range o.Hops {
			if name == "reader/handle" {
				continue // of what this process does, all counts
			}
			// The table behind arrive may drop a stream record.
			if n := h.Count + h.Negative; n > 600 || n < 600 && name != "events/arrive" || n < 500 {
				t.Errorf("%s has %d values, want the 600 of the steady phase", name, n)
			}
		}
		want := []results.Phase{{Name: "warmup", WallS: 2}, {Name: "steady", WallS: 3}, {Name: "rest", WallS: 1}}
		near := cmp.Comparer(func(a, b float64) bool { return a-b < 0.1 && b-a < 0.1 })
		figures := cmpopts.IgnoreFields(results.Phase{}, "Hops", "Counts")
		if d := cmp.Diff(want, o.Phases, near, figures); d != "" {
			t.Errorf("phases (-want +got)\n%s", d)
		}
	})
}

// TestPhases has a load double its rate from one phase to the next, and
// expectations on each. The counts of the phases must add up to those of the run.
func TestPhases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := run(t.Context(), t, scenario(
			events("rate: {profile: [{constant: 50/s, for: 1s}, {constant: 100/s, for: 2s}, {constant: 200/s, for: 2s}]}"),
			"phases: [{name: warmup, for: 1s, measure: false}, {name: low, for: 2s}, {name: high-load, for: 2s}]",
			"expect: [reader.e2e.read.count@low == 200, events.response.count@high-load == 400, 'events.scheduled@low >= 190 && events.scheduled@low <= 210', "+
				"'events.put.count@low + events.put.count@high-load == events.put.count', wall_s@warmup < 1.1, read_unique@low > 150]",
		), scenarios.RunOptions{})
		o.judged(t, results.Pass, 0)
		sums := map[string]uint64{}
		for _, p := range o.Phases {
			for owner, counts := range p.Counts {
				for name, n := range counts {
					sums[owner+"."+name] += n
				}
			}
		}
		for name, want := range map[string]uint64{
			"events.scheduled": 650, "events.acked": 650, "events.bytes": o.Load["events"].Bytes,
			"events.requests": o.Load["events"].Requests, "reader.read_unique": 650, "reader.ok": 650,
		} {
			if sums[name] != want {
				t.Errorf("the phases have %d %s, the run has %d", sums[name], name, want)
			}
		}
		if o.Phases[0].Hops != nil {
			t.Errorf("the warm-up has latencies: %v", o.Phases[0].Hops)
		}
	})
}

// TestPremadeStream uses a stream that holds three records of somebody else, and
// leaves it alone.
func TestPremadeStream(t *testing.T) {
	for start, untraced := range map[string]uint64{"latest": 0, "at_run_start": 0, "trim_horizon": 3} {
		t.Run(start, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				net := newNetwork()
				net.ready = func(ctx context.Context) error { return premake(ctx, net, "theirs") }
				o := run(t.Context(), t, scenario(
					"stream: {name: theirs, create: false}", "consumers: {reader: {read: {polling: {start: "+start+"}}}}",
				), scenarios.RunOptions{Memory: net})
				o.judged(t, results.Pass, 0)
				if d := cmp.Diff(all(100), o.ledger("reader")); d != "" {
					t.Errorf("(-want +got)\n%s", d)
				}
				if got := o.Consumers["reader"].Untraced; got != untraced {
					t.Errorf("saw %d of the 3 older records, want %d", got, untraced)
				}
				if net.calls("CreateStream")+net.calls("DeleteStream") != 0 {
					t.Error("somebody else's stream was created or deleted")
				}
			})
		})
	}
}

// premake creates a stream of two shards and puts three records into it.
func premake(ctx context.Context, n *network, stream string) error {
	c, err := n.client(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Control.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: aws.String(stream), ShardCount: aws.Int32(2)}); err != nil {
		return err
	}
	for i := range 3 {
		if _, err := c.Data.PutRecord(ctx, &kinesis.PutRecordInput{
			StreamName: aws.String(stream), PartitionKey: aws.String(fmt.Sprint(i)), Data: []byte("older"),
		}); err != nil {
			return err
		}
	}
	return nil
}

// TestStreamLifetime deletes a stream only when it was created here and nobody
// wants to keep it.
func TestStreamLifetime(t *testing.T) {
	for setting, deletes := range map[string]int{"{}": 1, "{delete_after: false}": 0} {
		synctest.Test(t, func(t *testing.T) {
			o := run(t.Context(), t, scenario("stream: "+setting), scenarios.RunOptions{})
			o.judged(t, results.Pass, 0)
			if c, d := o.net.calls("CreateStream"), o.net.calls("DeleteStream"); c != 1 || d != deletes {
				t.Errorf("stream: %s: created %d times, deleted %d times", setting, c, d)
			}
		})
	}
}

// TestBackPressureKeepsAggregatesLarge holds a slow target: the byte budget is
// used up all the time, and what then trickles in must not be sent in small
// pieces, which would run into the limit on records too.
func TestBackPressureKeepsAggregatesLarge(t *testing.T) {
	src := scenario(
		"load: {events: {source: {generate: {opaque: {size: 250B}}}, rate: {profile: [{constant: 8k/s, for: 4s}]}, trace: prefix, "+
			"allow_throttling: true, ingress: {kinesis: {memory: 1MiB}}}}",
		"stream: {shards: 8}", "target: {limits: {write_bytes: 128KiB/s}}", "min_delivered_ratio: 0", "drain_timeout: 1m",
	)
	synctest.Test(t, func(t *testing.T) {
		out := run(t.Context(), t, src, scenarios.RunOptions{Memory: newNetwork()})
		out.judged(t, results.Pass, 0)
		l := out.Load["events"]
		if l.Throttled == 0 || l.Sources["blocked_ns"] == 0 {
			t.Errorf("throttled %d, blocked for %d ns: the target was not slow", l.Throttled, l.Sources["blocked_ns"])
		}
		if mean := l.Bytes / l.StreamRecords; mean < 10_000 {
			t.Errorf("%d bytes per stream record", mean)
		}
	})
}

// TestRateShapes runs a load whose rate takes every form, arriving at random,
// with hot keys and sizes of a distribution: 60 records in steps, 30 in a burst,
// 60 in swings and 71 of a trace.
func TestRateShapes(t *testing.T) {
	src := scenario("load: {events: {source: {generate: {opaque: {size: {lognormal: {p50: 200B, p99: 2KiB}}}}}, trace: prefix, " +
		"keys: {hotspot: {n: 10, hot: {share: 80%, keys: 1}}}, rate: {arrival: poisson, profile: [" +
		"{step: {from: 10/s, to: 30/s, steps: 3}, for: 3s}, {spike: {base: 0/s, peak: 30/s, at: 1s, lasts: 1s}, for: 2s}, " +
		"{sine: {mean: 30/s, amplitude: 30/s, period: 2s}, for: 2s}, {trace: {file: testdata/rates.csv, column: count, scale: 2}}]}}}")
	synctest.Test(t, func(t *testing.T) {
		o := run(t.Context(), t, src, scenarios.RunOptions{Memory: newNetwork()})
		o.judged(t, results.Pass, 0)
		if d := cmp.Diff(all(221), o.ledger("reader")); d != "" {
			t.Errorf("(-want +got)\n%s", d)
		}
	})
}

// TestClosedLoop goes at the pace of its answers: those are immediate, so each of
// the records under way waits for linger alone.
func TestClosedLoop(t *testing.T) {
	src := scenario(events("in_flight: 20, ingress: {kinesis: {aggregation: {linger: 100ms}}}"), "phases: [{name: only, for: 2s}]")
	synctest.Test(t, func(t *testing.T) {
		o := run(t.Context(), t, src, scenarios.RunOptions{Memory: newNetwork()})
		o.judged(t, results.Pass, 0)
		if l := o.Load["events"]; l.Scheduled != l.Acked || l.Acked < 380 || l.Acked > 420 {
			t.Errorf("scheduled %d, acknowledged %d; want about 400", l.Scheduled, l.Acked)
		}
	})
}

// TestNoSpinningInVirtualTime would otherwise hang.
func TestNoSpinningInVirtualTime(t *testing.T) {
	for _, pacing := range []string{"precise", "spin"} {
		synctest.Test(t, func(t *testing.T) {
			o := run(t.Context(), t, scenario(events("rate: {profile: [{constant: 9/s, for: 1s}]}, pacing: "+pacing)), scenarios.RunOptions{})
			if !errors.Is(o.err, kload.ErrInvalid) {
				t.Errorf("pacing: %s gave %v", pacing, o.err)
			}
		})
	}
}
