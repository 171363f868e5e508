package kinesis_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload/internal/invariants"
	"github.com/kload/kload/internal/local/kinesis"
)

// referenceScan reads a PutRecords body with encoding/json, member names exact.
func referenceScan(body []byte) (stream *string, listed bool, recs []kinesis.ScannedRecord, err error) {
	var top map[string]json.RawMessage
	if err := json.Unmarshal(body, &top); err != nil {
		return nil, false, nil, err
	}
	get := func(m map[string]json.RawMessage, name string, v any) {
		if raw, ok := m[name]; ok && err == nil {
			err = json.Unmarshal(raw, v)
		}
	}
	var list []map[string]json.RawMessage
	get(top, "StreamName", &stream)
	get(top, "Records", &list)
	for _, m := range list {
		var r kinesis.ScannedRecord
		get(m, "Data", &r.Data)
		get(m, "PartitionKey", &r.Key)
		get(m, "ExplicitHashKey", &r.ExplicitHash)
		recs = append(recs, r)
	}
	return stream, list != nil, recs, err
}

var putBodies = []string{
	`{"StreamName":"s","Records":[{"Data":"aGVsbG8=","PartitionKey":"k"}]}`,
	`{"Records":[{"PartitionKey":"k\u00e9\n","ExplicitHashKey":"0","Data":""},{"Data":"AA==","PartitionKey":"x","Other":[{}]}],"StreamName":"s"}`,
	`{"Records":[{"Data":"\/\/8=","PartitionKey":"k"}],"StreamARN":"arn"}`,
	`{"Records":[{"Data":"\u0041AAA","PartitionKey":null},null,{}]}`,
	`{"Records":[{"Data":"AAAA","Data":"AAA="}]}`, `{"Records":[{"Data":"AAAA"}],"Records":[{"Data":"AAA="}]}`,
	`{"Records":null,"DryRun":null}`, `{"Records":[]}`, `{}`,
	`{"Records":{}}`, `{"Records":[[]]}`, `{"Records":[{"Data":5}]}`, `{"Records":[{"PartitionKey":5}]}`,
	`{"Records":[{"Data":"A"}]}`, `{"Records":[{"Data":"A==="}]}`, `{"Records":[{"Data":"AB=="}]}`,
	"{\"Records\":[{\"Data\":\"AAAA\n\n\n\n\"}]}", `{"Records":[{"Data":"AAAA\n\n\n\n"}]}`, `{"Records":[{"Data":"AA=A"}]}`,
	`{"Records":[{"Data":"AAAA"}`, `{"StreamName":5}`, `{"DryRun":"x"}`,
}

// sameScan compares the scanner with encoding/json: what it accepts, it must
// read the same.
func sameScan(t *testing.T, body []byte) {
	t.Helper()
	stream, listed, recs, err := kinesis.ScanPutRecords(slices.Clone(body))
	wantStream, wantListed, want, wantErr := referenceScan(body)
	if err != nil {
		return
	}
	if wantErr != nil {
		// A repeated member must be well-typed only the last time for encoding/json
		// and every time for the scanner, so there is no converse of this.
		t.Fatalf("%s: accepted what encoding/json refuses: %v", body, wantErr)
	}
	if diff := cmp.Diff([]any{wantStream, wantListed, want}, []any{stream, listed, recs}); diff != "" {
		t.Fatalf("%s (-want +got):\n%s", body, diff)
	}
}

func TestScanAgreesWithEncodingJSON(t *testing.T) {
	accepted := 0
	for _, body := range putBodies {
		sameScan(t, []byte(body))
		if _, _, _, err := kinesis.ScanPutRecords([]byte(body)); err == nil {
			accepted++
		}
	}
	if accepted != 9 {
		t.Errorf("%d bodies accepted, want the first 9", accepted)
	}
}

func FuzzScanPutRecords(f *testing.F) {
	for _, body := range putBodies {
		f.Add([]byte(body))
	}
	f.Add(putRecordsBody(3, 100))
	f.Fuzz(func(t *testing.T, body []byte) {
		if utf8.Valid(body) && strings.Count(string(body), "{") < 100 {
			sameScan(t, body)
		}
	})
}

func TestScanDoesNotAllocatePerRecord(t *testing.T) {
	c := newCaller(t, kinesis.Config{Limits: kinesis.Limits{Off: true}})
	c.must(t, "CreateStream", `{"StreamName":"s","ShardCount":4}`, nil)
	measure := func(records int) float64 {
		body := putRecordsBody(records, 200)
		work := make([]byte, len(body))
		c.w.borrow = true
		put := func() {
			copy(work, body)
			if status, answer := c.call("PutRecords", work); status != 200 {
				t.Fatalf("%d %s", status, answer)
			}
		}
		put()
		return testing.AllocsPerRun(20, put)
	}
	if invariants.Enabled {
		t.Skip("pools drop at random under the race detector")
	}
	one, many := measure(1), measure(500)
	// A put of 500 may begin a slab now and then; a record never costs one.
	if many-one > 10 {
		t.Errorf("%v allocations for 500 records, %v for one", many, one)
	}
}
