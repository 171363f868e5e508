package producer_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/producer"
)

// following is a timed source that writes down what it is told.
type following struct {
	source
	starts []int64
	shed   []uint64
}

func (f *following) Start(at int64) { f.starts = append(f.starts, at) }
func (f *following) Shed(seq uint64, n int) {
	for range n {
		f.shed = append(f.shed, seq)
	}
}

// once is a memory that pauses only the first time.
type once struct{ *memory }

func (o *once) PutBatch(ctx context.Context, recs []kload.Record) (int, error) {
	n, err := o.memory.PutBatch(ctx, recs)
	if len(o.got) >= o.per {
		o.per = 0
	}
	return n, err
}

// TestLag has ten records, one each 100 ms, and an ingress that pauses for 350 ms
// after the second.
func TestLag(t *testing.T) {
	const step = 100 * time.Millisecond
	for name, tc := range map[string]struct {
		policy producer.LagPolicy
		max    time.Duration
		late   []time.Duration // of the records that were sent
		span   time.Duration   // from the first to the last
		want   producer.LoadResult
		books  account
		starts int
		shed   []uint64
	}{
		"catch up": {
			policy: producer.CatchUp, late: []time.Duration{0, 0, 250e6, 150e6, 50e6, 0, 0, 0, 0, 0}, span: 9 * step,
			want: producer.LoadResult{Scheduled: 10}, books: account{Scheduled: 10, Sent: 10}, starts: 1,
		},
		"slip": {
			policy: producer.Slip, max: step, late: []time.Duration{0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, span: 9*step + 250*time.Millisecond,
			want:  producer.LoadResult{Scheduled: 10, Slips: 1, Slipped: int64(250 * time.Millisecond)},
			books: account{Scheduled: 10, Sent: 10}, starts: 2,
		},
		"slip within the limit": {
			policy: producer.Slip, max: time.Second, late: []time.Duration{0, 0, 250e6, 150e6, 50e6, 0, 0, 0, 0, 0}, span: 9 * step,
			want: producer.LoadResult{Scheduled: 10}, books: account{Scheduled: 10, Sent: 10}, starts: 1,
		},
		"drop": {
			policy: producer.Drop, max: step, late: []time.Duration{0, 0, 50e6, 0, 0, 0, 0, 0}, span: 9 * step,
			want:  producer.LoadResult{Scheduled: 10, Dropped: 2},
			books: account{Scheduled: 10, Sent: 8, Shed: 2}, starts: 1, shed: []uint64{2, 2},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := &following{source: source{payload: "x", gap: step, size: 10}}
				r := newLoadRig(src)
				r.OnLag, r.MaxLag = tc.policy, int64(tc.max)
				r.ingress.per, r.ingress.pause = 2, 350*time.Millisecond
				r.Ingress = &once{memory: r.ingress}
				got, err := r.run(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				got.End = 0
				if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Errorf("result (-want +got):\n%s", diff)
				}
				var late []time.Duration
				for _, g := range r.ingress.got {
					late = append(late, time.Duration(g.At-g.Intended))
				}
				if diff := cmp.Diff(tc.late, late); diff != "" {
					t.Errorf("lateness (-want +got):\n%s", diff)
				}
				if last := r.ingress.got[len(r.ingress.got)-1]; time.Duration(last.Intended-r.start) != tc.span {
					t.Errorf("the last is due after %v, want %v", time.Duration(last.Intended-r.start), tc.span)
				}
				if diff := cmp.Diff(tc.books, r.account()); diff != "" {
					t.Errorf("books (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(tc.shed, src.shed); diff != "" || len(src.starts) != tc.starts || src.starts[0] != r.start {
					t.Errorf("told of starts %v, shed (-want +got):\n%s", src.starts, diff)
				}
			})
		})
	}
}
