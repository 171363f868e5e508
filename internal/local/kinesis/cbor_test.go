package kinesis_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload/internal/awscbor"
	"github.com/kload/kload/internal/awscbor/protocol"
	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/invariants"
	"github.com/kload/kload/internal/local/kinesis"
	"github.com/kload/kload/internal/memnet"
)

func newCBORCaller(tb testing.TB, cfg kinesis.Config) *caller {
	tb.Helper()
	c := newCaller(tb, cfg)
	c.req.Header.Set("Content-Type", awscbor.Media)
	return c
}

// toCBOR rewrites a request given in JSON: data is a blob, a Timestamp has a tag.
func toCBOR(dst []byte, name string, v any) []byte {
	switch v := v.(type) {
	case map[string]any:
		dst = awscbor.AppendOpenMap(dst)
		for k, e := range v {
			dst = toCBOR(awscbor.AppendText(dst, k), k, e)
		}
		return awscbor.AppendBreak(dst)
	case []any:
		dst = awscbor.AppendOpenList(dst)
		for _, e := range v {
			dst = toCBOR(dst, name, e)
		}
		return awscbor.AppendBreak(dst)
	case string:
		if data, err := base64.StdEncoding.DecodeString(v); name == "Data" && err == nil {
			return awscbor.AppendBytes(dst, data)
		}
		return awscbor.AppendText(dst, v)
	case float64:
		if name == "Timestamp" {
			return awscbor.AppendMillis(dst, int64(v*1000))
		}
		return awscbor.AppendInt(dst, int64(v))
	case bool:
		return awscbor.AppendBool(dst, v)
	}
	return awscbor.AppendNull(dst)
}

// readError returns the code and message of an error answer.
func readError(body []byte) (code, message string, err error) {
	d := awscbor.NewDecoder(body)
	for n := d.Map(); d.Next(&n); {
		switch string(d.Text()) {
		case "__type":
			code = string(d.Text())
		case "message", "Message":
			message = string(d.Text())
		default:
			d.Skip()
		}
	}
	return code, message, d.Finish()
}

// TestRefusalsCBOR sends what TestRefusals sends, in CBOR.
func TestRefusalsCBOR(t *testing.T) {
	c := newCBORCaller(t, kinesis.Config{Limits: kinesis.Limits{Off: true}})
	plain := callerOf(c.handler)
	plain.must(t, "CreateStream", `{"StreamName":"s","ShardCount":2}`, nil)
	var put struct{ SequenceNumber string }
	plain.must(t, "PutRecord", `{"StreamName":"s","Data":"","PartitionKey":"k","ExplicitHashKey":"0"}`, &put)
	var it struct{ ShardIterator string }
	plain.must(t, "GetShardIterator", `{"StreamName":"s","ShardId":"0","ShardIteratorType":"TRIM_HORIZON"}`, &it)
	sent := 0
	for _, tc := range append(append(controlRefusals(), putRefusals()...), readRefusals(put.SequenceNumber, it.ShardIterator)...) {
		var v map[string]any
		if json.Unmarshal([]byte(tc.body), &v) != nil || strings.Contains(tc.message, "Base64") {
			continue // bad JSON and bad base64 have no like in CBOR
		}
		sent++
		status, body := c.call(tc.op, toCBOR(nil, "", v))
		code, message, err := readError(body)
		if diff := cmp.Diff([]any{400, tc.code, tc.message}, []any{status, code, message}); diff != "" || err != nil {
			t.Errorf("%s %.100s: %v (-want +got):\n%s", tc.op, tc.body, err, diff)
		}
	}
	if sent < 60 {
		t.Errorf("only %d refusals sent", sent)
	}
}

