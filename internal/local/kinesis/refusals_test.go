package kinesis_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload/internal/local/kinesis"
	"github.com/kload/kload/internal/sigv4"
)

const (
	vNull    = "Value null at '%s' failed to satisfy constraint: Member must not be null"
	vKeyLong = "Value '%s' at '%s' failed to satisfy constraint: Member must have length less than or equal to 256"
	vKeyNone = "Value '' at '%s' failed to satisfy constraint: Member must have length greater than or equal to 1"
	vHash    = `Value '%s' at '%s' failed to satisfy constraint: Member must satisfy regular expression pattern: 0|([1-9]\d{0,38})`
	vSeq     = `Value '%s' at '%s' failed to satisfy constraint: Member must satisfy regular expression pattern: 0|([1-9]\d{0,128})`
	vName    = "Value '%s' at '%s' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"
	vMax     = "Value '%d' at '%s' failed to satisfy constraint: Member must have value less than or equal to %d"
	vMin     = "Value '%d' at '%s' failed to satisfy constraint: Member must have value greater than or equal to %d"

	ambiguous = "Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and StartingSequenceNumber or " +
		"(2) TRIM_HORIZON or LATEST and no StartingSequenceNumber. Request specified "
	missing = "Stream none under account 000000000000 not found."
)

// violations joins complaints as ValidationException does.
func violations(list ...string) string {
	plural := "s"
	if len(list) == 1 {
		plural = ""
	}
	return fmt.Sprintf("%d validation error%s detected: %s", len(list), plural, strings.Join(list, "; "))
}

type refusal struct{ op, body, code, message string }

func recordsOf(records string) string { return `{"StreamName":"s","Records":[` + records + `]}` }

