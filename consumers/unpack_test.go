package consumers_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/consumers"
	"github.com/kload/kload/consumers/sinks/discard"
	"github.com/kload/kload/internal/kpl"
	"github.com/kload/kload/internal/ledger"
	"github.com/kload/kload/internal/shard"
	"github.com/kload/kload/internal/trace"
)

// aggregate packs user records.
func aggregate(users ...kpl.User) []byte {
	var e kpl.Encoder
	e.Reset(nil)
	for _, u := range users {
		e.Add(u.Key, u.Hash, u.HasHash, u.Tag, u.Data)
	}
	return e.Seal()
}

func TestDeaggregation(t *testing.T) {
	key, other := []byte("key"), []byte("other")
	explicit := kload.HashKey{Hi: 1, Lo: 2}
	packed := aggregate(
		kpl.User{Key: key, Data: []byte("a")},
		kpl.User{Key: other, Hash: explicit, HasHash: true, Tag: []byte("tag"), Data: []byte("b")},
	)
	bad := append([]byte{}, packed...)
	bad[len(bad)-1] ^= 1
	unpacked := func(stream int) []kload.Delivery {
		return []kload.Delivery{
			{Data: []byte("a"), Key: key, Hash: shard.HashOf(key), HasHash: true, Stream: stream},
			{Data: []byte("b"), Key: other, Tag: []byte("tag"), Hash: explicit, HasHash: true, Stream: stream, Sub: 1},
		}
	}
	plain := func(stream int, data []byte, byKey bool) kload.Delivery {
		u := kload.Delivery{Data: data, Key: []byte("stream key"), Stream: stream}
		if byKey {
			u.Hash, u.HasHash = shard.HashOf(u.Key), true
		}
		return u
	}
	text := []byte("text")
	tests := []struct {
		name  string
		byKey bool
		data  [][]byte
		want  []kload.Delivery
		bad   uint64
	}{
		{"plain", false, [][]byte{text, {}}, []kload.Delivery{plain(0, text, false), plain(1, []byte{}, false)}, 0},
		{"plain, routed by key", true, [][]byte{text}, []kload.Delivery{plain(0, text, true)}, 0},
		{"aggregate", false, [][]byte{packed}, unpacked(0), 0},
		{"bad aggregate", false, [][]byte{bad}, []kload.Delivery{plain(0, bad, false)}, 1},
		{
			"mixed", true,
			[][]byte{text, packed, bad, packed},
			append(append([]kload.Delivery{plain(0, text, true)}, unpacked(1)...), append([]kload.Delivery{plain(2, bad, true)}, unpacked(3)...)...), 1,
		},
		{"nothing", false, [][]byte{}, nil, 0},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				in := newInput(t, "p")
				b := &kload.Batch{Partition: "p"}
				for _, data := range tc.data {
					b.Records = append(b.Records, kload.StreamRecord{Data: data, Key: []byte("stream key")})
				}
				in.batches["p"] = append(in.batches["p"], b)
				in.end("p")
				var got []kload.Delivery
				c := newConsumer(in, host(func(_ context.Context, b *kload.Batch) error {
					b.Retain()
					got = b.Users
					return nil
				}), func(o *consumers.Options) { o.PlainByKey = tc.byKey })
				if err := c.Run(t.Context(), func() {}); err != nil {
					t.Fatal(err)
				}
				for i := range got {
					got[i].Extra = false // the ledger's, which sees no trace here
				}
				if diff := cmp.Diff(tc.want, got); diff != "" || c.Deaggregation().BadAggregates != tc.bad {
					t.Errorf("%d bad aggregates, want %d; -want +got:\n%s", c.Deaggregation().BadAggregates, tc.bad, diff)
				}
			})
		})
	}
}

