package fanout_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/consumers/readers/fanout"
	"github.com/kload/kload/internal/local/faults"
	local "github.com/kload/kload/internal/local/kinesis"
)

// TestCuts cuts a stream a hundred times at random, before, in and behind events:
// nothing is lost and nothing comes twice.
func TestCuts(t *testing.T) {
	const cuts = 100
	bubble(t, local.Config{}, func(r *rig) {
		rng := rand.New(rand.NewPCG(1, 2)) // the target's
		var left atomic.Int64
		left.Store(cuts)
		remove := r.target.Control("SubscribeToShard", func(c faults.Call) (faults.Verdict, bool) {
			if c.Frame == 0 || left.Load() == 0 || rng.IntN(4) > 0 {
				return faults.Verdict{}, true
			}
			left.Add(-1)
			return faults.Verdict{Cut: []faults.Cut{faults.BeforeCommit, faults.MidBody, faults.AfterCommit}[rng.IntN(3)]}, true
		})
		defer remove()
		var want, got []string
		done := make(chan struct{})
		go func() {
			defer close(done)
			rng := rand.New(rand.NewPCG(3, 4))
			for left.Load() > 0 {
				want = append(want, fmt.Sprint(len(want)))
				r.put(want[len(want)-1])
				<-time.After(time.Duration(1+rng.IntN(400)) * time.Millisecond)
			}
		}()
		op := r.opener("")
		quiet := 0
		err := r.read(op, func(b *kload.Batch) bool {
			for _, rec := range b.Records {
				got = append(got, string(rec.Data))
			}
			select {
			case <-done:
				quiet++
			default:
			}
			return quiet < 5
		})
		r.close(op)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			r.Errorf("%v (-want +got):\n%s", err, diff)
		}
		c := op.Counters()
		if c["subscriptions_cut"] != cuts || c["subscriptions"] != cuts+1 || len(r.registered()) != 0 {
			r.Errorf("counters %v, registered %q", c, r.registered())
		}
		// The service refuses within five seconds of the last success.
		for _, iv := range r.hops.Rotate() {
			if n := iv.Histogram.TotalCount(); n != cuts || iv.Max > int64(5*time.Second) || iv.Quantile(50) < int64(4*time.Second) {
				r.Errorf("%s: %d gaps, median %d, longest %d", iv.Hop, n, iv.Quantile(50), iv.Max)
			}
		}
		if c["subscribe_in_use"] != 0 {
			r.Errorf("called too early: %v", c)
		}
	})
}

// TestFiveMinutes reads for as long as four subscriptions last.
func TestFiveMinutes(t *testing.T) {
	bubble(t, local.Config{}, func(r *rig) {
		op := r.opener("")
		defer r.close(op)
		if err := r.read(op, func(*kload.Batch) bool { return time.Since(r.began) < 16*time.Minute }); err != nil {
			r.Error(err)
		}
		want := []string{"SubscribeToShard @ 500ms", "SubscribeToShard @ 5m0.5s", "SubscribeToShard @ 10m0.5s", "SubscribeToShard @ 15m0.5s"}
		if diff := cmp.Diff(want, r.called("Subscribe")); diff != "" {
			r.Errorf("-want +got:\n%s", diff)
		}
		c := op.Counters()
		if c["subscriptions"] != 4 || c["subscriptions_cut"] != 0 || c["events_empty"] != c["events"] || c["events"] < 100 {
			r.Errorf("counters %v", c)
		}
		if gaps := r.hops.Rotate(); len(gaps) != 1 || gaps[0].Histogram.TotalCount() != 3 || gaps[0].Max > int64(time.Millisecond) {
			r.Errorf("gaps %+v", gaps)
		}
	})
}

