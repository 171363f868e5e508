package conformance

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// split splits a shard and waits until the stream is ACTIVE.
func (k *kit) split(ctx context.Context, stream string, shard int, at string) {
	k.call(ctx, "SplitShard", obj{"StreamName": stream, "ShardToSplit": shardID(shard), "NewStartingHashKey": at})
	k.settle(ctx, stream)
}

func (k *kit) merge(ctx context.Context, stream string, a, b int) {
	k.call(ctx, "MergeShards", obj{"StreamName": stream, "ShardToMerge": shardID(a), "AdjacentShardToMerge": shardID(b)})
	k.settle(ctx, stream)
}

const half = "170141183460469231731687303715884105728"

func checkSplit(ctx context.Context, k *kit) {
	stream := k.stream(ctx, 1)
	k.refused(ctx, "SplitShard", obj{"StreamName": stream, "ShardToSplit": shardID(0), "NewStartingHashKey": "0"}, invalid,
		"NewStartingHashKey 0 used in SplitShard() on shard shardId-000000000000 in stream "+stream+" under account "+k.account(ctx)+
			" is not both greater than one plus the shard's StartingHashKey 0 and less than the shard's EndingHashKey "+maxHash+".")
	k.refused(ctx, "SplitShard", obj{"StreamName": stream, "ShardToSplit": shardID(7), "NewStartingHashKey": half}, notFound,
		"Could not find shard shardId-000000000007 in stream "+stream+" under account "+k.account(ctx)+".")
	k.call(ctx, "SplitShard", obj{"StreamName": stream, "ShardToSplit": shardID(0), "NewStartingHashKey": half})
	if k.status(ctx, stream) != "UPDATING" {
		k.leave("UPDATING: streams change at once here")
	}
	k.settle(ctx, stream)
	shards := k.shards(ctx, stream)
	k.equal("shards", idsOf(shards), "0 1 2")
	k.equal("open shards", idsOf(openOf(shards)), "1 2")
	if !k.ok() {
		return
	}
	k.ranges(shards[1:])
	k.equal("start of the second child", shards[2].HashKeyRange.StartingHashKey, half)
	for _, child := range shards[1:] {
		k.equal("ParentShardId", child.ParentShardID, shardID(0))
		k.equal("AdjacentParentShardId", child.AdjacentParentShardID, "")
	}
}

func checkMerge(ctx context.Context, k *kit) {
	stream := k.stream(ctx, 3)
	k.refused(ctx, "MergeShards", obj{"StreamName": stream, "ShardToMerge": shardID(0), "AdjacentShardToMerge": shardID(2)}, invalid,
		"Shards shardId-000000000000 and shardId-000000000002 in stream "+stream+" under account "+k.account(ctx)+
			" are not an adjacent pair of shards eligible for merging")
	k.merge(ctx, stream, 0, 1)
	shards := k.shards(ctx, stream)
	k.equal("shards", idsOf(shards), "0 1 2 3")
	k.equal("open shards", idsOf(openOf(shards)), "2 3")
	if !k.ok() {
		return
	}
	k.ranges(openOf(shards))
	k.equal("ParentShardId", shards[3].ParentShardID, shardID(0))
	k.equal("AdjacentParentShardId", shards[3].AdjacentParentShardID, shardID(1))
}

func checkShardEnd(ctx context.Context, k *kit) {
	stream := k.stream(ctx, 1)
	k.put(ctx, stream, "k", "a")
	k.split(ctx, stream, 0, half)
	k.put(ctx, stream, "k", "b")
	it := k.iterator(ctx, stream, 0, "TRIM_HORIZON", nil)
	var last answer
	var recs []record
	for i := 0; it != "" && k.ok(); i++ {
		k.must(i < 20, "want a closed shard to end, got a NextShardIterator 20 times")
		last = k.read(ctx, it, nil)
		recs = append(recs, last.Records...)
		it = last.NextShardIterator
	}
	k.equal("records of the parent", dataOf(recs), "a")
	k.equal("ChildShards at the end", idsOf(last.ChildShards), "1 2")
	for _, c := range last.ChildShards {
		k.equal("ParentShards", c.ParentShards, []string{shardID(0)})
		k.must(c.HashKeyRange.EndingHashKey != "", "want the HashKeyRange of a child, got none")
	}
}

func checkReshardLoad(ctx context.Context, k *kit) {
	const writers = 4
	stream := k.stream(ctx, 1)
	stop := make(chan struct{})
	var working sync.WaitGroup
	var acked [writers]int
	var broken [writers]answer
	wire := k.wire
	for w := range writers {
		working.Go(func() {
			acked[w], broken[w] = writeInOrder(ctx, wire, stream, fmt.Sprint("w", w), stop)
		})
	}
	k.wait(ctx, 500*time.Millisecond)
	k.split(ctx, stream, 0, half)
	k.wait(ctx, 500*time.Millisecond)
	k.merge(ctx, stream, 1, 2)
	k.wait(ctx, 500*time.Millisecond)
	close(stop)
	working.Wait()
	k.called("PutRecord")
	for _, a := range broken {
		k.must(a.err == nil && a.status == http.StatusOK, "PutRecord while resharding: want 200, got %s", a)
	}
	next := map[string]int{}
	for shard := range 4 { // parents first
		for _, r := range k.readAll(ctx, stream, shard) {
			if r.PartitionKey == nil {
				k.fail("want the partition key of record %s, got none", r.SequenceNumber)
				return
			}
			key := *r.PartitionKey
			k.equal("next record of the key "+key, string(r.Data), strconv.Itoa(next[key]))
			next[key]++
		}
	}
	for w, n := range acked {
		k.equal(fmt.Sprintf("records of the key w%d", w), next[fmt.Sprint("w", w)], n)
	}
}

