package scenarios_test

import (
	"bytes"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload/internal/local"
	"github.com/kload/kload/results"
	"github.com/kload/kload/scenarios"
)

// happened is an action as the log of events has it.
type happened struct {
	Event, Action, State, Error, Reason string
	AtS                                 float64 `json:"t_s"`
	Hits, Judged, Backlog, Leases       uint64
	Shards                              int
	CaughtUpS                           float64 `json:"caught_up_s"`
}

// actions returns what the run's log says about its actions.
func (o *outcome) actions(t *testing.T) (list []happened) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(o.dir, results.FileEvents))
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		var h happened
		if err := json.Unmarshal(line, &h); err != nil {
			t.Fatal(err)
		}
		if h.Event == "action" {
			list = append(list, h)
		}
	}
	return list
}

// ended returns the last word on the only action of a run.
func (o *outcome) ended(t *testing.T) happened {
	t.Helper()
	list := o.actions(t)
	if len(list) != 2 || list[0].State != "begun" || list[1].State != "ended" {
		t.Fatalf("actions %+v", list)
	}
	return list[1]
}

// steady is two hundred plain stream records in four seconds, twenty to a call.
const steady = `
apiVersion: kload/v1
name: steady
stream: {shards: 2}
load: {events: {source: {generate: {opaque: {}}}, rate: {profile: [{constant: 50/s, for: 4s}]}, trace: prefix,
  ingress: {kinesis: {aggregation: {enabled: false}}}}}
consumers: {reader: {}}
drain_timeout: 20s
min_delivered_ratio: 0
`

// TestFaults has each fault happen while records flow. Whatever goes wrong, every
// record is accounted for, and nothing is lost.
func TestFaults(t *testing.T) {
	const n = 200
	tests := []struct {
		name, fault string
		hits        func(hits uint64) bool
		check       func(o *outcome, l ledger) bool
	}{
		{
			"whole calls are throttled", "{on: [PutRecords], error: ProvisionedThroughputExceededException, share: 50%, for: 1s}", nil,
			func(o *outcome, _ ledger) bool { return o.Load["events"].Throttled > 10 },
		},
		{
			"records are throttled", "{on: [PutRecords], records: ProvisionedThroughputExceededException, share: 20%, for: 2s}", nil,
			func(o *outcome, l ledger) bool { return o.Load["events"].Throttled > 10 && l.Redelivered == 0 },
		},
		{"records fail in one shard", "{on: [put], records: InternalFailure, shard: 1, count: 5, for: 2s}", exactly(5), nil},
		{"calls fail", "{on: [PutRecords], error: InternalFailure, count: 3}", exactly(3), nil},
		{"the service is away", "{on: [put, get], error: ServiceUnavailable, for: 500ms}", nil, nil},
		{
			"cut before the commit", "{on: [PutRecords], cut: before_commit, count: 4}", exactly(4),
			func(_ *outcome, l ledger) bool { return l.Redelivered == 0 },
		},
		{
			"cut after the commit", "{on: [PutRecords], cut: after_commit, count: 4}", exactly(4),
			func(_ *outcome, l ledger) bool { return l.Redelivered >= 4 },
		},
		{
			"cut amid the answer", "{on: [PutRecords], cut: mid_body, count: 4}", exactly(4),
			func(_ *outcome, l ledger) bool { return l.Redelivered >= 4 },
		},
		{
			"cut reads", "{on: [GetRecords], cut: mid_body, share: 30%, for: 3s}", nil,
			func(_ *outcome, l ledger) bool { return l.Redelivered == 0 },
		},
		{
			"slow answers", "{on: [PutRecords], delay: 700ms, count: 3}", exactly(3),
			func(o *outcome, _ ledger) bool {
				return o.Hops["events/put"].Max >= 700e6 && o.Hops["events/put"].Max < 800e6
			},
		},
		{
			"slow answers now and then", "{on: [PutRecords], delay: 'lognormal(p50=20ms,p99=200ms)', share: 50%}", nil,
			func(o *outcome, _ ledger) bool { return o.Hops["events/put"].Max >= 20e6 },
		},
		{"iterators expire", "{on: [GetRecords], error: ExpiredIteratorException, share: 20%, for: 3s}", nil, nil},
		{"reads are throttled in one shard", "{on: [GetRecords], error: ProvisionedThroughputExceededException, shard: shardId-000000000001, for: 1s}", nil, nil},
		{
			"the clock is ahead", "{clock: +3s, for: 1s}", exactly(0),
			func(o *outcome, _ ledger) bool { return o.Hops["events/arrive"].Max >= 2900e6 },
		},
		{"the clock is behind", "{clock: -3s, for: 1s}", exactly(0), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := run(t.Context(), t, steady+"actions: [{at: 1s, do: {fault: "+tt.fault+"}}]\n", scenarios.RunOptions{})
				o.judged(t, results.Pass, 0)
				l := o.ledger("reader")
				h := o.ended(t)
				if tt.hits == nil && (h.Hits == 0 || h.Judged < h.Hits) || tt.hits != nil && !tt.hits(h.Hits) {
					t.Errorf("effect %+v", h)
				}
				if tt.check != nil && !tt.check(&o, l) {
					t.Errorf("ledger %+v, load %+v, hops %+v", l, o.Load["events"], o.Hops)
				}
				redelivered := l.Redelivered
				l.Redelivered = 0
				if d := cmp.Diff(all(n), l); d != "" || o.err != nil || redelivered > n {
					t.Errorf("%v (-want +got)\n%s", o.err, d)
				}
			})
		})
	}
}

