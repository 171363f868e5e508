package kinesis_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload/internal/local/kinesis"
)

const (
	otherARN    = "arn:aws:kinesis:us-east-1:000000000000:stream/o" // on demand
	reshardARN  = "arn:aws:kinesis:us-east-1:000000000000:stream/r" // provisioned, two shards
	absentARN   = "arn:aws:kinesis:us-east-1:000000000000:stream/none"
	absentApp   = reshardARN + "/consumer/none:1"
	longAgo     = 900000000123 // ms
	invalidCode = "InvalidArgumentException"
	notFound    = "ResourceNotFoundException"
	inUse       = "ResourceInUseException"
	constraint  = "ValidationException"
	overLimit   = "LimitExceededException"

	throttledCode = "ProvisionedThroughputExceededException"
)

// call makes a step of an operation and its input.
func call[I, O any](name string, op func(*sdk.Client, context.Context, *I, ...func(*sdk.Options)) (*O, error), in I) step {
	return step{name, func(ctx context.Context, x *side) (any, error) {
		in := in
		return op(x.c, ctx, &in)
	}}
}

// sad names a step that fails with that code.
func sad(name, code string) string { return name + ": " + code }

func shardNamed(index int) *string { return aws.String(fmt.Sprintf("shardId-%012d", index)) }

// place makes a step that gets an iterator for the reads that follow. A sequence
// number of a type that needs one, and the shard if none is given, are those of
// the last put.
func place(name string, in sdk.GetShardIteratorInput) step {
	return step{name, func(ctx context.Context, x *side) (any, error) {
		in := in
		if in.ShardId == nil {
			in.ShardId = x.shard
		}
		if in.ShardIteratorType == types.ShardIteratorTypeAtSequenceNumber {
			in.StartingSequenceNumber = x.sequence
		}
		out, err := x.c.GetShardIterator(ctx, &in)
		if err == nil {
			x.iterator = out.ShardIterator
		}
		return out, err
	}}
}

func fetch(name string) step {
	return step{name, func(ctx context.Context, x *side) (any, error) {
		return x.c.GetRecords(ctx, &sdk.GetRecordsInput{ShardIterator: x.iterator})
	}}
}

func putTo(name string, in sdk.PutRecordInput) step {
	return step{name, func(ctx context.Context, x *side) (any, error) {
		in := in
		out, err := x.c.PutRecord(ctx, &in)
		if err == nil {
			x.sequence, x.shard = out.SequenceNumber, out.ShardId
		}
		return out, err
	}}
}

