package consumers_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/awslabs/kinesis-aggregation/go/v2/deaggregator"
	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/consumers"
	"github.com/kload/kload/internal/kpl"
	"github.com/kload/kload/internal/shard"
)

func ranges() []consumers.Range {
	return []consumers.Range{consumers.RangeKeep, consumers.RangeDropStray, consumers.RangeKCL}
}

// TestStrays unpacks batches in a shard that owns the lower half of the hash keys,
// each in all three ways. Payloads are said by "stream record: user record".
func TestStrays(t *testing.T) {
	lower := &shard.Range{End: kload.HashKey{Hi: math.MaxUint64 / 2, Lo: math.MaxUint64}}
	at := func(hi uint64, data string) kpl.User { // by explicit hash key
		return kpl.User{Key: []byte("anything"), Hash: kload.HashKey{Hi: hi}, HasHash: true, Data: []byte(data)}
	}
	keyIn := func(inside bool) []byte {
		for i := 0; ; i++ {
			if key := fmt.Append(nil, "key", i); lower.Contains(shard.HashOf(key)) == inside {
				return key
			}
		}
	}
	in, out := kpl.User{Key: keyIn(true), Data: []byte("in")}, kpl.User{Key: keyIn(false), Data: []byte("out")}
	pure := aggregate(in, at(0, "first"), at(math.MaxUint64/2, "last"))
	mixed := aggregate(in, out, in, at(math.MaxUint64/2+1, "next"), at(math.MaxUint64, "end"))
	broken := slices.Clone(mixed)
	broken[len(broken)-1] ^= 1
	type counts = consumers.Deaggregation
	tests := []struct {
		name                 string
		owned                *shard.Range
		records              [][]byte
		keep, dropStray, kcl []string
		counts               counts // but for StrayDropped
		dropped              [3]uint64
	}{
		{
			"nobody strays", lower,
			[][]byte{pure, pure},
			[]string{"0: in", "0: first", "0: last", "1: in", "1: first", "1: last"},
			[]string{"0: in", "0: first", "0: last", "1: in", "1: first", "1: last"},
			[]string{"0: in", "0: first", "0: last", "1: in", "1: first", "1: last"},
			counts{},
			[3]uint64{},
		},
		{
			"some stray", lower,
			[][]byte{pure, mixed, pure},
			[]string{"0: in", "0: first", "0: last", "1: in", "1: out", "1: in", "1: next", "1: end", "2: in", "2: first", "2: last"},
			[]string{"0: in", "0: first", "0: last", "1: in", "1: in", "2: in", "2: first", "2: last"},
			[]string{"0: in", "0: first", "0: last", "2: in", "2: first", "2: last"},
			counts{StrayRecords: 3, StrayAggregates: 1},
			[3]uint64{0, 3, 5},
		},
		{"all stray", lower, [][]byte{aggregate(out, out)}, []string{"0: out", "0: out"}, nil, nil, counts{StrayRecords: 2, StrayAggregates: 1}, [3]uint64{0, 2, 2}},
		{
			"the explicit hash key counts, not the key", lower,
			[][]byte{aggregate(kpl.User{Key: out.Key, HasHash: true, Data: []byte("x")}, kpl.User{Key: in.Key, Hash: shard.Max(), HasHash: true, Data: []byte("y")})},
			[]string{"0: x", "0: y"},
			[]string{"0: x"},
			nil,
			counts{StrayRecords: 1, StrayAggregates: 1},
			[3]uint64{0, 1, 2},
		},
		{
			"no range is known", nil,
			[][]byte{mixed},
			[]string{"0: in", "0: out", "0: in", "0: next", "0: end"},
			[]string{"0: in", "0: out", "0: in", "0: next", "0: end"},
			[]string{"0: in", "0: out", "0: in", "0: next", "0: end"},
			counts{},
			[3]uint64{},
		},
		{
			"a plain or broken record is where the service put it", lower,
			[][]byte{[]byte("plain"), broken},
			[]string{"0: plain", "1: " + string(broken)},
			[]string{"0: plain", "1: " + string(broken)},
			[]string{"0: plain", "1: " + string(broken)},
			counts{BadAggregates: 1},
			[3]uint64{},
		},
		{
			"an aggregate inside an aggregate is data", lower,
			[][]byte{aggregate(kpl.User{Key: in.Key, Data: mixed})},
			[]string{"0: " + string(mixed)},
			[]string{"0: " + string(mixed)},
			[]string{"0: " + string(mixed)},
			counts{},
			[3]uint64{},
		},
		{"nothing", lower, nil, nil, nil, nil, counts{}, [3]uint64{}},
	}
	for _, tc := range tests {
		for i, want := range [][]string{tc.keep, tc.dropStray, tc.kcl} {
			t.Run(fmt.Sprintf("%s, %s", tc.name, ranges()[i]), func(t *testing.T) {
				d := consumers.NewDeaggregator(ranges()[i], false)
				b := batchOf(out.Key, tc.records...) // the key of a stream record says nothing
				d.Fill(b, tc.owned)
				var got []string
				for _, u := range b.Users {
					got = append(got, fmt.Sprintf("%d: %s", u.Stream, u.Data))
				}
				tc.counts.StrayDropped = tc.dropped[i]
				if diff := cmp.Diff(want, got) + cmp.Diff(tc.counts, d.Counts()); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			})
		}
	}
}