// TestMalformedCBOR has what is special to the encoding.
func TestMalformedCBOR(t *testing.T) {
	const serial = "SerializationException"
	entry := func(b []byte) []byte { // {"Records":[{...}]} around members
		b = append(awscbor.AppendOpenMap(nil), b...)
		b = append(awscbor.AppendList(awscbor.AppendText(awscbor.AppendMap(nil, 1), "Records"), 1), b...)
		return awscbor.AppendBreak(b)
	}
	text := func(s string) []byte { return awscbor.AppendText(nil, s) }
	tests := []struct {
		op, code, message string
		body              []byte
	}{
		{"ListStreams", serial, "expected a value, found the end at offset 0", nil},
		{"ListStreams", serial, "Expected an object at offset 0", []byte{0x80}},
		{"ListStreams", serial, "unexpected bytes after the value at offset 1", []byte{0xa0, 0xa0}},
		{"ListStreams", serial, "Nesting too deep", append(append([]byte{0xa1, 0x64, 'd', 'e', 'e', 'p'}, bytes.Repeat([]byte{0x81}, 300)...), 0)},
		{"ListStreams", serial, "class java.nio.ByteBuffer can not be converted to an Integer", append(append([]byte{0xa1}, text("Limit")...), 0x41, 1)},
		{"SubscribeToShard", serial, "SubscribeToShard has to be called as application/x-amz-json-1.1, its events are in JSON", []byte{0xa0}},
		{"SubscribeToShard", serial, "unexpected end at offset 1", []byte{0xbf}},
		{"Nonsense", "UnknownOperationException", "", []byte{0xa0}},
		{"Nonsense", serial, "unexpected end at offset 1", []byte{0xbf}},
		{"PutRecords", serial, "class java.lang.String can not be converted to a Blob", entry(append(text("Data"), text("AAAA")...))},
		{"PutRecords", serial, "class java.nio.ByteBuffer can not be converted to an String", entry(append(text("PartitionKey"), 0x41, 1))},
		{"PutRecords", serial, "invalid UTF-8 at offset 24", entry(append(text("PartitionKey"), 0x61, 0xff))},
		{"PutRecords", serial, "Expected list or null", append(append([]byte{0xa1}, text("Records")...), 1)},
		{"PutRecords", serial, "more elements than bytes at offset 18", append(append([]byte{0xa1}, text("Records")...), 0x9b, 0x7f, 0, 0, 0, 0, 0, 0, 0)},
		{"PutRecord", serial, "expected a map, found a head of 0x80 at offset 0", []byte{0x80}},
		{"PutRecord", serial, "class java.lang.String can not be converted to an Boolean", append(append([]byte{0xa1}, text("DryRun")...), 0x61, 'x')},
	}
	c := newCBORCaller(t, kinesis.Config{})
	for _, tc := range tests {
		status, body := c.call(tc.op, tc.body)
		code, message, err := readError(body)
		if diff := cmp.Diff([]any{400, tc.code, tc.message}, []any{status, code, message}); diff != "" || err != nil {
			t.Errorf("%s %x: %v (-want +got):\n%s", tc.op, tc.body, err, diff)
		}
		if got := c.w.header.Get("Content-Type"); got != awscbor.Media {
			t.Errorf("%s: answered in %s", tc.op, got)
		}
	}
}

// TestJavaRequests replays what a client in Java sent.
func TestJavaRequests(t *testing.T) {
	text, err := os.ReadFile("testdata/java-sdk.txt")
	if err != nil {
		t.Fatal(err)
	}
	c := newCBORCaller(t, kinesis.Config{})
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) != 3 || f[0] == "#" {
			continue
		}
		body, err := hex.DecodeString(f[1])
		if err != nil {
			t.Fatal(err)
		}
		status, answer := c.call(f[0], body)
		d := awscbor.NewDecoder(answer)
		if len(answer) > 0 {
			d.Skip()
		}
		if fmt.Sprint(status) != f[2] || d.Finish() != nil {
			t.Errorf("%s: %d %q, %v", f[0], status, answer, d.Err())
		}
	}
	if st := c.handler.(*kinesis.Server).Stats(); st.RecordsIn != 3 || st.BytesIn != 3+2+5+1+300+2 {
		t.Errorf("stored %+v", st)
	}
}