// reshardSteps change the shards of r and read across the changes.
func reshardSteps() []step {
	r := aws.String("r")
	lost := types.ShardFilter{Type: types.ShardFilterTypeAfterShardId}
	since := types.ShardFilter{Type: types.ShardFilterTypeFromTimestamp, Timestamp: aws.Time(time.UnixMilli(longAgo))}
	then := types.ShardFilter{Type: types.ShardFilterTypeAtTimestamp, Timestamp: aws.Time(time.UnixMilli(longAgo))}
	horizon := types.ShardIteratorTypeTrimHorizon
	return []step{
		call("create r", (*sdk.Client).CreateStream, sdk.CreateStreamInput{StreamName: r, ShardCount: aws.Int32(2), Tags: map[string]string{"é": "\"1\""}}),
		putTo("put before", sdk.PutRecordInput{StreamName: r, Data: []byte("before"), PartitionKey: aws.String("k"), ExplicitHashKey: aws.String("0")}),
		call("split", (*sdk.Client).SplitShard, sdk.SplitShardInput{StreamName: r, ShardToSplit: shardNamed(0), NewStartingHashKey: aws.String("100")}),
		call(sad("split what is closed", inUse), (*sdk.Client).SplitShard, sdk.SplitShardInput{StreamName: r, ShardToSplit: shardNamed(0), NewStartingHashKey: aws.String("100")}),
		call(sad("split outside", invalidCode), (*sdk.Client).SplitShard, sdk.SplitShardInput{StreamName: r, ShardToSplit: shardNamed(1), NewStartingHashKey: aws.String("100")}),
		call(sad("split at no number", constraint), (*sdk.Client).SplitShard, sdk.SplitShardInput{StreamName: r, ShardToSplit: shardNamed(1), NewStartingHashKey: aws.String("x")}),
		call(sad("split what is not there", notFound), (*sdk.Client).SplitShard, sdk.SplitShardInput{StreamName: r, ShardToSplit: shardNamed(9), NewStartingHashKey: aws.String("5")}),
		place("iterator on a parent", sdk.GetShardIteratorInput{StreamName: r, ShardId: shardNamed(0), ShardIteratorType: horizon}),
		fetch("read to the end"), // a record and two children
		{"put in order", func(ctx context.Context, x *side) (any, error) {
			return x.c.PutRecord(ctx, &sdk.PutRecordInput{
				StreamName: r, Data: []byte("after"), PartitionKey: aws.String("k"), ExplicitHashKey: aws.String("100"),
				SequenceNumberForOrdering: x.sequence,
			})
		}},
		call(sad("merge with itself", invalidCode), (*sdk.Client).MergeShards, sdk.MergeShardsInput{StreamName: r, ShardToMerge: shardNamed(1), AdjacentShardToMerge: shardNamed(1)}),
		call(sad("merge apart", invalidCode), (*sdk.Client).MergeShards, sdk.MergeShardsInput{StreamName: r, ShardToMerge: shardNamed(2), AdjacentShardToMerge: shardNamed(1)}),
		call("merge", (*sdk.Client).MergeShards, sdk.MergeShardsInput{StreamName: r, ShardToMerge: shardNamed(1), AdjacentShardToMerge: shardNamed(3)}),
		place("iterator on an empty parent", sdk.GetShardIteratorInput{StreamName: r, ShardId: shardNamed(1), ShardIteratorType: horizon}),
		fetch("read nothing to the end"), // a child of two
		call("scale", (*sdk.Client).UpdateShardCount, sdk.UpdateShardCountInput{StreamName: r, TargetShardCount: aws.Int32(4), ScalingType: types.ScalingTypeUniformScaling}),
		call(sad("scale too far", overLimit), (*sdk.Client).UpdateShardCount, sdk.UpdateShardCountInput{StreamName: r, TargetShardCount: aws.Int32(9), ScalingType: types.ScalingTypeUniformScaling}),
		call(sad("scale to none", constraint), (*sdk.Client).UpdateShardCount, sdk.UpdateShardCountInput{StreamName: r, TargetShardCount: aws.Int32(0), ScalingType: "SOMEHOW"}),
		call("describe r", (*sdk.Client).DescribeStream, sdk.DescribeStreamInput{StreamName: r}),
		call("shards since", (*sdk.Client).ListShards, sdk.ListShardsInput{StreamName: r, ShardFilter: &since}),
		call("shards then", (*sdk.Client).ListShards, sdk.ListShardsInput{StreamName: r, ShardFilter: &then}),
		call(sad("shards after none", invalidCode), (*sdk.Client).ListShards, sdk.ListShardsInput{StreamName: r, ShardFilter: &lost}),
		{"shards, a page", func(ctx context.Context, x *side) (any, error) {
			out, err := x.c.ListShards(ctx, &sdk.ListShardsInput{StreamName: r, ShardFilter: &since, MaxResults: aws.Int32(3)})
			if err == nil {
				x.token = out.NextToken
			}
			return out, err
		}},
		{"shards, the next page", func(ctx context.Context, x *side) (any, error) {
			return x.c.ListShards(ctx, &sdk.ListShardsInput{NextToken: x.token})
		}},
		{sad("consumers by a token of shards", invalidCode), func(ctx context.Context, x *side) (any, error) {
			return x.c.ListStreamConsumers(ctx, &sdk.ListStreamConsumersInput{StreamARN: aws.String(reshardARN), NextToken: x.token})
		}},
		call(sad("dry iterator", "DryRunOperationException"), (*sdk.Client).GetShardIterator, sdk.GetShardIteratorInput{
			StreamName: r, ShardId: shardNamed(1), ShardIteratorType: horizon, DryRun: aws.Bool(true),
		}),
	}
}

