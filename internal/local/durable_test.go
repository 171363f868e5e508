package local_test

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/invariants"
	"github.com/kload/kload/internal/local"
	"github.com/kload/kload/internal/local/kinesis"
)

// crashes returns how often the target is killed.
func crashes() int {
	if invariants.Enabled { // the race detector makes a start take a second
		return 5
	}
	return 20
}

// place is where a record is: its shard and its sequence number.
type place struct{ shard, sequence string }

// crashLoad remembers what it was told about the records it put: numbers that
// are their data.
type crashLoad struct {
	next   atomic.Uint64
	shards int // at the last look

	mu    sync.Mutex
	acked map[uint64]place
	seen  map[place]uint64 // by a reader, during the load
}

// TestKill9 kills the target at random points of a load that also splits and
// merges shards. What was acknowledged, and what a reader had seen, is there
// after each restart, at its place.
func TestKill9(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cfg := local.Config{Data: t.TempDir(), Limits: kinesis.Limits{Off: true}, StoreBytes: 64 << 20}
	load := &crashLoad{acked: map[uint64]place{}, seen: map[place]uint64{}}
	rng := rand.New(rand.NewPCG(1, 2))
	for crash := range crashes() + 1 {
		p, err := local.Start(ctx, cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _, _ = p.Stop(t.Context()) }() // should the test fail before it does
		c, err := awsclient.New(ctx, awsclient.Options{Endpoint: p.Endpoint(), Local: true})
		if err != nil {
			t.Fatal(err)
		}
		if crash == 0 {
			if _, err := c.Control.CreateStream(ctx, &sdk.CreateStreamInput{StreamName: aws.String("s"), ShardCount: aws.Int32(2)}); err != nil {
				t.Fatal(err)
			}
		}
		load.verify(ctx, t, c)
		if crash == crashes() {
			if _, err := p.Stop(ctx); err != nil {
				t.Fatal(err)
			}
		} else {
			load.runUntil(ctx, t, c, p.PID(), rng.IntN(80))
			if _, err := p.Stop(ctx); err == nil {
				t.Error("the target was not killed")
			}
		}
		c.Close()
	}
	t.Logf("%d records acknowledged, %d seen by a reader, %d shards", len(load.acked), len(load.seen), load.shards)
	if len(load.acked) < 1000 || len(load.seen) == 0 || load.shards < 10 {
		t.Error("too little happened to prove anything")
	}
}