// TestTakenOver has somebody else subscribe as the same consumer. The reader
// comes back as soon as the service allows it, and has missed nothing.
func TestTakenOver(t *testing.T) {
	bubble(t, local.Config{}, func(r *rig) {
		arn := r.register("shared")
		op := r.opener("shared")
		defer r.close(op)
		done := make(chan struct{})
		time.AfterFunc(7*time.Second, func() {
			defer close(done)
			body, err := r.api.Subscribe(r.Context(), &kinesis.SubscribeToShardInput{
				ConsumerARN: &arn, ShardId: aws.String(first), StartingPosition: &types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon},
			})
			if err != nil {
				r.Error(err)
				return
			}
			r.Cleanup(func() { _ = body.Close() })
			r.put("while it was away")
		})
		var got string
		var at time.Duration
		if err := r.read(op, func(b *kload.Batch) bool {
			if len(b.Records) > 0 {
				got, at = string(b.Records[0].Data), time.Since(r.began)
			}
			return got == ""
		}); err != nil || got != "while it was away" {
			r.Errorf("read %q, %v", got, err)
		}
		<-done
		if c := op.Counters(); c["subscriptions_taken_over"] != 1 || c["subscriptions"] != 2 || at < 12*time.Second || at > 12500*time.Millisecond {
			r.Errorf("back after %v: %v", at, c)
		}
	})
}

// TestBusy opens a shard to which somebody has subscribed a moment ago.
func TestBusy(t *testing.T) {
	bubble(t, local.Config{}, func(r *rig) {
		r.register("shared")
		for i := range uint64(2) {
			r.put("x")
			op := r.opener("shared")
			defer r.close(op)
			if err := r.read(op, func(*kload.Batch) bool { return false }); err != nil {
				r.Error(err)
			}
			if c := op.Counters(); c["subscribe_in_use"] != i || c["subscriptions"] != 1 || c["events"] != 1 {
				r.Errorf("counters %v", c)
			}
		}
	})
}

// TestRegistration opens with consumers of all kinds. Only one that the opener
// has registered is gone afterwards.
func TestRegistration(t *testing.T) {
	const delay = 3 * time.Second
	tests := []struct {
		name     string
		consumer func(r *rig) string
		want     string // part of an error, "" for none
		hinted   string
		left     []string
		made     int
	}{
		{"made up", func(*rig) string { return "" }, "", "", []string{"theirs"}, 1},
		{"a name that is not taken", func(*rig) string { return "mine" }, "", "", []string{"theirs"}, 1},
		{"a name that is taken", func(*rig) string { return "theirs" }, "", "", []string{"theirs"}, 0},
		{"an ARN", func(r *rig) string { return r.register("fourth") }, "", "", []string{"fourth", "theirs"}, 0},
		{
			"a name that is about to be free",
			func(r *rig) string {
				r.register("old")
				<-time.After(delay)
				r.deregister("old")
				return "old"
			}, "", "",
			[]string{"theirs"},
			1,
		},
		{
			"a stream that makes five others",
			func(r *rig) string {
				for i := range 5 {
					r.register(fmt.Sprint("other", i))
				}
				return "mine"
			}, "", "",
			[]string{"other0", "other1", "other2", "other3", "other4", "theirs"},
			1,
		},
		{"an ARN of another stream", func(r *rig) string { return strings.Replace(r.arn, ":stream/s", ":stream/other", 1) + "/consumer/c:1" }, "is not one of stream s", "name a consumer", []string{"theirs"}, 0},
		{"an ARN that is gone", func(r *rig) string { return r.arn + "/consumer/theirs:1" }, "looking for the registered consumer", "read.fanout.consumer", []string{"theirs"}, 0},
		{
			"a stream that is full",
			func(r *rig) string {
				for i := range 19 {
					r.register(fmt.Sprint("other", i))
					<-time.After(delay)
				}
				return ""
			}, "stream s has 20 registered consumers and takes no more", "deregister one", nil, 0,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, local.Config{StateDelay: delay}, func(r *rig) {
				r.register("theirs")
				<-time.After(delay)
				op := r.opener(tt.consumer(r))
				err := r.read(op, func(*kload.Batch) bool { return false })
				r.close(op)
				switch {
				case tt.want == "":
					if err != nil {
						r.Error(err)
					}
				case err == nil || !strings.Contains(err.Error(), tt.want):
					r.Errorf("error %v, want %q", err, tt.want)
				default:
					if h, ok := errors.AsType[*kload.HintError](err); !ok || !strings.Contains(h.Hint, tt.hinted) {
						r.Errorf("hint of %v, want %q", err, tt.hinted)
					}
				}
				if left := r.registered(); tt.left != nil && !slices.Equal(left, tt.left) {
					r.Errorf("left are %q, want %q", left, tt.left)
				}
				tried, undone := len(r.called("RegisterS")) > 0, len(r.called("Deregister"))
				if tried != (tt.made > 0 || tt.left == nil) || undone != tt.made {
					r.Errorf("calls %q", r.called(""))
				}
			})
		})
	}
}