// consumerSteps register consumers of r and push records to them.
func consumerSteps() []step {
	r := aws.String(reshardARN)
	named := func(name string, op func(context.Context, *side) (any, error)) step { return step{name, op} }
	subscribe := func(in sdk.SubscribeToShardInput) func(context.Context, *side) (any, error) {
		return func(ctx context.Context, x *side) (any, error) {
			in := in
			if in.ConsumerARN == nil {
				in.ConsumerARN = x.consumer
			}
			out, err := x.c.SubscribeToShard(ctx, &in)
			if err != nil {
				return nil, err
			}
			var events []any
			for e := range out.GetStream().Events() {
				events = append(events, e)
			}
			return events, out.GetStream().Close()
		}
	}
	fromHorizon := &types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon}
	return []step{
		named("register", func(ctx context.Context, x *side) (any, error) {
			out, err := x.c.RegisterStreamConsumer(ctx, &sdk.RegisterStreamConsumerInput{
				StreamARN: r, ConsumerName: aws.String("app"), Tags: map[string]string{"k": "v"},
			})
			if err == nil {
				x.consumer = out.Consumer.ConsumerARN
			}
			return out, err
		}),
		call(sad("register again", inUse), (*sdk.Client).RegisterStreamConsumer, sdk.RegisterStreamConsumerInput{StreamARN: r, ConsumerName: aws.String("app")}),
		call("register one more", (*sdk.Client).RegisterStreamConsumer, sdk.RegisterStreamConsumerInput{StreamARN: r, ConsumerName: aws.String("other")}),
		call(sad("register with a bad name", constraint), (*sdk.Client).RegisterStreamConsumer, sdk.RegisterStreamConsumerInput{StreamARN: r, ConsumerName: aws.String("a b")}),
		named("describe a consumer", func(ctx context.Context, x *side) (any, error) {
			return x.c.DescribeStreamConsumer(ctx, &sdk.DescribeStreamConsumerInput{ConsumerARN: x.consumer})
		}),
		call("describe a consumer by name", (*sdk.Client).DescribeStreamConsumer, sdk.DescribeStreamConsumerInput{StreamARN: r, ConsumerName: aws.String("other")}),
		call(sad("describe no consumer", notFound), (*sdk.Client).DescribeStreamConsumer, sdk.DescribeStreamConsumerInput{StreamARN: r, ConsumerName: aws.String("none")}),
		call(sad("describe what consumer", invalidCode), (*sdk.Client).DescribeStreamConsumer, sdk.DescribeStreamConsumerInput{}),
		named("consumers, a page", func(ctx context.Context, x *side) (any, error) {
			out, err := x.c.ListStreamConsumers(ctx, &sdk.ListStreamConsumersInput{StreamARN: r, MaxResults: aws.Int32(1)})
			if err == nil {
				x.token = out.NextToken
			}
			return out, err
		}),
		named("consumers, the next page", func(ctx context.Context, x *side) (any, error) {
			return x.c.ListStreamConsumers(ctx, &sdk.ListStreamConsumersInput{StreamARN: r, NextToken: x.token})
		}),
		named("tag a consumer", func(ctx context.Context, x *side) (any, error) {
			return x.c.TagResource(ctx, &sdk.TagResourceInput{ResourceARN: x.consumer, Tags: map[string]string{"Timestamp": "5", "m": ""}})
		}),
		named("untag a consumer", func(ctx context.Context, x *side) (any, error) {
			return x.c.UntagResource(ctx, &sdk.UntagResourceInput{ResourceARN: x.consumer, TagKeys: []string{"k", "none"}})
		}),
		named("tags of a consumer", func(ctx context.Context, x *side) (any, error) {
			return x.c.ListTagsForResource(ctx, &sdk.ListTagsForResourceInput{ResourceARN: x.consumer})
		}),
		// In JSON on both sides.
		named("subscribe", subscribe(sdk.SubscribeToShardInput{ShardId: shardNamed(0), StartingPosition: fromHorizon})),
		named(sad("subscribe at once again", inUse), subscribe(sdk.SubscribeToShardInput{ShardId: shardNamed(0), StartingPosition: fromHorizon})),
		named(sad("subscribe to nothing", notFound), subscribe(sdk.SubscribeToShardInput{ConsumerARN: aws.String(absentApp), ShardId: shardNamed(0), StartingPosition: fromHorizon})),
		named("deregister", func(ctx context.Context, x *side) (any, error) {
			return x.c.DeregisterStreamConsumer(ctx, &sdk.DeregisterStreamConsumerInput{ConsumerARN: x.consumer})
		}),
		named(sad("deregister again", notFound), func(ctx context.Context, x *side) (any, error) {
			return x.c.DeregisterStreamConsumer(ctx, &sdk.DeregisterStreamConsumerInput{ConsumerARN: x.consumer})
		}),
	}
}

