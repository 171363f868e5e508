package protocol_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/encoding/cbor"
	"github.com/aws/smithy-go/middleware"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/kload/kload/internal/awscbor"
	"github.com/kload/kload/internal/awscbor/protocol"
	"github.com/kload/kload/internal/invariants"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// canned is an HTTP client that keeps the request and gives a prepared answer.
type canned struct {
	status  int
	media   string
	header  http.Header
	body    []byte
	unsized bool
	request []byte
	sent    http.Header
}

func (c *canned) Do(req *http.Request) (*http.Response, error) {
	c.sent = req.Header
	var err error
	if c.request, err = io.ReadAll(req.Body); err != nil {
		return nil, err
	}
	h := http.Header{"Content-Type": {c.media}}
	maps.Copy(h, c.header)
	resp := &http.Response{
		StatusCode: c.status, Header: h, Body: io.NopCloser(bytes.NewReader(c.body)), ContentLength: int64(len(c.body)),
	}
	if c.unsized {
		resp.ContentLength = -1
	}
	return resp, nil
}

func client(h kinesis.HTTPClient, option func(*kinesis.Options)) *kinesis.Client {
	return kinesis.New(kinesis.Options{
		Region: "us-east-1", BaseEndpoint: aws.String("http://kinesis.local"), HTTPClient: h, Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
	}, option)
}

// golden compares b with the capture in testdata, in hexadecimal.
func golden(t *testing.T, name string, b []byte) {
	t.Helper()
	path := filepath.Join("testdata", name+".hex")
	if *update {
		if err := os.WriteFile(path, []byte(wrap(hex.EncodeToString(b))), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(hex.EncodeToString(capture(t, name)), hex.EncodeToString(b)); diff != "" {
		if err := os.WriteFile(path+".got", []byte(wrap(hex.EncodeToString(b))), 0o600); err != nil {
			t.Error(err)
		}
		t.Errorf("%s differs; see %s.got (-want +got):\n%s", name, path, diff)
	}
}

func wrap(s string) string {
	var b strings.Builder
	for len(s) > 80 {
		b.WriteString(s[:80] + "\n")
		s = s[80:]
	}
	return b.String() + s + "\n"
}

// capture reads bytes from testdata; '#' begins a comment.
func capture(tb testing.TB, name string) []byte {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".hex"))
	if err != nil {
		tb.Fatal(err)
	}
	var digits strings.Builder
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		digits.WriteString(strings.Join(strings.Fields(line), ""))
	}
	b, err := hex.DecodeString(digits.String())
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// call is one operation on a client.
type call func(context.Context, *kinesis.Client) (any, error)

func getRecords(ctx context.Context, c *kinesis.Client) (any, error) {
	return c.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: aws.String("it"), Limit: aws.Int32(300)})
}

func putRecords(ctx context.Context, c *kinesis.Client) (any, error) {
	return c.PutRecords(ctx, &kinesis.PutRecordsInput{StreamName: aws.String("s"), Records: []types.PutRecordsRequestEntry{
		{Data: []byte("hello"), PartitionKey: aws.String("k")},
		{Data: []byte{}, PartitionKey: aws.String("é"), ExplicitHashKey: aws.String("0")},
		{Data: bytes.Repeat([]byte{0xff}, 300), PartitionKey: aws.String(strings.Repeat("k", 24))},
	}})
}

func listShards(ctx context.Context, c *kinesis.Client) (any, error) {
	return c.ListShards(ctx, &kinesis.ListShardsInput{
		StreamName: aws.String("s"), StreamCreationTimestamp: aws.Time(time.UnixMilli(1787036486712)),
		ShardFilter: &types.ShardFilter{Type: types.ShardFilterTypeAtTimestamp, Timestamp: aws.Time(time.UnixMilli(-1))},
	})
}

