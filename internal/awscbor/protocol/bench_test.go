//go:build unix

package protocol_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kload/kload/internal/awscbor"
	"github.com/kload/kload/internal/awscbor/protocol"
	"github.com/kload/kload/internal/awsclient"
	target "github.com/kload/kload/internal/local/kinesis"
	"github.com/kload/kload/internal/proc"
)

// serverMode makes the test binary a server: "null" reads requests and gives
// prepared answers, "target" is the embedded target.
const serverMode = "KLOAD_BENCH_SERVER"

func TestMain(m *testing.M) {
	mode := os.Getenv(serverMode)
	if mode == "" {
		os.Exit(m.Run())
	}
	if err := serve(mode); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(mode string) error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	var h http.Handler = null{page(40, 50<<10), jsonPage(40, 50<<10)}
	if mode == "target" {
		if h, err = target.New(target.Config{Limits: target.Limits{Off: true}}); err != nil {
			return err
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /cpu", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, proc.CPUTime().Nanoseconds()) })
	mux.Handle("POST /", h)
	fmt.Fprintln(os.Stdout, ln.Addr())
	go func() { _, _ = io.Copy(io.Discard, os.Stdin); ln.Close() }()
	if err := http.Serve(ln, mux); !strings.Contains(err.Error(), "closed") {
		return err
	}
	return nil
}

// null is a server that does as little as possible.
type null struct{ cbor, json []byte }

func (n null) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // into a buffer from a pool
	media := r.Header.Get("Content-Type")
	w.Header().Set("Content-Type", media)
	var answer []byte
	switch get := strings.HasSuffix(r.Header.Get("X-Amz-Target"), "GetRecords"); {
	case get && media == awscbor.Media:
		answer = n.cbor
	case get:
		answer = n.json
	case media == awscbor.Media:
		answer = awscbor.AppendMap(nil, 2)
		answer = awscbor.AppendInt(awscbor.AppendText(answer, "FailedRecordCount"), 0)
		answer = awscbor.AppendList(awscbor.AppendText(answer, "Records"), 100)
		for range 100 {
			answer = awscbor.AppendText(awscbor.AppendText(awscbor.AppendMap(answer, 2), "SequenceNumber"), sequence)
			answer = awscbor.AppendText(awscbor.AppendText(answer, "ShardId"), "shardId-000000000000")
		}
	default:
		one := `{"SequenceNumber":"` + sequence + `","ShardId":"shardId-000000000000"},`
		answer = []byte(`{"FailedRecordCount":0,"Records":[` + strings.TrimSuffix(strings.Repeat(one, 100), ",") + `]}`)
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
	_, _ = w.Write(answer) // the benchmark notices
}

func jsonPage(records, size int) []byte {
	b := []byte(`{"Records":[`)
	for i := range records {
		b = fmt.Appendf(b, `{"SequenceNumber":%q,"ApproximateArrivalTimestamp":1787036486.712,"Data":%q,"PartitionKey":"key-%05d"},`,
			sequence, base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{byte(i)}, size)), i)
	}
	return fmt.Appendf(bytes.TrimSuffix(b, []byte(",")), `],"NextShardIterator":%q,"MillisBehindLatest":0}`, strings.Repeat("A", 204))
}

// child is a server in a process of its own.
type child struct{ url string }

func start(b *testing.B, mode string) *child {
	b.Helper()
	exe, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), serverMode+"="+mode)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			b.Error(err)
		}
	})
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return &child{"http://" + strings.TrimSpace(addr)}
}

// cpu returns the CPU time the server has used.
func (c *child) cpu(b *testing.B) time.Duration {
	b.Helper()
	resp, err := http.Get(c.url + "/cpu")
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.Fatal(err)
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		b.Fatal(err)
	}
	return time.Duration(n)
}

// measure runs call, which moves size bytes, and reports the CPU time of both
// processes.
func measure(b *testing.B, c *child, size int, call func() error) {
	b.Helper()
	b.ReportAllocs()
	b.SetBytes(int64(size))
	if err := call(); err != nil { // connects, and fills the pools
		b.Fatal(err)
	}
	server, client := c.cpu(b), proc.CPUTime()
	for b.Loop() {
		if err := call(); err != nil {
			b.Fatal(err)
		}
	}
	client, server = proc.CPUTime()-client, c.cpu(b)-server
	gigabytes := float64(size) * float64(b.N) / 1e9
	b.ReportMetric(client.Seconds()/gigabytes, "client-cpu-s/GB")
	b.ReportMetric(server.Seconds()/gigabytes, "server-cpu-s/GB")
}

// wires are the protocols compared.
func wires() []struct {
	name   string
	option func(*kinesis.Options)
} {
	return []struct {
		name   string
		option func(*kinesis.Options)
	}{
		{"json", func(*kinesis.Options) {}},
		{"cbor", protocol.New(protocol.Options{}).Use},
		{"cbor-alias", protocol.New(protocol.Options{Alias: true}).Use},
	}
}