// tagSteps tag streams and put policies on them.
func tagSteps() []step {
	r, arn := aws.String("r"), aws.String(reshardARN)
	long := strings.Repeat("k", 129)
	return []step{
		call("tag", (*sdk.Client).AddTagsToStream, sdk.AddTagsToStreamInput{StreamName: r, Tags: map[string]string{"a": "1", "EndedAt": "2", "z": ""}}),
		call(sad("tag with nothing", constraint), (*sdk.Client).AddTagsToStream, sdk.AddTagsToStreamInput{StreamName: r, Tags: map[string]string{}}),
		call(sad("tag at length", constraint), (*sdk.Client).AddTagsToStream, sdk.AddTagsToStreamInput{StreamName: r, Tags: map[string]string{long: "v"}}),
		call(sad("tag nothing", notFound), (*sdk.Client).AddTagsToStream, sdk.AddTagsToStreamInput{StreamName: aws.String("none"), Tags: map[string]string{"k": "v"}}),
		call("tags", (*sdk.Client).ListTagsForStream, sdk.ListTagsForStreamInput{StreamName: r, Limit: aws.Int32(2)}),
		call("more tags", (*sdk.Client).ListTagsForStream, sdk.ListTagsForStreamInput{StreamName: r, ExclusiveStartTagKey: aws.String("a")}),
		call(sad("too many tags", constraint), (*sdk.Client).ListTagsForStream, sdk.ListTagsForStreamInput{StreamName: r, Limit: aws.Int32(51)}),
		call("untag", (*sdk.Client).RemoveTagsFromStream, sdk.RemoveTagsFromStreamInput{StreamName: r, TagKeys: []string{"z"}}),
		call(sad("untag nothing", constraint), (*sdk.Client).RemoveTagsFromStream, sdk.RemoveTagsFromStreamInput{StreamName: r, TagKeys: []string{}}),
		call("tags by ARN", (*sdk.Client).ListTagsForResource, sdk.ListTagsForResourceInput{ResourceARN: arn}),
		call(sad("tags of nothing", notFound), (*sdk.Client).ListTagsForResource, sdk.ListTagsForResourceInput{ResourceARN: aws.String(absentApp)}),
		call("no policy", (*sdk.Client).GetResourcePolicy, sdk.GetResourcePolicyInput{ResourceARN: arn}),
		call("policy", (*sdk.Client).PutResourcePolicy, sdk.PutResourcePolicyInput{ResourceARN: arn, Policy: aws.String(`{ "Version": "2012-10-17" }`)}),
		call(sad("bad policy", invalidCode), (*sdk.Client).PutResourcePolicy, sdk.PutResourcePolicyInput{ResourceARN: arn, Policy: aws.String("{")}),
		call("get the policy", (*sdk.Client).GetResourcePolicy, sdk.GetResourcePolicyInput{ResourceARN: arn}),
		call("delete the policy", (*sdk.Client).DeleteResourcePolicy, sdk.DeleteResourcePolicyInput{ResourceARN: arn}),
		call(sad("delete the policy again", notFound), (*sdk.Client).DeleteResourcePolicy, sdk.DeleteResourcePolicyInput{ResourceARN: arn}),
	}
}

