//go:build interop

package interop_test

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kload/kload"
	"github.com/kload/kload/consumers"
	"github.com/kload/kload/consumers/readers/polling"
	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/hdr"
	"github.com/kload/kload/internal/ledger"
	"github.com/kload/kload/internal/pace"
	"github.com/kload/kload/internal/shard"
	"github.com/kload/kload/internal/trace"
	"github.com/kload/kload/producer"
)

// produce sends records the way a scenario that sets nothing does. All must be
// acknowledged, in fewer stream records than there are.
func produce(t *testing.T, c *awsclient.Client, stream string, recs []kload.Record) {
	t.Helper()
	var acked atomic.Int64
	p, err := producer.New(t.Context(), producer.Options{
		API: c.Data, Stream: stream, Clock: pace.NewClock(),
		Outcomes: func(outcomes []kload.Outcome) {
			for _, o := range outcomes {
				if o.Status == kload.Acked {
					acked.Add(int64(len(o.Records)))
				}
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.PutBatch(t.Context(), recs)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	if cerr := p.Close(ctx); err == nil {
		err = cerr
	}
	if err != nil || acked.Load() != int64(len(recs)) {
		t.Fatalf("%d of %d records acknowledged: %v", acked.Load(), len(recs), err)
	}
	if s := p.Stats(); s.StreamRecords*10 > s.UserRecords {
		t.Fatalf("hardly aggregated: %+v", s)
	}
}

func createStream(t *testing.T, c *awsclient.Client, stream string, shards int32) {
	t.Helper()
	_, err := c.Control.CreateStream(t.Context(), &kinesis.CreateStreamInput{
		StreamName: aws.String(stream), ShardCount: aws.Int32(shards),
	})
	if err != nil {
		t.Fatal(err)
	}
}

// splitAndMerge closes the one open shard of a fresh stream, and then both its
// children. between is called when there are two.
func splitAndMerge(t *testing.T, c *awsclient.Client, stream string, between func()) {
	t.Helper()
	_, err := c.Control.SplitShard(t.Context(), &kinesis.SplitShardInput{
		StreamName: aws.String(stream), ShardToSplit: aws.String("shardId-000000000000"),
		NewStartingHashKey: aws.String("170141183460469231731687303715884105728"),
	})
	if err != nil {
		t.Fatal(err)
	}
	between()
	_, err = c.Control.MergeShards(t.Context(), &kinesis.MergeShardsInput{
		StreamName: aws.String(stream), ShardToMerge: aws.String("shardId-000000000001"),
		AdjacentShardToMerge: aws.String("shardId-000000000002"),
	})
	if err != nil {
		t.Fatal(err)
	}
}

// consumption is one of our consumers under way, from the stream's beginning.
type consumption struct {
	users, stream int // seen so far, to be read after stop
	seen          chan sightedUser
	shards        func(id string) shard.Range
	cancel        context.CancelFunc
	ended         chan error
}

// sightedUser is a user record as our consumer saw it.
type sightedUser struct {
	key     string
	hash    kload.HashKey // that decided the shard; not known of a plain record
	hasHash bool
	data    []byte
	within  shard.Range // of the shard it was read from
}

func consume(t *testing.T, c *awsclient.Client, stream string) *consumption {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := &consumption{
		seen: make(chan sightedUser, 100_000), cancel: cancel, ended: make(chan error, 1),
		shards: func(id string) shard.Range { return rangeOf(t, c, stream, id) },
	}
	consumer := consumers.New(consumers.Options{
		Name: "reader", Host: r, Workers: 1,
		Opener: polling.New(polling.Options{
			API: c.Data, Stream: stream, Clock: pace.NewClock(),
			Config: polling.Config{Every: polling.Interval(250 * time.Millisecond), Start: "trim_horizon", Limit: 10_000},
		}),
		Tap: consumers.TapOptions{
			Trace: trace.NewReader(), Ledger: ledger.New(1).AddConsumer("reader"), Hops: hdr.NewSet("reader"),
			Arrived: func(*kload.Batch) {},
		},
	})
	ready := make(chan struct{})
	go func() { r.ended <- consumer.Run(ctx, func() { close(ready) }) }()
	select {
	case <-ready:
	case err := <-r.ended:
		t.Fatal(err)
	}
	return r
}

// Process takes note of a batch. See [kload.Host].
func (r *consumption) Process(_ context.Context, b *kload.Batch) error {
	r.stream += len(b.Records)
	r.users += len(b.Users)
	if len(b.Users) == 0 {
		return nil
	}
	within := r.shards(b.Partition)
	for _, u := range b.Users {
		r.seen <- sightedUser{string(u.Key), u.Hash, u.HasHash, bytes.Clone(u.Data), within}
	}
	return nil
}

// Close does nothing. See [kload.Host].
func (r *consumption) Close(context.Context) error { return nil }

func (r *consumption) next(t *testing.T) sightedUser {
	t.Helper()
	select {
	case u := <-r.seen:
		return u
	case err := <-r.ended:
		t.Fatalf("the consumer ended: %v", err)
	case <-time.After(running):
		t.Fatal("the consumer has seen nothing for long")
	}
	return sightedUser{}
}

// stop ends the consumer and returns what nobody has asked for.
func (r *consumption) stop(t *testing.T) (rest []sightedUser) {
	t.Helper()
	r.cancel()
	if err := <-r.ended; err != nil {
		t.Errorf("the consumer ended: %v", err)
	}
	close(r.seen)
	for u := range r.seen {
		rest = append(rest, u)
	}
	return rest
}

// rangeOf asks for the range of a shard, open or closed.
func rangeOf(t *testing.T, c *awsclient.Client, stream, id string) (r shard.Range) {
	out, err := c.Control.ListShards(t.Context(), &kinesis.ListShardsInput{StreamName: aws.String(stream)})
	if err != nil {
		t.Errorf("listing the shards of %s: %v", stream, err)
		return r
	}
	for _, s := range out.Shards {
		if *s.ShardId != id {
			continue
		}
		var perr, qerr error
		r.Start, perr = shard.ParseHash(*s.HashKeyRange.StartingHashKey)
		r.End, qerr = shard.ParseHash(*s.HashKeyRange.EndingHashKey)
		if err := errors.Join(perr, qerr); err != nil {
			t.Errorf("reading the range of %s: %v", id, err)
		}
	}
	return r
}

// storedIn returns the data of a stream's records.
func storedIn(t *testing.T, c *awsclient.Client, stream string) (data [][]byte) {
	t.Helper()
	shards, err := awsclient.ListShards(t.Context(), c.Control, stream)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range shards {
		it, err := c.Control.GetShardIterator(t.Context(), &kinesis.GetShardIteratorInput{
			StreamName: aws.String(stream), ShardId: aws.String(s.ID), ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
		})
		if err != nil {
			t.Fatal(err)
		}
		for next, behind := it.ShardIterator, int64(1); behind > 0; {
			page, err := c.Control.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: next})
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range page.Records {
				data = append(data, r.Data)
			}
			next, behind = page.NextShardIterator, *page.MillisBehindLatest
		}
	}
	return data
}
