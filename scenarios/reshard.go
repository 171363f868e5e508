package scenarios

import (
	"context"
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/conf"
	"github.com/kload/kload/internal/pace"
	"github.com/kload/kload/internal/shard"
)

// splitConfig is the action split.
type splitConfig struct {
	Shard shard.Ref `yaml:"shard" default:"hottest" help:"which open shard: its id, the number in it, hottest or coldest"`
	At    string    `yaml:"at_hash_key" help:"where the second child begins; the middle of the shard if absent"`
}

// Validate checks the hash key.
func (c *splitConfig) Validate() []conf.Issue {
	if _, err := shard.ParseHash(c.At); err != nil && c.At != "" {
		return []conf.Issue{{Field: "at_hash_key", Msg: err.Error()}}
	}
	return nil
}

func (c *splitConfig) describe() string { return string(c.Shard) }
func (c *splitConfig) localOnly() bool  { return false }
func (c *splitConfig) needsHeat() bool  { return c.Shard.Relative() }

// mergeConfig is the action merge.
type mergeConfig struct {
	Shard shard.Ref `yaml:"shard" default:"coldest" help:"which open shard: its id, the number in it, hottest or coldest"`
	With  shard.Ref `yaml:"with" help:"its neighbour; the next one by hash keys if absent, or the one before of the last"`
}

func (c *mergeConfig) describe() string {
	if c.With == "" {
		return string(c.Shard) + " with its neighbour"
	}
	return string(c.Shard + " with " + c.With)
}
func (c *mergeConfig) localOnly() bool { return false }
func (c *mergeConfig) needsHeat() bool { return c.Shard.Relative() || c.With.Relative() }

// countConfig is the action update_shard_count.
type countConfig struct {
	To int `yaml:"to" required:"true" help:"number of open shards, from half of what there are to twice as many"`
}

// Validate checks the number.
func (c *countConfig) Validate() []conf.Issue {
	if c.To < 1 || c.To > 10_000 {
		return []conf.Issue{{Field: "to", Msg: "must be between 1 and 10000"}}
	}
	return nil
}

func (c *countConfig) describe() string { return "to " + strconv.Itoa(c.To) }
func (c *countConfig) localOnly() bool  { return false }

// reshard is an action that changes the stream's shards: change makes the call.
type reshard struct {
	env    actionEnv
	change func(context.Context, *kinesis.Client) error
}

func newSplit(c *splitConfig, e actionEnv) (action, error) {
	return &reshard{e, func(ctx context.Context, api *kinesis.Client) error {
		sh, err := e.findShard(ctx, c.Shard)
		if err != nil {
			return err
		}
		at := c.At
		if at == "" {
			at = shard.FormatHash(middle(sh.Range))
		}
		_, err = api.SplitShard(ctx, &kinesis.SplitShardInput{
			StreamName: aws.String(e.endpoint.spec.Stream.Name), ShardToSplit: aws.String(sh.ID), NewStartingHashKey: aws.String(at),
		})
		return err
	}}, nil
}

// middle returns the hash key at which the second half of a range begins.
func middle(r shard.Range) kload.HashKey {
	lo, borrow := bits.Sub64(r.End.Lo, r.Start.Lo, 0)
	hi, _ := bits.Sub64(r.End.Hi, r.Start.Hi, borrow)
	lo, hi = lo>>1|hi<<63, hi>>1
	lo, carry := bits.Add64(r.Start.Lo, lo, 1)
	hi, _ = bits.Add64(r.Start.Hi, hi, carry)
	return kload.HashKey{Hi: hi, Lo: lo}
}

func newMerge(c *mergeConfig, e actionEnv) (action, error) {
	return &reshard{e, func(ctx context.Context, api *kinesis.Client) error {
		first, second, err := e.findPair(ctx, c)
		if err != nil {
			return err
		}
		_, err = api.MergeShards(ctx, &kinesis.MergeShardsInput{
			StreamName: aws.String(e.endpoint.spec.Stream.Name), ShardToMerge: aws.String(first), AdjacentShardToMerge: aws.String(second),
		})
		return err
	}}, nil
}

func newCount(c *countConfig, e actionEnv) (action, error) {
	return &reshard{e, func(ctx context.Context, api *kinesis.Client) error {
		_, err := api.UpdateShardCount(ctx, &kinesis.UpdateShardCountInput{
			StreamName: aws.String(e.endpoint.spec.Stream.Name), TargetShardCount: aws.Int32(int32(c.To)), ScalingType: types.ScalingTypeUniformScaling,
		})
		return err
	}}, nil
}

