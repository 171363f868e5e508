package fanout_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/consumers/readers/fanout"
)

// decoded is an event as encoding/json sees it.
type decoded struct {
	Records []struct {
		Data                        []byte
		PartitionKey                *string
		SequenceNumber              string
		ApproximateArrivalTimestamp float64
	}
	ContinuationSequenceNumber string
	MillisBehindLatest         float64
	ChildShards                []struct {
		ShardID      string `json:"ShardId"`
		ParentShards []string
		HashKeyRange struct{ StartingHashKey, EndingHashKey string }
	}
}

// large is an event as a busy shard has it, with everything in it.
func large(records, size int) string {
	data, _ := json.Marshal(bytes.Repeat([]byte{0xF3, 'x', 0}, size/3))
	var list []string
	for i := range records {
		list = append(list, fmt.Sprintf(`{"SequenceNumber":"49%054d","ApproximateArrivalTimestamp":1.764%06dE9,"Data":%s,"PartitionKey":"käy \"%d\"","EncryptionType":"KMS"}`, i, i, data, i))
	}
	return fmt.Sprintf(`{"Records":[%s], "MillisBehindLatest":%d,"Other":{"deep":[1,"]"]},"ContinuationSequenceNumber":"49%054d"}`, strings.Join(list, ","), records, records)
}

func TestDecode(t *testing.T) {
	const children = `{"Records":[],"MillisBehindLatest":0,"ChildShards":[` +
		`{"ShardId":"a","ParentShards":["p","q"],"HashKeyRange":{"StartingHashKey":"0","EndingHashKey":"340282366920938463463374607431768211455"}},` +
		`{"ShardId":"b","ParentShards":["p"],"HashKeyRange":{"StartingHashKey":"7","EndingHashKey":"8"},"More":null}]}`
	tests := []struct {
		name, payload string
		ok            bool
	}{
		{"nothing in it", event("5"), true},
		{"records", event("5", "1", "22", "333"), true},
		{"all there can be", large(50, 300), true},
		{"no key", `{"Records":[{"Data":"","SequenceNumber":"1","ApproximateArrivalTimestamp":2.001}],"ContinuationSequenceNumber":"1"}`, true},
		{"null for everything", `{"Records":[{"Data":"","SequenceNumber":"1","PartitionKey":null}],"ContinuationSequenceNumber":"1","MillisBehindLatest":null,"ChildShards":null}`, true},
		{"an end", children, true},
		{"children of a shard that goes on", strings.Replace(children, `"Records"`, `"ContinuationSequenceNumber":"1","Records"`, 1), true},
		{"an end without children", `{"Records":[]}`, false},
		{"a hash key that is none", strings.Replace(children, `"7"`, `"x"`, 1), false},
		{"a number as a string", `{"Records":[],"ContinuationSequenceNumber":"1","MillisBehindLatest":"1"}`, false},
		{"records that are none", `{"Records":7,"ContinuationSequenceNumber":"1"}`, false},
		{"text behind it", event("5") + "x", false},
		{"a list", `[]`, false},
		{"nothing", ``, false},
	}
	var d fanout.Decoder
	for range 2 { // what one leaves must not show in the next
		for _, tt := range tests {
			b, err := d.Read(bytes.NewReader(encode("event", "SubscribeToShardEvent", tt.payload)))
			if (err == nil) != tt.ok {
				t.Errorf("%s: %v", tt.name, err)
			}
			if tt.ok {
				compare(t, tt.name, tt.payload, &d, b)
			}
		}
	}
}

