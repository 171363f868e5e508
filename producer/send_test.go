package producer_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/units"
	"github.com/kload/kload/producer"
	"github.com/kload/kload/producer/drivertest"
)

// plain returns a configuration that sends each user record by itself over one
// connection, so that tests can count on requests.
func plain() producer.Config {
	cfg := producer.DefaultConfig()
	cfg.Aggregation.Enabled = false
	cfg.Connections = 1
	return cfg
}

func TestCollection(t *testing.T) {
	tests := []struct {
		name    string
		records int
		bytes   units.Bytes
		size    int
		n       int
		want    []int // records per request, after the first that got away alone
	}{
		{"by count", 500, 10 << 20, 16, 1201, []int{500, 500, 200}},
		{"by a small count", 3, 10 << 20, 16, 8, []int{3, 3, 1}},
		{"by bytes, keys included", 500, 10 * 105, 100, 26, []int{10, 10, 5}},
		{"one that is larger than a request", 500, 50, 100, 3, []int{1, 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := plain()
				cfg.Collection = producer.Collection{MaxRecords: tt.records, MaxBytes: tt.bytes}
				var sizes []int
				r := newRig(t, cfg, 1, func(_ int, entries []types.PutRecordsRequestEntry) drivertest.Answer {
					sizes = append(sizes, len(entries))
					return drivertest.Answer{After: time.Second}
				})
				feed := drivertest.Feed{Size: tt.size, Keys: 1}
				r.send(t, feed.Next(1))
				synctest.Wait() // the only sender is busy: what comes now collects
				r.send(t, feed.Next(tt.n-1))
				r.finish(t)
				if diff := cmp.Diff(append([]int{1}, tt.want...), sizes); diff != "" {
					t.Errorf("records per request (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestRetries fails entry 2 of 5 twice: nothing else is sent again, and the wait
// before each attempt is within its jitter.
func TestRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, plain(), 1, func(n int, _ []types.PutRecordsRequestEntry) drivertest.Answer {
			return drivertest.Answer{After: 20 * time.Millisecond, Code: func(i int) string {
				switch {
				case n == 0 && i == 2:
					return drivertest.CodeThrottled
				case n == 1:
					return drivertest.CodeInternal
				}
				return ""
			}}
		})
		feed := drivertest.Feed{Size: 16, Keys: 5}
		r.send(t, feed.Next(5))
		r.finish(t)
		var attempts []int
		for seq := range uint64(5) {
			attempts = append(attempts, len(r.kinesis.Attempts(seq)))
		}
		if diff := cmp.Diff([]int{1, 1, 3, 1, 1}, attempts); diff != "" {
			t.Errorf("attempts (-want +got):\n%s", diff)
		}
		shard := r.kinesis.ShardIDs()[0]
		want := producer.Stats{
			UserRecords: 5, StreamRecords: 5, Bytes: 80, Requests: 3, Attempts: 7, Retries: 2, Throttled: 1, Failed: 1,
			PeakBytes: 5 * (16 + 5 + 64), Flushed: producer.FlushReasons{Count: 5}, Attempted: [8]uint64{4, 1},
			Errors:      map[string]uint64{drivertest.CodeThrottled: 1, drivertest.CodeInternal: 1},
			ThrottledBy: map[string]uint64{shard: 1},
		}
		if diff := cmp.Diff(want, r.Stats()); diff != "" {
			t.Errorf("Stats() (-want +got):\n%s", diff)
		}
		o := r.book.Outcome(2)
		at := r.kinesis.Attempts(2)
		if o.FirstAttempt != at[0].UnixNano() || o.LastAttempt != at[2].UnixNano() ||
			o.Acked != at[2].Add(20*time.Millisecond).UnixNano() || o.Code != "" || o.Ambiguous != 1 {
			t.Errorf("outcome %+v with attempts at %v", o, at)
		}
	})
}

// TestBackoff throttles one record many times and holds the waits against full
// jitter: within [0, min(cap, base·2ⁿ)], and spread over it.
func TestBackoff(t *testing.T) {
	const base, limit, service = 25 * time.Millisecond, 2 * time.Second, time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		cfg := plain()
		cfg.TTL = 10 * time.Minute
		always := drivertest.Answer{After: service, Code: func(int) string { return drivertest.CodeThrottled }}
		r := newRig(t, cfg, 1, func(int, []types.PutRecordsRequestEntry) drivertest.Answer { return always })
		feed := drivertest.Feed{Size: 16, Keys: 1}
		r.send(t, feed.Next(1))
		r.finish(t)
		at := r.kinesis.Attempts(0)
		var share []float64
		for i := 1; i < len(at); i++ {
			wait, most := at[i].Sub(at[i-1])-service, min(limit, base<<min(i-1, 20))
			if wait < 0 || wait > most+500*time.Microsecond { // a pacer's tick
				t.Errorf("%v before attempt %d, want at most %v", wait, i+1, most)
			}
			share = append(share, float64(wait)/float64(most))
		}
		if len(at) < 300 {
			t.Errorf("%d attempts in ten minutes", len(at))
		}
		slices.Sort(share)
		for _, q := range []float64{0.1, 0.5, 0.9} {
			if got := share[int(q*float64(len(share)))]; got < q-0.1 || got > q+0.1 {
				t.Errorf("quantile %v of the waits is %.2f of the largest: no full jitter", q, got)
			}
		}
	})
}

