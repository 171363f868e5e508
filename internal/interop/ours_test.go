//go:build interop

package interop_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/pace"
	"github.com/kload/kload/producer"
)

// produce sends records the way a scenario that sets nothing does. All must be
// acknowledged, in fewer stream records than there are.
func produce(t *testing.T, c *awsclient.Client, stream string, recs []kload.Record) {
	t.Helper()
	var acked atomic.Int64
	p, err := producer.New(t.Context(), producer.Options{
		API: c.Data, Stream: stream, Clock: pace.NewClock(),
		Config: producer.Config{
			Aggregation: producer.Aggregation{Enabled: true, MaxBytes: 50 << 10, MaxCount: 10_000, Linger: 100 * time.Millisecond},
			Collection:  producer.Collection{MaxRecords: 500, MaxBytes: 2 << 20},
			Connections: 8, TTL: 30 * time.Second, RequestTimeout: 10 * time.Second, Memory: 64 << 20,
		},
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