func FuzzScanPutRecordsCBOR(f *testing.F) {
	for _, body := range putBodies {
		var v map[string]any
		if json.Unmarshal([]byte(body), &v) == nil {
			f.Add(toCBOR(nil, "", v))
		}
	}
	f.Add(putRecordsCBOR(3, 100))
	f.Fuzz(func(t *testing.T, body []byte) {
		original := slices.Clone(body)
		stream, listed, recs, err := kinesis.ScanPutRecordsCBOR(body)
		if !bytes.Equal(original, body) {
			t.Fatal("the body was changed")
		}
		if err != nil {
			return
		}
		// What is understood must mean the same in JSON.
		var in struct {
			StreamName *string
			Records    []map[string]any
		}
		in.StreamName = stream
		if listed {
			in.Records = []map[string]any{}
		}
		for _, r := range recs {
			m := map[string]any{}
			if r.Data != nil {
				m["Data"] = r.Data
			}
			if r.Key != nil {
				m["PartitionKey"] = *r.Key
			}
			if r.ExplicitHash != nil {
				m["ExplicitHashKey"] = *r.ExplicitHash
			}
			in.Records = append(in.Records, m)
		}
		text, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		wantStream, wantListed, want, err := kinesis.ScanPutRecords(text)
		if diff := cmp.Diff([]any{wantStream, wantListed, want}, []any{stream, listed, recs}); diff != "" || err != nil {
			t.Fatalf("%v (-JSON +CBOR):\n%s", err, diff)
		}
	})
}

func TestScanCBORDoesNotAllocatePerRecord(t *testing.T) {
	if invariants.Enabled {
		t.Skip("pools drop at random under the race detector")
	}
	c := newCBORCaller(t, kinesis.Config{Limits: kinesis.Limits{Off: true}})
	callerOf(c.handler).must(t, "CreateStream", `{"StreamName":"s","ShardCount":4}`, nil)
	c.w.borrow = true
	measure := func(records int) float64 {
		body := putRecordsCBOR(records, 200)
		put := func() {
			if status, answer := c.call("PutRecords", body); status != 200 {
				t.Fatalf("%d %q", status, answer)
			}
		}
		put()
		return testing.AllocsPerRun(20, put)
	}
	one, many := measure(1), measure(500)
	if many-one > 10 { // slabs, as in JSON
		t.Errorf("%v allocations for 500 records, %v for one", many, one)
	}
}

// side is one of the two clients that the differential test compares.
type side struct {
	c        *sdk.Client
	sequence *string // of the last PutRecord
	shard    *string // likewise
	iterator *string
	token    *string
	consumer *string // ARN
}

type step struct {
	name string // followed by the error's code if the call has to fail
	call func(context.Context, *side) (any, error)
}

// allSteps calls all that the target serves, happy and sad.
func allSteps() []step {
	return slices.Concat(steps(), reshardSteps(), consumerSteps(), tagSteps(), settingSteps(), demandSteps())
}