func controlRefusals() []refusal {
	const validation, invalid = "ValidationException", "InvalidArgumentException"
	long := strings.Repeat("n", 129)
	return []refusal{
		{"CreateStream", `{"StreamName":"s","ShardCount":1}`, "ResourceInUseException", "Stream s under account 000000000000 already exists."},
		{"CreateStream", `{}`, validation, violations(fmt.Sprintf(vNull, "streamName"))},
		{"CreateStream", `{"StreamName":"","ShardCount":0}`, validation, violations(
			fmt.Sprintf(vMin, 0, "shardCount", 1), fmt.Sprintf(vName, "", "streamName"), fmt.Sprintf(vKeyNone, "streamName"))},
		{"CreateStream", `{"StreamName":"a b","ShardCount":-1,"MaxRecordSizeInKiB":1023}`, validation, violations(
			fmt.Sprintf(vMin, -1, "shardCount", 1), fmt.Sprintf(vMin, 1023, "maxRecordSizeInKiB", 1024), fmt.Sprintf(vName, "a b", "streamName"))},
		{"CreateStream", `{"StreamName":"` + long + `","ShardCount":1,"MaxRecordSizeInKiB":10241}`, validation, violations(
			fmt.Sprintf(vMax, 10241, "maxRecordSizeInKiB", 10240),
			"Value '"+long+"' at 'streamName' failed to satisfy constraint: Member must have length less than or equal to 128")},
		{"CreateStream", `{"StreamName":"x","StreamModeDetails":{"StreamMode":"PROVISIONED"}}`, validation, violations(fmt.Sprintf(vNull, "shardCount"))},
		{"CreateStream", `{"StreamName":"x","StreamModeDetails":{"StreamMode":"ON"}}`, validation, violations(
			"Value 'ON' at 'streamModeDetails.streamMode' failed to satisfy constraint: Member must satisfy enum value set: [PROVISIONED, ON_DEMAND]")},
		{"CreateStream", `{"StreamName":"x","ShardCount":"1"}`, "SerializationException", "class java.lang.String can not be converted to an Integer"},
		{"DeleteStream", `{"StreamName":"none"}`, "ResourceNotFoundException", missing},
		{"DeleteStream", `{}`, validation, violations(fmt.Sprintf(vNull, "streamName"))},
		{"DescribeStream", `{"StreamName":"none"}`, "ResourceNotFoundException", missing},
		{"DescribeStream", `{"StreamName":"s","Limit":10001}`, validation, violations(fmt.Sprintf(vMax, 10001, "limit", 10000))},
		{
			"DescribeStream", `{"StreamName":"s","StreamARN":"arn:aws:kinesis:us-east-1:000000000000:stream/t"}`, invalid,
			"StreamName s and StreamARN arn:aws:kinesis:us-east-1:000000000000:stream/t do not name the same stream.",
		},
		{"DescribeStreamSummary", `{"StreamName":"none"}`, "ResourceNotFoundException", missing},
		{
			"DescribeStreamSummary", `{"StreamARN":"arn:aws:kinesis:us-east-1:111111111111:stream/s"}`, "ResourceNotFoundException",
			"Stream s under account 111111111111 not found.",
		},
		{"DescribeStreamSummary", `{"StreamARN":"arn:aws:s3:::s"}`, validation, violations(
			`Value 'arn:aws:s3:::s' at 'streamARN' failed to satisfy constraint: Member must satisfy regular expression pattern: arn:aws.*:kinesis:.*:\d{12}:stream/\S+`)},
		{"ListStreams", `{"Limit":0}`, validation, violations(fmt.Sprintf(vMin, 0, "limit", 1))},
		{"ListStreams", `{"Limit":[]}`, "SerializationException", "Start of list found where not expected"},
		{"ListStreams", `{"NextToken":"AAAA"}`, invalid, "Invalid NextToken."},
		{"ListShards", `{}`, invalid, "Either NextToken or StreamName should be provided."},
		{"ListShards", `{"StreamName":"s","NextToken":"x"}`, invalid, "NextToken and StreamName cannot be provided together."},
		{"ListShards", `{"NextToken":"x"}`, invalid, "Invalid NextToken."},
		{"ListShards", `{"StreamName":"none"}`, "ResourceNotFoundException", missing},
		{"ListShards", `{"StreamName":"s","MaxResults":10001}`, validation, violations(fmt.Sprintf(vMax, 10001, "maxResults", 10000))},
		{"ListShards", `{"StreamName":"s","ShardFilter":{"Type":"AFTER_SHARD_ID"}}`, invalid, "ShardId must be provided for ShardFilter type AFTER_SHARD_ID."},
		{"Nonsense", `{}`, "UnknownOperationException", ""},
		{"Nonsense", `{`, "SerializationException", "Expected a string at offset 1"},
		{"ListStreams", `{"a":`, "SerializationException", "Unexpected character at offset 5"},
		{"ListStreams", `[]`, "SerializationException", "Expected an object at offset 0"},
	}
}

