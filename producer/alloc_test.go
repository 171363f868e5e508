package producer_test

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/invariants"
	"github.com/kload/kload/internal/pace"
	"github.com/kload/kload/internal/proc"
	"github.com/kload/kload/internal/shard"
	"github.com/kload/kload/producer"
	"github.com/kload/kload/producer/drivertest"
)

// nullAPI acknowledges everything and allocates nothing, on one connection.
type nullAPI struct {
	*drivertest.Kinesis
	out types.PutRecordsResultEntry
	res kinesis.PutRecordsOutput
}

func (n *nullAPI) PutRecords(_ context.Context, in *kinesis.PutRecordsInput, _ ...func(*kinesis.Options)) (*kinesis.PutRecordsOutput, error) {
	n.res.Records = n.res.Records[:0]
	for range in.Records {
		n.res.Records = append(n.res.Records, n.out)
	}
	return &n.res, nil
}

// nullProducer returns a producer of so many shards and one connection into
// nothing. The changes may be to its configuration.
func nullProducer(tb testing.TB, shards int, changes ...func(*producer.Config)) *producer.Producer {
	tb.Helper()
	k := drivertest.NewKinesis(shards, nil)
	cfg := producer.DefaultConfig()
	cfg.Connections, cfg.WrongShard = 1, "accept" // all answers name the first shard
	for _, change := range changes {
		change(&cfg)
	}
	p, err := producer.New(tb.Context(), producer.Options{
		API:    &nullAPI{Kinesis: k, out: types.PutRecordsResultEntry{ShardId: &k.ShardIDs()[0], SequenceNumber: aws.String("1")}},
		Stream: "demo", Config: cfg, Clock: pace.NewClock(), Outcomes: func([]kload.Outcome) {},
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := p.Close(context.Background()); err != nil {
			tb.Error(err)
		}
	})
	return p
}

// keyedRecords returns n records of 250 bytes with keys of their own, some with
// explicit hash keys.
func keyedRecords(n int) []kload.Record {
	feed := drivertest.Feed{Size: 250, Keys: n}
	recs := feed.Next(n)
	for i := range recs {
		recs[i].Hash, recs[i].HasHash = shard.HashOf(recs[i].Key), i%2 == 0
	}
	return recs
}

// TestAllocations holds that accepting a record costs no allocation: what a run
// allocates is due to its six stream records and their requests.
func TestAllocations(t *testing.T) {
	if invariants.Enabled {
		t.Skip("the race detector allocates")
	}
	p, recs := nullProducer(t, 1), keyedRecords(1000)
	before := p.Stats()
	runs := 0
	perRun := testing.AllocsPerRun(50, func() {
		runs++
		if _, err := p.PutBatch(t.Context(), recs); err != nil {
			t.Fatal(err)
		}
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	sealed := float64(p.Stats().StreamRecords-before.StreamRecords) / float64(runs)
	if sealed > 7 || perRun > 20*sealed {
		t.Errorf("%v allocations for 1000 records in %v stream records, want at most 20 for each of these", perRun, sealed)
	}
}

// TestLargeBuffers opens an aggregate of small records after each large one: what
// the large ones needed does not stay with these.
func TestLargeBuffers(t *testing.T) {
	if invariants.Enabled {
		t.Skip("the race detector takes memory")
	}
	const shards = 64
	p := nullProducer(t, shards, func(cfg *producer.Config) { cfg.Aggregation.Linger = time.Hour })
	large := drivertest.Feed{Size: 1<<20 - 100, Keys: 1}
	before := heap()
	for _, keys := range shard.Split(shards) {
		if _, err := p.PutSync(t.Context(), large.Next(1)[0]); err != nil {
			t.Fatal(err)
		}
		if err := p.Put(t.Context(), kload.Record{Data: []byte("small"), Key: []byte("k"), Hash: keys.Start, HasHash: true}); err != nil {
			t.Fatal(err)
		}
	}
	if grown := heap() - min(before, heap()); grown > 10<<20 {
		t.Errorf("%d MiB are in use after %d records of 1 MiB, one at a time", grown>>20, shards)
	}
	runtime.KeepAlive(p)
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkIntake is records of 250 bytes with 65,536 keys through prediction,
// aggregation to 16 shards, digest and sending into nothing: in batches, and one
// by one from as many goroutines as there are processors. cpu-ns/rec counts all
// threads.
func BenchmarkIntake(b *testing.B) {
	recs := plainKeyed(1 << 16)
	b.Run("PutBatch", func(b *testing.B) {
		p := nullProducer(b, 16)
		b.SetBytes(250)
		b.ReportAllocs()
		start, n := proc.CPUTime(), 0
		for b.Loop() {
			if n++; n%1024 == 0 {
				at := n % len(recs)
				if _, err := p.PutBatch(b.Context(), recs[at:at+1024]); err != nil {
					b.Fatal(err)
				}
			}
		}
		b.ReportMetric(float64(proc.CPUTime()-start)/float64(n), "cpu-ns/rec")
	})
	b.Run("Put", func(b *testing.B) {
		p := nullProducer(b, 16)
		b.SetBytes(250)
		b.ReportAllocs()
		start := proc.CPUTime()
		var from atomic.Int64
		b.RunParallel(func(pb *testing.PB) {
			for i := int(from.Add(1 << 13)); pb.Next(); i++ {
				if err := p.Put(b.Context(), recs[i%len(recs)]); err != nil {
					b.Error(err)
					return
				}
			}
		})
		b.ReportMetric(float64(proc.CPUTime()-start)/float64(b.N), "cpu-ns/rec")
	})
}

// plainKeyed returns n records of 250 bytes with keys of their own.
func plainKeyed(n int) []kload.Record {
	feed := drivertest.Feed{Size: 250, Keys: n}
	return feed.Next(n)
}