// steps puts, gets and lists.
func steps() []step {
	s := aws.String("s")
	shard0 := aws.String("shardId-000000000000")
	iterate := func(in sdk.GetShardIteratorInput) func(context.Context, *side) (any, error) {
		return func(ctx context.Context, x *side) (any, error) {
			in := in
			in.StreamName, in.ShardId = s, shard0
			if in.ShardIteratorType == "AT_SEQUENCE_NUMBER" {
				in.StartingSequenceNumber = x.sequence
			}
			out, err := x.c.GetShardIterator(ctx, &in)
			if err == nil {
				x.iterator = out.ShardIterator
			}
			return out, err
		}
	}
	read := func(ctx context.Context, x *side) (any, error) {
		return x.c.GetRecords(ctx, &sdk.GetRecordsInput{ShardIterator: x.iterator})
	}
	put := func(in sdk.PutRecordInput) func(context.Context, *side) (any, error) {
		return func(ctx context.Context, x *side) (any, error) {
			in := in
			in.StreamName = s
			out, err := x.c.PutRecord(ctx, &in)
			if err == nil {
				x.sequence = out.SequenceNumber
			}
			return out, err
		}
	}
	puts := func(entries ...types.PutRecordsRequestEntry) func(context.Context, *side) (any, error) {
		return func(ctx context.Context, x *side) (any, error) {
			return x.c.PutRecords(ctx, &sdk.PutRecordsInput{StreamName: s, Records: entries})
		}
	}
	var many []types.PutRecordsRequestEntry
	for i := range 300 {
		many = append(many, types.PutRecordsRequestEntry{Data: bytes.Repeat([]byte{byte(i)}, i*7), PartitionKey: aws.String(fmt.Sprint("é", i))})
	}
	return []step{
		{"create", func(ctx context.Context, x *side) (any, error) {
			return x.c.CreateStream(ctx, &sdk.CreateStreamInput{StreamName: s, ShardCount: aws.Int32(2)})
		}},
		{sad("create again", inUse), func(ctx context.Context, x *side) (any, error) {
			return x.c.CreateStream(ctx, &sdk.CreateStreamInput{StreamName: s, ShardCount: aws.Int32(2)})
		}},
		{"create on demand", func(ctx context.Context, x *side) (any, error) {
			return x.c.CreateStream(ctx, &sdk.CreateStreamInput{
				StreamName: aws.String("d"), StreamModeDetails: &types.StreamModeDetails{StreamMode: types.StreamModeOnDemand},
			})
		}},
		{"list", func(ctx context.Context, x *side) (any, error) {
			out, err := x.c.ListStreams(ctx, &sdk.ListStreamsInput{Limit: aws.Int32(1)})
			if err == nil {
				x.token = out.NextToken
			}
			return out, err
		}},
		{"list on", func(ctx context.Context, x *side) (any, error) {
			return x.c.ListStreams(ctx, &sdk.ListStreamsInput{NextToken: x.token})
		}},
		{sad("list none", constraint), func(ctx context.Context, x *side) (any, error) {
			return x.c.ListStreams(ctx, &sdk.ListStreamsInput{Limit: aws.Int32(-1)})
		}},
		{"describe", func(ctx context.Context, x *side) (any, error) {
			return x.c.DescribeStream(ctx, &sdk.DescribeStreamInput{StreamName: s})
		}},
		{"summary", func(ctx context.Context, x *side) (any, error) {
			return x.c.DescribeStreamSummary(ctx, &sdk.DescribeStreamSummaryInput{StreamName: s})
		}},
		{sad("summary of none", notFound), func(ctx context.Context, x *side) (any, error) {
			return x.c.DescribeStreamSummary(ctx, &sdk.DescribeStreamSummaryInput{StreamName: aws.String("none")})
		}},
		{"shards", func(ctx context.Context, x *side) (any, error) {
			return x.c.ListShards(ctx, &sdk.ListShardsInput{StreamName: s, ShardFilter: &types.ShardFilter{Type: types.ShardFilterTypeAtLatest}})
		}},
		{sad("shards of what", invalidCode), func(ctx context.Context, x *side) (any, error) { return x.c.ListShards(ctx, &sdk.ListShardsInput{}) }},
		{"put", put(sdk.PutRecordInput{Data: []byte("x\x00\xff"), PartitionKey: aws.String("\"k\"\\\n😀"), ExplicitHashKey: aws.String("0")})},
		{"put nothing", put(sdk.PutRecordInput{Data: []byte{}, PartitionKey: aws.String("k"), ExplicitHashKey: aws.String("0")})},
		{sad("put without a key", constraint), put(sdk.PutRecordInput{Data: []byte{}})},
		{sad("put a bad hash", constraint), put(sdk.PutRecordInput{Data: []byte{}, PartitionKey: aws.String("k"), ExplicitHashKey: aws.String("01")})},
		{sad("put dry", "DryRunOperationException"), put(sdk.PutRecordInput{Data: []byte{}, PartitionKey: aws.String("k"), DryRun: aws.Bool(true)})},
		{"put many", puts(many...)},
		{sad("put none", constraint), puts(many[:0]...)},
		{sad("put too many", constraint), puts(append(many, many...)...)},
		{"put some", puts(slices.Concat(many, many)[:500]...)}, // more than the shards take: some fail
		{"iterator", iterate(sdk.GetShardIteratorInput{ShardIteratorType: "TRIM_HORIZON"})},
		{"read", read},
		{sad("read, throttled", throttledCode), func(ctx context.Context, x *side) (out any, err error) {
			for range 6 {
				out, err = read(ctx, x)
			}
			return out, err
		}},
		{"iterator at", iterate(sdk.GetShardIteratorInput{ShardIteratorType: "AT_SEQUENCE_NUMBER"})},
		{"iterator long ago", iterate(sdk.GetShardIteratorInput{ShardIteratorType: "AT_TIMESTAMP", Timestamp: aws.Time(time.UnixMilli(longAgo))})},
		{sad("iterator of the future", invalidCode), iterate(sdk.GetShardIteratorInput{ShardIteratorType: "AT_TIMESTAMP", Timestamp: aws.Time(time.UnixMilli(7200000000123))})},
		{sad("iterator of no kind", constraint), iterate(sdk.GetShardIteratorInput{ShardIteratorType: "NEWEST"})},
		{sad("read garbage", invalidCode), func(ctx context.Context, x *side) (any, error) {
			return x.c.GetRecords(ctx, &sdk.GetRecordsInput{ShardIterator: aws.String("x"), Limit: aws.Int32(5)})
		}},
		{"delete", func(ctx context.Context, x *side) (any, error) {
			return x.c.DeleteStream(ctx, &sdk.DeleteStreamInput{StreamName: s, EnforceConsumerDeletion: aws.Bool(true)})
		}},
		{sad("delete again", notFound), func(ctx context.Context, x *side) (any, error) {
			return x.c.DeleteStream(ctx, &sdk.DeleteStreamInput{StreamName: s})
		}},
	}
}

