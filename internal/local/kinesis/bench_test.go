package kinesis_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/kload/kload/internal/local/kinesis"
)

// nullWriter is a ResponseWriter that keeps only the last status and body. The
// body is a copy unless borrow is set, which suits one goroutine.
type nullWriter struct {
	header http.Header
	status int
	body   []byte
	borrow bool
}

func (w *nullWriter) Header() http.Header    { return w.header }
func (w *nullWriter) WriteHeader(status int) { w.status = status }
func (w *nullWriter) Write(b []byte) (int, error) {
	if w.body = b; !w.borrow {
		w.body = bytes.Clone(b)
	}
	return len(b), nil
}

// caller calls a handler without a network.
type caller struct {
	handler http.Handler
	w       nullWriter
	req     *http.Request
	body    bytes.Reader
}

func newCaller(tb testing.TB, cfg kinesis.Config) *caller {
	tb.Helper()
	s, err := kinesis.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return callerOf(s)
}

func callerOf(h http.Handler) *caller {
	c := &caller{handler: h, w: nullWriter{header: http.Header{}}}
	c.req, _ = http.NewRequest(http.MethodPost, "/", nil)
	c.req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	c.req.Body = io.NopCloser(&c.body)
	return c
}

// call makes one call and returns the status and the body, valid until the next.
func (c *caller) call(op string, body []byte) (int, []byte) {
	c.req.Header["X-Amz-Target"] = []string{"Kinesis_20131202." + op}
	c.body.Reset(body)
	c.req.ContentLength = int64(len(body))
	c.w.status, c.w.body = 0, nil
	c.handler.ServeHTTP(&c.w, c.req)
	return c.w.status, c.w.body
}

// must is call for answers that have to be successful, decoded into v.
func (c *caller) must(tb testing.TB, op, body string, v any) {
	tb.Helper()
	status, answer := c.call(op, []byte(body))
	if status != http.StatusOK {
		tb.Fatalf("%s: status %d: %s", op, status, answer)
	}
	if v != nil {
		if err := json.Unmarshal(answer, v); err != nil {
			tb.Fatalf("%s: %v in %s", op, err, answer)
		}
	}
}

func putRecordsBody(records, size int) []byte {
	data := bytes.Repeat([]byte("kload load test "), size/16+1)[:size]
	b := []byte(`{"Records":[`)
	for i := range records {
		if i > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, `{"Data":%q,"PartitionKey":"partition-key-%04d"}`, base64.StdEncoding.EncodeToString(data), i)
	}
	return append(b, `],"StreamName":"s"}`...)
}

// BenchmarkPutRecordsJSON measures the handler alone: 500 records of 1 KiB.
func BenchmarkPutRecordsJSON(b *testing.B) {
	for _, size := range []int{100, 1 << 10, 20 << 10} {
		b.Run(fmt.Sprintf("size=%d", size), func(b *testing.B) {
			c := newCaller(b, kinesis.Config{Limits: kinesis.Limits{Off: true}, StoreBytes: 64 << 20})
			c.must(b, "CreateStream", `{"StreamName":"s","ShardCount":4}`, nil)
			body := putRecordsBody(500, size)
			work := make([]byte, len(body))
			c.w.borrow = true
			b.ReportAllocs()
			b.SetBytes(int64(500 * size))
			for b.Loop() {
				copy(work, body)
				if status, answer := c.call("PutRecords", work); status != http.StatusOK {
					b.Fatalf("%d %s", status, answer)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/500, "ns/record")
		})
	}
}

// BenchmarkPutRecordsEncodingJSON is the yardstick: encoding/json decoding the
// same request and encoding an answer, without routing or storing anything.
func BenchmarkPutRecordsEncodingJSON(b *testing.B) {
	type receipt struct{ SequenceNumber, ShardId string } //nolint:revive // the name on the wire
	body := putRecordsBody(500, 1<<10)
	b.ReportAllocs()
	b.SetBytes(500 << 10)
	for b.Loop() {
		var in struct {
			StreamName string
			Records    []struct {
				Data         []byte
				PartitionKey string
			}
		}
		if err := json.Unmarshal(body, &in); err != nil {
			b.Fatal(err)
		}
		var out struct {
			FailedRecordCount int
			Records           []receipt
		}
		for range in.Records {
			out.Records = append(out.Records, receipt{"49674026002850188218576229259473476449429298564223254594", "shardId-000000000000"})
		}
		if _, err := json.Marshal(out); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/500, "ns/record")
}

// BenchmarkGetRecordsJSON reads 10 MiB answers.
func BenchmarkGetRecordsJSON(b *testing.B) {
	for _, size := range []int{1 << 10, 50 << 10} {
		b.Run(fmt.Sprintf("size=%d", size), func(b *testing.B) {
			c := newCaller(b, kinesis.Config{Limits: kinesis.Limits{Off: true}, StoreBytes: 64 << 20})
			c.must(b, "CreateStream", `{"StreamName":"s","ShardCount":1}`, nil)
			for range 11<<20/(100*size) + 1 {
				c.must(b, "PutRecords", string(putRecordsBody(100, size)), nil)
			}
			var it struct{ ShardIterator string }
			c.must(b, "GetShardIterator", `{"StreamName":"s","ShardId":"0","ShardIteratorType":"TRIM_HORIZON"}`, &it)
			body := fmt.Appendf(nil, `{"ShardIterator":%q}`, it.ShardIterator)
			work := make([]byte, len(body))
			c.w.borrow = true
			b.ReportAllocs()
			b.SetBytes(10 << 20)
			for b.Loop() {
				copy(work, body)
				if status, answer := c.call("GetRecords", work); status != http.StatusOK || len(answer) < 13<<20 {
					b.Fatalf("%d %.200s", status, answer)
				}
			}
		})
	}
}