func putRefusals() []refusal {
	const validation, invalid, serial = "ValidationException", "InvalidArgumentException", "SerializationException"
	key257 := strings.Repeat("é", 257)
	megabyte := base64.StdEncoding.EncodeToString(make([]byte, 1<<20))
	one := func(extra string) string { return `{"StreamName":"s","Data":"AAAA","PartitionKey":"k"` + extra + `}` }
	many := strings.TrimSuffix(strings.Repeat(`{"Data":"","PartitionKey":"k"},`, 501), ",")
	big := strings.TrimSuffix(strings.Repeat(`{"Data":"`+megabyte[:len(megabyte)-4]+`","PartitionKey":"k"},`, 11), ",")
	return []refusal{
		{"PutRecord", `{"StreamName":"none","Data":"","PartitionKey":"k"}`, "ResourceNotFoundException", missing},
		{"PutRecord", `{}`, validation, violations(fmt.Sprintf(vNull, "partitionKey"), fmt.Sprintf(vNull, "data"), fmt.Sprintf(vNull, "streamName"))},
		{"PutRecord", `{"StreamName":"","Data":"","PartitionKey":"","ExplicitHashKey":"","SequenceNumberForOrdering":""}`, validation, violations(
			fmt.Sprintf(vSeq, "", "sequenceNumberForOrdering"), fmt.Sprintf(vKeyNone, "partitionKey"), fmt.Sprintf(vHash, "", "explicitHashKey"),
			fmt.Sprintf(vName, "", "streamName"), fmt.Sprintf(vKeyNone, "streamName"))},
		{"PutRecord", `{"StreamName":"s","Data":"","PartitionKey":"` + key257 + `"}`, validation, violations(fmt.Sprintf(vKeyLong, key257, "partitionKey"))},
		{"PutRecord", one(`,"ExplicitHashKey":"01"`), validation, violations(fmt.Sprintf(vHash, "01", "explicitHashKey"))},
		{"PutRecord", one(`,"ExplicitHashKey":"-1"`), validation, violations(fmt.Sprintf(vHash, "-1", "explicitHashKey"))},
		{
			"PutRecord", one(`,"ExplicitHashKey":"340282366920938463463374607431768211456"`), invalid,
			"Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was 340282366920938463463374607431768211456",
		},
		{
			"PutRecord", one(`,"SequenceNumberForOrdering":"5"`), invalid,
			"ExclusiveMinimumSequenceNumber 5 used in PutRecord on stream s under account 000000000000 is invalid.",
		},
		{
			"PutRecord", `{"StreamName":"s","PartitionKey":"k","Data":"` + megabyte + `"}`, invalid,
			"Record size of 1048577 bytes exceeds the maximum record size of 1024 KiB for stream s under account 000000000000.",
		},
		{"PutRecord", one(`,"DryRun":true`), "DryRunOperationException", "The request would have succeeded, but DryRun was set."},
		{
			"PutRecord", `{"StreamName":"s","PartitionKey":"k","Data":"AAA"}`, serial,
			"'AAA' can not be converted to a Blob: Base64 encoded length is expected a multiple of 4 bytes but found: 3",
		},
		{"PutRecord", `{"StreamName":"s","PartitionKey":"k","Data":"A?AA"}`, serial, "'A?AA' can not be converted to a Blob: Invalid Base64 character: '?'"},
		{"PutRecord", `{"StreamName":5}`, serial, "class java.math.BigDecimal can not be converted to an String"},
		{"PutRecords", `{}`, validation, violations(fmt.Sprintf(vNull, "records"), fmt.Sprintf(vNull, "streamName"))},
		{"PutRecords", recordsOf(""), validation, violations(
			"Value '[0 PutRecordsRequestEntry]' at 'records' failed to satisfy constraint: Member must have length greater than or equal to 1")},
		{"PutRecords", recordsOf(many), validation, violations(
			"Value '[501 PutRecordsRequestEntry]' at 'records' failed to satisfy constraint: Member must have length less than or equal to 500")},
		{"PutRecords", recordsOf(`{"Data":"","PartitionKey":"k"},{"ExplicitHashKey":"x"},{"Data":"","PartitionKey":""}`), validation, violations(
			fmt.Sprintf(vNull, "records.2.member.partitionKey"), fmt.Sprintf(vHash, "x", "records.2.member.explicitHashKey"),
			fmt.Sprintf(vNull, "records.2.member.data"), fmt.Sprintf(vKeyNone, "records.3.member.partitionKey"))},
		{"PutRecords", recordsOf(big), invalid, "Records size exceeds 10 MB limit"},
		{
			"PutRecords", recordsOf(`{"Data":"","PartitionKey":"k"},{"Data":"","PartitionKey":"k","ExplicitHashKey":"999999999999999999999999999999999999999"}`),
			invalid, "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was 999999999999999999999999999999999999999",
		},
		{"PutRecords", `{"StreamName":"none","Records":[{"Data":"","PartitionKey":"k"}]}`, "ResourceNotFoundException", missing},
		{"PutRecords", `{"StreamName":"s","Records":5}`, serial, "Expected list or null"},
		{"PutRecords", recordsOf(`{"Data":{}}`), serial, "Start of structure or map found where not expected."},
		{"PutRecords", recordsOf(`{"Data":"","PartitionKey":"k"}`)[:30], serial, "Expected a string at offset 30"},
	}
}