// compare holds a batch against what encoding/json makes of it.
func compare(t *testing.T, name, payload string, d *fanout.Decoder, b *kload.Batch) {
	t.Helper()
	var want decoded
	if err := json.Unmarshal([]byte(payload), &want); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	var got decoded
	wanted := want
	wanted.Records, wanted.ChildShards = nil, nil
	got.ContinuationSequenceNumber, got.MillisBehindLatest = d.Next(), float64(b.Behind)/float64(time.Millisecond)
	if diff := cmp.Diff(wanted, got); diff != "" || len(b.Records) != len(want.Records) || b.End != (d.Next() == "") {
		t.Errorf("%s: %d records, want %d, end %v (-want +got):\n%s", name, len(b.Records), len(want.Records), b.End, diff)
		return
	}
	for i, w := range want.Records {
		r := b.Records[i]
		key := ""
		if w.PartitionKey != nil {
			key = *w.PartitionKey
		}
		arrived := time.UnixMilli(int64(w.ApproximateArrivalTimestamp*1000 + 0.5)).UnixNano()
		if !bytes.Equal(r.Data, w.Data) || string(r.Key) != key || r.Sequence != w.SequenceNumber || r.Arrived != arrived {
			t.Errorf("%s: record %d is %+v, want %+v", name, i, r, w)
		}
	}
	if !b.End {
		return
	}
	var ids []string
	for i, c := range b.Children {
		ids = append(ids, c.ID)
		if w := want.ChildShards[i]; c.ID != w.ShardID || !slices.Equal(c.Parents, w.ParentShards) || !c.HasRange || c.From.Start != kload.TrimHorizon {
			t.Errorf("%s: child %+v, want %+v", name, c, w)
		}
	}
	if len(ids) != len(want.ChildShards) {
		t.Errorf("%s: children %q", name, ids)
	}
}

// TestFrames reads a stream of frames with headers of every kind, in one piece
// and byte by byte, with AWS's encoder as the writer.
func TestFrames(t *testing.T) {
	var buf bytes.Buffer
	m := eventstream.Message{Payload: []byte("payload")}
	for name, v := range map[string]eventstream.Value{
		"true": eventstream.BoolValue(true), "false": eventstream.BoolValue(false), "8": eventstream.Int8Value(1), "16": eventstream.Int16Value(1),
		"32": eventstream.Int32Value(1), "64": eventstream.Int64Value(1), "bytes": eventstream.BytesValue("some"), "at": eventstream.TimestampValue(time.Now()),
		"id": eventstream.UUIDValue{1}, ":message-type": eventstream.StringValue("error"), ":error-code": eventstream.StringValue("Code"), ":error-message": eventstream.StringValue("why"),
	} {
		m.Headers.Set(name, v)
	}
	for _, m := range []eventstream.Message{m, {}, m} {
		if err := eventstream.NewEncoder().Encode(&buf, m); err != nil {
			t.Fatal(err)
		}
	}
	for name, r := range map[string]io.Reader{"whole": bytes.NewReader(buf.Bytes()), "byte by byte": oneByte{bytes.NewReader(buf.Bytes())}} {
		var d fanout.Decoder
		var got []string
		for {
			payload, err := d.ReadFrame(r)
			if err != nil {
				got = append(got, err.Error())
				break
			}
			message, kind, reason := d.Headers()
			got = append(got, fmt.Sprint(message, " ", kind, " ", reason, " ", string(payload)))
		}
		if diff := cmp.Diff([]string{"error Code why payload", "   ", "error Code why payload", "EOF"}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	for cut := 1; cut < buf.Len(); cut++ { // an end that is none is never taken for one
		var d fanout.Decoder
		r := bytes.NewReader(buf.Bytes()[:cut])
		var err error
		for err == nil {
			_, err = d.ReadFrame(r)
		}
		if whole := r.Len() == 0 && errors.Is(err, io.EOF); whole && !slices.Contains(ends(buf.Bytes()), cut) || !whole && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("cut after %d bytes: %v", cut, err)
		}
	}
}

type oneByte struct{ r io.Reader }

func (o oneByte) Read(b []byte) (int, error) { return o.r.Read(b[:min(1, len(b))]) }

// ends returns where frames end.
func ends(stream []byte) (list []int) {
	for at := 0; at < len(stream); list = append(list, at) {
		at += int(stream[at+2])<<8 | int(stream[at+3])
	}
	return list
}

// FuzzFrame compares with AWS's decoder: what one takes for a frame, the other
// does, and they see the same in it.
func FuzzFrame(f *testing.F) {
	f.Add(encode("event", "SubscribeToShardEvent", event("5", "1", "5")))
	f.Add(encode("error", "Code", "why"))
	f.Add(damaged(3))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, in []byte) {
		var d fanout.Decoder
		payload, err := d.ReadFrame(bytes.NewReader(in))
		m, oracle := eventstream.NewDecoder().Decode(bytes.NewReader(in), nil)
		if oracle == nil && err != nil || err == nil && oracle != nil && len(in) < 1<<20 && !strange(oracle) {
			t.Fatalf("%v, AWS's decoder says %v", err, oracle)
		}
		if err != nil || oracle != nil {
			return
		}
		message, _, _ := d.Headers()
		want := ""
		if v := m.Headers.Get(":message-type"); v != nil {
			want = v.String()
		}
		if _, text := m.Headers.Get(":message-type").(eventstream.StringValue); !bytes.Equal(payload, m.Payload) || text && message != want {
			t.Errorf("payload %q of %q, AWS's decoder says %q of %q", payload, message, m.Payload, want)
		}
	})
}