func exactly(want uint64) func(uint64) bool { return func(hits uint64) bool { return hits == want } }

// A record whose answer was lost and that is given up may have been stored; it is
// unknown, and neither lost nor a phantom.
func TestCutAfterCommitGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := run(t.Context(), t, single+"actions: [{at: 200ms, do: {fault: {on: [PutRecords], cut: after_commit, count: 2}}}]\n",
			scenarios.RunOptions{}, "load.events.ingress.kinesis.ttl=1ns")
		o.judged(t, results.Pass, 0)
		want := ledger{Acked: 8, Unknown: 2, ReadUnique: 10, OK: 10, Sunk: 10}
		if d := cmp.Diff(want, o.ledger("reader")); d != "" || o.err != nil {
			t.Errorf("%v (-want +got)\n%s", o.err, d)
		}
	})
}

// Under one seed the same calls go wrong: here they come one after the
// other, and the fault begins and ends between two of them.
func TestFaultsAreRepeatable(t *testing.T) {
	effect := func(seed string) (h happened) {
		synctest.Test(t, func(t *testing.T) {
			o := run(t.Context(), t, single+"actions: [{at: 130ms, do: {fault: {on: [PutRecords], delay: 5ms, share: 37%, for: 3s}}}]\n",
				scenarios.RunOptions{}, "load.events.rate.profile.0.for=4s", "seed="+seed)
			o.judged(t, results.Pass, 0)
			h = o.ended(t)
		})
		return h
	}
	seen := map[uint64]bool{}
	for _, seed := range []string{"1", "2", "3", "4"} {
		first := effect(seed)
		if again := effect(seed); again.Hits != first.Hits || again.Judged != first.Judged || first.Judged < 29 {
			t.Errorf("seed %s: %+v, then %+v", seed, first, again)
		}
		seen[first.Hits] = true
	}
	if len(seen) == 1 {
		t.Error("the seed makes no difference")
	}
}

// TestReshards changes the shards under load: order and accounts hold, and the
// action waits until the stream is active again.
func TestReshards(t *testing.T) {
	tests := []struct {
		name, do string
		shards   int
	}{
		{"split the hottest", "{split: {}}", 3},
		{"split one by its number", "{split: {shard: 1, at_hash_key: '300000000000000000000000000000000000000'}}", 3},
		{"merge the coldest", "{merge: {}}", 1},
		{"merge two", "{merge: {shard: shardId-000000000001, with: 0}}", 1},
		{"count", "{update_shard_count: {to: 4}}", 4},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := run(t.Context(), t, steady+"actions: [{at: 2s, do: "+tt.do+"}]\n", scenarios.RunOptions{}, "target.latency=state_delay=1s,propagation=100ms")
				o.judged(t, results.Pass, 0)
				l := o.ledger("reader")
				if d := cmp.Diff(all(200), l); d != "" || o.err != nil {
					t.Errorf("%v (-want +got)\n%s", o.err, d)
				}
				list := o.actions(t)
				if h := o.ended(t); h.Shards != tt.shards || h.AtS-list[0].AtS < 1 || h.AtS-list[0].AtS > 1.5 {
					t.Errorf("actions %+v, want %d shards after a second", list, tt.shards)
				}
			})
		})
	}
}