// settingSteps change what r and the account are set to.
func settingSteps() []step {
	r, arn := aws.String("r"), aws.String(reshardARN)
	key := aws.String("alias/aws/kinesis")
	one := []types.PutRecordsRequestEntry{{Data: []byte("b"), PartitionKey: aws.String("k")}}
	mode := func(m types.StreamMode) sdk.UpdateStreamModeInput {
		return sdk.UpdateStreamModeInput{StreamARN: arn, StreamModeDetails: &types.StreamModeDetails{StreamMode: m}}
	}
	bytes := []types.MetricsName{types.MetricsNameIncomingBytes, types.MetricsNameOutgoingBytes}
	return []step{
		call("retain longer", (*sdk.Client).IncreaseStreamRetentionPeriod, sdk.IncreaseStreamRetentionPeriodInput{StreamName: r, RetentionPeriodHours: aws.Int32(48)}),
		call(sad("retain longer, shorter", invalidCode), (*sdk.Client).IncreaseStreamRetentionPeriod, sdk.IncreaseStreamRetentionPeriodInput{StreamName: r, RetentionPeriodHours: aws.Int32(47)}),
		call(sad("retain for years", constraint), (*sdk.Client).IncreaseStreamRetentionPeriod, sdk.IncreaseStreamRetentionPeriodInput{StreamName: r, RetentionPeriodHours: aws.Int32(8761)}),
		call("retain shorter", (*sdk.Client).DecreaseStreamRetentionPeriod, sdk.DecreaseStreamRetentionPeriodInput{StreamName: r, RetentionPeriodHours: aws.Int32(24)}),
		call(sad("retain shorter, longer", invalidCode), (*sdk.Client).DecreaseStreamRetentionPeriod, sdk.DecreaseStreamRetentionPeriodInput{StreamName: r, RetentionPeriodHours: aws.Int32(49)}),
		call("larger records", (*sdk.Client).UpdateMaxRecordSize, sdk.UpdateMaxRecordSizeInput{StreamARN: arn, MaxRecordSizeInKiB: aws.Int32(2048)}),
		call(sad("small records", constraint), (*sdk.Client).UpdateMaxRecordSize, sdk.UpdateMaxRecordSizeInput{StreamARN: arn, MaxRecordSizeInKiB: aws.Int32(0)}),
		call("metrics", (*sdk.Client).EnableEnhancedMonitoring, sdk.EnableEnhancedMonitoringInput{StreamName: r, ShardLevelMetrics: bytes}),
		call("fewer metrics", (*sdk.Client).DisableEnhancedMonitoring, sdk.DisableEnhancedMonitoringInput{StreamName: r, ShardLevelMetrics: bytes[:1]}),
		call(sad("no metrics", constraint), (*sdk.Client).EnableEnhancedMonitoring, sdk.EnableEnhancedMonitoringInput{StreamName: r, ShardLevelMetrics: bytes[:0]}),
		call("encrypt", (*sdk.Client).StartStreamEncryption, sdk.StartStreamEncryptionInput{StreamName: r, EncryptionType: types.EncryptionTypeKms, KeyId: key}),
		call(sad("encrypt somehow", constraint), (*sdk.Client).StartStreamEncryption, sdk.StartStreamEncryptionInput{StreamName: r, EncryptionType: "ROT13", KeyId: key}),
		call("put encrypted ones", (*sdk.Client).PutRecords, sdk.PutRecordsInput{StreamName: r, Records: one}),
		putTo("put an encrypted one", sdk.PutRecordInput{StreamName: r, Data: []byte("a"), PartitionKey: aws.String("k")}),
		call("do not encrypt", (*sdk.Client).StopStreamEncryption, sdk.StopStreamEncryptionInput{StreamName: r, EncryptionType: types.EncryptionTypeKms, KeyId: key}),
		call("put a plain one", (*sdk.Client).PutRecords, sdk.PutRecordsInput{StreamName: r, Records: one}),
		place("iterator on encrypted ones", sdk.GetShardIteratorInput{StreamName: r, ShardIteratorType: types.ShardIteratorTypeAtSequenceNumber}),
		fetch("read encrypted ones and a plain one"),
		call("on demand", (*sdk.Client).UpdateStreamMode, mode(types.StreamModeOnDemand)),
		call(sad("split on demand", constraint), (*sdk.Client).SplitShard, sdk.SplitShardInput{StreamName: r, ShardToSplit: shardNamed(9), NewStartingHashKey: aws.String("5")}),
		call("provisioned", (*sdk.Client).UpdateStreamMode, mode(types.StreamModeProvisioned)),
		call(sad("on demand once more", overLimit), (*sdk.Client).UpdateStreamMode, mode(types.StreamModeOnDemand)),
		call(sad("some mode", constraint), (*sdk.Client).UpdateStreamMode, mode("SOMETIMES")),
		call("summary of r", (*sdk.Client).DescribeStreamSummary, sdk.DescribeStreamSummaryInput{StreamName: r}),
		call("limits", (*sdk.Client).DescribeLimits, sdk.DescribeLimitsInput{}),
	}
}

