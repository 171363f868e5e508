package scenarios_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload/results"
	"github.com/kload/kload/scenarios"
)

// pushed is four hundred plain stream records in twenty seconds, read by
// subscription.
const pushed = `
apiVersion: kload/v1
name: pushed
stream: {shards: 2}
load: {events: {source: {generate: {opaque: {}}}, rate: {profile: [{constant: 20/s, for: 20s}]}, trace: prefix,
  ingress: {kinesis: {aggregation: {enabled: false}}}}}
consumers: {reader: {read: {fanout: {}}}}
drain_timeout: 60s
`

// TestFanoutFaults has subscriptions go wrong in every way while records flow:
// nothing is lost and nothing comes twice.
func TestFanoutFaults(t *testing.T) {
	const n = 400
	tests := []struct {
		name, fault string
		counter     string // says what happened
		least       uint64
	}{
		{"nothing", "{on: [subscribe], frame: 1, error: InternalFailure, count: 1, for: 1ns}", "subscriptions", 2},
		{"events are torn", "{on: [SubscribeToShard], cut: mid_body, frame: each, share: 10%}", "subscriptions_cut", 3},
		{"cut before an event", "{on: [SubscribeToShard], cut: before_commit, frame: each, share: 10%}", "subscriptions_cut", 3},
		{"cut after an event", "{on: [SubscribeToShard], cut: after_commit, frame: each, share: 10%}", "subscriptions_cut", 3},
		{"cut in one shard", "{on: [subscribe], cut: mid_body, frame: each, share: 20%, shard: 1}", "subscriptions_cut", 2},
		{"taken over", "{on: [subscribe], error: ResourceInUseException, frame: each, share: 10%}", "subscriptions_taken_over", 2},
		{"the service fails in the stream", "{on: [subscribe], error: InternalFailure, frame: each, share: 10%}", "subscriptions_cut", 3},
		{"keys are throttled", "{on: [subscribe], error: KMSThrottlingException, frame: each, share: 10%}", "subscriptions_cut", 3},
		{"events are held up", "{on: [subscribe], delay: 2s, frame: each, share: 20%}", "events", 20},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := run(t.Context(), t, pushed+"actions: [{at: 1s, do: {fault: "+tt.fault+"}}]\n", scenarios.RunOptions{})
				o.judged(t, results.Pass, 0)
				if d := cmp.Diff(all(n), o.ledger("reader")); d != "" || o.err != nil {
					t.Errorf("%v (-want +got)\n%s", o.err, d)
				}
				c := o.Consumers["reader"].Counters
				if got := c[tt.counter]; got < tt.least {
					t.Errorf("%s %d, want at least %d: %v", tt.counter, got, tt.least, c)
				}
				// One gap for each subscription but the first of each shard.
				gaps := o.Hops["reader/resubscribe"]
				if want := int64(c["subscriptions"]) - 2; gaps.Count != want || gaps.Max > 12e9 {
					t.Errorf("gaps %+v, want %d", gaps, want)
				}
			})
		})
	}
}

// TestFanoutRefused has calls fail from the start, also those that register.
func TestFanoutRefused(t *testing.T) {
	for _, fault := range []string{
		"{on: [SubscribeToShard], error: LimitExceededException, share: 60%}",
		"{on: [SubscribeToShard], error: ResourceInUseException, share: 60%}",
		"{on: [SubscribeToShard], cut: mid_body, share: 60%}",
		"{on: [SubscribeToShard], cut: after_commit, share: 60%}",
	} {
		t.Run(fault, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := pushed + "actions: [{at: 0s, do: {fault: " + fault + "}}, {at: 2s, do: {fault: {on: [subscribe], frame: each, cut: before_commit, share: 30%, for: 10s}}}]\n"
				o := run(t.Context(), t, src, scenarios.RunOptions{})
				o.judged(t, results.Pass, 0)
				if d := cmp.Diff(all(400), o.ledger("reader")); d != "" || o.err != nil {
					t.Errorf("%v (-want +got)\n%s", o.err, d)
				}
				c := o.Consumers["reader"].Counters
				if c["subscribe_failed"]+c["subscribe_in_use"]+c["subscribe_throttled"] == 0 {
					t.Errorf("counters %v", c)
				}
			})
		})
	}
}

// TestFanoutMutations has each mutation found, as with every reader.
func TestFanoutMutations(t *testing.T) {
	for _, inject := range []string{"drop=1@target", "dup=1@target", "drop=1@consumer:reader", "dup=1@consumer:reader", "drop=1@sink:reader"} {
		t.Run(inject, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := run(t.Context(), t, pushed, scenarios.RunOptions{Inject: []string{inject}}, "drain_timeout=2s")
				o.judged(t, results.Fail, 3)
			})
		})
	}
}