// told describes an outcome: the output as JSON, or what an error says.
func told(out any, err error) string {
	if err != nil {
		var api smithy.APIError
		var re *smithyhttp.ResponseError
		if !errors.As(err, &api) || !errors.As(err, &re) {
			return err.Error()
		}
		return fmt.Sprintf("%T %d %s %s: %s", api, re.HTTPStatusCode(), api.ErrorFault(), api.ErrorCode(), api.ErrorMessage())
	}
	text, err := json.Marshal(out)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// compareSides runs the steps on both sides; secret matches what may differ.
// Unlimited targets do not throttle.
func compareSides(t *testing.T, plain, cbor *side, unlimited bool, secret *regexp.Regexp) {
	t.Helper()
	for _, st := range allSteps() {
		expected, expectedErr := st.call(t.Context(), plain)
		got, err := st.call(t.Context(), cbor)
		var code string
		if api, ok := errors.AsType[smithy.APIError](err); ok {
			code = api.ErrorCode()
		}
		_, want, _ := strings.Cut(st.name, ": ")
		if unlimited && want == throttledCode {
			want = ""
		}
		if code != want || (err != nil) != (want != "") {
			t.Errorf("%s: %v", st.name, err)
		}
		a := secret.ReplaceAllString(told(expected, expectedErr), "…")
		b := secret.ReplaceAllString(told(got, err), "…")
		if diff := cmp.Diff(a, b); diff != "" {
			t.Errorf("%s (-JSON +CBOR):\n%s", st.name, diff)
		}
	}
}

// TestCBORBehavesLikeJSON runs two equal targets at the same virtual times.
func TestCBORBehavesLikeJSON(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := func(option func(*sdk.Options)) (*kinesis.Server, *side) {
			s, err := kinesis.New(kinesis.Config{})
			if err != nil {
				t.Fatal(err)
			}
			ln := memnet.Listen()
			hs := &http.Server{Handler: s}
			go func() { _ = hs.Serve(ln) }() // Close ends it
			t.Cleanup(func() { hs.Close() })
			c, err := awsclient.New(t.Context(), awsclient.Options{Local: true, Endpoint: "http://kinesis.local", Dial: ln.Dial})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(c.Close)
			return s, &side{c: sdk.New(c.Data.Options(), option)}
		}
		_, plain := start(func(*sdk.Options) {})
		server, cbor := start(protocol.New(protocol.Options{}).Use)
		compareSides(t, plain, cbor, false, regexp.MustCompile(`(?:Iterator|NextToken)":"[^"]*"`))
		if left := kinesis.Uncalled(server); len(left) > 0 {
			t.Errorf("never called: %v", left)
		}
	})
}

