package awsclient_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/shard"
)

// pages answers ListShards with one page after the other.
type pages struct {
	shards []types.Shard
	err    error // instead of the page after the last
}

func (p *pages) ListShards(_ context.Context, in *kinesis.ListShardsInput, _ ...func(*kinesis.Options)) (*kinesis.ListShardsOutput, error) {
	if first := in.StreamName != nil; first == (in.NextToken != nil) || first != (in.ShardFilter != nil) {
		return nil, errors.New("the service takes a stream or a token, and a filter only with a stream")
	}
	if len(p.shards) == 0 {
		return nil, p.err
	}
	out := &kinesis.ListShardsOutput{Shards: p.shards[:1]}
	p.shards = p.shards[1:]
	if len(p.shards) > 0 || p.err != nil {
		out.NextToken = aws.String("more")
	}
	return out, nil
}

func listed(id, start, end, closed string) types.Shard {
	s := types.Shard{
		ShardId:      aws.String(id),
		HashKeyRange: &types.HashKeyRange{StartingHashKey: aws.String(start), EndingHashKey: aws.String(end)},
	}
	if closed != "" {
		s.SequenceNumberRange = &types.SequenceNumberRange{StartingSequenceNumber: aws.String("1"), EndingSequenceNumber: aws.String(closed)}
	}
	return s
}

func TestListShards(t *testing.T) {
	gone := &types.ResourceNotFoundException{Message: aws.String("gone")}
	low, high := listed("shardId-0", "0", "4", ""), listed("shardId-1", "5", "9", "")
	tests := []struct {
		name    string
		pages   pages
		want    []string
		wantErr string
	}{
		{"pages", pages{shards: []types.Shard{low, high}}, []string{"shardId-0", "shardId-1"}, ""},
		{"a closed shard among them", pages{shards: []types.Shard{listed("old", "0", "9", "7"), low}}, []string{"shardId-0"}, ""},
		{"no such stream", pages{err: gone}, nil, "listing the shards of stream s: ResourceNotFoundException"},
		{"second page fails", pages{shards: []types.Shard{low}, err: gone}, nil, "listing the shards of stream s"},
		{"no range", pages{shards: []types.Shard{{ShardId: aws.String("x")}}}, nil, "shard x has no hash key range"},
		{"bad start", pages{shards: []types.Shard{listed("x", "a", "9", "")}}, nil, `"a"`},
		{"bad end", pages{shards: []types.Shard{listed("x", "0", "340282366920938463463374607431768211456", "")}}, nil, "340282366920938463463374607431768211456"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			missing := tc.pages.err != nil
			got, err := awsclient.ListShards(t.Context(), &tc.pages, "s")
			if tc.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tc.wantErr) || missing != errors.Is(err, kload.ErrUnreachable) {
					t.Errorf("%v, want %q", err, tc.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var ids []string
			for _, s := range got {
				ids = append(ids, s.ID)
			}
			if diff := cmp.Diff(tc.want, ids); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if want := (shard.Range{End: kload.HashKey{Lo: 4}}); got[0].Range != want || !got[0].Open {
				t.Errorf("first shard %+v, want range %+v", got[0], want)
			}
		})
	}
}