// TestNamesOfConsumers checks what a configuration may say.
func TestNamesOfConsumers(t *testing.T) {
	const arn = "arn:aws:kinesis:us-east-1:000000000000:stream/s/consumer/"
	for consumer, ok := range map[string]bool{
		"": true, "a": true, "My_app.v-2": true, strings.Repeat("x", 128): true, arn + "c:1": true, "arn:aws-cn:kinesis:cn-north-1:000000000000:stream/s/consumer/c:12": true,
		strings.Repeat("x", 129): false, "my app": false, "ä": false, arn + "c": false, arn + "c:": false, arn + ":1": false, "stream/s/consumer/c:1": false,
	} {
		c := fanout.Config{Consumer: consumer}
		if issues := c.Validate(); (len(issues) == 0) != ok {
			t.Errorf("%q: %+v", consumer, issues)
		}
	}
}

// TestConsumerGone deregisters the consumer under its reader.
func TestConsumerGone(t *testing.T) {
	bubble(t, local.Config{}, func(r *rig) {
		op := r.opener("")
		done := make(chan struct{})
		time.AfterFunc(12*time.Second, func() {
			defer close(done)
			r.deregister(ownName)
		})
		err := r.read(op, func(*kload.Batch) bool { return true })
		if h, ok := errors.AsType[*kload.HintError](err); !ok || !errors.Is(err, kload.ErrUnreachable) || !strings.Contains(h.Hint, "not any more") {
			r.Errorf("error %v", err)
		}
		<-done
		r.close(op) // it is gone, and that is no error
	})
}

// TestLeftBehind finds what earlier runs have left on a stream that is not the
// run's: only what is certainly a dead run's of the same consumer is deregistered.
func TestLeftBehind(t *testing.T) {
	const dead, alive = "made-up-00c0ffee-until-19991231T2359Z", "made-up-00c0ffee-until-20000103T0000Z"
	others := []string{
		"made-up-00c0ffe-until-19991231T2359Z", "made-up-00C0FFEE-until-19991231T2359Z", "made-up-x-00c0ffee-until-19991231T2359Z",
		"made-up-00c0ffee-until-19991231", "made-up-00c0ffee", "other-00c0ffee-until-19991231T2359Z",
	}
	tests := []struct {
		name, consumer string
		fresh          bool
		fail           string // the operation that is refused
		left           []string
		notes          []string // what they contain
	}{
		{name: "a name made up", left: append([]string{alive}, others...), notes: []string{"deregistered consumer " + dead, "consumer " + alive + " is of another run, which may go on"}},
		{name: "a name of the user's", consumer: "mine", left: append([]string{dead, alive}, others...)},
		{name: "a stream of the run's own", fresh: true, left: append([]string{dead, alive}, others...)},
		{name: "listing is refused", fail: "ListStreamConsumers", left: append([]string{dead, alive}, others...)},
		{
			name: "deregistering is refused", fail: "DeregisterStreamConsumer", left: append([]string{dead, alive, ownName}, others...),
			notes: []string{"consumer " + dead + ", which an earlier run left behind, cannot be deregistered: ", alive},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, local.Config{}, func(r *rig) {
				for _, name := range append([]string{dead, alive}, others...) {
					r.register(name)
				}
				remove := func() {}
				if tt.fail != "" {
					remove = r.target.Control(tt.fail, func(faults.Call) (faults.Verdict, bool) {
						return faults.Verdict{Error: "AccessDeniedException"}, true
					})
				}
				o := r.options(tt.consumer)
				var notes []string
				o.Fresh, o.Note = tt.fresh, func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
				op := fanout.New(o)
				if err := r.read(op, func(*kload.Batch) bool { return false }); err != nil {
					r.Error(err)
				}
				if err := op.Close(r.Context()); (err != nil) != slices.Contains(tt.left, ownName) {
					r.Errorf("closing: %v", err)
				}
				remove()
				slices.Sort(tt.left)
				if d := cmp.Diff(tt.left, r.registered()); d != "" {
					r.Errorf("left (-want +got)\n%s", d)
				}
				if len(notes) != len(tt.notes) || !slices.EqualFunc(notes, tt.notes, strings.Contains) {
					r.Errorf("noted %q", notes)
				}
			})
		})
	}
}
