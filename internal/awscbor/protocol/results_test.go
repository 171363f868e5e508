package protocol_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload/internal/awscbor"
	"github.com/kload/kload/internal/awscbor/protocol"
	"github.com/kload/kload/internal/invariants"
)

// verdicts is an answer to PutRecords; entries of the given indexes failed.
func verdicts(entries int, failed ...int) []byte {
	bad := map[int]bool{}
	for _, i := range failed {
		bad[i] = true
	}
	b := awscbor.AppendInt(awscbor.AppendText(awscbor.AppendMap(nil, 2), "FailedRecordCount"), int64(len(failed)))
	b = awscbor.AppendList(awscbor.AppendText(b, "Records"), entries)
	for i := range entries {
		if bad[i] {
			b = awscbor.AppendText(awscbor.AppendText(awscbor.AppendMap(b, 2), "ErrorCode"), "InternalFailure")
			b = awscbor.AppendText(awscbor.AppendText(b, "ErrorMessage"), "Internal service failure.")
			continue
		}
		b = awscbor.AppendText(awscbor.AppendText(awscbor.AppendMap(b, 2), "SequenceNumber"), fmt.Sprintf("%056d", i))
		b = awscbor.AppendText(awscbor.AppendText(b, "ShardId"), fmt.Sprintf("shardId-%012d", i%3))
	}
	return b
}

func putInto(ctx context.Context, tb testing.TB, h kinesis.HTTPClient, r *protocol.Results, option func(*kinesis.Options)) *kinesis.PutRecordsOutput {
	tb.Helper()
	r.Reset()
	out, err := putRecords(protocol.WithResults(ctx, r), client(h, option))
	if err != nil {
		tb.Fatal(err)
	}
	r.Take(out.(*kinesis.PutRecordsOutput))
	return out.(*kinesis.PutRecordsOutput)
}

// materialized returns the results that the SDK's own output holds.
func materialized(t *testing.T, h kinesis.HTTPClient, option func(*kinesis.Options)) []protocol.Result {
	t.Helper()
	out, err := putRecords(t.Context(), client(h, option))
	if err != nil {
		t.Fatal(err)
	}
	var list []protocol.Result
	for _, e := range out.(*kinesis.PutRecordsOutput).Records {
		list = append(list, protocol.Result{Shard: aws.ToString(e.ShardId), Sequence: aws.ToString(e.SequenceNumber), Code: aws.ToString(e.ErrorCode)})
	}
	return list
}

// TestResults compares scanned answers with materialized ones, one after the
// other into the same memory.
func TestResults(t *testing.T) {
	use := protocol.New(protocol.Options{}).Use
	var r protocol.Results
	var kept []string
	for _, body := range [][]byte{
		verdicts(500), verdicts(7, 0, 3, 6), verdicts(2, 0, 1), verdicts(0), capture(t, "put_records_answer"),
	} {
		h := &canned{status: http.StatusOK, media: awscbor.Media, body: body}
		want := materialized(t, h, use)
		out := putInto(t.Context(), t, h, &r, use)
		if diff := cmp.Diff(want, append([]protocol.Result(nil), r.Entries...)); diff != "" || out.Records != nil {
			t.Errorf("-materialized +scanned: %s, %d entries in the output", diff, len(out.Records))
		}
		if len(r.Entries) == 500 {
			kept = append(kept, r.Entries[499].Sequence, r.Entries[0].Shard)
		}
	}
	if diff := cmp.Diff([]string{fmt.Sprintf("%056d", 499), "shardId-000000000000"}, kept); diff != "" {
		t.Errorf("strings of the first answer, kept over later ones: %s", diff)
	}
}

// TestResultsInJSON has a service that answers in JSON all the same.
func TestResultsInJSON(t *testing.T) {
	var r protocol.Results
	h := &canned{status: http.StatusOK, header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}}, body: []byte(
		`{"FailedRecordCount":1,"Records":[{"SequenceNumber":"1","ShardId":"a"},{"ErrorCode":"InternalFailure","ErrorMessage":"no"}]}`)}
	putInto(t.Context(), t, h, &r, protocol.New(protocol.Options{}).Use)
	want := []protocol.Result{{Shard: "a", Sequence: "1"}, {Code: "InternalFailure"}}
	if diff := cmp.Diff(want, r.Entries); diff != "" {
		t.Errorf("-want +got: %s", diff)
	}
}

// TestResultsAllocate compares what an answer of 500 entries allocates with what
// it allocates as the SDK's output in JSON and in CBOR.
func TestResultsAllocate(t *testing.T) {
	if invariants.Enabled {
		t.Skip("pools drop at random under the race detector")
	}
	use := protocol.New(protocol.Options{}).Use
	per := func(call func(h *canned)) float64 {
		one, many := &canned{status: http.StatusOK, media: awscbor.Media, body: verdicts(1)}, &canned{status: http.StatusOK, media: awscbor.Media, body: verdicts(500)}
		call(many) // fills the pools
		return testing.AllocsPerRun(20, func() { call(many) }) - testing.AllocsPerRun(20, func() { call(one) })
	}
	var r protocol.Results
	scanned := per(func(h *canned) { putInto(t.Context(), t, h, &r, use) })
	whole := per(func(h *canned) {
		if _, err := putRecords(t.Context(), client(h, use)); err != nil {
			t.Fatal(err)
		}
	})
	if scanned > 1 || whole < 4*max(scanned, 1) {
		t.Errorf("499 more entries cost %v allocations scanned, want at most 1, and %v materialized", scanned, whole)
	}
}

// FuzzResults holds that scanning and materializing read the same answers, and
// the same things in them.
func FuzzResults(f *testing.F) {
	f.Add(verdicts(3, 1))
	f.Add(capture(f, "put_records_answer"))
	h := &canned{status: http.StatusOK, media: awscbor.Media}
	c := client(h, protocol.New(protocol.Options{}).Use)
	f.Fuzz(func(t *testing.T, body []byte) {
		h.body = body
		var r protocol.Results
		whole, err := putRecords(t.Context(), c)
		scanned, scanErr := putRecords(protocol.WithResults(t.Context(), &r), c)
		if (err == nil) != (scanErr == nil) {
			t.Fatalf("materialized: %v, scanned: %v", err, scanErr)
		}
		if err != nil {
			return
		}
		var want protocol.Results
		want.Take(whole.(*kinesis.PutRecordsOutput))
		r.Take(scanned.(*kinesis.PutRecordsOutput))
		if len(want.Entries) != len(r.Entries) {
			t.Fatalf("%d results, %d scanned", len(want.Entries), len(r.Entries))
		}
		for i := range want.Entries {
			if want.Entries[i] != r.Entries[i] {
				t.Errorf("result %d: %+v, scanned %+v", i, want.Entries[i], r.Entries[i])
			}
		}
	})
}
