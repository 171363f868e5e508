package conformance

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"
)

func checkDescribePages(ctx context.Context, k *kit) {
	stream := k.common(ctx)
	d := k.call(ctx, "DescribeStream", obj{"StreamName": stream, "Limit": 1}).StreamDescription
	k.equal("first page", idsOf(d.Shards), "0")
	k.equal("HasMoreShards of the first page", d.HasMoreShards, true)
	d = k.call(ctx, "DescribeStream", obj{"StreamName": stream, "Limit": 1, "ExclusiveStartShardId": shardID(0)}).StreamDescription
	k.equal("second page", idsOf(d.Shards), "1")
	k.equal("HasMoreShards of the second page", d.HasMoreShards, false)
	d = k.call(ctx, "DescribeStream", obj{"StreamName": stream, "Limit": 5000}).StreamDescription
	k.equal("with a limit of 5000", idsOf(d.Shards), "0 1")
	k.refusedWith(ctx, "DescribeStream", obj{"StreamName": stream, "Limit": 10001}, validation,
		"Value '10001' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 10000")
}

func checkListShards(ctx context.Context, k *kit) {
	stream := k.common(ctx)
	a := k.call(ctx, "ListShards", obj{"StreamName": stream, "MaxResults": 1})
	k.equal("first page", idsOf(a.Shards), "0")
	k.must(a.NextToken != "", "want a NextToken on the first page, got none")
	b := k.call(ctx, "ListShards", obj{"NextToken": a.NextToken, "MaxResults": 1})
	k.equal("second page", idsOf(b.Shards), "1")
	k.equal("NextToken of the last page", b.NextToken, "")
	k.refused(ctx, "ListShards", obj{"NextToken": a.NextToken, "StreamName": stream}, invalid,
		"NextToken and StreamName cannot be provided together.")
	k.refused(ctx, "ListShards", obj{}, invalid, "Either NextToken or StreamName should be provided.")
	if k.slow("expiry of the token after 300 s") {
		k.wait(ctx, 301*time.Second)
		k.refused(ctx, "ListShards", obj{"NextToken": a.NextToken}, "ExpiredNextTokenException", "")
	}
}

func checkShardFilters(ctx context.Context, k *kit) {
	stream := k.stream(ctx, 2)
	k.wait(ctx, 1500*time.Millisecond)
	before := time.Now()
	k.wait(ctx, 1500*time.Millisecond)
	k.split(ctx, stream, 0, "1000")
	k.wait(ctx, 1500*time.Millisecond)
	now := time.Now()
	k.wait(ctx, 1500*time.Millisecond)
	for _, f := range []struct {
		kind string
		more obj
		want string
	}{
		{"AT_LATEST", nil, "1 2 3"},
		{"AT_TRIM_HORIZON", nil, "0 1"},
		{"FROM_TRIM_HORIZON", nil, "0 1 2 3"},
		{"AFTER_SHARD_ID", obj{"ShardId": shardID(1)}, "2 3"},
		{"AT_TIMESTAMP", obj{"Timestamp": seconds(before)}, "0 1"},
		{"FROM_TIMESTAMP", obj{"Timestamp": seconds(before)}, "0 1 2 3"},
		{"AT_TIMESTAMP", obj{"Timestamp": seconds(now)}, "1 2 3"},
		{"FROM_TIMESTAMP", obj{"Timestamp": seconds(now)}, "1 2 3"},
	} {
		filter := obj{"Type": f.kind}
		maps.Copy(filter, f.more)
		got := k.call(ctx, "ListShards", obj{"StreamName": stream, "ShardFilter": filter}).Shards
		slices.SortFunc(got, func(a, b shardInfo) int { return strings.Compare(a.ShardID, b.ShardID) })
		k.equal("shards of the filter "+f.kind, idsOf(got), f.want)
	}
}

// seconds is a time as JSON has it.
func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

func checkListStreams(ctx context.Context, k *kit) {
	k.common(ctx) // the first name of all
	first, second := k.stream(ctx, 1), k.stream(ctx, 1)
	a := k.call(ctx, "ListStreams", obj{"Limit": 1, "ExclusiveStartStreamName": k.common(ctx)})
	for k.ok() && len(a.StreamNames) == 1 && a.StreamNames[0] < first && a.NextToken != "" { // of other checks
		a = k.call(ctx, "ListStreams", obj{"Limit": 1, "NextToken": a.NextToken})
	}
	k.equal("names", a.StreamNames, []string{first})
	k.equal("HasMoreStreams", a.HasMoreStreams, true)
	k.must(a.NextToken != "", "want a NextToken, got none")
	b := k.call(ctx, "ListStreams", obj{"Limit": 1, "NextToken": a.NextToken})
	k.equal("names after NextToken", b.StreamNames, []string{second})
	b = k.call(ctx, "ListStreams", obj{"Limit": 10, "ExclusiveStartStreamName": k.common(ctx)})
	k.must(slices.IsSorted(b.StreamNames), "want sorted names, got %v", b.StreamNames)
	var names []string
	for _, s := range b.StreamSummaries {
		names = append(names, s.StreamName)
	}
	k.equal("names in StreamSummaries", names, b.StreamNames)
}
