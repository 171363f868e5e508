package awsclient

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/shard"
)

// ShardLister is the call that ListShards pages through.
type ShardLister interface {
	ListShards(context.Context, *kinesis.ListShardsInput, ...func(*kinesis.Options)) (*kinesis.ListShardsOutput, error)
}

// ListShards returns the shards of a stream that are open now, all pages.
// Errors carry hints; see [Explain].
func ListShards(ctx context.Context, api ShardLister, stream string) ([]shard.Shard, error) {
	filter := &types.ShardFilter{Type: types.ShardFilterTypeAtLatest}
	var open []shard.Shard
	err := list(ctx, api, stream, filter, func(s shard.Shard) {
		if s.Open { // some services ignore the filter
			open = append(open, s)
		}
	})
	return open, Explain(err, "listing the shards of stream "+stream)
}

// ListPartitions returns the shards of a stream that can be read, also the closed
// ones, as the input of a consumer that starts at the given place. Closed ones
// have to be read only from the trim horizon. Errors are the client's, for the
// caller to [Classify].
func ListPartitions(ctx context.Context, api ShardLister, stream string, start kload.Start) ([]kload.Partition, error) {
	var parts []kload.Partition
	err := list(ctx, api, stream, nil, func(s shard.Shard) {
		p := kload.Partition{ID: s.ID, Parents: s.Parents, Range: kload.HashRange(s.Range), HasRange: true}
		p.From.Start = start
		if !s.Open && start != kload.TrimHorizon {
			p.From.Start = kload.AtEnd
		}
		parts = append(parts, p)
	})
	return parts, err
}

// Children returns the shards that the last answer of a closed one names.
func Children(list []types.ChildShard) ([]kload.Partition, error) {
	var parts []kload.Partition
	for _, c := range list {
		keys, err := parseRange(c.ShardId, c.HashKeyRange)
		if err != nil {
			return nil, fmt.Errorf("reading the children of a shard: %w", err)
		}
		parts = append(parts, kload.Partition{
			ID: aws.ToString(c.ShardId), Parents: c.ParentShards, Range: kload.HashRange(keys), HasRange: true,
			From: kload.Position{Start: kload.TrimHorizon},
		})
	}
	return parts, nil
}

// list pages through the shards of a stream.
func list(ctx context.Context, api ShardLister, stream string, filter *types.ShardFilter, each func(shard.Shard)) error {
	in := &kinesis.ListShardsInput{StreamName: aws.String(stream), ShardFilter: filter}
	for {
		out, err := api.ListShards(ctx, in)
		if err != nil {
			return err
		}
		for _, s := range out.Shards {
			sh, err := parseShard(&s)
			if err != nil {
				return err
			}
			each(sh)
		}
		if out.NextToken == nil {
			return nil
		}
		in = &kinesis.ListShardsInput{NextToken: out.NextToken}
	}
}

func parseShard(s *types.Shard) (shard.Shard, error) {
	keys, err := parseRange(s.ShardId, s.HashKeyRange)
	if err != nil {
		return shard.Shard{}, err
	}
	parsed := shard.Shard{
		ID: aws.ToString(s.ShardId), Range: keys,
		Open: s.SequenceNumberRange == nil || s.SequenceNumberRange.EndingSequenceNumber == nil,
	}
	for _, parent := range []*string{s.ParentShardId, s.AdjacentParentShardId} {
		if parent != nil {
			parsed.Parents = append(parsed.Parents, *parent)
		}
	}
	return parsed, nil
}

func parseRange(id *string, keys *types.HashKeyRange) (shard.Range, error) {
	if keys == nil {
		return shard.Range{}, fmt.Errorf("shard %s has no hash key range", aws.ToString(id))
	}
	start, err := shard.ParseHash(aws.ToString(keys.StartingHashKey))
	if err != nil {
		return shard.Range{}, err
	}
	end, err := shard.ParseHash(aws.ToString(keys.EndingHashKey))
	return shard.Range{Start: start, End: end}, err
}
