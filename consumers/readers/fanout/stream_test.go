package fanout_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	local "github.com/kload/kload/internal/local/kinesis"
)

// TestStreams reads scripts of what a service may push. Each is answered to the
// first subscription; the second one pushes record 9 and waits.
func TestStreams(t *testing.T) {
	push := func(payload string) func(*pusher) {
		return func(p *pusher) { p.frame("event", "SubscribeToShardEvent", payload) }
	}
	fails := func(message, code, payload string) func(*pusher) {
		return func(p *pusher) { p.frame(message, code, payload) }
	}
	tests := []struct {
		name   string
		script []func(*pusher)
		want   []string // sequence numbers
		start  string   // of the second subscription
		count  string   // what is counted, once
		after  time.Duration
		err    string
	}{
		{"it ends", []func(*pusher){push(event("5", "1", "5")), push(event("8"))}, []string{"1", "5", "9"}, "AFTER_SEQUENCE_NUMBER 8", "", 5 * time.Second, ""},
		{"it ends at once", nil, []string{"9"}, "TRIM_HORIZON", "", 5 * time.Second, ""},
		{"it is silent", []func(*pusher){push(event("5", "5")), (*pusher).wait}, []string{"5", "9"}, "AFTER_SEQUENCE_NUMBER 5", "subscriptions_cut", 40 * time.Second, ""},
		{
			"records come again",
			[]func(*pusher){push(event("5", "1", "5")), push(event("11", "1", "5", "10", "11")), push(event("11", "11"))},
			[]string{"1", "5", "10", "11"},
			"AFTER_SEQUENCE_NUMBER 11", "", 5 * time.Second, "",
		},
		{"an event of another kind", []func(*pusher){func(p *pusher) { p.frame("event", "SomethingNew", `{"what":["ever"]}`) }, push(event("5", "5"))}, []string{"5", "9"}, "AFTER_SEQUENCE_NUMBER 5", "", 5 * time.Second, ""},
		{"an event that cannot be continued", []func(*pusher){push(event("5", "5")), push(event("", "8"))}, []string{"5", "9"}, "AFTER_SEQUENCE_NUMBER 5", "subscriptions_cut", 5 * time.Second, ""},
		{"damaged", []func(*pusher){push(event("5", "5")), func(p *pusher) { p.raw(damaged(30)) }}, []string{"5", "9"}, "AFTER_SEQUENCE_NUMBER 5", "subscriptions_cut", 5 * time.Second, ""},
		{"damaged in its length", []func(*pusher){func(p *pusher) { p.raw(damaged(0)) }}, []string{"9"}, "TRIM_HORIZON", "subscriptions_cut", 5 * time.Second, ""},
		{"cut in the length", []func(*pusher){push(event("5", "5")), func(p *pusher) { p.raw(make([]byte, 7)) }}, []string{"5", "9"}, "AFTER_SEQUENCE_NUMBER 5", "subscriptions_cut", 5 * time.Second, ""},
		{"taken over", []func(*pusher){fails("exception", "ResourceInUseException", `{"message":"Another active subscription exists"}`)}, []string{"9"}, "TRIM_HORIZON", "subscriptions_taken_over", 5 * time.Second, ""},
		{"the service fails", []func(*pusher){fails("exception", "InternalFailureException", `{}`)}, []string{"9"}, "TRIM_HORIZON", "subscriptions_cut", 5 * time.Second, ""},
		{"it fails without a model", []func(*pusher){fails("error", "ServiceUnavailable", `busy`)}, []string{"9"}, "TRIM_HORIZON", "subscriptions_cut", 5 * time.Second, ""},
		{"the key is gone", []func(*pusher){fails("exception", "KMSDisabledException", `{"message":"disabled"}`)}, nil, "", "", 0, "reading shardId-000000000000: api error KMSDisabledException: disabled"},
		{"the stream is gone", []func(*pusher){fails("exception", "ResourceNotFoundException", `no JSON`)}, nil, "", "", 0, "ResourceNotFoundException"},
		{"no JSON", []func(*pusher){push(`{"Records":[`)}, nil, "", "", 0, "reading shardId-000000000000: an event makes no sense"},
		{"no base64", []func(*pusher){push(strings.Replace(event("5", "5"), "ZGF0YQ==", "ZGF0Y", 1))}, nil, "", "", 0, "an event makes no sense"},
		{"children without a range", []func(*pusher){push(`{"Records":[],"ChildShards":[{"ShardId":"a"}]}`)}, nil, "", "", 0, "an event makes no sense"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, local.Config{}, func(r *rig) {
				var starts []string
				var second time.Time
				r.script = func(n int, p *pusher) {
					starts = append(starts, p.start)
					if n == 0 {
						for _, step := range tt.script {
							step(p)
						}
						return
					}
					second = time.Now()
					push(event("9", "9"))(p)
					push(event("12", "12"))(p)
					p.wait()
				}
				op := r.opener("")
				defer r.close(op)
				var got []string
				err := r.read(op, func(b *kload.Batch) bool {
					for _, rec := range b.Records {
						got = append(got, rec.Sequence)
					}
					return !slices.Contains(got, "12")
				})
				if tt.err != "" {
					if err == nil || !strings.Contains(err.Error(), tt.err) {
						r.Errorf("error %v, want %q", err, tt.err)
					}
					return
				}
				if diff := cmp.Diff(append(tt.want, "12"), got); diff != "" || err != nil {
					r.Errorf("%v (-want +got):\n%s", err, diff)
				}
				if diff := cmp.Diff([]string{"TRIM_HORIZON", tt.start}, starts); diff != "" {
					r.Errorf("subscriptions (-want +got):\n%s", diff)
				}
				late := second.Sub(r.began) - 500*time.Millisecond // which registering takes
				if late < tt.after || late > tt.after+500*time.Millisecond {
					r.Errorf("subscribed again after %v, want %v", late, tt.after)
				}
				c := op.Counters()
				if sum := c["subscriptions_cut"] + c["subscriptions_taken_over"]; c["subscriptions"] != 2 || tt.count == "" && sum != 0 || tt.count != "" && (sum != 1 || c[tt.count] != 1) {
					r.Errorf("counters %v", c)
				}
			})
		})
	}
}

