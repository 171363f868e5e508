package conformance

import (
	"context"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"time"
)

func checkCreate(ctx context.Context, k *kit) {
	name := k.name()
	k.created, k.own = append(k.created, name), append(k.own, name)
	a := k.call(ctx, "CreateStream", obj{"StreamName": name, "ShardCount": 1})
	k.must(len(a.body) == 0 || string(a.body) == "{}", "CreateStream: want an empty answer, got %s", a)
	d := k.call(ctx, "DescribeStream", obj{"StreamName": name}).StreamDescription
	if k.ok() && d.StreamStatus == "ACTIVE" {
		k.leave("CREATING: streams are ACTIVE at once here")
	} else {
		k.equal("status after CreateStream", d.StreamStatus, "CREATING")
		k.equal("shards while CREATING", len(d.Shards), 0)
	}
	k.settle(ctx, name)
	d = k.call(ctx, "DescribeStream", obj{"StreamName": name}).StreamDescription
	k.equal("shards when ACTIVE", idsOf(d.Shards), "0")
	k.equal("retention", d.RetentionPeriodHours, 24)
	k.equal("EncryptionType", d.EncryptionType, "NONE")
	k.equal("HasMoreShards", d.HasMoreShards, false)
}

func checkTakenName(ctx context.Context, k *kit) {
	stream := k.common(ctx)
	k.refused(ctx, "CreateStream", obj{"StreamName": stream, "ShardCount": 1}, inUse, k.under(ctx, stream)+" already exists.")
}

func checkStreamNames(ctx context.Context, k *kit) {
	const pattern = "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"
	long := strings.Repeat("n", 129)
	at := func(name string) string { return "Value '" + name + "' at 'streamName' failed to satisfy constraint: " }
	for _, bad := range []struct {
		name  string
		rules []string
	}{
		{"a b", []string{pattern}},
		{long, []string{"Member must have length less than or equal to 128"}},
		{"", []string{pattern, "Member must have length greater than or equal to 1"}},
	} {
		parts := []string{fmt.Sprintf("%d validation error", len(bad.rules))}
		for _, r := range bad.rules {
			parts = append(parts, at(bad.name)+r)
		}
		k.refusedWith(ctx, "CreateStream", obj{"StreamName": bad.name, "ShardCount": 1}, validation, parts...)
	}
}

func checkShardRanges(ctx context.Context, k *kit) {
	const n = 3
	shards := k.shards(ctx, k.stream(ctx, n))
	k.equal("shards", idsOf(shards), "0 1 2")
	if !k.ok() {
		return
	}
	k.ranges(shards)
	width := new(big.Int).Div(new(big.Int).Lsh(big.NewInt(1), 128), big.NewInt(n))
	for i, s := range shards[:n-1] {
		k.equal(fmt.Sprintf("width of shard %d", i), new(big.Int).Sub(decimal(shards[i+1].HashKeyRange.StartingHashKey),
			decimal(s.HashKeyRange.StartingHashKey)).String(), width.String())
	}
}

const maxHash = "340282366920938463463374607431768211455"

func decimal(text string) *big.Int {
	n, ok := new(big.Int).SetString(text, 10)
	if !ok {
		return new(big.Int)
	}
	return n
}

// after returns the next hash key.
func after(hash string) string { return new(big.Int).Add(decimal(hash), big.NewInt(1)).String() }

// ranges checks that open shards cover all hash keys, each once.
func (k *kit) ranges(shards []shardInfo) {
	shards = slices.Clone(shards)
	slices.SortFunc(shards, func(a, b shardInfo) int {
		return decimal(a.HashKeyRange.StartingHashKey).Cmp(decimal(b.HashKeyRange.StartingHashKey))
	})
	next := "0"
	for _, s := range shards {
		k.equal("start of "+s.ShardID, s.HashKeyRange.StartingHashKey, next)
		next = after(s.HashKeyRange.EndingHashKey)
	}
	k.equal("the hash key after the last", next, after(maxHash))
}

// shards lists all shards of a stream.
func (k *kit) shards(ctx context.Context, stream string) []shardInfo {
	return k.call(ctx, "ListShards", obj{"StreamName": stream}).Shards
}