func readRefusals(sequence, iterator string) []refusal {
	const validation, invalid, lost = "ValidationException", "InvalidArgumentException", "ResourceNotFoundException"
	get := func(kind, extra string) string {
		return `{"StreamName":"s","ShardId":"shardId-000000000000","ShardIteratorType":"` + kind + `"` + extra + `}`
	}
	at := func(seq string) string { return get("AT_SEQUENCE_NUMBER", `,"StartingSequenceNumber":"`+seq+`"`) }
	on := func(seq string) string {
		return "StartingSequenceNumber " + seq + " used in GetShardIterator on shard shardId-000000000000 in stream s under account 000000000000 is invalid"
	}
	created, counter, arrived, _, _ := kinesis.ParseSequence(sequence)
	foreign := kinesis.FormatSequence(created.Add(-1e9), counter, arrived, 0)
	future := kinesis.FormatSequence(created, counter+1, arrived, 0)
	other := kinesis.FormatSequence(created, counter, arrived, 1)
	long := strings.Repeat("A", 600)
	return []refusal{
		{"GetShardIterator", `{}`, validation, violations(fmt.Sprintf(vNull, "shardId"), fmt.Sprintf(vNull, "shardIteratorType"), fmt.Sprintf(vNull, "streamName"))},
		{"GetShardIterator", get("NEWEST", ""), validation, violations("Value 'NEWEST' at 'shardIteratorType' failed to satisfy constraint: " +
			"Member must satisfy enum value set: [AFTER_SEQUENCE_NUMBER, LATEST, AT_TIMESTAMP, AT_SEQUENCE_NUMBER, TRIM_HORIZON]")},
		{"GetShardIterator", at("00"), validation, violations(fmt.Sprintf(vSeq, "00", "startingSequenceNumber"))},
		{
			"GetShardIterator", `{"StreamName":"none","ShardId":"0","ShardIteratorType":"LATEST"}`, lost,
			"Shard shardId-000000000000 in stream none under account 000000000000 does not exist",
		},
		{
			"GetShardIterator", `{"StreamName":"s","ShardId":"shardId-000000000007","ShardIteratorType":"LATEST"}`, lost,
			"Shard shardId-000000000007 in stream s under account 000000000000 does not exist",
		},
		{
			"GetShardIterator", `{"StreamName":"s","ShardId":"first","ShardIteratorType":"LATEST"}`, lost,
			"Could not find shard first in stream s under account 000000000000.",
		},
		{"GetShardIterator", get("LATEST", `,"StartingSequenceNumber":"`+sequence+`"`), invalid, ambiguous + "LATEST and also a StartingSequenceNumber."},
		{"GetShardIterator", get("AFTER_SEQUENCE_NUMBER", ""), invalid, ambiguous + "AFTER_SEQUENCE_NUMBER and no StartingSequenceNumber."},
		{"GetShardIterator", at("5"), invalid, on("5") + "."},
		{"GetShardIterator", at(foreign), invalid, on(foreign) + " because it did not come from this stream."},
		{"GetShardIterator", at(future), invalid, on(future) + "."},
		{"GetShardIterator", at(other), invalid, "Invalid StartingSequenceNumber. It encodes shardId-000000000001, while it was used in a call to a shard with shardId-000000000000"},
		{
			"GetShardIterator", get("AT_TIMESTAMP", ""), invalid,
			"Must specify timestampInMillis parameter for iterator of type AT_TIMESTAMP. Current request has no timestamp parameter.",
		},
		{"GetShardIterator", get("AT_TIMESTAMP", `,"Timestamp":"now"`), "SerializationException", "class java.lang.String can not be converted to milliseconds since epoch"},
		{"GetShardIterator", get("LATEST", `,"DryRun":true`), "DryRunOperationException", "The request would have succeeded, but DryRun was set."},
		{"GetRecords", `{}`, validation, violations(fmt.Sprintf(vNull, "shardIterator"))},
		{"GetRecords", `{"ShardIterator":"x","Limit":10001}`, validation, violations(fmt.Sprintf(vMax, 10001, "limit", 10000))},
		{"GetRecords", `{"ShardIterator":"x","Limit":0}`, validation, violations(fmt.Sprintf(vMin, 0, "limit", 1))},
		{"GetRecords", `{"ShardIterator":""}`, validation, violations(fmt.Sprintf(vKeyNone, "shardIterator"))},
		{"GetRecords", `{"ShardIterator":"` + long + `"}`, validation, violations(
			"Value '" + long + "' at 'shardIterator' failed to satisfy constraint: Member must have length less than or equal to 512")},
		{"GetRecords", `{"ShardIterator":"x"}`, invalid, "Invalid ShardIterator."},
		{"GetRecords", `{"ShardIterator":"AAAA"}`, invalid, "Invalid ShardIterator."},
		{"GetRecords", `{"ShardIterator":"` + kinesis.FlipBit(iterator) + `"}`, invalid, "Invalid ShardIterator."},
		{
			"GetRecords", `{"ShardIterator":"` + iterator + `","StreamARN":"arn:aws:kinesis:us-east-1:000000000000:stream/t"}`, invalid,
			"ShardIterator is not one of the stream that StreamARN arn:aws:kinesis:us-east-1:000000000000:stream/t names.",
		},
		{
			"GetRecords", `{"ShardIterator":"` + iterator + `","StreamARN":"arn:aws:kinesis:us-east-1:000000000000:stream/s","DryRun":true}`,
			"DryRunOperationException", "The request would have succeeded, but DryRun was set.",
		},
		{"GetRecords", `{"ShardIterator":"` + iterator + `","DryRun":true}`, "DryRunOperationException", "The request would have succeeded, but DryRun was set."},
	}
}