func TestRequests(t *testing.T) {
	tests := []struct {
		name, target string
		call         call
	}{
		{"put_records_request", "PutRecords", putRecords},
		{"get_records_request", "GetRecords", getRecords},
		{"list_shards_request", "ListShards", listShards},
		{"describe_limits_request", "DescribeLimits", func(ctx context.Context, c *kinesis.Client) (any, error) {
			return c.DescribeLimits(ctx, nil)
		}},
		{"create_stream_request", "CreateStream", func(ctx context.Context, c *kinesis.Client) (any, error) {
			return c.CreateStream(ctx, &kinesis.CreateStreamInput{
				StreamName: aws.String("s"), ShardCount: aws.Int32(-5), Tags: map[string]string{"key": "value"},
				StreamModeDetails: &types.StreamModeDetails{StreamMode: types.StreamModeProvisioned},
			})
		}},
		{"remove_tags_request", "RemoveTagsFromStream", func(ctx context.Context, c *kinesis.Client) (any, error) {
			return c.RemoveTagsFromStream(ctx, &kinesis.RemoveTagsFromStreamInput{StreamName: aws.String("s"), TagKeys: []string{"a", ""}})
		}},
	}
	for _, tc := range tests {
		h := &canned{status: 200, media: awscbor.Media}
		// Twice, and once without a buffer to reuse.
		p := protocol.New(protocol.Options{})
		for i, c := range []*kinesis.Client{client(h, p.Use), client(h, p.Use), client(h, func(o *kinesis.Options) { o.Protocol = p })} {
			if _, err := tc.call(t.Context(), c); err != nil {
				t.Errorf("%s: %v", tc.name, err)
			}
			golden(t, tc.name, h.request)
			got := []string{h.sent.Get("X-Amz-Target"), h.sent.Get("Content-Type")}
			if diff := cmp.Diff([]string{"Kinesis_20131202." + tc.target, awscbor.Media}, got); diff != "" {
				t.Errorf("%s, client %d (-want +got):\n%s", tc.name, i, diff)
			}
		}
		if _, err := cbor.Decode(h.request); err != nil {
			t.Errorf("%s: the SDK cannot read it: %v", tc.name, err)
		}
	}
}

// outputs allows comparing what the SDK returns.
func outputs() cmp.Option {
	return cmp.Options{cmpopts.IgnoreTypes(middleware.Metadata{}), cmpopts.IgnoreUnexported(
		kinesis.GetRecordsOutput{}, kinesis.PutRecordsOutput{}, kinesis.ListShardsOutput{}, kinesis.PutRecordOutput{},
		types.Record{}, types.ChildShard{}, types.HashKeyRange{}, types.PutRecordsResultEntry{}, types.Shard{},
		types.SequenceNumberRange{}, types.ResourceNotFoundException{}, types.InvalidArgumentException{}, types.ValidationException{},
		types.ProvisionedThroughputExceededException{},
	)}
}

const sequence = "49674026002850188218576229259473476449429298564223254594"

func answers() map[string]struct {
	call call
	want any
} {
	arrived := time.UnixMilli(1787036486712).UTC()
	records := &kinesis.GetRecordsOutput{
		Records: []types.Record{
			{
				SequenceNumber: aws.String(sequence), ApproximateArrivalTimestamp: &arrived, Data: []byte("hello"),
				PartitionKey: aws.String("k"), EncryptionType: types.EncryptionTypeNone,
			},
			{SequenceNumber: aws.String(""), Data: []byte{}},
			{},
			{Data: []byte("ab"), PartitionKey: aws.String("streaming"), EncryptionType: "ROT13"},
		},
		NextShardIterator: aws.String("next"), MillisBehindLatest: aws.Int64(5),
		ChildShards: []types.ChildShard{{
			ShardId: aws.String("shardId-000000000001"), ParentShards: []string{"shardId-000000000000"},
			HashKeyRange: &types.HashKeyRange{StartingHashKey: aws.String("0"), EndingHashKey: aws.String("9")},
		}},
	}
	return map[string]struct {
		call call
		want any
	}{
		"get_records_answer": {getRecords, records},
		"put_records_answer": {putRecords, &kinesis.PutRecordsOutput{
			FailedRecordCount: aws.Int32(2), EncryptionType: types.EncryptionTypeKms,
			Records: []types.PutRecordsResultEntry{
				{SequenceNumber: aws.String(sequence), ShardId: aws.String("shardId-000000000000")},
				{ErrorCode: aws.String("ProvisionedThroughputExceededException"), ErrorMessage: aws.String("Rate exceeded")},
				{SequenceNumber: aws.String("1"), ShardId: aws.String("shardId-000000000000")},
				{},
			},
		}},
		"list_shards_answer": {listShards, &kinesis.ListShardsOutput{
			NextToken: aws.String("t"),
			Shards: []types.Shard{{
				ShardId: aws.String("shardId-000000000000"), HashKeyRange: &types.HashKeyRange{StartingHashKey: aws.String("0"), EndingHashKey: aws.String("9")},
				SequenceNumberRange: &types.SequenceNumberRange{StartingSequenceNumber: aws.String(sequence)},
			}},
		}},
	}
}