func checkCreating(ctx context.Context, k *kit) {
	k.calm(ctx)
	const most = 5
	for i := range most + 1 {
		name := k.name()
		k.created, k.own = append(k.created, name), append(k.own, name)
		a := k.try(ctx, "CreateStream", obj{"StreamName": name, "ShardCount": 1})
		switch {
		case !k.ok():
		case i < most && a.status != http.StatusOK:
			k.fail("stream %d CREATING: want 200, got %s", i+1, a)
		case i == most && a.status == http.StatusOK && k.status(ctx, k.own[0]) == "ACTIVE":
			k.skip("streams are ACTIVE at once here: the limit cannot be reached")
		case i == most && a.Code != limitExceeded:
			k.fail("stream 6 CREATING: want %s, got %s", limitExceeded, a)
		}
	}
}

func (k *kit) status(ctx context.Context, stream string) string {
	return k.call(ctx, "DescribeStreamSummary", obj{"StreamName": stream}).StreamDescriptionSummary.StreamStatus
}

// overQuota returns a number of shards that the account may not have, whatever
// it has.
func (k *kit) overQuota(ctx context.Context) int {
	a := k.patient(ctx, "DescribeLimits", obj{}, "")
	if a.ShardLimit > 0 {
		return a.ShardLimit + 1
	}
	return 100000 // the most that a request may name
}

func checkShardQuota(ctx context.Context, k *kit) {
	k.calm(ctx) // streams being deleted have a limit too
	n := k.overQuota(ctx)
	name := k.name()
	k.created, k.own = append(k.created, name), append(k.own, name)
	k.refusedWith(ctx, "CreateStream", obj{"StreamName": name, "ShardCount": n}, limitExceeded,
		"This request would exceed the shard limit for the account "+k.account(ctx)+" in ",
		fmt.Sprintf(" Number of additional shards that would have resulted from this request: %d. ", n))
}

func checkOnDemand(ctx context.Context, k *kit) {
	d := k.call(ctx, "DescribeStream", obj{"StreamName": k.onDemand(ctx)}).StreamDescription
	k.equal("shards", idsOf(openOf(d.Shards)), "0 1 2 3")
	k.equal("StreamMode", d.StreamModeDetails.StreamMode, "ON_DEMAND")
}

func checkSummary(ctx context.Context, k *kit) {
	stream := k.stream(ctx, 1)
	k.split(ctx, stream, 0, "1000")
	k.register(ctx, stream, "app")
	a := k.call(ctx, "DescribeStreamSummary", obj{"StreamName": stream})
	d := a.StreamDescriptionSummary
	k.must(d.OpenShardCount != nil && d.ConsumerCount != nil && d.MaxRecordSizeInKiB != nil,
		"want OpenShardCount, ConsumerCount and MaxRecordSizeInKiB, got %s", a)
	if k.ok() {
		k.equal("OpenShardCount after a split", *d.OpenShardCount, 2)
		k.equal("ConsumerCount", *d.ConsumerCount, 1)
		k.equal("MaxRecordSizeInKiB", *d.MaxRecordSizeInKiB, 1024)
		k.equal("RecordDistributionStrategy of a provisioned stream", d.RecordDistributionStrategy, "")
	}
	d = k.call(ctx, "DescribeStreamSummary", obj{"StreamName": k.onDemand(ctx)}).StreamDescriptionSummary
	k.equal("RecordDistributionStrategy of an on-demand stream", d.RecordDistributionStrategy, "USER_PARTITION_KEY")
}

