package awsclient

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kload/kload/internal/shard"
)

// ShardLister is the call that ListShards pages through.
type ShardLister interface {
	ListShards(context.Context, *kinesis.ListShardsInput, ...func(*kinesis.Options)) (*kinesis.ListShardsOutput, error)
}

// ListShards returns the shards of a stream that are open now, all pages.
// Errors carry hints; see [Explain].
func ListShards(ctx context.Context, api ShardLister, stream string) ([]shard.Shard, error) {
	in := &kinesis.ListShardsInput{
		StreamName:  aws.String(stream),
		ShardFilter: &types.ShardFilter{Type: types.ShardFilterTypeAtLatest},
	}
	var shards []shard.Shard
	for {
		out, err := api.ListShards(ctx, in)
		if err != nil {
			return nil, Explain(err, "listing the shards of stream "+stream)
		}
		for _, s := range out.Shards {
			sh, err := parseShard(&s)
			if err != nil {
				return nil, fmt.Errorf("listing the shards of stream %s: %w", stream, err)
			}
			if sh.Open { // some services ignore the filter
				shards = append(shards, sh)
			}
		}
		if out.NextToken == nil {
			return shards, nil
		}
		in = &kinesis.ListShardsInput{NextToken: out.NextToken}
	}
}

func parseShard(s *types.Shard) (shard.Shard, error) {
	if s.HashKeyRange == nil {
		return shard.Shard{}, fmt.Errorf("shard %s has no hash key range", aws.ToString(s.ShardId))
	}
	start, err := shard.ParseHash(aws.ToString(s.HashKeyRange.StartingHashKey))
	if err != nil {
		return shard.Shard{}, err
	}
	end, err := shard.ParseHash(aws.ToString(s.HashKeyRange.EndingHashKey))
	if err != nil {
		return shard.Shard{}, err
	}
	return shard.Shard{
		ID:    aws.ToString(s.ShardId),
		Range: shard.Range{Start: start, End: end},
		Open:  s.SequenceNumberRange == nil || s.SequenceNumberRange.EndingSequenceNumber == nil,
	}, nil
}