func TestAnswers(t *testing.T) {
	for name, tc := range answers() {
		h := &canned{status: 200, media: awscbor.Media, body: capture(t, name)}
		for _, o := range []protocol.Options{{}, {Alias: true}} {
			for _, h.unsized = range []bool{false, true} {
				got, err := tc.call(t.Context(), client(h, protocol.New(o).Use))
				if diff := cmp.Diff(tc.want, got, outputs()); diff != "" || err != nil {
					t.Errorf("%s, %+v: %v (-want +got):\n%s", name, o, err, diff)
				}
			}
		}
		// No prefix of it makes a panic or an answer.
		p := protocol.New(protocol.Options{})
		for n := 1; n < len(h.body); n++ {
			short := &canned{status: 200, media: awscbor.Media, body: h.body[:n]}
			if _, err := tc.call(t.Context(), client(short, p.Use)); err == nil {
				t.Errorf("%s: the first %d bytes were taken", name, n)
			}
		}
	}
}

func TestErrors(t *testing.T) {
	message := func(s string) *string { return &s }
	tests := []struct {
		name   string // of a capture, or a body in place
		body   []byte
		header string
		want   error
	}{
		{"error_answer", nil, "", &types.ResourceNotFoundException{Message: message("Stream s under account 000000000000 not found.")}},
		{"error_capital_message", nil, "", &types.InvalidArgumentException{Message: message("bad")}},
		{"error_namespace", nil, "", &types.ProvisionedThroughputExceededException{Message: message("slow")}},
		{"error_untyped", nil, "", &smithy.GenericAPIError{Code: "SerializationException", Message: "what"}},
		{"error_untyped", nil, "ValidationException:http://x/", &types.ValidationException{Message: message("what")}},
		{"error_odd_members", nil, "", &smithy.GenericAPIError{Code: "Odd", Message: "UnknownError"}},
		{"", []byte{}, "", &smithy.GenericAPIError{Code: "UnknownError", Message: "UnknownError"}},
		{"", []byte{0xa0}, "", &smithy.GenericAPIError{Code: "UnknownError", Message: "UnknownError"}},
		{"", []byte{}, "ValidationException", &types.ValidationException{}},
	}
	for _, tc := range tests {
		body := tc.body
		if tc.name != "" {
			body = capture(t, tc.name)
		}
		h := &canned{status: 400, media: awscbor.Media, body: body, header: http.Header{}}
		if tc.header != "" {
			h.header.Set("X-Amzn-ErrorType", tc.header)
		}
		_, err := getRecords(t.Context(), client(h, protocol.New(protocol.Options{}).Use))
		var got smithy.APIError
		if !errors.As(err, &got) {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		if diff := cmp.Diff(tc.want, error(got), outputs()); diff != "" {
			t.Errorf("%s, %q (-want +got):\n%s", tc.name, tc.header, diff)
		}
	}
}

func TestUnreadableAnswers(t *testing.T) {
	tests := []struct {
		status int
		media  string
		body   string
	}{
		{403, "application/xml", "<AccessDeniedException/>"},
		{502, "text/html", "<html>"},
		{400, awscbor.Media, "\xa1"},
		{200, awscbor.Media, "\x80"},
		{200, awscbor.Media, "\xa1\x67Records\x01"},
		{200, awscbor.Media, "\xa1\x67Records\x81\xa1\x64Data\x61x"},
		{200, awscbor.Media, "\xa1\x67Records\x81\xa1\x6cPartitionKey\x61\xff"},
		{200, awscbor.Media, "\xa1\x6bChildShards\x81\xa1\x6cParentShards\x9f\x61x\x01\xff"},
		{200, awscbor.Media, "\xa1\x6bChildShards\x81\xa1\x6cParentShards\x9f\x61x"},
	}
	for _, tc := range tests {
		h := &canned{status: tc.status, media: tc.media, body: []byte(tc.body)}
		_, err := getRecords(t.Context(), client(h, protocol.New(protocol.Options{}).Use))
		if _, ok := errors.AsType[*smithy.DeserializationError](err); !ok {
			t.Errorf("%d %s %q: %v", tc.status, tc.media, tc.body, err)
		}
	}
}

func TestAnswersInJSON(t *testing.T) {
	use := protocol.New(protocol.Options{}).Use
	h := &canned{status: 200, media: "application/x-amz-json-1.1; charset=utf-8", body: []byte(`{"Records":[{"Data":"aGVsbG8="}]}`)}
	out, err := client(h, use).GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: aws.String("it")})
	if err != nil || string(out.Records[0].Data) != "hello" {
		t.Errorf("%v, %v", out, err)
	}
	h = &canned{status: 400, media: "application/json", body: []byte(`{"__type":"ValidationException","message":"m"}`)}
	if _, err := getRecords(t.Context(), client(h, use)); !isValidation(err) {
		t.Errorf("%v", err)
	}
	// SubscribeToShard speaks JSON from the start.
	h.media = awscbor.Media // whatever it says
	_, err = client(h, use).SubscribeToShard(t.Context(), &kinesis.SubscribeToShardInput{
		ConsumerARN: aws.String("arn"), ShardId: aws.String("s"), StartingPosition: &types.StartingPosition{Type: types.ShardIteratorTypeLatest},
	})
	if !isValidation(err) || !bytes.HasPrefix(h.request, []byte("{")) || h.sent.Get("Content-Type") != "application/x-amz-json-1.1" {
		t.Errorf("%q %v, %v", h.request, h.sent, err)
	}
}