// Actions that cannot be carried out fail the run; those that come too late are
// left out and logged.
func TestActionsThatDoNotHappen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := run(t.Context(), t, steady+"actions: [{at: 1s, do: {split: {shard: 7}}}]\n", scenarios.RunOptions{})
		o.judged(t, results.Errored, 2)
		if list := o.actions(t); len(list) != 2 || list[1].State != "failed" || !strings.Contains(list[1].Error, "no open shard shardId-000000000007") {
			t.Errorf("actions %+v", list)
		}
		if o.err == nil || !strings.Contains(o.err.Error(), "action at 1s: split shardId-000000000007") || o.ledger("reader") != all(200) {
			t.Errorf("error %v, ledger %+v", o.err, o.ledger("reader"))
		}
	})
	synctest.Test(t, func(t *testing.T) {
		src := show(t, "taxi-replay") + "actions: [{at: 10m, do: {split: {}}}]\n"
		o := run(t.Context(), t, src, scenarios.RunOptions{}, short("taxi-replay")...)
		o.judged(t, results.Pass, 0)
		if list := o.actions(t); len(list) != 1 || list[0].State != "skipped" || list[0].Reason != "the loads had ended" {
			t.Errorf("actions %+v", list)
		}
	})
}

// TestReaderRefused has a consumer end for good. What it has not read is still in
// the stream, and not lost.
func TestReaderRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := steady + "actions: [{at: 1s, do: {fault: {on: [GetRecords], error: ResourceNotFoundException, count: 2}}}]\n"
		o := run(t.Context(), t, src, scenarios.RunOptions{})
		o.judged(t, results.Unreachable, 5)
		if c := o.Consumers["reader"]; c.Lost != 0 || c.Unread == 0 || c.ReadUnique+c.Unread != o.Load["events"].Acked {
			t.Errorf("lost %d, unread %d, read %d of %d", c.Lost, c.Unread, c.ReadUnique, o.Load["events"].Acked)
		}
	})
}

// TestFaultsThatHitNothing has the user told of a fault that made no difference,
// such as one of a shard that is not there.
func TestFaultsThatHitNothing(t *testing.T) {
	for fault, want := range map[string]string{
		"{on: [PutRecords], records: InternalFailure, shard: 99, for: 1s}": "it hit nothing, of 0 that it might have",
		"{on: [PutRecords], records: InternalFailure, shard: 1, for: 1s}":  "",
		"{clock: +3s, for: 1s}": "",
	} {
		synctest.Test(t, func(t *testing.T) {
			var notes []string
			note := func(text string) { notes = append(notes, text) }
			run(t.Context(), t, steady+"actions: [{at: 1s, do: {fault: "+fault+"}}]\n", scenarios.RunOptions{Note: note})
			told := slices.ContainsFunc(notes, func(n string) bool { return strings.HasSuffix(n, want) && strings.HasPrefix(n, "fault ") })
			if told != (want != "") {
				t.Errorf("%s: notes %q", fault, notes)
			}
		})
	}
}

// TestLatencyModel has the target take its time: the put hop shows it, records
// are read no sooner than they may be seen, and the result states the model.
func TestLatencyModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := run(t.Context(), t, steady, scenarios.RunOptions{}, "target.latency=put=lognormal(p50=4ms,p99=25ms),get=3ms,propagation=300ms")
		o.judged(t, results.Pass, 0)
		if d := cmp.Diff(all(200), o.ledger("reader")); d != "" || o.err != nil {
			t.Errorf("%v (-want +got)\n%s", o.err, d)
		}
		if put := o.Hops["events/put"]; put.P50 < 3.5e6 || put.P50 > 5e6 || put.P99 < 15e6 || put.P99 > 50e6 {
			t.Errorf("a put takes %+v", put)
		}
		if e2e := o.Hops["reader/e2e.read"]; e2e.P50 < 303e6 || e2e.P50 > 700e6 {
			t.Errorf("a record is read after %+v", e2e)
		}
		const model = "latency=put=lognormal(p50=4ms,p99=25ms),get=3ms,propagation=300ms"
		head, err := os.ReadFile(filepath.Join(o.dir, results.FileRun))
		if !strings.Contains(o.Target.Detail, model) || err != nil || !strings.Contains(string(head), model) {
			t.Errorf("target %q, %v", o.Target.Detail, err)
		}
	})
}

