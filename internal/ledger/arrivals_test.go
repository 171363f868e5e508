package ledger_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/ledger"
)

type emitted struct {
	Hop   int64
	Users int
}

func TestArrivals(t *testing.T) {
	put := kload.Outcome{Status: kload.Acked, Shard: "s", Sequence: "10", LastAttempt: 1000, Records: make([]kload.Receipt, 3)}
	lost := put
	lost.Status = kload.Unknown
	unnamed := put
	unnamed.Sequence = ""
	got := &kload.Batch{Partition: "s", Records: []kload.StreamRecord{{Sequence: "10", Arrived: 1500}}}
	elsewhere := &kload.Batch{Partition: "t", Records: got.Records}
	timeless := &kload.Batch{Partition: "s", Records: []kload.StreamRecord{{Sequence: "10"}, {Arrived: 1500}}}
	tests := []struct {
		name  string
		steps []any // kload.Outcome or *kload.Batch
		want  []emitted
	}{
		{"producer first", []any{put, got}, []emitted{{500, 3}}},
		{"consumer first", []any{got, put}, []emitted{{500, 3}}},
		{"two consumers", []any{put, got, got}, []emitted{{500, 3}}},
		{"two consumers first", []any{got, got, put, got}, []emitted{{500, 3}}},
		{"not acknowledged", []any{lost, got}, nil},
		{"no sequence number", []any{unnamed, got}, nil},
		{"other shard", []any{put, elsewhere}, nil},
		{"no arrival time", []any{put, timeless}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := ledger.NewArrivals(1000)
			var all []emitted
			emit := func(hop int64, users int) { all = append(all, emitted{hop, users}) }
			for _, s := range tt.steps {
				switch s := s.(type) {
				case kload.Outcome:
					a.Sent([]kload.Outcome{s}, emit)
				case *kload.Batch:
					a.Seen(s, emit)
				}
			}
			if diff := cmp.Diff(tt.want, all); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestArrivalsDropped(t *testing.T) {
	a := ledger.NewArrivals(0) // one place
	n := 0
	emit := func(int64, int) { n++ }
	for i := range 3 {
		a.Sent([]kload.Outcome{{Status: kload.Acked, Shard: "s", Sequence: fmt.Sprint(i)}}, emit)
	}
	a.Seen(&kload.Batch{Partition: "s", Records: []kload.StreamRecord{{Sequence: "2", Arrived: 1}}}, emit)
	if n != 1 || a.Dropped() != 2 {
		t.Errorf("%d emitted, %d dropped; want 1, 2", n, a.Dropped())
	}
	next := &kload.Batch{Partition: "s", Records: []kload.StreamRecord{{Sequence: "9", Arrived: 1}}}
	a.Seen(next, emit)
	a.Sent([]kload.Outcome{{Status: kload.Acked, Shard: "s", Sequence: "9"}}, emit)
	a.Sent([]kload.Outcome{{Status: kload.Acked, Shard: "s", Sequence: "10"}}, emit)
	if n != 2 || a.Dropped() != 2 {
		t.Errorf("%d emitted, %d dropped; want 2, 2: a joined record was counted", n, a.Dropped())
	}
}
