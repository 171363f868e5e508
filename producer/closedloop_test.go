package producer_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/producer"
)

// answering is an ingress that decides records after a service time.
type answering struct {
	memory
	loop     *producer.ClosedLoop
	service  time.Duration
	inFlight atomic.Int64
	most     int
}

func (a *answering) PutBatch(ctx context.Context, recs []kload.Record) (int, error) {
	n, err := a.memory.PutBatch(ctx, recs)
	a.most = max(a.most, int(a.inFlight.Add(int64(n))))
	time.AfterFunc(a.service, func() {
		a.inFlight.Add(-int64(n))
		a.loop.Settle(n)
	})
	return n, err
}

// TestClosedLoop holds that answers set the pace, that no more is under way than
// was allowed, and that the load ends by its total, its time or its data.
func TestClosedLoop(t *testing.T) {
	type ends struct {
		Account account
		Most    int
		Span    time.Duration
	}
	tests := []struct {
		name     string
		inFlight int
		total    uint64
		span     time.Duration
		data     int
		want     ends
	}{
		{"by time", 4, 0, time.Second, 0, ends{account{Scheduled: 400, Sent: 400}, 4, time.Second}},
		{"by total", 4, 50, 0, 0, ends{account{Scheduled: 50, Sent: 50}, 4, 120 * time.Millisecond}},
		{"a total below what is allowed", 9, 5, time.Second, 0, ends{account{Scheduled: 5, Sent: 5}, 5, 0}},
		{"by data", 4, 0, time.Second, 7, ends{account{Scheduled: 7, Sent: 7}, 4, 10 * time.Millisecond}},
		{"one at a time", 1, 0, 100 * time.Millisecond, 0, ends{account{Scheduled: 10, Sent: 10}, 1, 100 * time.Millisecond}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newLoadRig(&source{payload: "x", size: tt.data})
				r.Closed = producer.NewClosedLoop(tt.inFlight, tt.total, tt.span)
				in := &answering{memory: *r.ingress, loop: r.Closed, service: 10 * time.Millisecond}
				r.Ingress = in
				res, err := r.run(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				got := ends{r.account(), in.most, time.Duration(res.End - r.start)}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
				for i, g := range in.got {
					if g.Intended != g.At {
						t.Fatalf("record %d was intended for %d and sent at %d", i, g.Intended, g.At)
					}
				}
				synctest.Wait()
			})
		})
	}
}

func TestClosedLoopIsInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newLoadRig(&source{payload: "x"})
		r.Closed = producer.NewClosedLoop(3, 0, time.Hour) // nothing ever answers
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := r.run(ctx); err == nil {
			t.Error("ended without an error")
		}
		if diff := cmp.Diff(account{Scheduled: 3, Sent: 3}, r.account()); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}