func isValidation(err error) bool {
	_, ok := errors.AsType[*types.ValidationException](err)
	return ok
}

func TestTooLarge(t *testing.T) {
	h := &canned{status: 200, media: awscbor.Media, unsized: true, body: make([]byte, 64<<20+1)}
	if _, err := getRecords(t.Context(), client(h, protocol.New(protocol.Options{}).Use)); err == nil || !strings.Contains(err.Error(), "more than 67108864 bytes") {
		t.Errorf("%v", err)
	}
}

// page is a GetRecords answer.
func page(records, size int) []byte {
	b := awscbor.AppendList(awscbor.AppendText(awscbor.AppendMap(nil, 3), "Records"), records)
	for i := range records {
		b = awscbor.AppendText(awscbor.AppendText(awscbor.AppendMap(b, 4), "SequenceNumber"), sequence)
		b = awscbor.AppendMillis(awscbor.AppendText(b, "ApproximateArrivalTimestamp"), 1787036486712)
		b = awscbor.AppendBytes(awscbor.AppendText(b, "Data"), bytes.Repeat([]byte{byte(i)}, size))
		b = awscbor.AppendText(awscbor.AppendText(b, "PartitionKey"), fmt.Sprintf("key-%05d", i))
	}
	b = awscbor.AppendText(awscbor.AppendText(b, "NextShardIterator"), strings.Repeat("A", 204))
	return awscbor.AppendInt(awscbor.AppendText(b, "MillisBehindLatest"), 0)
}