// TestCBORBehavesLikeJSONOnLoopback does the same over real connections, where
// times differ and limits would depend on them.
func TestCBORBehavesLikeJSONOnLoopback(t *testing.T) {
	_, plain := serve(t, kinesis.Config{Limits: kinesis.Limits{Off: true}})
	_, c := serve(t, kinesis.Config{Limits: kinesis.Limits{Off: true}})
	cbor := sdk.New(c.Options(), protocol.New(protocol.Options{Alias: true}).Use)
	compareSides(t, &side{c: plain}, &side{c: cbor}, true,
		regexp.MustCompile(`(?:Iterator|NextToken|Timestamp|SequenceNumber|StartedAt|EndAt)":"[^"]*"|"MillisBehindLatest":\d+|\d{13}|/app:\d+|/other:\d+`))
}

func putRecordsCBOR(records, size int) []byte {
	data := bytes.Repeat([]byte("kload load test "), size/16+1)[:size]
	b := awscbor.AppendOpenMap(nil)
	b = awscbor.AppendOpenList(awscbor.AppendText(b, "Records"))
	for i := range records {
		b = awscbor.AppendBytes(awscbor.AppendText(awscbor.AppendOpenMap(b), "Data"), data)
		b = awscbor.AppendText(awscbor.AppendText(b, "PartitionKey"), fmt.Sprintf("partition-key-%04d", i))
		b = awscbor.AppendBreak(b)
	}
	b = awscbor.AppendText(awscbor.AppendText(awscbor.AppendBreak(b), "StreamName"), "s")
	return awscbor.AppendBreak(b)
}

// BenchmarkPutRecordsCBOR measures the handler alone.
func BenchmarkPutRecordsCBOR(b *testing.B) {
	for _, tc := range []struct{ records, size int }{{500, 100}, {500, 1 << 10}, {100, 50 << 10}} {
		b.Run(fmt.Sprintf("size=%d", tc.size), func(b *testing.B) {
			c := newCBORCaller(b, kinesis.Config{Limits: kinesis.Limits{Off: true}, StoreBytes: 64 << 20})
			callerOf(c.handler).must(b, "CreateStream", `{"StreamName":"s","ShardCount":4}`, nil)
			body := putRecordsCBOR(tc.records, tc.size)
			c.w.borrow = true
			b.ReportAllocs()
			b.SetBytes(int64(tc.records * tc.size))
			for b.Loop() {
				if status, answer := c.call("PutRecords", body); status != http.StatusOK {
					b.Fatalf("%d %q", status, answer)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(tc.records), "ns/record")
			b.ReportMetric(b.Elapsed().Seconds()/float64(b.N)/float64(tc.records*tc.size)*1e9, "s/GB")
		})
	}
}

// BenchmarkGetRecordsCBOR reads 10 MiB answers.
func BenchmarkGetRecordsCBOR(b *testing.B) {
	for _, size := range []int{1 << 10, 50 << 10} {
		b.Run(fmt.Sprintf("size=%d", size), func(b *testing.B) {
			c := newCBORCaller(b, kinesis.Config{Limits: kinesis.Limits{Off: true}, StoreBytes: 64 << 20})
			plain := callerOf(c.handler)
			plain.must(b, "CreateStream", `{"StreamName":"s","ShardCount":1}`, nil)
			for range 11<<20/(100*size) + 1 {
				plain.must(b, "PutRecords", string(putRecordsBody(100, size)), nil)
			}
			var it struct{ ShardIterator string }
			plain.must(b, "GetShardIterator", `{"StreamName":"s","ShardId":"0","ShardIteratorType":"TRIM_HORIZON"}`, &it)
			body := toCBOR(nil, "", map[string]any{"ShardIterator": it.ShardIterator})
			c.w.borrow = true
			b.ReportAllocs()
			b.SetBytes(10 << 20)
			for b.Loop() {
				if status, answer := c.call("GetRecords", body); status != http.StatusOK || len(answer) < 10<<20-200<<10 {
					b.Fatalf("%d %.200q", status, answer)
				}
			}
			b.ReportMetric(b.Elapsed().Seconds()/float64(b.N)/(10<<20)*1e9, "s/GB")
		})
	}
}
