package kinesis_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/local/kinesis"
	"github.com/kload/kload/internal/memnet"
)

// bubble runs f in virtual time, with the SDK client on an in-memory network.
func bubble(t *testing.T, cfg kinesis.Config, f func(*testing.T, *kinesis.Server, *sdk.Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s, err := kinesis.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		ln := memnet.Listen()
		hs := &http.Server{Handler: s}
		go func() { _ = hs.Serve(ln) }() // Close ends it
		defer hs.Close()
		c, err := awsclient.New(t.Context(), awsclient.Options{Local: true, Endpoint: "http://kinesis.local", Dial: ln.Dial})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		f(t, s, c.Data)
	})
}

// serve starts a server on the loopback interface with an SDK client of it.
func serve(t *testing.T, cfg kinesis.Config) (*kinesis.Server, *sdk.Client) {
	t.Helper()
	s, err := kinesis.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ts := httptest.NewServer(s)
	t.Cleanup(ts.Close)
	c, err := awsclient.New(t.Context(), awsclient.Options{Local: true, Endpoint: ts.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return s, c.Data
}

func create(t *testing.T, c *sdk.Client, name string, shards int32) {
	t.Helper()
	if _, err := c.CreateStream(t.Context(), &sdk.CreateStreamInput{StreamName: &name, ShardCount: &shards}); err != nil {
		t.Fatal(err)
	}
}

func iterator(t *testing.T, c *sdk.Client, in sdk.GetShardIteratorInput) *string {
	t.Helper()
	in.StreamName = aws.String("s")
	if in.ShardId == nil {
		in.ShardId = aws.String("shardId-000000000000")
	}
	out, err := c.GetShardIterator(t.Context(), &in)
	if err != nil {
		t.Fatal(err)
	}
	return out.ShardIterator
}

func read(ctx context.Context, t *testing.T, c *sdk.Client, it *string) *sdk.GetRecordsOutput {
	t.Helper()
	out, err := c.GetRecords(ctx, &sdk.GetRecordsInput{ShardIterator: it})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func payloads(out *sdk.GetRecordsOutput) []string {
	list := []string{}
	for _, r := range out.Records {
		list = append(list, string(r.Data))
	}
	return list
}

func TestControlPlane(t *testing.T) {
	_, c := serve(t, kinesis.Config{})
	ctx := t.Context()
	create(t, c, "b", 3)
	if _, err := c.CreateStream(ctx, &sdk.CreateStreamInput{
		StreamName: aws.String("a"), MaxRecordSizeInKiB: aws.Int32(2048),
	}); err != nil {
		t.Fatal(err)
	}
	list, err := c.ListStreams(ctx, &sdk.ListStreamsInput{Limit: aws.Int32(1)})
	if err != nil {
		t.Fatal(err)
	}
	rest, err := c.ListStreams(ctx, &sdk.ListStreamsInput{NextToken: list.NextToken})
	if err != nil {
		t.Fatal(err)
	}
	got := append(list.StreamNames, rest.StreamNames...)
	if diff := cmp.Diff([]string{"a", "b"}, got); diff != "" || !*list.HasMoreStreams || *rest.HasMoreStreams {
		t.Errorf("streams (-want +got):\n%s", diff)
	}
	sum, err := c.DescribeStreamSummary(ctx, &sdk.DescribeStreamSummaryInput{StreamName: aws.String("a")})
	if err != nil {
		t.Fatal(err)
	}
	d := sum.StreamDescriptionSummary
	if *d.OpenShardCount != 4 || d.StreamModeDetails.StreamMode != types.StreamModeOnDemand || d.StreamStatus != "ACTIVE" ||
		*d.MaxRecordSizeInKiB != 2048 || *d.StreamARN != "arn:aws:kinesis:us-east-1:000000000000:stream/a" ||
		*d.RetentionPeriodHours != 24 || d.EncryptionType != "NONE" || time.Since(*d.StreamCreationTimestamp) > time.Minute {
		t.Errorf("summary %+v", d)
	}
	if _, err := c.DeleteStream(ctx, &sdk.DeleteStreamInput{StreamARN: d.StreamARN}); err != nil {
		t.Fatal(err)
	}
	if left, err := c.ListStreams(ctx, &sdk.ListStreamsInput{}); err != nil || len(left.StreamNames) != 1 {
		t.Errorf("after deletion: %v, %v", left, err)
	}
}

func TestShardListing(t *testing.T) {
	_, c := serve(t, kinesis.Config{})
	create(t, c, "s", 3)
	ctx := t.Context()
	desc, err := c.DescribeStream(ctx, &sdk.DescribeStreamInput{StreamName: aws.String("s"), Limit: aws.Int32(2)})
	if err != nil {
		t.Fatal(err)
	}
	first, err := c.ListShards(ctx, &sdk.ListShardsInput{StreamName: aws.String("s"), MaxResults: aws.Int32(2)})
	if err != nil {
		t.Fatal(err)
	}
	second, err := c.ListShards(ctx, &sdk.ListShardsInput{NextToken: first.NextToken})
	if err != nil {
		t.Fatal(err)
	}
	if d := desc.StreamDescription; len(d.Shards) != 2 || !*d.HasMoreShards || second.NextToken != nil {
		t.Errorf("pages: %+v, token %v", d, second.NextToken)
	}
	var got []string
	for _, s := range append(first.Shards, second.Shards...) {
		got = append(got, fmt.Sprintf("%s %s-%s %d", *s.ShardId, *s.HashKeyRange.StartingHashKey, *s.HashKeyRange.EndingHashKey,
			len(*s.SequenceNumberRange.StartingSequenceNumber)))
	}
	want := []string{
		"shardId-000000000000 0-113427455640312821154458202477256070484 56",
		"shardId-000000000001 113427455640312821154458202477256070485-226854911280625642308916404954512140969 56",
		"shardId-000000000002 226854911280625642308916404954512140970-340282366920938463463374607431768211455 56",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for kind, n := range map[types.ShardFilterType]int{"AT_LATEST": 3, "FROM_TRIM_HORIZON": 3, "AFTER_SHARD_ID": 1} {
		out, err := c.ListShards(ctx, &sdk.ListShardsInput{StreamName: aws.String("s"), ShardFilter: &types.ShardFilter{
			Type: kind, ShardId: aws.String("shardId-000000000001"),
		}})
		if err != nil || len(out.Shards) != n {
			t.Errorf("%s: %v, %v", kind, out, err)
		}
	}
}

func TestPutAndGet(t *testing.T) {
	s, c := serve(t, kinesis.Config{Limits: kinesis.Limits{Off: true}})
	create(t, c, "s", 1)
	ctx := t.Context()
	before := time.Now().Truncate(time.Millisecond)
	one, err := c.PutRecord(ctx, &sdk.PutRecordInput{
		StreamARN: aws.String("arn:aws:kinesis:eu-west-1:000000000000:stream/s"), Data: []byte{}, PartitionKey: aws.String("\"k\"\\\n😀"),
	})
	if err != nil {
		t.Fatal(err)
	}
	in := &sdk.PutRecordsInput{StreamName: aws.String("s")}
	for i := range 300 {
		in.Records = append(in.Records, types.PutRecordsRequestEntry{
			Data: bytes.Repeat([]byte{byte(i)}, i), PartitionKey: aws.String(fmt.Sprint(i)),
		})
	}
	if next, err := c.PutRecord(ctx, &sdk.PutRecordInput{
		StreamName: in.StreamName, Data: []byte{}, PartitionKey: aws.String("0"), SequenceNumberForOrdering: one.SequenceNumber,
	}); err != nil || *next.SequenceNumber <= *one.SequenceNumber {
		t.Errorf("put in order: %v, %v", next, err)
	}
	many, err := c.PutRecords(ctx, in)
	if err != nil || *many.FailedRecordCount != 0 || len(many.Records) != 300 || many.EncryptionType != "" {
		t.Fatalf("%+v, %v", many, err)
	}
	after := time.Now()
	out := read(ctx, t, c, iterator(t, c, sdk.GetShardIteratorInput{ShardIteratorType: "TRIM_HORIZON"}))
	if len(out.Records) != 302 || *out.MillisBehindLatest != 0 || *out.NextShardIterator == "" {
		t.Fatalf("%d records, %d ms behind", len(out.Records), *out.MillisBehindLatest)
	}
	if r := out.Records[0]; *r.PartitionKey != "\"k\"\\\n😀" || len(r.Data) != 0 || *r.SequenceNumber != *one.SequenceNumber {
		t.Errorf("first record %+v", r)
	}
	out.Records = append(out.Records[:1], out.Records[2:]...) // the one put in order is checked above
	last := ""
	for i, r := range out.Records {
		at := *r.ApproximateArrivalTimestamp
		if *r.SequenceNumber <= last || len(*r.SequenceNumber) != 56 || at.Before(before) || at.After(after) || at.Nanosecond()%1e6 != 0 {
			t.Fatalf("record %d: %s after %s, arrived %v", i, *r.SequenceNumber, last, at)
		}
		last = *r.SequenceNumber
		if i > 0 && (!bytes.Equal(r.Data, in.Records[i-1].Data) || *r.SequenceNumber != *many.Records[i-1].SequenceNumber ||
			*r.PartitionKey != *in.Records[i-1].PartitionKey) {
			t.Fatalf("record %d differs", i)
		}
	}
	st := s.Stats()
	if st.RecordsIn != 302 || st.RecordsOut != 302 || st.BytesIn != st.BytesOut || st.Requests["PutRecords"] != 1 || st.StoredBytesHigh == 0 {
		t.Errorf("stats %+v", st)
	}
}

func TestPositions(t *testing.T) {
	bubble(t, kinesis.Config{Limits: kinesis.Limits{Off: true}}, testPositions)
}

func testPositions(t *testing.T, _ *kinesis.Server, c *sdk.Client) {
	create(t, c, "s", 1)
	ctx := t.Context()
	start := time.Now()
	early := iterator(t, c, sdk.GetShardIteratorInput{ShardIteratorType: "LATEST"})
	var seqs []string
	var times []time.Time
	for _, data := range []string{"a", "b", "c"} {
		out, err := c.PutRecord(ctx, &sdk.PutRecordInput{StreamName: aws.String("s"), Data: []byte(data), PartitionKey: aws.String("k")})
		if err != nil {
			t.Fatal(err)
		}
		seqs = append(seqs, *out.SequenceNumber)
		got := read(ctx, t, c, iterator(t, c, sdk.GetShardIteratorInput{ShardIteratorType: "AT_SEQUENCE_NUMBER", StartingSequenceNumber: out.SequenceNumber}))
		times = append(times, *got.Records[0].ApproximateArrivalTimestamp)
		<-time.After(3 * time.Millisecond) // virtual: so that the next record has a time of its own
	}
	desc, err := c.ListShards(ctx, &sdk.ListShardsInput{StreamName: aws.String("s")})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		in   sdk.GetShardIteratorInput
		want string
	}{
		{"trim horizon", sdk.GetShardIteratorInput{ShardIteratorType: "TRIM_HORIZON"}, "abc"},
		{"latest", sdk.GetShardIteratorInput{ShardIteratorType: "LATEST"}, ""},
		{"at", sdk.GetShardIteratorInput{ShardIteratorType: "AT_SEQUENCE_NUMBER", StartingSequenceNumber: &seqs[1]}, "bc"},
		{"after", sdk.GetShardIteratorInput{ShardIteratorType: "AFTER_SEQUENCE_NUMBER", StartingSequenceNumber: &seqs[1]}, "c"},
		{"after the last", sdk.GetShardIteratorInput{ShardIteratorType: "AFTER_SEQUENCE_NUMBER", StartingSequenceNumber: &seqs[2]}, ""},
		{"at the shard's start", sdk.GetShardIteratorInput{
			ShardIteratorType: "AT_SEQUENCE_NUMBER", StartingSequenceNumber: desc.Shards[0].SequenceNumberRange.StartingSequenceNumber,
		}, "abc"},
		{"exact time", sdk.GetShardIteratorInput{ShardIteratorType: "AT_TIMESTAMP", Timestamp: &times[1]}, "bc"},
		{"a millisecond later", sdk.GetShardIteratorInput{ShardIteratorType: "AT_TIMESTAMP", Timestamp: aws.Time(times[1].Add(time.Millisecond))}, "c"},
		{"long ago", sdk.GetShardIteratorInput{ShardIteratorType: "AT_TIMESTAMP", Timestamp: aws.Time(start.Add(-48 * time.Hour))}, "abc"},
		{"short shard id", sdk.GetShardIteratorInput{ShardIteratorType: "TRIM_HORIZON", ShardId: aws.String("shard-0")}, "abc"},
	}
	for _, tc := range tests {
		it := iterator(t, c, tc.in)
		for range 2 { // reading takes nothing away
			if got := strings.Join(payloads(read(ctx, t, c, it)), ""); got != tc.want {
				t.Errorf("%s: read %q, want %q", tc.name, got, tc.want)
			}
		}
	}
	if got := read(ctx, t, c, aws.String(`"`+*early+`"`)); strings.Join(payloads(got), "") != "abc" {
		t.Errorf("LATEST from before the puts read %q", payloads(got))
	}
	part, err := c.GetRecords(ctx, &sdk.GetRecordsInput{ShardIterator: early, Limit: aws.Int32(2)})
	if err != nil {
		t.Fatal(err)
	}
	if *part.MillisBehindLatest < 3 || len(part.Records) != 2 {
		t.Errorf("two of three: %d records, %d ms behind", len(part.Records), *part.MillisBehindLatest)
	}
	end := read(ctx, t, c, part.NextShardIterator)
	idle := read(ctx, t, c, end.NextShardIterator)
	if strings.Join(payloads(end), "") != "c" || *end.MillisBehindLatest != 0 || len(idle.Records) != 0 ||
		*idle.NextShardIterator == *end.NextShardIterator {
		t.Errorf("tip: %q, then %q", payloads(end), payloads(idle))
	}
}

func TestRouting(t *testing.T) {
	_, c := serve(t, kinesis.Config{Limits: kinesis.Limits{Off: true}})
	create(t, c, "s", 4)
	const last = "340282366920938463463374607431768211455"
	tests := []struct{ key, explicit, shard string }{
		{"a", "", "shardId-000000000000"},     // MD5 0cc1…
		{"hello", "", "shardId-000000000001"}, // 5d41…
		{"é", "", "shardId-000000000001"},     // 66dd…
		{"a", "0", "shardId-000000000000"},
		{"a", "85070591730234615865843651857942052863", "shardId-000000000000"},
		{"a", "85070591730234615865843651857942052864", "shardId-000000000001"},
		{"a", last, "shardId-000000000003"},
	}
	for _, tc := range tests {
		in := &sdk.PutRecordInput{StreamName: aws.String("s"), Data: []byte("x"), PartitionKey: &tc.key}
		if tc.explicit != "" {
			in.ExplicitHashKey = &tc.explicit
		}
		out, err := c.PutRecord(t.Context(), in)
		if err != nil || *out.ShardId != tc.shard {
			t.Errorf("key %q, hash key %q: %v, %v, want %s", tc.key, tc.explicit, out, err, tc.shard)
			continue
		}
		if _, _, at, shard, ok := kinesis.ParseSequence(*out.SequenceNumber); !ok || fmt.Sprintf("shardId-%012d", shard) != tc.shard ||
			time.Since(at).Abs() > time.Minute {
			t.Errorf("sequence number %s decodes to shard %d at %v", *out.SequenceNumber, shard, at)
		}
	}
}
