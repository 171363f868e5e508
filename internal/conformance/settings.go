package conformance

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
)

// tags returns an answer's tags by key.
func (k *kit) tags(a answer) map[string]string {
	var list []struct{ Key, Value string }
	if err := json.Unmarshal(a.Tags, &list); k.ok() && err != nil {
		k.fail("Tags: want a list of keys and values, got %s", a)
	}
	m := map[string]string{}
	for _, t := range list {
		m[t.Key] = t.Value
	}
	return m
}

func checkTags(ctx context.Context, k *kit) {
	stream := k.stream(ctx, 1)
	list := func(more obj) answer {
		more["StreamName"] = stream
		return k.call(ctx, "ListTagsForStream", more)
	}
	all := map[string]string{}
	for i := range 50 {
		all[fmt.Sprintf("key-%02d", i)] = "v"
	}
	k.call(ctx, "AddTagsToStream", obj{"StreamName": stream, "Tags": all})
	a := k.patient(ctx, "AddTagsToStream", obj{"StreamName": stream, "Tags": map[string]string{"more": "v"}}, limitExceeded)
	k.must(a.status == http.StatusBadRequest, "tag 51: want 400, got %s", a)
	k.call(ctx, "AddTagsToStream", obj{"StreamName": stream, "Tags": map[string]string{"key-07": "new"}})
	k.call(ctx, "RemoveTagsFromStream", obj{"StreamName": stream, "TagKeys": []string{"key-00", "unknown"}})
	page := list(obj{"Limit": 10})
	got := k.tags(page)
	k.equal("tags of the first page", len(got), 10)
	k.equal("HasMoreTags", page.HasMoreTags, true)
	k.equal("the tag overwritten", got["key-07"], "new")
	_, there := got["key-00"]
	k.must(!there, "want the tag key-00 removed, got it")
	rest := list(obj{"ExclusiveStartTagKey": "key-10"})
	k.equal("tags after key-10", len(k.tags(rest)), 39)
	k.equal("HasMoreTags at the end", rest.HasMoreTags, false)

	arn := k.register(ctx, stream, "app")
	k.call(ctx, "TagResource", obj{"ResourceARN": arn, "Tags": map[string]string{"a": "1", "b": "2"}})
	k.call(ctx, "UntagResource", obj{"ResourceARN": arn, "TagKeys": []string{"a"}})
	k.equal("tags of a consumer", k.tags(k.call(ctx, "ListTagsForResource", obj{"ResourceARN": arn})), map[string]string{"b": "2"})
}

func checkMonitoring(ctx context.Context, k *kit) {
	stream := k.stream(ctx, 1)
	all := []string{
		"IncomingBytes", "IncomingRecords", "IteratorAgeMilliseconds", "OutgoingBytes", "OutgoingRecords",
		"ReadProvisionedThroughputExceeded", "WriteProvisionedThroughputExceeded",
	}
	for _, s := range []struct {
		op            string
		metrics       []string
		before, after []string
	}{
		{"EnableEnhancedMonitoring", all[:1], nil, all[:1]},
		{"EnableEnhancedMonitoring", []string{"ALL"}, all[:1], all},
		{"DisableEnhancedMonitoring", all[1:], all, all[:1]},
		{"DisableEnhancedMonitoring", []string{"ALL"}, all[:1], nil},
	} {
		a := k.call(ctx, s.op, obj{"StreamName": stream, "ShardLevelMetrics": s.metrics})
		slices.Sort(a.CurrentShardLevelMetrics)
		slices.Sort(a.DesiredShardLevelMetrics)
		k.equal("CurrentShardLevelMetrics", fmt.Sprint(a.CurrentShardLevelMetrics), fmt.Sprint(s.before))
		k.equal("DesiredShardLevelMetrics", fmt.Sprint(a.DesiredShardLevelMetrics), fmt.Sprint(s.after))
		k.settle(ctx, stream)
	}
	k.refused(ctx, "EnableEnhancedMonitoring", obj{"StreamName": stream, "ShardLevelMetrics": []string{}}, validation, "")
}

func checkEncryption(ctx context.Context, k *kit) {
	const key = "alias/aws/kinesis"
	stream := k.stream(ctx, 1)
	in := obj{"StreamName": stream, "EncryptionType": "KMS", "KeyId": key}
	toggle := func(op, encryption, keyID string) {
		k.call(ctx, op, in)
		k.settle(ctx, stream)
		d := k.call(ctx, "DescribeStream", obj{"StreamName": stream}).StreamDescription
		k.equal("EncryptionType after "+op, d.EncryptionType, encryption)
		k.must((d.KeyID == "") == (keyID == ""), "KeyId after %s: want %q, got %q", op, keyID, d.KeyID)
	}
	toggle("StartStreamEncryption", "KMS", key)
	toggle("StopStreamEncryption", "NONE", "")
	if !k.slow("the 26th start of a day") {
		return
	}
	for range 24 {
		toggle("StartStreamEncryption", "KMS", key)
		toggle("StopStreamEncryption", "NONE", "")
	}
	k.refused(ctx, "StartStreamEncryption", in, limitExceeded, "")
}

func checkPolicy(ctx context.Context, k *kit) {
	stream := k.stream(ctx, 1)
	arn := k.arn(ctx, stream)
	on := obj{"ResourceARN": arn}
	k.equal("the policy of a stream without one", k.call(ctx, "GetResourcePolicy", on).Policy, "{}")
	policy := `{"Version": "2012-10-17", "Statement": [{"Sid": "reads", "Effect": "Allow", "Principal": {"AWS": "` + k.account(ctx) +
		`"}, "Action": ["kinesis:DescribeStreamSummary", "kinesis:ListShards"], "Resource": "` + arn + `"}]}`
	k.call(ctx, "PutResourcePolicy", obj{"ResourceARN": arn, "Policy": policy})
	k.equal("the policy", k.call(ctx, "GetResourcePolicy", on).Policy, policy)
	k.call(ctx, "DeleteResourcePolicy", on)
	k.equal("the policy after its deletion", k.call(ctx, "GetResourcePolicy", on).Policy, "{}")
	a := k.patient(ctx, "DeleteResourcePolicy", on, "")
	k.must(a.status == http.StatusBadRequest, "deleting no policy: want 400, got %s", a)
	k.refused(ctx, "PutResourcePolicy", obj{"ResourceARN": arn + "-none", "Policy": policy}, notFound, "")
}

func checkLimits(ctx context.Context, k *kit) {
	k.calm(ctx)
	before := k.call(ctx, "DescribeLimits", obj{})
	k.must(before.ShardLimit > 0, "want a ShardLimit, got %s", before)
	k.stream(ctx, 2)
	now := k.call(ctx, "DescribeLimits", obj{})
	k.equal("OpenShardCount with 2 shards more", now.OpenShardCount-before.OpenShardCount, 2)
	_, counted := now.members()["OnDemandStreamCount"]
	k.must(counted, "want OnDemandStreamCount, got %s", now)
}

func checkIsolation(ctx context.Context, k *kit) {
	if k.opts.Lab == nil {
		k.skip("needs two servers of the same kind")
		return
	}
	k.within(ctx, Setting{}, func(a *kit) {
		name := a.stream(ctx, 1)
		a.within(ctx, Setting{}, func(b *kit) {
			b.refused(ctx, "DescribeStream", obj{"StreamName": name}, notFound, "")
			b.stream(ctx, 1)
		})
		a.put(ctx, name, "k", "still served")
		a.equal("records", dataOf(a.readAll(ctx, name, 0)), "still served")
	})
}