// strange reports whether AWS's decoder refuses what the format allows.
func strange(err error) bool { return strings.Contains(err.Error(), "header") }

// FuzzDecode has payloads decoded that encoding/json takes too, and others that
// must do no harm.
func FuzzDecode(f *testing.F) {
	for _, payload := range []string{event("5"), event("5", "1", "22"), large(3, 30), `{"Records":[],"ChildShards":[{"ShardId":"a"}]}`, `{`, strings.Replace(event("5", "1"), "ZGF0YQ==", "ZGF0\rYQ==", 1)} {
		f.Add(payload)
	}
	f.Fuzz(func(t *testing.T, payload string) {
		var d fanout.Decoder
		b, err := d.Read(bytes.NewReader(encode("event", "SubscribeToShardEvent", payload)))
		if err != nil {
			return
		}
		if !json.Valid([]byte(payload)) {
			t.Fatalf("took what is no JSON: %q", payload)
		}
		total := 0
		for _, r := range b.Records {
			total += len(r.Data) + len(r.Key) + len(r.Sequence)
		}
		if total > len(payload) {
			t.Errorf("%d bytes in the records of an event of %d", total, len(payload))
		}
	})
}

// TestDecodeDoesNotAllocate holds that an event costs allocations, and its
// records none.
func TestDecodeDoesNotAllocate(t *testing.T) {
	for _, records := range []int{1, 1000} {
		b := encode("event", "SubscribeToShardEvent", large(records, 300))
		var d fanout.Decoder
		r := bytes.NewReader(b)
		allocs := testing.AllocsPerRun(20, func() {
			r.Reset(b)
			if _, err := d.Read(r); err != nil {
				t.Fatal(err)
			}
		})
		if allocs > 2 { // all sequence numbers, and the continuation
			t.Errorf("%v allocations for %d records", allocs, records)
		}
	}
}

// BenchmarkDecode measures an event of 20 stream records of 50 KiB and one of
// 1,000 of 300 bytes; see the MB/s.
func BenchmarkDecode(b *testing.B) {
	for _, c := range []struct{ records, size int }{{20, 51_200}, {1000, 300}} {
		b.Run(fmt.Sprintf("records=%d", c.records), func(b *testing.B) {
			frame := encode("event", "SubscribeToShardEvent", large(c.records, c.size))
			var d fanout.Decoder
			r := bytes.NewReader(frame)
			b.SetBytes(int64(c.records * c.size))
			b.ReportAllocs()
			for b.Loop() {
				r.Reset(frame)
				if _, err := d.Read(r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
