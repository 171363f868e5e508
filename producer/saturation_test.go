package producer_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/pace"
	"github.com/kload/kload/producer"
)

// narrow is an ingress with room for so many records, which comes back once a
// second.
type narrow struct {
	*memory
	room, left int
	filled     int64
}

func (n *narrow) TryPutBatch(recs []kload.Record) (int, error) {
	if now := n.clock.Now(); now-n.filled >= sec {
		n.left, n.filled = n.room, now
	}
	taken := min(n.left, len(recs))
	n.left -= taken
	return n.PutBatch(context.Background(), recs[:taken])
}

// TestSaturation sends three seconds of 1,000 records a second to an ingress that
// has room for 300.
func TestSaturation(t *testing.T) {
	tests := []struct {
		name   string
		choice producer.Saturation
		tweak  func(*loadRig)
		want   account
		err    error
	}{
		{name: "shed", choice: producer.Shed, want: account{Scheduled: 3000, Sent: 900, Shed: 2100}},
		{
			name: "shed from a timed source", choice: producer.Shed, want: account{Scheduled: 3000, Sent: 900, Shed: 2100},
			tweak: func(r *loadRig) {
				r.Schedule, r.Source = nil, &source{payload: "x", gap: time.Millisecond, size: 3000}
			},
		},
		{
			name: "shed unpaced", choice: producer.Shed, want: account{Scheduled: 3000, Sent: 300, Shed: 2700},
			tweak: func(r *loadRig) {
				r.Schedule, r.Unpaced, r.Source = nil, true, &source{payload: "x", size: 3000}
			},
		},
		{name: "abort", choice: producer.Abort, want: account{Scheduled: 301, Sent: 300, Unsent: 1}, err: producer.ErrSaturated},
		{
			name: "an ingress that can only block", choice: producer.Shed, want: account{Scheduled: 1, Unsent: 1}, err: kload.ErrInvalid,
			tweak: func(r *loadRig) { r.Ingress = r.ingress },
		},
		{
			name: "block", choice: producer.Block, want: account{Scheduled: 3000, Sent: 3000},
			tweak: func(r *loadRig) { r.Ingress = r.ingress },
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newLoadRig(&source{payload: "x"})
				r.Schedule = pace.Constant(1000, time.Second, 3*time.Second)
				r.Ingress, r.OnSaturation = &narrow{memory: r.ingress, room: 300}, tt.choice
				if tt.tweak != nil {
					tt.tweak(r)
				}
				res, err := r.run(t.Context())
				if !errors.Is(err, tt.err) {
					t.Errorf("ended with %v, want %v", err, tt.err)
				}
				if diff := cmp.Diff(tt.want, r.account()); diff != "" || res.Scheduled != tt.want.Scheduled {
					t.Errorf("%d scheduled; account (-want +got):\n%s", res.Scheduled, diff)
				}
				for i, g := range r.ingress.got { // numbered without gaps, on time or not at all
					if g.Seq != uint64(i) || tt.choice == producer.Shed && g.At-g.Intended > 2e6 {
						t.Fatalf("record %d was sent as %d, %v late", i, g.Seq, time.Duration(g.At-g.Intended))
					}
				}
			})
		})
	}
}
