package ledger_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/ledger"
)

type emitted struct {
	Load  int
	Hop   int64
	Users int
}

// by is an outcome of a load.
type by struct {
	load int
	kload.Outcome
}

func ackedBy(load int, sequence string) by {
	return by{load, kload.Outcome{
		Status: kload.Acked, Shard: "s", Sequence: sequence, LastAttempt: 1000, Records: make([]kload.Receipt, 3),
	}}
}

func read(sequences ...string) *kload.Batch {
	b := &kload.Batch{Partition: "s"}
	for _, s := range sequences {
		b.Records = append(b.Records, kload.StreamRecord{Sequence: s, Arrived: 1500})
	}
	return b
}

// join takes steps, which are of type by or *kload.Batch, to a table and returns
// what it emits.
func join(a *ledger.Arrivals, steps ...any) (all []emitted) {
	emit := func(load int, hop int64, users int) { all = append(all, emitted{load, hop, users}) }
	for _, s := range steps {
		switch s := s.(type) {
		case by:
			a.Sent(s.load, []kload.Outcome{s.Outcome}, emit)
		case *kload.Batch:
			a.Seen(s, emit)
		}
	}
	return all
}

func TestArrivals(t *testing.T) {
	put, got := ackedBy(0, "10"), read("10")
	lost, unnamed := put, put
	lost.Status, unnamed.Sequence = kload.Unknown, ""
	elsewhere := &kload.Batch{Partition: "t", Records: got.Records}
	timeless := &kload.Batch{Partition: "s", Records: []kload.StreamRecord{{Sequence: "10"}, {Arrived: 1500}}}
	tests := []struct {
		name  string
		steps []any
		want  []emitted
	}{
		{"producer first", []any{put, got}, []emitted{{0, 500, 3}}},
		{"consumer first", []any{got, put}, []emitted{{0, 500, 3}}},
		{"two consumers", []any{put, got, got}, []emitted{{0, 500, 3}}},
		{"two consumers first", []any{got, got, put, got}, []emitted{{0, 500, 3}}},
		{"two loads", []any{ackedBy(1, "11"), put, read("10", "11")}, []emitted{{0, 500, 3}, {1, 500, 3}}},
		{"two loads, consumer first", []any{read("10", "11"), ackedBy(1, "11"), put}, []emitted{{1, 500, 3}, {0, 500, 3}}},
		{"not acknowledged", []any{lost, got}, nil},
		{"no sequence number", []any{unnamed, got}, nil},
		{"other shard", []any{put, elsewhere}, nil},
		{"no arrival time", []any{put, timeless}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, join(ledger.NewArrivals(1000), tt.steps...)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestArrivalsDropped fills a table of one set, of four places.
func TestArrivalsDropped(t *testing.T) {
	four := []any{ackedBy(0, "0"), ackedBy(1, "1"), ackedBy(2, "2"), ackedBy(1, "3")}
	tests := []struct {
		name    string
		steps   []any
		loads   []int    // whose records come out
		dropped []uint64 // by load
	}{
		{"full", []any{read("0", "1", "2", "3")}, []int{0, 1, 2, 1}, []uint64{0, 0, 0, 0}},
		{"the oldest goes", []any{ackedBy(3, "4"), read("1", "2", "3", "4", "0")}, []int{1, 2, 1, 3}, []uint64{1, 0, 0, 0}},
		{"the two oldest go", []any{ackedBy(3, "4"), ackedBy(3, "5"), read("2", "3", "4", "5")}, []int{2, 1, 3, 3}, []uint64{1, 1, 0, 0}},
		{
			"all go",
			[]any{ackedBy(3, "4"), ackedBy(3, "5"), ackedBy(3, "6"), ackedBy(3, "7"), read("4", "5", "6", "7")},
			[]int{3, 3, 3, 3},
			[]uint64{1, 2, 1, 0},
		},
		{"joined ones go uncounted", []any{read("0", "1"), ackedBy(3, "4"), ackedBy(3, "5")}, []int{0, 1}, []uint64{0, 0, 0, 0}},
		{"an arrival is nobody's", []any{read("0", "1", "2", "3"), read("9"), ackedBy(3, "4"), ackedBy(3, "5"), ackedBy(3, "6"), ackedBy(3, "7")}, []int{0, 1, 2, 1}, []uint64{1, 0, 0, 0}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := ledger.NewArrivals(0)
			var loads []int
			for _, e := range join(a, append(four[:4:4], tt.steps...)...) {
				loads = append(loads, e.Load)
			}
			dropped, sum := make([]uint64, 4), uint64(0)
			for load := range dropped {
				dropped[load] = a.DroppedOf(load)
				sum += dropped[load]
			}
			if diff := cmp.Diff(tt.loads, loads); diff != "" {
				t.Errorf("emitted for loads (-want +got)\n%s", diff)
			}
			if diff := cmp.Diff(tt.dropped, dropped); diff != "" || a.Dropped() != sum {
				t.Errorf("dropped (-want +got), in all %d\n%s", a.Dropped(), diff)
			}
		})
	}
}

// TestArrivalsRarelyDrop keeps an eighth as many stream records under way as
// there are places.
func TestArrivalsRarelyDrop(t *testing.T) {
	const n, places = 1 << 16, 1 << 12
	a := ledger.NewArrivals(places)
	var steps []any
	for i := range n {
		steps = append(steps, ackedBy(0, fmt.Sprint(i)))
		if i >= places/8 {
			steps = append(steps, read(fmt.Sprint(i-places/8)))
		}
	}
	// A record is gone if four others of its set come while it waits: of 1,000,
	// 2 are. Were it gone with the next one at its place, 118 would be.
	want := n - places/8
	if got := len(join(a, steps...)); got < want*99/100 {
		t.Errorf("%d of %d joined; want 99%%", got, want)
	}
}