func connect(b *testing.B, c *child, option func(*kinesis.Options)) *kinesis.Client {
	b.Helper()
	a, err := awsclient.New(b.Context(), awsclient.Options{Local: true, Endpoint: c.url})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(a.Close)
	return kinesis.New(a.Data.Options(), option)
}

func batch(records, size int) *kinesis.PutRecordsInput {
	in := &kinesis.PutRecordsInput{StreamName: aws.String("s")}
	for i := range records {
		in.Records = append(in.Records, types.PutRecordsRequestEntry{
			Data: bytes.Repeat([]byte{byte(i)}, size), PartitionKey: aws.String(fmt.Sprintf("partition-key-%04d", i)),
		})
	}
	return in
}

// BenchmarkPutRecords sends requests of 5 MB, 100 × 50 KiB, through the SDK.
func BenchmarkPutRecords(b *testing.B) {
	for _, mode := range []string{"null", "target"} {
		for _, wire := range wires()[:2] {
			b.Run(mode+"/"+wire.name, func(b *testing.B) {
				c := start(b, mode)
				k := connect(b, c, wire.option)
				if mode == "target" {
					create(b, k, 4)
				}
				in := batch(100, 50<<10)
				measure(b, c, 100*50<<10, func() error {
					out, err := k.PutRecords(b.Context(), in)
					if err == nil && (len(out.Records) != 100 || *out.FailedRecordCount != 0) {
						return fmt.Errorf("%d results, %d failed", len(out.Records), *out.FailedRecordCount)
					}
					return err
				})
			})
		}
	}
}

func create(b *testing.B, k *kinesis.Client, shards int32) {
	b.Helper()
	if _, err := k.CreateStream(b.Context(), &kinesis.CreateStreamInput{StreamName: aws.String("s"), ShardCount: &shards}); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkGetRecordsTarget reads pages of 10 MiB, records of 50 KiB, from the
// embedded target.
func BenchmarkGetRecordsTarget(b *testing.B) {
	for _, wire := range wires() {
		b.Run(wire.name, func(b *testing.B) {
			c := start(b, "target")
			k := connect(b, c, wire.option)
			create(b, k, 1)
			for range 3 {
				if _, err := k.PutRecords(b.Context(), batch(100, 50<<10)); err != nil {
					b.Fatal(err)
				}
			}
			it, err := k.GetShardIterator(b.Context(), &kinesis.GetShardIteratorInput{
				StreamName: aws.String("s"), ShardId: aws.String("0"), ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
			})
			if err != nil {
				b.Fatal(err)
			}
			measure(b, c, 204*50<<10, func() error { return readPage(b.Context(), k, it.ShardIterator, 204) })
		})
	}
}

func readPage(ctx context.Context, k *kinesis.Client, it *string, records int) error {
	out, err := k.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: it})
	if err == nil && len(out.Records) != records {
		return fmt.Errorf("%d records", len(out.Records))
	}
	return err
}

// inMemory answers from memory: what is left is the SDK and the protocol.
type inMemory struct{ body []byte }

func (m *inMemory) Do(req *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: 200, Header: http.Header{"Content-Type": req.Header["Content-Type"]},
		Body: io.NopCloser(bytes.NewReader(m.body)), ContentLength: int64(len(m.body)),
	}, nil
}

// BenchmarkGetRecordsDecode decodes GetRecords answers from memory through the
// SDK: 40 × 50 KiB and many small records.
func BenchmarkGetRecordsDecode(b *testing.B) {
	for _, shape := range []struct{ records, size int }{{40, 50 << 10}, {2000, 1 << 10}, {10000, 100}} {
		for _, wire := range []string{"json", "cbor", "cbor-alias", "cbor-buffer"} {
			b.Run(fmt.Sprintf("%dx%d/%s", shape.records, shape.size, wire), func(b *testing.B) {
				body, option, ctx := page(shape.records, shape.size), protocol.New(protocol.Options{Alias: wire == "cbor-alias"}).Use, b.Context()
				switch wire {
				case "json":
					body, option = jsonPage(shape.records, shape.size), func(*kinesis.Options) {}
				case "cbor-buffer":
					ctx = protocol.WithBuffer(ctx, new(protocol.Buffer))
				}
				k := client(&inMemory{body}, option)
				b.ReportAllocs()
				b.SetBytes(int64(shape.records * shape.size))
				before := proc.CPUTime()
				for b.Loop() {
					if err := readPage(ctx, k, aws.String("it"), shape.records); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric((proc.CPUTime()-before).Seconds()/float64(b.N)/float64(shape.records*shape.size)*1e9, "cpu-s/GB")
			})
		}
	}
}