// TestTap shows one batch of everything to the tap.
func TestTap(t *testing.T) {
	const ms = int64(time.Millisecond)
	stamp := func(seq uint64, t0 int64) trace.Stamp {
		return trace.Stamp{Run: run, Producer: 1, Seq: seq, T0: t0 * ms}
	}
	corrupt := stamped(stamp(3, 50), "corrupt")
	corrupt[len(corrupt)-1] ^= 1
	tagged := trace.AppendTag(nil, []byte("tagged"), stamp(4, 60))
	b := &kload.Batch{Partition: "p", Received: 100 * ms, Records: []kload.StreamRecord{
		{Arrived: 90 * ms, Data: aggregate(
			kpl.User{Key: []byte("k"), Data: stamped(stamp(0, 40), "first")},
			kpl.User{Key: []byte("k"), Data: stamped(stamp(1, 45), "second")},
			kpl.User{Key: []byte("k"), Data: stamped(stamp(2, 10), "warm-up")},
			kpl.User{Key: []byte("k"), Data: []byte("tagged"), Tag: tagged},
		)},
		{Arrived: 95 * ms, Data: corrupt},
		{Arrived: 20 * ms, Data: []byte("untraced")},
		{Arrived: 20 * ms, Data: stamped(trace.Stamp{Run: run + 1, Producer: 1, Seq: 0, T0: 30 * ms}, "foreign")},
		{Data: stamped(stamp(5, 80), "no arrival time")},
	}}
	arrived := 0
	c := newConsumer(nil, nil, func(o *consumers.Options) {
		o.Tap.Phase = func(t0 int64) int { // -1 before 30 ms, 0 up to 45 ms, 1 from then on
			return int(min(t0/(30*ms), 1)+min(t0/(45*ms), 1)) - 1
		}
		o.Tap.Arrived = func(got *kload.Batch) {
			if arrived++; got != b {
				t.Errorf("joined with batch %+v", got)
			}
		}
	})
	c.load.Sent(6)
	c.Unpack(b)
	type seen struct {
		Payload  string
		Traced   bool
		Producer uint32
		Seq      uint64
		T0       int64
		Extra    bool
	}
	var got []seen
	for _, u := range b.Users {
		got = append(got, seen{string(u.Data), u.Traced, u.Producer, u.Seq, u.Intended / ms, u.Extra})
	}
	want := []seen{
		{"first", true, 1, 0, 40, false},
		{"second", true, 1, 1, 45, false},
		{"warm-up", true, 1, 2, 10, false},
		{"tagged", true, 1, 4, 60, false},
		{string(corrupt[32:]), true, 1, 3, 50, false},
		{"untraced", false, 0, 0, 0, true},
		{"foreign", true, ledger.Foreign, 0, 30, true},
		{"no arrival time", true, 1, 5, 80, false},
	}
	if diff := cmp.Diff(want, got); diff != "" || arrived != 1 {
		t.Errorf("joined %d times; -want +got:\n%s", arrived, diff)
	}
	r := c.report()
	if r.ReadUnique != 6 || r.Corrupt != 1 || r.Foreign != 1 || r.Untraced != 1 {
		t.Errorf("account %+v", r)
	}
	// fetch is that of the stream record, once for each user record measured.
	wantHops := map[string][]int64{"fetch": {4, 5, 10, 10}, "e2e.read": {5, 20, 50, 60}}
	gotHops := map[string][]int64{}
	for _, iv := range c.hops.Rotate() {
		n := iv.Histogram.TotalCount()
		least := (iv.Histogram.Min() + ms/2) / ms // a histogram rounds down
		gotHops[iv.Hop.String()] = []int64{n, least, iv.Quantile(50) / ms, iv.Max / ms}
	}
	if diff := cmp.Diff(wantHops, gotHops); diff != "" {
		t.Errorf("count, least, median and greatest value by hop (-want +got):\n%s", diff)
	}
	var phases [2][]int64 // counts of fetch and e2e.read
	for i := range phases {
		for _, total := range c.hops.PhaseTotals(i) {
			phases[i] = append(phases[i], total.Count)
		}
	}
	if diff := cmp.Diff([2][]int64{{1, 1}, {3, 4}}, phases); diff != "" {
		t.Errorf("counts by phase (-want +got):\n%s", diff)
	}
}