func TestRefusals(t *testing.T) {
	c := newCaller(t, kinesis.Config{Limits: kinesis.Limits{Off: true}})
	c.must(t, "CreateStream", `{"StreamName":"s","ShardCount":2}`, nil)
	var put struct{ SequenceNumber string }
	c.must(t, "PutRecord", `{"StreamName":"s","Data":"","PartitionKey":"k","ExplicitHashKey":"0"}`, &put)
	var it struct{ ShardIterator string }
	c.must(t, "GetShardIterator", `{"StreamName":"s","ShardId":"0","ShardIteratorType":"TRIM_HORIZON"}`, &it)
	if len(it.ShardIterator) != base64.StdEncoding.EncodedLen(152) {
		t.Errorf("iterator of %d characters", len(it.ShardIterator))
	}
	checkRefusals(t, c, append(append(controlRefusals(), putRefusals()...), readRefusals(put.SequenceNumber, it.ShardIterator)...))
	var out struct{ Records []struct{ Data string } }
	c.must(t, "GetRecords", `{"ShardIterator":"`+it.ShardIterator+`"}`, &out)
	if len(out.Records) != 1 {
		t.Errorf("%d records stored: refused requests stored some", len(out.Records))
	}
}

func checkRefusals(t *testing.T, c *caller, all []refusal) {
	t.Helper()
	for _, tc := range all {
		status, body := c.call(tc.op, []byte(tc.body))
		var got struct {
			Code    string `json:"__type"`
			Message string `json:"message"` // matches Message too
		}
		if err := json.Unmarshal(body, &got); err != nil {
			t.Errorf("%s: %v in %s", tc.op, err, body)
		}
		if diff := cmp.Diff([]any{400, tc.code, tc.message}, []any{status, got.Code, got.Message}); diff != "" {
			t.Errorf("%s %.100s (-want +got):\n%s", tc.op, tc.body, diff)
		}
	}
}

func TestTypedErrors(t *testing.T) {
	_, c := serve(t, kinesis.Config{})
	create(t, c, "s", 1)
	_, err := c.CreateStream(t.Context(), &sdk.CreateStreamInput{StreamName: aws.String("s"), ShardCount: aws.Int32(1)})
	if _, ok := errors.AsType[*types.ResourceInUseException](err); !ok {
		t.Errorf("name taken: %v", err)
	}
	_, err = c.DescribeStreamSummary(t.Context(), &sdk.DescribeStreamSummaryInput{StreamName: aws.String("none")})
	if _, ok := errors.AsType[*types.ResourceNotFoundException](err); !ok {
		t.Errorf("no such stream: %v", err)
	}
	_, err = c.GetRecords(t.Context(), &sdk.GetRecordsInput{ShardIterator: aws.String("x")})
	if _, ok := errors.AsType[*types.InvalidArgumentException](err); !ok {
		t.Errorf("bad iterator: %v", err)
	}
	_, err = c.ListStreams(t.Context(), &sdk.ListStreamsInput{Limit: aws.Int32(-1)})
	if _, ok := errors.AsType[*types.ValidationException](err); !ok {
		t.Errorf("negative limit: %v", err)
	}
}