func checkARN(ctx context.Context, k *kit) {
	stream := k.common(ctx)
	arn := k.arn(ctx, stream)
	k.call(ctx, "DescribeStream", obj{"StreamARN": arn})
	k.call(ctx, "DescribeStreamSummary", obj{"StreamARN": arn, "StreamName": stream})
	k.call(ctx, "ListShards", obj{"StreamARN": arn})
	k.call(ctx, "ListTagsForStream", obj{"StreamARN": arn})
	k.call(ctx, "PutRecord", obj{"StreamARN": arn, "Data": "", "PartitionKey": "k"})
	k.call(ctx, "PutRecords", obj{"StreamARN": arn, "Records": []obj{{"Data": "", "PartitionKey": "k"}}})
	it := k.call(ctx, "GetShardIterator", obj{"StreamARN": arn, "ShardId": shardID(0), "ShardIteratorType": "LATEST"}).ShardIterator
	k.call(ctx, "GetRecords", obj{"StreamARN": arn, "ShardIterator": it})
	a := k.try(ctx, "DescribeStreamSummary", obj{"StreamARN": arn, "StreamName": stream + "x"})
	k.must(a.status == http.StatusBadRequest, "a name and an ARN of different streams: want 400, got %s", a)
}

func shardID(index int) string { return fmt.Sprintf("shardId-%012d", index) }

func checkDelete(ctx context.Context, k *kit) {
	plain, consumed := k.stream(ctx, 1), k.stream(ctx, 1)
	arn := k.register(ctx, consumed, "app")
	k.call(ctx, "DeleteStream", obj{"StreamName": plain})
	a := k.patient(ctx, "DescribeStreamSummary", obj{"StreamName": plain}, notFound)
	if a.Code == notFound {
		k.leave("DELETING: streams are gone at once here")
	} else {
		k.equal("status after DeleteStream", a.StreamDescriptionSummary.StreamStatus, "DELETING")
	}
	k.vanish(ctx, plain)
	k.refused(ctx, "DescribeStream", obj{"StreamName": plain}, notFound, k.under(ctx, plain)+" not found.")
	k.refused(ctx, "DeleteStream", obj{"StreamName": consumed}, inUse, "")
	k.call(ctx, "DeleteStream", obj{"StreamName": consumed, "EnforceConsumerDeletion": true})
	k.vanish(ctx, consumed)
	k.refused(ctx, "DescribeStreamConsumer", obj{"ConsumerARN": arn}, notFound, "")
}

func checkRecreate(ctx context.Context, k *kit) {
	name := k.stream(ctx, 1)
	created := k.settle(ctx, name).StreamCreationTimestamp
	seq := k.put(ctx, name, "k", "old").SequenceNumber
	it := k.iterator(ctx, name, 0, "TRIM_HORIZON", nil)
	k.call(ctx, "DeleteStream", obj{"StreamName": name})
	k.vanish(ctx, name)
	k.wait(ctx, 1100*time.Millisecond) // sequence numbers hold seconds
	k.create(ctx, name, obj{"ShardCount": 1})
	again := k.settle(ctx, name).StreamCreationTimestamp
	k.must(again > created, "want a later StreamCreationTimestamp than %v, got %v", created, again)
	a := k.patient(ctx, "GetRecords", obj{"ShardIterator": it}, "")
	k.must(a.status == http.StatusBadRequest, "an iterator of the stream before: want 400, got %s", a)
	k.refused(ctx, "GetShardIterator", obj{
		"StreamName": name, "ShardId": shardID(0), "ShardIteratorType": "AT_SEQUENCE_NUMBER", "StartingSequenceNumber": seq,
	}, invalid, "StartingSequenceNumber "+seq+" used in GetShardIterator on shard shardId-000000000000 in stream "+name+
		" under account "+k.account(ctx)+" is invalid because it did not come from this stream.")
}

func checkMissingStream(ctx context.Context, k *kit) {
	account := k.account(ctx)
	name := k.name()
	text := "Stream " + name + " under account " + account + " not found."
	k.refused(ctx, "PutRecord", obj{"StreamName": name, "Data": "", "PartitionKey": "k"}, notFound, text)
	k.refused(ctx, "PutRecords", obj{"StreamName": name, "Records": []obj{{"Data": "", "PartitionKey": "k"}}}, notFound, text)
	k.refused(ctx, "DescribeStream", obj{"StreamName": name}, notFound, text)
	k.refused(ctx, "GetShardIterator", obj{"StreamName": name, "ShardId": "shardId-0", "ShardIteratorType": "LATEST"}, notFound,
		"Shard shardId-000000000000 in stream "+name+" under account "+account+" does not exist")
}