// demandSteps have what only on-demand streams can do, and end with deletion.
func demandSteps() []step {
	o, arn := aws.String("o"), aws.String(otherARN)
	commit := func(status types.MinimumThroughputBillingCommitmentInputStatus) sdk.UpdateAccountSettingsInput {
		return sdk.UpdateAccountSettingsInput{MinimumThroughputBillingCommitment: &types.MinimumThroughputBillingCommitmentInput{Status: status}}
	}
	warm := func(mibps int32) sdk.UpdateStreamWarmThroughputInput {
		return sdk.UpdateStreamWarmThroughputInput{StreamName: o, WarmThroughputMiBps: &mibps}
	}
	auto := types.RecordDistributionStrategyAuto
	keyless := make([]types.PutRecordsRequestEntry, 8)
	for i := range keyless {
		keyless[i].Data = []byte{byte(i)}
	}
	return []step{
		call("create o", (*sdk.Client).CreateStream, sdk.CreateStreamInput{StreamName: o, StreamModeDetails: &types.StreamModeDetails{StreamMode: types.StreamModeOnDemand}}),
		call(sad("warm without commitment", invalidCode), (*sdk.Client).UpdateStreamWarmThroughput, warm(100)),
		call("commit", (*sdk.Client).UpdateAccountSettings, commit("ENABLED")),
		call(sad("commit somehow", constraint), (*sdk.Client).UpdateAccountSettings, commit("MAYBE")),
		call("warm", (*sdk.Client).UpdateStreamWarmThroughput, warm(100)),
		call(sad("warm below zero", constraint), (*sdk.Client).UpdateStreamWarmThroughput, warm(-1)),
		call("commit no more", (*sdk.Client).UpdateAccountSettings, commit("DISABLED")),
		call("commitment", (*sdk.Client).DescribeAccountSettings, sdk.DescribeAccountSettingsInput{}),
		call(sad("put without keys", constraint), (*sdk.Client).PutRecords, sdk.PutRecordsInput{StreamName: o, Records: keyless}),
		call("distribute", (*sdk.Client).UpdateStreamRecordDistributionStrategy, sdk.UpdateStreamRecordDistributionStrategyInput{StreamARN: arn, RecordDistributionStrategy: auto}),
		call(sad("distribute what is provisioned", invalidCode), (*sdk.Client).UpdateStreamRecordDistributionStrategy, sdk.UpdateStreamRecordDistributionStrategyInput{
			StreamARN: aws.String(reshardARN), RecordDistributionStrategy: auto,
		}),
		call(sad("distribute somehow", constraint), (*sdk.Client).UpdateStreamRecordDistributionStrategy, sdk.UpdateStreamRecordDistributionStrategyInput{
			StreamARN: arn, RecordDistributionStrategy: "FAIRLY",
		}),
		call(sad("distribute nothing", notFound), (*sdk.Client).UpdateStreamRecordDistributionStrategy, sdk.UpdateStreamRecordDistributionStrategyInput{
			StreamARN: aws.String(absentARN), RecordDistributionStrategy: auto,
		}),
		call("put distributed ones", (*sdk.Client).PutRecords, sdk.PutRecordsInput{StreamName: o, Records: keyless}),
		putTo("put a distributed one", sdk.PutRecordInput{StreamName: o, Data: []byte{}}),
		putTo(sad("put a distributed one in order", invalidCode), sdk.PutRecordInput{StreamName: o, Data: []byte{}, SequenceNumberForOrdering: aws.String("5")}),
		place("iterator on distributed ones", sdk.GetShardIteratorInput{StreamName: o, ShardIteratorType: types.ShardIteratorTypeTrimHorizon}),
		fetch("read without keys"),
		call("summary of o", (*sdk.Client).DescribeStreamSummary, sdk.DescribeStreamSummaryInput{StreamName: o}),
		call(sad("a channel", "UnknownOperationException"), (*sdk.Client).ListChannels, sdk.ListChannelsInput{}), // not served: an error without a type
		call(sad("delete with a consumer", inUse), (*sdk.Client).DeleteStream, sdk.DeleteStreamInput{StreamName: aws.String("r")}),
		call("delete with its consumer", (*sdk.Client).DeleteStream, sdk.DeleteStreamInput{StreamName: aws.String("r"), EnforceConsumerDeletion: aws.Bool(true)}),
		call(sad("scale what is gone", notFound), (*sdk.Client).UpdateShardCount, sdk.UpdateShardCountInput{
			StreamName: aws.String("r"), TargetShardCount: aws.Int32(1), ScalingType: types.ScalingTypeUniformScaling,
		}),
	}
}

// TestControlRatesCBOR needs the stream's name out of the request.
func TestControlRatesCBOR(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCBORCaller(t, kinesis.Config{Limits: kinesis.Limits{Control: true}})
		callerOf(c.handler).must(t, "CreateStream", `{"StreamName":"s","ShardCount":1}`, nil)
		for _, member := range []string{`"StreamName":"s"`, `"StreamARN":"` + streamARN + `"`} {
			var in map[string]any
			if err := json.Unmarshal([]byte(`{`+member+`,"RetentionPeriodHours":24}`), &in); err != nil {
				t.Fatal(err)
			}
			var got []string
			for range 6 {
				_, body := c.call("IncreaseStreamRetentionPeriod", toCBOR(nil, "", in))
				if len(body) == 0 {
					continue
				}
				code, message, err := readError(body)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, code+" "+message)
			}
			want := []string{overLimit + " Rate exceeded for stream s under account 000000000000."}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", member, diff)
			}
			<-time.After(time.Second)
		}
	})
}