func TestFrontDoor(t *testing.T) {
	open, err := kinesis.New(kinesis.Config{})
	if err != nil {
		t.Fatal(err)
	}
	strict, err := kinesis.New(kinesis.Config{Verifier: sigv4.New()})
	if err != nil {
		t.Fatal(err)
	}
	const amz = "application/x-amz-json-1.1"
	tests := []struct {
		name, method, media, target, auth, body string
		status                                  int
		answer                                  string
	}{
		{"any credentials", "POST", amz, "Kinesis_20131202.ListStreams", "x", "{}", 200, `"StreamNames":[]`},
		{"charset", "POST", amz + "; charset=utf-8", "Kinesis_20131202.ListStreams", "x", "{}", 200, `"HasMoreStreams":false`},
		{"plain JSON", "POST", "application/json", "Kinesis_20131202.ListStreams", "x", "{}", 200, "{"},
		{"unsigned", "POST", amz, "Kinesis_20131202.ListStreams", "", "{}", 400, "MissingAuthenticationTokenException"},
		{"unsigned and malformed", "POST", amz, "Kinesis_20131202.ListStreams", "", "{", 400, "SerializationException"},
		{"unsigned and unknown", "POST", amz, "Kinesis_20131202.Nonsense", "", "{}", 400, "UnknownOperationException"},
		{"another service", "POST", amz, "DynamoDB_20120810.ListTables", "x", "{}", 400, "UnknownOperationException"},
		{"no target", "POST", amz, "", "x", "{}", 400, "UnknownOperationException"},
		{"empty body", "POST", amz, "Kinesis_20131202.ListStreams", "x", "", 400, "SerializationException"},
		{"GET", "GET", "", "", "", "", 403, "<AccessDeniedException>"},
		{"other media type", "POST", "text/plain", "Kinesis_20131202.ListStreams", "x", "{}", 404, "<UnknownOperationException/>"},
		{"other media type, no target", "POST", "text/plain", "", "x", "{}", 403, "<AccessDeniedException>"},
		{"too large", "POST", amz, "Kinesis_20131202.PutRecords", "x", strings.Repeat(" ", 16<<20+1), 413, "RequestEntityTooLargeException"},
	}
	for _, tc := range tests {
		s := open
		if tc.auth == "" {
			s = strict
		}
		c := callerOf(s)
		c.req, err = http.NewRequest(tc.method, "/any/path", strings.NewReader(tc.body))
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range map[string]string{"Content-Type": tc.media, "X-Amz-Target": tc.target, "Authorization": tc.auth} {
			if value != "" {
				c.req.Header.Set(name, value)
			}
		}
		s.ServeHTTP(&c.w, c.req)
		if c.w.status != tc.status || !strings.Contains(string(c.w.body), tc.answer) {
			t.Errorf("%s: %d %s", tc.name, c.w.status, c.w.body)
		}
		if h := c.w.header; len(h["x-amzn-RequestId"]) != 1 || len(h["x-amz-id-2"]) != 1 {
			t.Errorf("%s: headers %v", tc.name, h)
		}
	}
}

func TestBadConfig(t *testing.T) {
	for _, cfg := range []kinesis.Config{
		{StoreBytes: 1},
		{StoreBytes: -1},
		{Drop: -1},
		{Dup: -1},
		{IteratorTTL: -1},
		{StateDelay: -1},
		{ShardQuota: -1},
		{SubscriptionLife: -1},
		{ResubscribeAfter: -1},
		{Limits: kinesis.Limits{ConsumerBytes: -1}},
		{Limits: kinesis.Limits{WriteBytes: -1}},
		{Limits: kinesis.Limits{ReadCalls: 0.5}},
	} {
		if _, err := kinesis.New(cfg); err == nil {
			t.Errorf("%+v was taken", cfg)
		}
	}
}