func TestTTL(t *testing.T) {
	tests := []struct {
		name   string
		answer drivertest.Answer
		want   kload.Outcome
	}{
		{
			"throttled",
			drivertest.Answer{Code: func(int) string { return drivertest.CodeThrottled }},
			kload.Outcome{Status: kload.Rejected, Code: drivertest.CodeThrottled},
		},
		{
			"throttled as a whole",
			drivertest.Answer{Err: drivertest.APIError(drivertest.CodeThrottled)},
			kload.Outcome{Status: kload.Rejected, Code: drivertest.CodeThrottled},
		},
		{"refused", drivertest.Answer{Err: drivertest.Refused()}, kload.Outcome{Status: kload.Rejected, Code: "ConnectionRefused"}},
		{
			"failing entry",
			drivertest.Answer{Code: func(int) string { return drivertest.CodeInternal }},
			kload.Outcome{Status: kload.Unknown, Code: drivertest.CodeInternal},
		},
		{
			"server error",
			drivertest.Answer{Err: drivertest.APIError(drivertest.CodeInternal)},
			kload.Outcome{Status: kload.Unknown, Code: drivertest.CodeInternal},
		},
		{"timeout", drivertest.Answer{Hang: true}, kload.Outcome{Status: kload.Unknown, Code: "Timeout"}},
		{"cut", drivertest.Answer{Err: drivertest.Cut(), Commit: true}, kload.Outcome{Status: kload.Unknown, Code: "ConnectionLost"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := plain()
				cfg.RequestTimeout, cfg.TTL = time.Second, 10*time.Second
				r := newRig(t, cfg, 1, func(int, []types.PutRecordsRequestEntry) drivertest.Answer { return tt.answer })
				feed, start := drivertest.Feed{Size: 16, Keys: 1}, time.Now()
				r.send(t, feed.Next(1))
				r.finish(t)
				tt.want.Shard = r.kinesis.ShardIDs()[0]
				got := r.book.Outcome(0)
				if tt.want.Status == kload.Unknown {
					tt.want.Ambiguous = got.Attempts // each of them
				}
				if diff := cmp.Diff(tt.want, got, cmpopts.IgnoreFields(kload.Outcome{}, "Attempts", "FirstAttempt", "LastAttempt")); diff != "" {
					t.Errorf("outcome (-want +got):\n%s", diff)
				}
				last := time.Unix(0, got.LastAttempt).Sub(start)
				if last > cfg.TTL || last < cfg.TTL-4*time.Second || got.Attempts < 5 {
					t.Errorf("%d attempts, the last after %v, with a TTL of %v", got.Attempts, last, cfg.TTL)
				}
			})
		})
	}
}