// damaged is an event with one wrong bit.
func damaged(at int) []byte {
	b := encode("event", "SubscribeToShardEvent", event("5", "5"))
	b[at] ^= 1
	return b
}

// TestRepeatsAreCounted has what was delivered come again behind a cut.
func TestRepeatsAreCounted(t *testing.T) {
	bubble(t, local.Config{}, func(r *rig) {
		r.script = func(n int, p *pusher) {
			p.frame("event", "SubscribeToShardEvent", []string{event("6", "5", "6"), event("10", "6", "10")}[n])
		}
		op := r.opener("")
		defer r.close(op)
		var got []string
		if err := r.read(op, func(b *kload.Batch) bool {
			for _, rec := range b.Records {
				got = append(got, rec.Sequence)
			}
			return len(got) < 3
		}); err != nil || !slices.Equal(got, []string{"5", "6", "10"}) || op.Counters()["repeats_dropped"] != 1 {
			r.Errorf("read %q, %v, %v", got, err, op.Counters())
		}
	})
}

// TestReceived takes the time at which an event was there, however long the
// consumer had been busy, or the next event lets it wait.
func TestReceived(t *testing.T) {
	bubble(t, local.Config{}, func(r *rig) {
		r.script = func(_ int, p *pusher) {
			for i := range 3 {
				<-time.After(3 * time.Second)
				p.frame("event", "SubscribeToShardEvent", event(fmt.Sprint(10+i), fmt.Sprint(10+i)))
			}
			p.wait()
		}
		op := r.opener("")
		defer r.close(op)
		var got []time.Duration
		start := time.Duration(0)
		if err := r.read(op, func(b *kload.Batch) bool {
			if start == 0 {
				start = time.Since(r.began)
			}
			got = append(got, time.Unix(0, b.Received).Sub(r.began)-start)
			if len(got) == 2 {
				<-time.After(10 * time.Second)
			}
			return len(got) < 3
		}); err != nil {
			r.Error(err)
		}
		if diff := cmp.Diff([]time.Duration{0, 3 * time.Second, 13 * time.Second}, got); diff != "" {
			r.Errorf("-want +got:\n%s", diff)
		}
	})
}