func TestMoments(t *testing.T) {
	for _, tt := range []struct {
		text string
		want scenarios.Moment
		ok   bool
	}{
		{"10s", scenarios.Moment{After: 10 * time.Second}, true},
		{"0s", scenarios.Moment{}, true},
		{"steady", scenarios.Moment{Phase: "steady"}, true},
		{"steady+1m30s", scenarios.Moment{Phase: "steady", After: 90 * time.Second}, true},
		{"a+b+1s", scenarios.Moment{Phase: "a+b", After: time.Second}, true},
		{"10", scenarios.Moment{}, false},
		{"-1s", scenarios.Moment{}, false},
		{"steady+", scenarios.Moment{}, false},
		{"steady+1", scenarios.Moment{}, false},
		{"", scenarios.Moment{}, false},
	} {
		var m scenarios.Moment
		if err := m.UnmarshalText([]byte(tt.text)); (err == nil) != tt.ok || tt.ok && (m != tt.want || m.String() != tt.text) {
			t.Errorf("%q: %+v (%s), %v", tt.text, m, m, err)
		}
	}
}

// TestActionsOnAWS runs against a service that only looks like AWS: faults are
// left out, and said to be; reshards happen.
func TestActionsOnAWS(t *testing.T) {
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
	} {
		t.Setenv(name, value)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	service, err := local.StartShared(local.Config{}, ln)
	if err != nil {
		t.Fatal(err)
	}
	var notes []string
	var mu sync.Mutex
	s, err := scenarios.Decode("test.yaml", []byte(steady+`
target: {kind: aws, region: us-east-1, endpoint: "`+service.Endpoint()+`"}
actions:
  - {at: 100ms, do: {fault: {on: [PutRecords], error: InternalFailure}}}
  - {at: 200ms, do: {update_shard_count: {to: 4}}}
`), scenarios.OpenOptions{Sets: []string{"load.events.rate.profile.0.for=1s"}})
	if err != nil {
		t.Fatal(err)
	}
	o := outcome{dir: filepath.Join(t.TempDir(), "run")}
	o.Summary, o.err = scenarios.Run(t.Context(), s, scenarios.RunOptions{Out: o.dir, Note: func(text string) {
		mu.Lock()
		defer mu.Unlock()
		notes = append(notes, text)
	}})
	o.judged(t, results.Pass, 0)
	list := o.actions(t)
	if len(list) != 3 || list[0].State != "skipped" || list[0].Reason != "SKIP(aws)" || list[2].State != "ended" || list[2].Shards != 4 {
		t.Errorf("actions %+v", list)
	}
	if len(notes) != 2 || !strings.HasPrefix(notes[0], "at the peak") || !strings.HasPrefix(notes[1], "SKIP(aws) action at 100ms: fault") {
		t.Errorf("notes %q", notes)
	}
	if report, err := service.Stop(t.Context()); err != nil || len(report.Stats.Faults) != 0 || o.ledger("reader") != all(50) {
		t.Errorf("ledger %+v, target %+v, %v", o.ledger("reader"), report, err)
	}
}

// TestPauseConsumer has one of two consumers stand still: its records come late,
// all of them once, and the other one notices nothing. A pause that is not over
// when the loads end is waited for.
func TestPauseConsumer(t *testing.T) {
	const two = "consumers: {reader: {read: {polling: {every: 400ms}}}, other: {read: {polling: {every: 400ms}}}}"
	for _, tt := range []struct {
		name, do  string
		consumers string
		backlog   uint64 // when it goes on
	}{
		{"the only one", "for: 1s", "consumers: {reader: {}}", 50},
		{"one of two", "consumer: reader, for: 2s", two, 100},
		{"beyond the end", "consumer: reader, for: 10s", two, 150},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := strings.Replace(steady, "consumers: {reader: {}}", tt.consumers, 1) + "actions: [{at: 1s, do: {pause_consumer: {" + tt.do + "}}}]\n"
				o := run(t.Context(), t, src, scenarios.RunOptions{})
				o.judged(t, results.Pass, 0)
				for name := range o.Consumers {
					if d := cmp.Diff(all(200), o.ledger(name)); d != "" || o.err != nil {
						t.Errorf("%s: %v (-want +got)\n%s", name, o.err, d)
					}
				}
				h := o.ended(t)
				if h.Backlog < tt.backlog-5 || h.Backlog > tt.backlog+25 || h.CaughtUpS <= 0 || h.CaughtUpS > 1 {
					t.Errorf("effect %+v, want a backlog of about %d", h, tt.backlog)
				}
				if e2e := o.Hops["reader/e2e.read"]; uint64(e2e.Max) < 9e8 {
					t.Errorf("the paused consumer's latency is %+v", e2e)
				}
				if e2e, ok := o.Hops["other/e2e.read"]; ok && e2e.Max > 7e8 {
					t.Errorf("the other consumer's latency is %+v", e2e)
				}
			})
		})
	}
}