// TestFanoutReshards changes the shards under subscriptions.
func TestFanoutReshards(t *testing.T) {
	for _, do := range []string{"{split: {}}", "{merge: {}}", "{update_shard_count: {to: 4}}"} {
		t.Run(do, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := run(t.Context(), t, pushed+"actions: [{at: 5s, do: "+do+"}]\n", scenarios.RunOptions{}, "target.latency=state_delay=1s,propagation=100ms")
				o.judged(t, results.Pass, 0)
				if d := cmp.Diff(all(400), o.ledger("reader")); d != "" || o.err != nil {
					t.Errorf("%v (-want +got)\n%s", o.err, d)
				}
			})
		})
	}
}

// TestFanoutLeavesNothing ends runs in all ways on a stream that stays: a
// consumer that the run registered is deregistered, and one that was there is not.
func TestFanoutLeavesNothing(t *testing.T) {
	after := func(d time.Duration) func(context.CancelFunc) {
		return func(cancel context.CancelFunc) { time.AfterFunc(d, cancel) }
	}
	tests := []struct {
		name       string
		sets       []string
		registered int
		end        func(context.CancelFunc)
		lose       func(op string, n int) bool
		inject     []string
		verdict    results.Verdict
		exit       int
	}{
		{name: "a name made up", registered: 1, verdict: results.Pass},
		{name: "a name of the user's", sets: []string{"consumers.reader.read.fanout.consumer=mine"}, registered: 1, verdict: results.Pass},
		{name: "one that is there", sets: []string{"consumers.reader.read.fanout.consumer=theirs"}, verdict: results.Pass},
		{
			name: "the answer to registering is lost", registered: 2, verdict: results.Pass,
			lose: func(op string, n int) bool { return op == "RegisterStreamConsumer" && n == 1 },
		},
		{name: "interrupted", registered: 1, end: after(5 * time.Second), verdict: results.Interrupted, exit: 130},
		{
			name: "interrupted before any subscription", registered: 1, end: after(5 * time.Second), verdict: results.Interrupted, exit: 130,
			lose: func(op string, _ int) bool { return op == "SubscribeToShard" },
		},
		{
			name: "interrupted while it cannot know whether it registered", registered: 1, end: after(200 * time.Millisecond), verdict: results.Interrupted, exit: 130,
			lose: func(op string, n int) bool {
				return op == "RegisterStreamConsumer" || op == "DescribeStreamConsumer" && n > 1 && n < 4
			},
		},
		{name: "failed", registered: 1, inject: []string{"drop=1@consumer:reader"}, verdict: results.Fail, exit: 3},
		{name: "the load fails", sets: []string{"load.events.source={generate: {stock: {}}}", "load.events.keys={field: {name: nope}}", "load.events.rate=null", "load.events.in_flight=1", "load.events.total=5"}, registered: 1, verdict: results.Errored, exit: 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				net := newNetwork()
				net.lose = tt.lose
				net.ready = func(ctx context.Context) error { return registerTheirs(ctx, net) }
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if tt.end != nil {
					tt.end(cancel)
				}
				o := run(ctx, t, pushed, scenarios.RunOptions{Memory: net, Inject: tt.inject}, append(tt.sets, "stream={name: theirs, create: false}", "drain_timeout=12s")...)
				o.judged(t, tt.verdict, tt.exit)
				want := min(tt.registered, 1)
				if r, d := net.calls("RegisterStreamConsumer"), net.calls("DeregisterStreamConsumer"); r != tt.registered || d != want {
					t.Errorf("%d calls registered and %d deregistered, want %d and %d", r, d, tt.registered, want)
				}
			})
		})
	}
}

// registerTheirs makes a stream with a registered consumer of somebody else's, and
// more.
func registerTheirs(ctx context.Context, n *network, more ...string) error {
	if err := premake(ctx, n, "theirs"); err != nil {
		return err
	}
	c, err := n.client(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	out, err := c.Control.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: aws.String("theirs")})
	if err != nil {
		return err
	}
	for _, name := range append([]string{"theirs"}, more...) {
		if _, err := c.Control.RegisterStreamConsumer(ctx, &kinesis.RegisterStreamConsumerInput{
			StreamARN: out.StreamDescriptionSummary.StreamARN, ConsumerName: aws.String(name),
		}); err != nil {
			return err
		}
	}
	return nil
}

// TestFanoutAfterKilledRuns finds the registered consumers of two runs that were
// killed: it deregisters that of which no run can be alive.
func TestFanoutAfterKilledRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const dead, young = "kload-reader-00c0ffee-until-19990101T0000Z", "kload-reader-00c0ffee-until-20990101T0000Z"
		net := newNetwork()
		net.ready = func(ctx context.Context) error { return registerTheirs(ctx, net, dead, young) }
		var notes []string
		o := run(t.Context(), t, pushed, scenarios.RunOptions{Memory: net, Note: func(text string) { notes = append(notes, text) }}, "stream={name: theirs, create: false}")
		o.judged(t, results.Pass, 0)
		if n := net.calls("DeregisterStreamConsumer"); n != 2 {
			t.Errorf("%d calls deregistered, want one for the dead run's consumer and one for its own", n)
		}
		if all := strings.Join(notes, "\n"); !strings.Contains(all, "deregistered consumer "+dead) || !strings.Contains(all, young+" is of another run") {
			t.Errorf("noted\n%s", all)
		}
	})
}