func TestOwnership(t *testing.T) {
	h := &canned{status: 200, media: awscbor.Media, body: page(3, 10)}
	read := func(ctx context.Context, c *kinesis.Client) *kinesis.GetRecordsOutput {
		t.Helper()
		out, err := c.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: aws.String("it")})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	seven := bytes.Repeat([]byte{1}, 10)
	for _, o := range []protocol.Options{{}, {Alias: true}} {
		c := client(h, protocol.New(o).Use)
		first := read(t.Context(), c)
		first.Records[0].Data = append(first.Records[0].Data, 99) // must not reach the next blob
		h.body = page(3, 10)
		second := read(t.Context(), c)
		clear(second.Records[1].Data)
		if !bytes.Equal(first.Records[1].Data, seven) || *first.Records[2].PartitionKey != "key-00002" {
			t.Errorf("%+v: answers share memory: %v", o, first.Records)
		}
	}
	var buf protocol.Buffer
	ctx := protocol.WithBuffer(t.Context(), &buf)
	c := client(h, protocol.New(protocol.Options{}).Use)
	first := read(ctx, c)
	data := first.Records[1].Data
	h.body = bytes.ReplaceAll(h.body, seven, bytes.Repeat([]byte{7}, 10))
	h.body = bytes.ReplaceAll(h.body, []byte("key-"), []byte("KEY-"))
	second := read(ctx, c)
	if !bytes.Equal(data, second.Records[1].Data) || *first.Records[1].PartitionKey != "key-00001" || *second.Records[1].PartitionKey != "KEY-00001" {
		t.Errorf("with a buffer: %v %s, then %v %s", data, *first.Records[1].PartitionKey, second.Records[1].Data, *second.Records[1].PartitionKey)
	}
}

// TestAllocations asserts what the hot calls allocate per record, beside what the
// SDK does per call.
func TestAllocations(t *testing.T) {
	if invariants.Enabled {
		t.Skip("pools drop at random under the race detector")
	}
	per := func(few, many int, call func(n int)) float64 {
		call(many) // fills the pools
		a := testing.AllocsPerRun(20, func() { call(few) })
		return (testing.AllocsPerRun(20, func() { call(many) }) - a) / float64(many-few)
	}
	h := &canned{status: 200, media: awscbor.Media}
	c := client(h, protocol.New(protocol.Options{}).Use)
	ctx := protocol.WithBuffer(t.Context(), new(protocol.Buffer))
	pages := map[int][]byte{10: page(10, 100), 1000: page(1000, 100)}
	got := per(10, 1000, func(n int) {
		h.body = pages[n]
		if out, err := getRecords(ctx, c); err != nil || len(out.(*kinesis.GetRecordsOutput).Records) != n {
			t.Errorf("%v, %v", out, err)
		}
	})
	if got > 0.03 { // slabs of 128 records, chunks of 16 KiB of text
		t.Errorf("GetRecords allocates %.3f times per record", got)
	}
	h.body = []byte{0xa0}
	entries := make([]types.PutRecordsRequestEntry, 500)
	for i := range entries {
		entries[i] = types.PutRecordsRequestEntry{Data: make([]byte, 100), PartitionKey: aws.String("k")}
	}
	got = per(10, 500, func(n int) {
		if _, err := c.PutRecords(t.Context(), &kinesis.PutRecordsInput{StreamName: aws.String("s"), Records: entries[:n]}); err != nil {
			t.Error(err)
		}
	})
	if got > 0.1 { // the HTTP client of this test reads the body into memory of its own
		t.Errorf("PutRecords allocates %.3f times per record", got)
	}
}

func TestNotSpoken(t *testing.T) {
	tests := []struct {
		status int
		media  string
		body   string
		want   bool
	}{
		{415, "text/plain", "", true},
		{404, "application/xml", "<UnknownOperationException/>", true},
		{403, "application/xml", "<AccessDeniedException/>", true},
		{400, "application/x-amz-json-1.1", `{"__type":"SerializationException"}`, true},
		{400, awscbor.Media, "", true},
		{400, "application/x-amz-json-1.1", `{"__type":"ValidationException","message":"m"}`, false},
		{400, "application/x-amz-json-1.1", `{"__type":"AccessDeniedException"}`, false},
		{503, "text/html", "<html>", false},
		{200, awscbor.Media, "\x80", false},
		{200, awscbor.Media, "", false},
	}
	for _, tc := range tests {
		h := &canned{status: tc.status, media: tc.media, body: []byte(tc.body)}
		_, err := getRecords(t.Context(), client(h, protocol.New(protocol.Options{}).Use))
		if got := protocol.NotSpoken(err); got != tc.want {
			t.Errorf("%d %s %q, %v: %v", tc.status, tc.media, tc.body, err, got)
		}
	}
	if protocol.NotSpoken(context.DeadlineExceeded) {
		t.Error("a timeout was taken for an answer")
	}
}