// runUntil puts until so many calls were acknowledged, kills the target and
// waits until everybody has noticed.
func (l *crashLoad) runUntil(ctx context.Context, t *testing.T, c *awsclient.Client, pid, calls int) {
	t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var left atomic.Int64
	left.Store(int64(calls))
	var once sync.Once
	kill := func() {
		child, err := os.FindProcess(pid)
		if err == nil {
			err = child.Kill()
		}
		if err != nil {
			t.Error(err)
		}
	}
	var wg, writers sync.WaitGroup
	for range 4 {
		writers.Go(func() {
			for l.put(ctx, c) {
				if left.Add(-1) <= 0 {
					once.Do(kill)
				}
			}
		})
	}
	wg.Go(func() { l.reshard(ctx, c) })
	wg.Go(func() {
		got := map[place]uint64{}
		var err error
		for err == nil {
			err = l.read(ctx, c, got)
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		maps.Copy(l.seen, got)
	})
	writers.Wait()
	cancel() // the control plane's client would try for long
	wg.Wait()
}

// put puts a few records and notes where the acknowledged ones are. It reports
// whether the target answered.
func (l *crashLoad) put(ctx context.Context, c *awsclient.Client) bool {
	const records = 10
	in := &sdk.PutRecordsInput{StreamName: aws.String("s")}
	first := l.next.Add(records) - records
	for n := first; n < first+records; n++ {
		data := binary.BigEndian.AppendUint64(nil, n)
		data = append(data, make([]byte, n%2000)...)
		in.Records = append(in.Records, types.PutRecordsRequestEntry{PartitionKey: aws.String(strconv.FormatUint(n, 10)), Data: data})
	}
	out, err := c.Data.PutRecords(ctx, in)
	if err != nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, r := range out.Records {
		if r.ErrorCode == nil {
			l.acked[first+uint64(i)] = place{*r.ShardId, *r.SequenceNumber}
		}
	}
	return true
}

// reshard splits the lowest shard and merges its halves again, a few times and
// for as long as the target is there.
func (l *crashLoad) reshard(ctx context.Context, c *awsclient.Client) {
	for range 4 {
		list, err := c.Control.ListShards(ctx, &sdk.ListShardsInput{
			StreamName: aws.String("s"), ShardFilter: &types.ShardFilter{Type: types.ShardFilterTypeAtLatest},
		})
		if err != nil {
			return
		}
		open := list.Shards
		slices.SortFunc(open, func(a, b types.Shard) int {
			x, y := *a.HashKeyRange.StartingHashKey, *b.HashKeyRange.StartingHashKey
			return cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(x, y))
		})
		if len(open) == 2 {
			_, err = c.Control.SplitShard(ctx, &sdk.SplitShardInput{
				StreamName: aws.String("s"), ShardToSplit: open[0].ShardId, NewStartingHashKey: aws.String("1" + strings.Repeat("0", 37)),
			})
		} else {
			_, err = c.Control.MergeShards(ctx, &sdk.MergeShardsInput{
				StreamName: aws.String("s"), ShardToMerge: open[0].ShardId, AdjacentShardToMerge: open[1].ShardId,
			})
		}
		if err != nil {
			return
		}
	}
}

// read adds everything in the stream to got.
func (l *crashLoad) read(ctx context.Context, c *awsclient.Client, got map[place]uint64) error {
	list, err := c.Control.ListShards(ctx, &sdk.ListShardsInput{StreamName: aws.String("s")})
	if err != nil {
		return err
	}
	for _, sh := range list.Shards {
		it, err := c.Control.GetShardIterator(ctx, &sdk.GetShardIteratorInput{
			StreamName: aws.String("s"), ShardId: sh.ShardId, ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
		})
		if err != nil {
			return err
		}
		last := ""
		for next := it.ShardIterator; next != nil; {
			out, err := c.Data.GetRecords(ctx, &sdk.GetRecordsInput{ShardIterator: next})
			if err != nil {
				return err
			}
			for _, r := range out.Records {
				if *r.SequenceNumber <= last {
					return fmt.Errorf("sequence number %s follows %s in %s", *r.SequenceNumber, last, *sh.ShardId)
				}
				last = *r.SequenceNumber
				got[place{*sh.ShardId, last}] = binary.BigEndian.Uint64(r.Data)
			}
			if next = out.NextShardIterator; *out.MillisBehindLatest == 0 {
				break
			}
		}
	}
	return nil
}

// verify compares what is in the stream with what the load was told.
func (l *crashLoad) verify(ctx context.Context, t *testing.T, c *awsclient.Client) {
	t.Helper()
	got := map[place]uint64{}
	if err := l.read(ctx, c, got); err != nil {
		t.Fatal(err)
	}
	list, err := c.Control.ListShards(ctx, &sdk.ListShardsInput{StreamName: aws.String("s")})
	if err != nil {
		t.Fatal(err)
	}
	l.shards = len(list.Shards)
	for n, at := range l.acked {
		if have, ok := got[at]; !ok || have != n {
			t.Fatalf("record %d was acknowledged as %v, where there is %d (%v)", n, at, have, ok)
		}
	}
	for at, n := range l.seen {
		if have, ok := got[at]; !ok || have != n {
			t.Fatalf("record %d was read at %v, where there is %d (%v)", n, at, have, ok)
		}
	}
	numbers := slices.Sorted(maps.Values(got))
	if len(slices.Compact(numbers)) != len(got) {
		t.Fatal("a record is there twice")
	}
}