// writeInOrder writes 0, 1, 2… with a key until stop is closed, and returns how
// many were acknowledged and the last answer.
func writeInOrder(ctx context.Context, w *wire, stream, key string, stop <-chan struct{}) (n int, last answer) {
	for {
		select {
		case <-stop:
			return n, last
		case <-ctx.Done():
			return n, answer{err: ctx.Err()}
		case <-time.After(20 * time.Millisecond):
		}
		a := w.post(ctx, "PutRecord", obj{"StreamName": stream, "PartitionKey": key, "Data": []byte(strconv.Itoa(n))})
		switch {
		case a.err == nil && a.status == http.StatusOK:
			n, last = n+1, a
		case !a.overRate():
			return n, a
		}
	}
}

func checkReshardState(ctx context.Context, k *kit) {
	od := k.onDemand(ctx)
	k.refused(ctx, "SplitShard", obj{"StreamName": od, "ShardToSplit": shardID(0), "NewStartingHashKey": "1000"}, validation, "")
	k.refused(ctx, "MergeShards", obj{"StreamName": od, "ShardToMerge": shardID(0), "AdjacentShardToMerge": shardID(1)}, validation, "")
	stream := k.stream(ctx, 1)
	k.call(ctx, "SplitShard", obj{"StreamName": stream, "ShardToSplit": shardID(0), "NewStartingHashKey": half})
	if k.status(ctx, stream) != "UPDATING" {
		k.leave("UPDATING: streams change at once here")
		return
	}
	text := k.under(ctx, stream) + " not ACTIVE, instead in state UPDATING"
	k.refused(ctx, "SplitShard", obj{"StreamName": stream, "ShardToSplit": shardID(1), "NewStartingHashKey": "1000"}, inUse, text)
	k.refused(ctx, "MergeShards", obj{"StreamName": stream, "ShardToMerge": shardID(1), "AdjacentShardToMerge": shardID(2)}, inUse, text)
}

func checkShardCount(ctx context.Context, k *kit) {
	stream := k.stream(ctx, 2)
	scale := func(n int) obj {
		return obj{"StreamName": stream, "TargetShardCount": n, "ScalingType": "UNIFORM_SCALING"}
	}
	refused := func(n int) {
		a := k.patient(ctx, "UpdateShardCount", scale(n), limitExceeded)
		k.must(a.status == http.StatusBadRequest && (a.Code == limitExceeded || a.Code == invalid),
			"UpdateShardCount to %d: want %s or %s, got %s", n, limitExceeded, invalid, a)
	}
	refused(5)
	a := k.call(ctx, "UpdateShardCount", scale(4))
	k.equal("CurrentShardCount", a.CurrentShardCount, 2)
	k.equal("TargetShardCount", a.TargetShardCount, 4)
	k.settle(ctx, stream)
	open := openOf(k.shards(ctx, stream))
	k.equal("open shards", len(open), 4)
	k.ranges(open)
	for _, s := range open {
		width := decimal(after(s.HashKeyRange.EndingHashKey))
		width.Sub(width, decimal(s.HashKeyRange.StartingHashKey))
		k.equal("a quarter of the hash keys", width.String(), "85070591730234615865843651857942052864")
	}
	refused(1)
	if !k.slow("the eleventh call of a day") {
		return
	}
	for i := range 9 {
		k.call(ctx, "UpdateShardCount", scale(3+i%2))
		k.settle(ctx, stream)
	}
	k.refused(ctx, "UpdateShardCount", scale(4), limitExceeded, "")
}

func checkMode(ctx context.Context, k *kit) {
	stream := k.stream(ctx, 1)
	arn := k.arn(ctx, stream)
	in := func(mode string) obj {
		return obj{"StreamARN": arn, "StreamModeDetails": obj{"StreamMode": mode}}
	}
	for _, mode := range []string{"ON_DEMAND", "PROVISIONED"} {
		k.call(ctx, "UpdateStreamMode", in(mode))
		d := k.settle(ctx, stream)
		k.equal("StreamMode", d.StreamModeDetails.StreamMode, mode)
		k.equal("open shards after a switch", len(openOf(k.shards(ctx, stream))), 1)
	}
	k.refused(ctx, "UpdateStreamMode", in("ON_DEMAND"), limitExceeded, "")
	k.refusedWith(ctx, "UpdateStreamMode", obj{"StreamModeDetails": obj{"StreamMode": "ON_DEMAND"}}, validation,
		"Value null at 'streamARN' failed to satisfy constraint: Member must not be null")
}
