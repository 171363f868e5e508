package kinesis_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload/internal/local/kinesis"
)

// answers makes calls and returns their answers, which must be successful.
func answers(t *testing.T, c *caller, calls [][2]string) (got []string) {
	t.Helper()
	for _, call := range calls {
		status, body := c.call(call[0], []byte(call[1]))
		if status != 200 {
			t.Fatalf("%s %s: %d %s", call[0], call[1], status, body)
		}
		got = append(got, string(body))
	}
	return got
}

func TestTags(t *testing.T) {
	c := newCaller(t, kinesis.Config{})
	c.must(t, "CreateStream", `{"StreamName":"s","ShardCount":1,"Tags":{"z":"1"}}`, nil)
	var made struct {
		Consumer struct {
			ARN string `json:"ConsumerARN"`
		}
	}
	c.must(t, "RegisterStreamConsumer", `{"StreamARN":"`+streamARN+`","ConsumerName":"app","Tags":{"k":"v"}}`, &made)
	app := made.Consumer.ARN
	got := answers(t, c, [][2]string{
		{"AddTagsToStream", `{"StreamName":"s","Tags":{"a":"1","b":"","z":"2"}}`},
		{"ListTagsForStream", `{"StreamName":"s","Limit":2}`},
		{"ListTagsForStream", `{"StreamName":"s","ExclusiveStartTagKey":"b"}`},
		{"RemoveTagsFromStream", `{"StreamName":"s","TagKeys":["b","unknown"]}`},
		{"TagResource", `{"ResourceARN":"` + streamARN + `","Tags":{"c":"3"}}`},
		{"ListTagsForResource", `{"ResourceARN":"` + streamARN + `"}`},
		{"TagResource", `{"ResourceARN":"` + app + `","Tags":{"l":"w"}}`},
		{"UntagResource", `{"ResourceARN":"` + app + `","TagKeys":["k"]}`},
		{"ListTagsForResource", `{"ResourceARN":"` + app + `"}`},
	})
	want := []string{
		"",
		`{"HasMoreTags":true,"Tags":[{"Key":"a","Value":"1"},{"Key":"b","Value":""}]}`,
		`{"HasMoreTags":false,"Tags":[{"Key":"z","Value":"2"}]}`,
		"", "",
		`{"Tags":[{"Key":"a","Value":"1"},{"Key":"c","Value":"3"},{"Key":"z","Value":"2"}]}`,
		"", "",
		`{"Tags":[{"Key":"l","Value":"w"}]}`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	many := map[string]string{}
	for i := range 48 {
		many[fmt.Sprintf("key-%02d", i)] = "v"
	}
	text, err := json.Marshal(map[string]any{"StreamName": "s", "Tags": many})
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("k", 129)
	const validation = "ValidationException"
	checkRefusals(t, c, []refusal{
		{
			"AddTagsToStream", string(text), "InvalidArgumentException",
			"Failed to add tags to stream s under account 000000000000 because a given stream cannot have more than 50 tags associated with it.",
		},
		{"AddTagsToStream", `{"StreamName":"s"}`, validation, violations(fmt.Sprintf(vNull, "tags"))},
		{"AddTagsToStream", `{"StreamName":"s","Tags":{}}`, validation, violations("Value '{}' at 'tags' failed to satisfy constraint: Member must have length greater than or equal to 1")},
		{"AddTagsToStream", `{"StreamName":"s","Tags":{"` + long + `":"v"}}`, validation, violations("Value '{" + long + "=v}' at 'tags' failed to satisfy constraint: " +
			"Map keys must satisfy constraint: [Member must have length less than or equal to 128, Member must have length greater than or equal to 1]")},
		{"AddTagsToStream", `{"StreamName":"s","Tags":{"k":5}}`, "SerializationException", "class java.math.BigDecimal can not be converted to an String"},
		{"AddTagsToStream", `{"StreamName":"s","Tags":[]}`, "SerializationException", "Start of list found where not expected"},
		{"AddTagsToStream", `{"StreamName":"none","Tags":{"k":"v"}}`, "ResourceNotFoundException", missing},
		{"RemoveTagsFromStream", `{"StreamName":"s","TagKeys":[]}`, validation, violations("Value '[]' at 'tagKeys' failed to satisfy constraint: Member must have length greater than or equal to 1")},
		{"RemoveTagsFromStream", `{"StreamName":"s","TagKeys":"k"}`, "SerializationException", "Expected list or null"},
		{"ListTagsForStream", `{"StreamName":"s","Limit":51}`, validation, violations(fmt.Sprintf(vMax, 51, "limit", 50))},
		{"ListTagsForResource", `{}`, validation, violations(fmt.Sprintf(vNull, "resourceARN"))},
		{"TagResource", `{"ResourceARN":"` + streamARN + `/consumer/none:1","Tags":{"k":"v"}}`, "ResourceNotFoundException", "Consumer none under stream s under account 000000000000 not found."},
	})
}

func TestPoliciesAndMetrics(t *testing.T) {
	c := newCaller(t, kinesis.Config{})
	c.must(t, "CreateStream", `{"StreamName":"s","ShardCount":1}`, nil)
	const all = `"IncomingBytes","IncomingRecords","IteratorAgeMilliseconds","OutgoingBytes","OutgoingRecords",` +
		`"ReadProvisionedThroughputExceeded","WriteProvisionedThroughputExceeded"`
	names := `"StreamARN":"` + streamARN + `","StreamName":"s"}`
	got := answers(t, c, [][2]string{
		{"GetResourcePolicy", `{"ResourceARN":"` + streamARN + `"}`},
		{"PutResourcePolicy", `{"ResourceARN":"` + streamARN + `","Policy":"{ \"Version\" : \"2012-10-17\" }"}`},
		{"GetResourcePolicy", `{"ResourceARN":"` + streamARN + `"}`},
		{"DeleteResourcePolicy", `{"ResourceARN":"` + streamARN + `"}`},
		{"EnableEnhancedMonitoring", `{"StreamName":"s","ShardLevelMetrics":["OutgoingBytes"]}`},
		{"EnableEnhancedMonitoring", `{"StreamName":"s","ShardLevelMetrics":["ALL"]}`},
		{"DisableEnhancedMonitoring", `{"StreamName":"s","ShardLevelMetrics":["OutgoingBytes","IncomingBytes"]}`},
		{"DisableEnhancedMonitoring", `{"StreamName":"s","ShardLevelMetrics":["ALL"]}`},
		{"DescribeLimits", `{}`},
	})
	want := []string{
		`{"Policy":"{}"}`, "", `{"Policy":"{ \"Version\" : \"2012-10-17\" }"}`, "",
		`{"CurrentShardLevelMetrics":[],"DesiredShardLevelMetrics":["OutgoingBytes"],` + names,
		`{"CurrentShardLevelMetrics":["OutgoingBytes"],"DesiredShardLevelMetrics":[` + all + `],` + names,
		`{"CurrentShardLevelMetrics":[` + all + `],"DesiredShardLevelMetrics":["IncomingRecords","IteratorAgeMilliseconds","OutgoingRecords",` +
			`"ReadProvisionedThroughputExceeded","WriteProvisionedThroughputExceeded"],` + names,
		`{"CurrentShardLevelMetrics":["IncomingRecords","IteratorAgeMilliseconds","OutgoingRecords",` +
			`"ReadProvisionedThroughputExceeded","WriteProvisionedThroughputExceeded"],"DesiredShardLevelMetrics":[],` + names,
		`{"ChannelCount":0,"ChannelCountLimit":0,"OnDemandStreamCount":0,"OnDemandStreamCountLimit":50,"OpenShardCount":1,"ShardLimit":20000}`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	checkRefusals(t, c, []refusal{
		{"DeleteResourcePolicy", `{"ResourceARN":"` + streamARN + `"}`, "ResourceNotFoundException", "No resource policy found for resource ARN " + streamARN + "."},
		{"PutResourcePolicy", `{"ResourceARN":"` + streamARN + `","Policy":"{"}`, "InvalidArgumentException", "The policy for " + streamARN + " is not valid JSON."},
		{"EnableEnhancedMonitoring", `{"StreamName":"s","ShardLevelMetrics":[]}`, "ValidationException", violations(
			"Value '[]' at 'shardLevelMetrics' failed to satisfy constraint: Member must have length greater than or equal to 1")},
		{"EnableEnhancedMonitoring", `{"StreamName":"s"}`, "ValidationException", violations(fmt.Sprintf(vNull, "shardLevelMetrics"))},
	})
}

func TestRetentionChanges(t *testing.T) {
	bubble(t, kinesis.Config{}, func(t *testing.T, _ *kinesis.Server, c *sdk.Client) {
		create(t, c, "s", 1)
		increase := func(hours int32) string {
			_, err := c.IncreaseStreamRetentionPeriod(t.Context(), &sdk.IncreaseStreamRetentionPeriodInput{StreamName: aws.String("s"), RetentionPeriodHours: &hours})
			return complaint(err)
		}
		decrease := func(hours int32) string {
			_, err := c.DecreaseStreamRetentionPeriod(t.Context(), &sdk.DecreaseStreamRetentionPeriodInput{StreamName: aws.String("s"), RetentionPeriodHours: &hours})
			return complaint(err)
		}
		stored := func() string {
			return strings.Join(payloads(read(t.Context(), t, c, iterator(t, c, sdk.GetShardIteratorInput{ShardIteratorType: "TRIM_HORIZON"}))), "")
		}
		putOne(t, c, "0", "a")
		<-time.After(25 * time.Hour)
		putOne(t, c, "0", "b")
		got := []string{increase(23), increase(8761), increase(48), stored(), increase(30), decrease(49)}
		<-time.After(25 * time.Hour)
		putOne(t, c, "0", "c")
		got = append(got, stored(), decrease(23), decrease(24), stored(), increase(48), stored())
		want := []string{
			"Minimum allowed retention period is 24 hours. Requested retention period (23 hours) is too short.",
			violations(fmt.Sprintf(vMax, 8761, "retentionPeriodHours", 8760)),
			"", "b",
			"Requested retention period (30 hours) for stream s can not be shorter than existing retention period (48 hours). Use DecreaseRetentionPeriod API.",
			"Requested retention period (49 hours) for stream s can not be longer than existing retention period (48 hours). Use IncreaseRetentionPeriod API.",
			"bc",
			"Minimum allowed retention period is 24 hours. Requested retention period (23 hours) is too short.",
			"", "c", "", "c",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}

// complaint is the service's message in an error, "" for none.
func complaint(err error) string {
	if err == nil {
		return ""
	}
	var api interface{ ErrorMessage() string }
	if errors.As(err, &api) {
		return api.ErrorMessage()
	}
	return err.Error()
}

func TestModes(t *testing.T) {
	bubble(t, kinesis.Config{StateDelay: time.Second}, func(t *testing.T, _ *kinesis.Server, c *sdk.Client) {
		create(t, c, "s", 3)
		<-time.After(time.Second)
		become := func(mode types.StreamMode, wait time.Duration) string {
			_, err := c.UpdateStreamMode(t.Context(), &sdk.UpdateStreamModeInput{
				StreamARN: aws.String(streamARN), StreamModeDetails: &types.StreamModeDetails{StreamMode: mode},
			})
			now := status(t, c)
			<-time.After(max(1, wait))
			return complaint(err) + now
		}
		got := []string{
			become("ON_DEMAND", 0), become("PROVISIONED", time.Second), become("PROVISIONED", time.Second), become("ON_DEMAND", 24*time.Hour),
			become("ON_DEMAND", time.Second),
		}
		want := []string{
			"UPDATING3", "Stream s under account 000000000000 not ACTIVE, instead in state UPDATINGUPDATING3", "UPDATING3",
			"Stream s under account 000000000000 has switched its mode 2 times in the last 24 hours, the limit of UpdateStreamMode.ACTIVE3", "UPDATING3",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		sum, err := c.DescribeStreamSummary(t.Context(), &sdk.DescribeStreamSummaryInput{StreamName: aws.String("s")})
		if err != nil || sum.StreamDescriptionSummary.StreamModeDetails.StreamMode != "ON_DEMAND" ||
			sum.StreamDescriptionSummary.RecordDistributionStrategy != "USER_PARTITION_KEY" {
			t.Errorf("%+v, %v", sum, err)
		}
	})
}

func TestDistribution(t *testing.T) {
	c := newCaller(t, kinesis.Config{Limits: kinesis.Limits{Off: true}})
	c.must(t, "CreateStream", `{"StreamName":"s"}`, nil)
	keyless := `{"StreamName":"s","Records":[` + strings.TrimSuffix(strings.Repeat(`{"Data":"AAAA"},`, 99), ",") + `,{"Data":"AAAA","PartitionKey":"k"}]}`
	checkRefusals(t, c, []refusal{{"PutRecord", `{"StreamName":"s","Data":""}`, "ValidationException", violations(fmt.Sprintf(vNull, "partitionKey"))}})
	c.must(t, "UpdateStreamRecordDistributionStrategy", `{"StreamARN":"`+streamARN+`","RecordDistributionStrategy":"AUTO"}`, nil)
	c.must(t, "PutRecords", keyless, nil)
	keyed := 0
	for i := range 4 {
		recs := drain(t, c, i)
		if len(recs) != 25 {
			t.Errorf("shard %d has %d of 100 records", i, len(recs))
		}
		for _, r := range recs {
			if r.PartitionKey == "k" {
				keyed++
			}
		}
	}
	var sum struct {
		StreamDescriptionSummary struct{ RecordDistributionStrategy string }
	}
	c.must(t, "DescribeStreamSummary", `{"StreamName":"s"}`, &sum)
	if keyed != 1 || sum.StreamDescriptionSummary.RecordDistributionStrategy != "AUTO" {
		t.Errorf("%d records with a key, %+v", keyed, sum)
	}
	c.must(t, "CreateStream", `{"StreamName":"p","ShardCount":1}`, nil)
	const notProvisioned = "The record distribution strategy AUTO of stream %s under account 000000000000 is only supported in on-demand mode."
	checkRefusals(t, c, []refusal{
		{
			"PutRecord", `{"StreamName":"s","Data":"","SequenceNumberForOrdering":"5"}`, "InvalidArgumentException",
			"SequenceNumberForOrdering can not be used with stream s under account 000000000000: its record distribution strategy is AUTO.",
		},
		{"PutRecord", `{"StreamName":"s","Data":"","PartitionKey":""}`, "ValidationException", violations(fmt.Sprintf(vKeyNone, "partitionKey"))},
		{
			"UpdateStreamRecordDistributionStrategy", `{"StreamARN":"` + strings.Replace(streamARN, "/s", "/p", 1) + `","RecordDistributionStrategy":"AUTO"}`,
			"InvalidArgumentException", fmt.Sprintf(notProvisioned, "p"),
		},
		{"CreateStream", `{"StreamName":"q","ShardCount":1,"RecordDistributionStrategy":"AUTO"}`, "InvalidArgumentException", fmt.Sprintf(notProvisioned, "q")},
		{"UpdateStreamRecordDistributionStrategy", `{}`, "ValidationException", violations(fmt.Sprintf(vNull, "recordDistributionStrategy"), fmt.Sprintf(vNull, "streamARN"))},
	})
	c.must(t, "UpdateStreamRecordDistributionStrategy", `{"StreamARN":"`+streamARN+`","RecordDistributionStrategy":"USER_PARTITION_KEY"}`, nil)
	checkRefusals(t, c, []refusal{{"PutRecord", `{"StreamName":"s","Data":""}`, "ValidationException", violations(fmt.Sprintf(vNull, "partitionKey"))}})
}

func TestEncryption(t *testing.T) {
	bubble(t, kinesis.Config{}, func(t *testing.T, _ *kinesis.Server, c *sdk.Client) {
		create(t, c, "s", 1)
		start := func() error {
			_, err := c.StartStreamEncryption(t.Context(), &sdk.StartStreamEncryptionInput{
				StreamName: aws.String("s"), EncryptionType: "KMS", KeyId: aws.String("alias/aws/kinesis"),
			})
			return err
		}
		_, err := c.StartStreamEncryption(t.Context(), &sdk.StartStreamEncryptionInput{
			StreamName: aws.String("s"), EncryptionType: "NONE", KeyId: aws.String("alias/aws/kinesis"),
		})
		if _, ok := errors.AsType[*types.InvalidArgumentException](err); !ok {
			t.Errorf("encryption of type NONE: %v", err)
		}
		one := putOne(t, c, "0", "a")
		if err := start(); err != nil {
			t.Fatal(err)
		}
		two := putOne(t, c, "0", "b")
		many, err := c.PutRecords(t.Context(), &sdk.PutRecordsInput{
			StreamName: aws.String("s"), Records: []types.PutRecordsRequestEntry{{Data: []byte("c"), PartitionKey: aws.String("k")}},
		})
		if err != nil {
			t.Fatal(err)
		}
		desc, err := c.DescribeStream(t.Context(), &sdk.DescribeStreamInput{StreamName: aws.String("s")})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.StopStreamEncryption(t.Context(), &sdk.StopStreamEncryptionInput{
			StreamName: aws.String("s"), EncryptionType: "KMS", KeyId: aws.String("alias/aws/kinesis"),
		}); err != nil {
			t.Fatal(err)
		}
		three := putOne(t, c, "0", "d")
		got := []types.EncryptionType{one.EncryptionType, two.EncryptionType, many.EncryptionType, three.EncryptionType, desc.StreamDescription.EncryptionType}
		for _, r := range read(t.Context(), t, c, iterator(t, c, sdk.GetShardIteratorInput{ShardIteratorType: "TRIM_HORIZON"})).Records {
			got = append(got, r.EncryptionType)
		}
		want := []types.EncryptionType{"", "KMS", "KMS", "", "KMS", "", "KMS", "KMS", ""}
		if diff := cmp.Diff(want, got); diff != "" || *desc.StreamDescription.KeyId != "alias/aws/kinesis" {
			t.Errorf("-want +got:\n%s", diff)
		}
		for range 24 {
			if err := start(); err != nil {
				t.Fatal(err)
			}
		}
		if limit, ok := errors.AsType[*types.LimitExceededException](start()); !ok {
			t.Errorf("the 26th start: %v", limit)
		}
		<-time.After(24 * time.Hour)
		if err := start(); err != nil {
			t.Error(err)
		}
	})
}

func TestAccountAndWarmth(t *testing.T) {
	bubble(t, kinesis.Config{}, func(t *testing.T, _ *kinesis.Server, c *sdk.Client) {
		if _, err := c.CreateStream(t.Context(), &sdk.CreateStreamInput{StreamName: aws.String("s")}); err != nil {
			t.Fatal(err)
		}
		warm := func() string {
			out, err := c.UpdateStreamWarmThroughput(t.Context(), &sdk.UpdateStreamWarmThroughputInput{StreamName: aws.String("s"), WarmThroughputMiBps: aws.Int32(100)})
			if err != nil {
				return complaint(err)
			}
			return fmt.Sprint(*out.WarmThroughput.TargetMiBps)
		}
		commit := func(status types.MinimumThroughputBillingCommitmentInputStatus) string {
			out, err := c.UpdateAccountSettings(t.Context(), &sdk.UpdateAccountSettingsInput{
				MinimumThroughputBillingCommitment: &types.MinimumThroughputBillingCommitmentInput{Status: status},
			})
			if err != nil {
				return complaint(err)
			}
			return string(out.MinimumThroughputBillingCommitment.Status)
		}
		got := []string{warm(), commit("ENABLED"), warm(), commit("DISABLED")}
		<-time.After(24 * time.Hour)
		out, err := c.DescribeAccountSettings(t.Context(), &sdk.DescribeAccountSettingsInput{})
		if err != nil {
			t.Fatal(err)
		}
		m := out.MinimumThroughputBillingCommitment
		got = append(got, string(m.Status), fmt.Sprint(m.EndedAt.Sub(*m.StartedAt)), commit("ENABLED"))
		const cold = "Warm throughput of stream s under account 000000000000 can only be set in on-demand mode with MinimumThroughputBillingCommitment enabled."
		want := []string{cold, "ENABLED", "100", "ENABLED_UNTIL_EARLIEST_ALLOWED_END", "DISABLED", "24h0m0s", "ENABLED"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}

func TestMaxRecordSize(t *testing.T) {
	c := newCaller(t, kinesis.Config{Limits: kinesis.Limits{Off: true}})
	c.must(t, "CreateStream", `{"StreamName":"s","ShardCount":1}`, nil)
	c.must(t, "UpdateMaxRecordSize", `{"StreamARN":"`+streamARN+`","MaxRecordSizeInKiB":10240}`, nil)
	put(t, c, "k", make([]byte, 10<<20-1))
	checkRefusals(t, c, []refusal{
		{"UpdateMaxRecordSize", `{"StreamARN":"` + streamARN + `","MaxRecordSizeInKiB":1023}`, "ValidationException", violations(fmt.Sprintf(vMin, 1023, "maxRecordSizeInKiB", 1024))},
		{"UpdateMaxRecordSize", `{"StreamARN":"` + streamARN + `","MaxRecordSizeInKiB":10241}`, "ValidationException", violations(fmt.Sprintf(vMax, 10241, "maxRecordSizeInKiB", 10240))},
		{"UpdateStreamMode", `{}`, "ValidationException", violations(fmt.Sprintf(vNull, "streamModeDetails"), fmt.Sprintf(vNull, "streamARN"))},
	})
}

func TestControlRates(t *testing.T) {
	bubble(t, kinesis.Config{Limits: kinesis.Limits{Control: true}}, func(t *testing.T, _ *kinesis.Server, c *sdk.Client) {
		create(t, c, "s", 1)
		create(t, c, "r", 1)
		summary := func(name string) string {
			_, err := c.DescribeStreamSummary(t.Context(), &sdk.DescribeStreamSummaryInput{StreamName: &name})
			return complaint(err)
		}
		var got []string
		for i := range 21 {
			if text := summary([]string{"s", "r"}[i%2]); text != "" {
				got = append(got, text)
			}
		}
		for range 6 {
			if _, err := c.ListStreams(t.Context(), &sdk.ListStreamsInput{}); err != nil {
				got = append(got, complaint(err))
			}
			for _, name := range []string{"s", "r"} { // each stream has its own
				if _, err := c.ListStreamConsumers(t.Context(), &sdk.ListStreamConsumersInput{
					StreamARN: aws.String("arn:aws:kinesis:us-east-1:000000000000:stream/" + name),
				}); err != nil {
					got = append(got, complaint(err))
				}
			}
		}
		<-time.After(50 * time.Millisecond)
		got = append(got, summary("s"))
		want := []string{
			"Rate exceeded for stream s under account 000000000000.", "Rate exceeded for account 000000000000.",
			"Rate exceeded for stream s under account 000000000000.", "Rate exceeded for stream r under account 000000000000.", "",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}