// TestClosedUnsent closes with no time left: what was never sent is rejected,
// what was under way is unknown.
func TestClosedUnsent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, plain(), 1, func(int, []types.PutRecordsRequestEntry) drivertest.Answer {
			return drivertest.Answer{Hang: true}
		})
		feed := drivertest.Feed{Size: 16, Keys: 1}
		r.send(t, feed.Next(1))
		synctest.Wait()
		r.send(t, feed.Next(3))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := r.Close(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Close gave %v", err)
		}
		r.book.Check(t, r.kinesis, 4)
		if diff := cmp.Diff(map[kload.Status]int{kload.Unknown: 1, kload.Rejected: 3}, r.book.Statuses()); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
		if o := r.book.Outcome(3); o.Code != "Closed" || o.Attempts != 0 || o.FirstAttempt != 0 {
			t.Errorf("a record that was not sent ended as %+v", o)
		}
	})
}

// TestFatalIsTold holds that a refusal reaches the caller once, even when no
// further put comes.
func TestFatalIsTold(t *testing.T) {
	refuse := func(int, []types.PutRecordsRequestEntry) drivertest.Answer {
		return drivertest.Answer{Err: drivertest.APIError("AccessDeniedException")}
	}
	for _, put := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, plain(), 1, refuse)
			feed := drivertest.Feed{Size: 16, Keys: 1}
			r.send(t, feed.Next(1))
			synctest.Wait()
			var told []error
			if put {
				_, err := r.PutBatch(t.Context(), feed.Next(1))
				told = append(told, err)
			}
			told = append(told, r.Close(t.Context()))
			if !errors.Is(told[0], kload.ErrUnreachable) || put && told[1] != nil {
				t.Errorf("put %v: told %v, want ErrUnreachable once", put, told)
			}
		})
	}
}

// shortAnswer answers for fewer records than were sent.
type shortAnswer struct{ *drivertest.Kinesis }

func (s shortAnswer) PutRecords(ctx context.Context, in *kinesis.PutRecordsInput, o ...func(*kinesis.Options)) (*kinesis.PutRecordsOutput, error) {
	out, err := s.Kinesis.PutRecords(ctx, in, o...)
	if err == nil {
		out.Records = out.Records[:len(out.Records)-1]
	}
	return out, err
}

// TestShortAnswer holds that an answer which cannot be matched with the records
// says nothing about any of them.
func TestShortAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := plain()
		cfg.TTL = time.Second
		k := drivertest.NewKinesis(1, nil)
		r := newRigOn(t, cfg, k, shortAnswer{k})
		feed := drivertest.Feed{Size: 16, Keys: 1}
		r.send(t, feed.Next(2))
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(map[kload.Status]int{kload.Unknown: 2}, r.book.Statuses()); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
	})
}

// TestFlushOverlooksLaterRecords holds that Flush waits for what was accepted
// before it only: under a steady load it would never return otherwise.
func TestFlushOverlooksLaterRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := plain()
		cfg.Connections = 2
		r := newRig(t, cfg, 1, func(n int, _ []types.PutRecordsRequestEntry) drivertest.Answer {
			return drivertest.Answer{After: []time.Duration{time.Second, 5 * time.Second}[n]}
		})
		feed, start := drivertest.Feed{Size: 16, Keys: 1}, time.Now()
		r.send(t, feed.Next(1))
		flushed := make(chan error)
		go func() { flushed <- r.Flush(t.Context()) }()
		synctest.Wait()
		r.send(t, feed.Next(1))
		if err := <-flushed; err != nil || time.Since(start) != time.Second {
			t.Errorf("Flush took %v and gave %v, want 1s", time.Since(start), err)
		}
		r.finish(t)
	})
}