// TestSteadyState unpacks and taps 2,000 user records per call.
func TestSteadyState(t *testing.T) {
	const streams, users = 20, 100
	c := newConsumer(nil, nil, func(o *consumers.Options) { o.PlainByKey = true })
	b := &kload.Batch{Partition: "p", Received: time.Now().UnixNano()}
	var packed []kpl.User
	for i := range users {
		packed = append(packed, kpl.User{
			Key: fmt.Append(nil, "key", i), Data: stamped(trace.Stamp{Run: run, Producer: 1, Seq: uint64(i), T0: b.Received - 1}, "payload"),
		})
	}
	for range streams {
		b.Records = append(b.Records, kload.StreamRecord{Data: aggregate(packed...), Key: []byte("key"), Arrived: b.Received})
	}
	c.load.Sent(users)
	if allocs := testing.AllocsPerRun(20, func() { c.Unpack(b) }); allocs != 0 {
		t.Errorf("%v allocations for %d user records", allocs, streams*users)
	}
	if len(b.Users) != streams*users || !b.Users[len(b.Users)-1].Traced {
		t.Errorf("%d user records", len(b.Users))
	}
}

// TestInjector has the injector work over batches smaller than its task, of
// partitions processed at the same time.
func TestInjector(t *testing.T) {
	const partitions, batches, size = 4, 5, 3
	for _, tc := range []struct{ drop, dup uint64 }{{0, 0}, {1, 0}, {0, 1}, {1, 1}, {7, 0}, {0, 7}, {7, 8}, {60, 5}, {1000, 1000}} {
		t.Run(fmt.Sprintf("drop %d, dup %d", tc.drop, tc.dup), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				in := newInput(t)
				const total = partitions * batches * size
				receipts := make([]kload.Receipt, total)
				seq := uint64(0)
				for p := range partitions {
					id := fmt.Sprint(p)
					in.listed = append(in.listed, id)
					for range batches {
						b := &kload.Batch{Partition: id, Behind: 1}
						for range size {
							receipts[seq] = kload.Receipt{Producer: 1, Seq: seq}
							b.Records = append(b.Records, kload.StreamRecord{Data: stamped(trace.Stamp{Run: run, Producer: 1, Seq: seq}, "x")})
							seq++
						}
						in.batches[id] = append(in.batches[id], b)
					}
					in.end(id)
				}
				c := newConsumer(in, host(ignore), func(o *consumers.Options) {
					o.Inject = consumers.NewInjector(int(tc.drop), int(tc.dup))
				})
				c.load.Sent(total)
				c.load.Outcomes([]kload.Outcome{{Status: kload.Acked, Attempts: 1, Records: receipts}})
				if err := c.Run(t.Context(), func() {}); err != nil {
					t.Fatal(err)
				}
				lost := min(tc.drop, total)
				twice := min(tc.dup, total-lost)
				if r := c.report(); r.Lost != lost || r.Duplicates != twice || r.Read != total-lost+twice {
					t.Errorf("lost %d, duplicates %d, read %d; want %d, %d, %d", r.Lost, r.Duplicates, r.Read, lost, twice, total-lost+twice)
				}
			})
		})
	}
}

func TestLoseWrites(t *testing.T) {
	const writers, writes, size = 4, 10, 3
	for _, n := range []int{0, 1, 7, 1000} {
		sink := discard.New()
		lossy := consumers.LoseWrites(sink, n)
		var wg sync.WaitGroup
		for range writers {
			wg.Go(func() {
				for range writes {
					if err := lossy.Write(t.Context(), nil, make([]kload.Delivery, size)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if want := uint64(max(0, writers*writes*size-n)); sink.Written() != want || lossy.Written() != want {
			t.Errorf("losing %d: %d written, %d stated, want %d", n, sink.Written(), lossy.Written(), want)
		}
	}
}