func batchOf(key []byte, records ...[]byte) *kload.Batch {
	b := &kload.Batch{Partition: "p"}
	for _, data := range records {
		b.Records = append(b.Records, kload.StreamRecord{Data: data, Key: key})
	}
	return b
}

// model unpacks the obvious way.
func model(b *kload.Batch, owned shard.Range, strays consumers.Range) (users []kload.Delivery) {
	for i, r := range b.Records {
		var dec kpl.Decoder
		if dec.Reset(r.Data) != kpl.Aggregate {
			users = append(users, kload.Delivery{Data: r.Data, Key: r.Key, Hash: shard.HashOf(r.Key), HasHash: true, Stream: i})
			continue
		}
		var all, inside []kload.Delivery
		for u := (kpl.User{}); dec.Next(&u); {
			d := kload.Delivery{Data: u.Data, Tag: u.Tag, Key: u.Key, Hash: u.Hash, HasHash: true, Stream: i, Sub: u.Sub}
			if !u.HasHash {
				d.Hash = shard.HashOf(u.Key)
			}
			all = append(all, d)
			if owned.Contains(d.Hash) {
				inside = append(inside, d)
			}
		}
		switch {
		case strays == consumers.RangeKeep || len(inside) == len(all):
			users = append(users, all...)
		case strays == consumers.RangeDropStray:
			users = append(users, inside...)
		}
	}
	return users
}

// FuzzDeaggregate compares with the model: the input is cut into stream records,
// some of which are aggregates of parts of it, whole or damaged.
func FuzzDeaggregate(f *testing.F) {
	f.Add([]byte("some text that becomes payloads and keys"), uint64(1))
	f.Add(aggregate(kpl.User{Key: []byte("a"), Data: []byte("x")}), uint64(2))
	f.Add([]byte{}, uint64(3))
	f.Fuzz(func(t *testing.T, in []byte, seed uint64) {
		rng := rand.New(rand.NewPCG(seed, 0))
		piece := func() []byte {
			n := rng.IntN(min(len(in), 64) + 1)
			at := rng.IntN(len(in) - n + 1)
			return in[at : at+n : at+n]
		}
		records := [][]byte{in}
		for range rng.IntN(12) {
			var users []kpl.User
			for range rng.IntN(8) {
				users = append(users, kpl.User{Key: piece(), Data: piece(), Hash: kload.HashKey{Hi: rng.Uint64()}, HasHash: rng.IntN(2) == 0})
			}
			data := piece()
			if len(users) > 0 {
				data = aggregate(users...)
			}
			if rng.IntN(4) == 0 {
				data = data[:rng.IntN(len(data)+1)]
			}
			records = append(records, data)
		}
		owned := shard.Range{Start: kload.HashKey{Hi: rng.Uint64() >> 1}, End: shard.Max()}
		for _, strays := range ranges() {
			d, b := consumers.NewDeaggregator(strays, true), batchOf([]byte("key"), records...)
			for range 2 { // nothing of the first time may show up in the second
				d.Fill(b, &owned)
				want, got := model(b, owned, strays), b.Users
				if diff := cmp.Diff(want, got, cmp.Comparer(bytes.Equal)); diff != "" && len(want)+len(got) > 0 {
					t.Fatalf("%s (-want +got):\n%s", strays, diff)
				}
			}
			within(t, b)
		}
	})
}

