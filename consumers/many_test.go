package consumers_test

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kload/kload"
	"github.com/kload/kload/consumers"
	"github.com/kload/kload/consumers/readers/polling"
	"github.com/kload/kload/internal/invariants"
	"github.com/kload/kload/internal/pace"
)

// wide is a Kinesis client for a stream of many shards, each of which has the same
// records ready at every call.
type wide struct {
	shards int
	page   []types.Record
	calls  atomic.Int64
	read   atomic.Int64
}

func newWide(shards, perCall int) *wide {
	w := &wide{shards: shards}
	for i := range perCall {
		w.page = append(w.page, types.Record{
			Data: []byte(fmt.Sprintf("%0200d", i)), PartitionKey: aws.String(fmt.Sprint("key ", i)), SequenceNumber: aws.String(fmt.Sprint(i)),
		})
	}
	return w
}

func (w *wide) ListShards(context.Context, *sdk.ListShardsInput, ...func(*sdk.Options)) (*sdk.ListShardsOutput, error) {
	out := &sdk.ListShardsOutput{}
	for i := range w.shards {
		out.Shards = append(out.Shards, types.Shard{
			ShardId:      aws.String(fmt.Sprintf("shardId-%012d", i)),
			HashKeyRange: &types.HashKeyRange{StartingHashKey: aws.String("0"), EndingHashKey: aws.String("1")},
		})
	}
	return out, nil
}

func (*wide) GetShardIterator(_ context.Context, in *sdk.GetShardIteratorInput, _ ...func(*sdk.Options)) (*sdk.GetShardIteratorOutput, error) {
	return &sdk.GetShardIteratorOutput{ShardIterator: in.ShardId}, nil
}

func (w *wide) GetRecords(_ context.Context, in *sdk.GetRecordsInput, _ ...func(*sdk.Options)) (*sdk.GetRecordsOutput, error) {
	<-time.After(5 * time.Millisecond)
	w.calls.Add(1)
	return &sdk.GetRecordsOutput{Records: w.page, NextShardIterator: in.ShardIterator, MillisBehindLatest: aws.Int64(0)}, nil
}

// Process counts records. See [kload.Host].
func (w *wide) Process(_ context.Context, b *kload.Batch) error {
	w.read.Add(int64(len(b.Users)))
	return nil
}

func (*wide) Close(context.Context) error { return nil }

// TestManyShards reads a hundred thousand records a second, from ten shards and
// from a thousand: memory grows by what is known of each shard and no more, and
// goroutines do not grow with them.
func TestManyShards(t *testing.T) {
	if invariants.Enabled {
		t.Skip("nothing is reused then")
	}
	const rate, span = 100_000, 3 * time.Second
	live := map[int]uint64{}
	for _, shards := range []int{10, 1000} {
		synctest.Test(t, func(t *testing.T) {
			w := newWide(shards, rate/5/shards)
			before, goroutines := heap(), runtime.NumGoroutine()
			c := newConsumer(polling.New(polling.Options{
				API: w, Stream: "s", Clock: pace.NewClock(), Config: polling.Config{Every: polling.Interval(200 * time.Millisecond), Limit: 10_000},
			}), w, func(o *consumers.Options) { o.Workers = 2 })
			ctx, cancel := context.WithCancel(t.Context())
			wait := background(ctx, c)
			<-time.After(span)
			live[shards] = heap() - min(before, heap())
			if n := runtime.NumGoroutine() - goroutines; n > 2*(32+2)+2 {
				t.Errorf("%d goroutines for %d shards", n, shards)
			}
			cancel()
			fail(t, wait())
			if got, want := w.read.Load(), int64(rate*span/time.Second); got < want*9/10 || got > want*11/10 {
				t.Errorf("%d shards: %d records in %v, want about %d", shards, got, span, want)
			}
			t.Logf("%d shards: %d KiB, %d calls, %d records", shards, live[shards]>>10, w.calls.Load(), w.read.Load())
		})
	}
	const each = 8 << 10
	if grown := int64(live[1000]) - int64(live[10]); grown > 990*each {
		t.Errorf("a thousand shards take %d bytes each, want %d at most", grown/990, each)
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