// carryOut makes the change while no other one is under way, and waits until the
// stream is ACTIVE again. Its effect is the number of open shards before and after.
func (a *reshard) carryOut(ctx context.Context) (map[string]any, error) {
	select {
	case <-a.env.turn:
		defer func() { a.env.turn <- struct{}{} }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if err := a.env.settle(ctx); err != nil {
		return nil, err
	}
	before, err := a.env.openShards(ctx)
	if err == nil {
		err = a.try(ctx)
	}
	if err != nil {
		return nil, err
	}
	effect := map[string]any{"shards_before": len(before)}
	if err := a.env.settle(ctx); err != nil {
		return effect, err
	}
	after, err := a.env.openShards(ctx)
	effect["shards"] = len(after)
	return effect, err
}

// try makes the call, again while it is refused for its rate.
func (a *reshard) try(ctx context.Context) error {
	for {
		err := a.change(ctx, a.env.endpoint.client.Control)
		if class, _ := awsclient.Classify(err); err == nil || class != awsclient.Throttled {
			return err
		}
		if err := pace.NewPacer(a.env.clock).Sleep(ctx, streamPoll); err != nil {
			return err
		}
	}
}

// settle waits until the stream is ACTIVE. Failures that may pass are waited
// out.
func (e *actionEnv) settle(ctx context.Context) error {
	for {
		s, err := e.endpoint.describeStream(ctx)
		switch class, _ := awsclient.Classify(err); {
		case err == nil && s.StreamStatus == types.StreamStatusActive:
			return nil
		case err != nil && class != awsclient.Throttled && class != awsclient.Ambiguous && class != awsclient.NotSent:
			return awsclient.Explain(err, "waiting for stream "+e.endpoint.spec.Stream.Name)
		}
		if err := pace.NewPacer(e.clock).Sleep(ctx, streamPoll); err != nil {
			return err
		}
	}
}

// openShards returns the open shards in order of their hash keys.
func (e *actionEnv) openShards(ctx context.Context) ([]shard.Shard, error) {
	shards, err := awsclient.ListShards(ctx, e.endpoint.client.Control, e.endpoint.spec.Stream.Name)
	slices.SortFunc(shards, func(a, b shard.Shard) int { return a.Range.Start.Compare(b.Range.Start) })
	return shards, err
}

// findShard returns the open shard that a scenario means.
func (e *actionEnv) findShard(ctx context.Context, ref shard.Ref) (shard.Shard, error) {
	shards, err := e.openShards(ctx)
	if err != nil {
		return shard.Shard{}, err
	}
	i, err := e.choose(shards, ref)
	if err != nil {
		return shard.Shard{}, err
	}
	return shards[i], nil
}

// findPair returns the ids of the shards to merge.
func (e *actionEnv) findPair(ctx context.Context, c *mergeConfig) (first, second string, err error) {
	shards, err := e.openShards(ctx)
	if err != nil {
		return "", "", err
	}
	i, err := e.choose(shards, c.Shard)
	switch {
	case err != nil:
		return "", "", err
	case len(shards) < 2:
		return "", "", kload.WithHint(fmt.Errorf("%w: the stream has a single shard", kload.ErrInvalid), "split one first, or raise stream.shards")
	}
	k := i + 1
	if c.With != "" {
		if k, err = e.choose(shards, c.With); err != nil {
			return "", "", err
		}
	} else if k == len(shards) {
		k = i - 1
	}
	return shards[i].ID, shards[k].ID, nil
}

// choose returns the index of the shard that a scenario means.
func (e *actionEnv) choose(shards []shard.Shard, ref shard.Ref) (int, error) {
	if ref.Relative() {
		compare := func(a, b shard.Shard) int { return int(e.heat.of(a.ID)) - int(e.heat.of(b.ID)) }
		extreme := slices.MaxFunc(shards, compare)
		if ref == shard.Coldest {
			extreme = slices.MinFunc(shards, compare)
		}
		return slices.IndexFunc(shards, func(s shard.Shard) bool { return s.ID == extreme.ID }), nil
	}
	i := slices.IndexFunc(shards, func(s shard.Shard) bool { return s.ID == string(ref) })
	if i < 0 {
		ids := make([]string, len(shards))
		for k, s := range shards {
			ids[k] = s.ID
		}
		return 0, kload.WithHint(fmt.Errorf("%w: stream %s has no open shard %s", kload.ErrInvalid, e.endpoint.spec.Stream.Name, ref),
			"open are: "+strings.Join(ids[:min(len(ids), 10)], ", "))
	}
	return i, nil
}