// within fails unless all bytes of the user records are those of their stream
// records, not copies.
func within(t *testing.T, b *kload.Batch) {
	t.Helper()
	for i := range b.Records {
		b.Records[i].Data = slices.Clone(b.Records[i].Data)
	}
	d := consumers.NewDeaggregator(consumers.RangeKeep, false)
	d.Fill(b, nil)
	for i := range b.Records {
		clear(b.Records[i].Data)
	}
	for _, u := range b.Users {
		if data := bytes.Trim(u.Data, "\x00"); len(data) > 0 {
			t.Fatalf("%q was copied", data)
		}
	}
}

// packedBatch holds stream records of 50 KiB with user records of 250 bytes.
func packedBatch(keys int) (b *kload.Batch, users int) {
	var e kpl.Encoder
	b = &kload.Batch{Partition: "p"}
	payload := make([]byte, 250)
	for range 20 {
		e.Reset(nil)
		for e.TryAdd(51_200, fmt.Appendf(nil, "user-%011d", rand.IntN(keys)), kload.HashKey{}, false, nil, payload) {
			users++
		}
		b.Records = append(b.Records, kload.StreamRecord{Data: e.Seal(), Key: []byte("key")})
	}
	return b, users
}

func TestDeaggregationDoesNotAllocate(t *testing.T) {
	for _, strays := range ranges() {
		b, users := packedBatch(1000)
		d := consumers.NewDeaggregator(strays, true)
		owned := shard.Range{Start: kload.HashKey{Hi: 1 << 60}, End: shard.Max()}
		if n := testing.AllocsPerRun(20, func() { d.Fill(b, &owned) }); n != 0 {
			t.Errorf("%s: %v allocations for %d user records", strays, n, users)
		}
		if c := d.Counts(); c.StrayRecords == 0 {
			t.Errorf("%s: no strays: %+v", strays, c)
		}
	}
}

// BenchmarkDeaggregate compares with what others use; see the ns/record of each.
func BenchmarkDeaggregate(b *testing.B) {
	for _, keys := range []int{16, 65_536} {
		batch, users := packedBatch(keys)
		perRecord := func(b *testing.B) {
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(users), "ns/record")
		}
		b.Run(fmt.Sprintf("keys=%d/kload", keys), func(b *testing.B) {
			d := consumers.NewDeaggregator(consumers.RangeKeep, true)
			owned := shard.Range{End: shard.Max()}
			b.ReportAllocs()
			for b.Loop() {
				d.Fill(batch, &owned)
			}
			perRecord(b)
		})
		b.Run(fmt.Sprintf("keys=%d/awslabs", keys), func(b *testing.B) {
			var in []types.Record
			for i := range batch.Records {
				in = append(in, types.Record{Data: batch.Records[i].Data})
			}
			b.ReportAllocs()
			for b.Loop() {
				if out, err := deaggregator.DeaggregateRecords(in); err != nil || len(out) != users {
					b.Fatal(len(out), err)
				}
			}
			perRecord(b)
		})
	}
}

// TestStraysOfAShard reads an aggregate from a shard whose range is known: it is
// the consumer that knows which belong.
func TestStraysOfAShard(t *testing.T) {
	for strays, want := range map[consumers.Range]int{consumers.RangeKeep: 2, consumers.RangeDropStray: 1, consumers.RangeKCL: 0} {
		synctest.Test(t, func(t *testing.T) {
			in := newInput(t, "p")
			in.ranges = map[string]kload.HashRange{"p": {End: kload.HashKey{Hi: 1}}}
			in.batches["p"] = append(in.batches["p"], batchOf([]byte("key"), aggregate(
				kpl.User{Key: []byte("k"), Data: []byte("in"), HasHash: true},
				kpl.User{Key: []byte("k"), Data: []byte("out"), Hash: kload.HashKey{Hi: 2}, HasHash: true},
			)))
			in.end("p")
			got := 0
			c := newConsumer(in, host(func(_ context.Context, b *kload.Batch) error {
				got += len(b.Users)
				return nil
			}), func(o *consumers.Options) { o.Strays = strays })
			if err := c.Run(t.Context(), func() {}); err != nil || got != want || c.Deaggregation().StrayRecords != 1 {
				t.Errorf("%s: %d user records, %+v, %v", strays, got, c.Deaggregation(), err)
			}
		})
	}
}
