//go:build unix

package s3_test

import (
	"errors"
	"io"
	"net/http/httptest"
	"os/signal"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/kload/kload/internal/local/s3"
)

// A disk that takes no more, here by the limit on the size of files, is told as
// what it is, and leaves the object as it was.
func TestDiskFull(t *testing.T) {
	e := serve(t, s3.Config{}, httptest.NewServer)
	e.put(t, "k", "before")
	id := e.begin(t, "m", "", "")
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Skip(err)
	}
	lower := limit
	lower.Cur = 1 << 20
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &lower); err != nil {
		t.Skip(err)
	}
	defer func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
			t.Error(err)
		}
	}()
	for _, path := range []string{"/data/k", "/data/m?partNumber=1&uploadId=" + *id} {
		status, body, _ := e.request(t, "PUT", path, string(noise(3<<20)))
		if status != 507 || !strings.Contains(body, "<Code>InsufficientStorage</Code>") {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if got, _ := e.get(t, "k"); got != "before" {
		t.Errorf("the object holds %d bytes", len(got))
	}
	parts, err := e.ListParts(t.Context(), &awss3.ListPartsInput{Bucket: aws.String(bucket), Key: aws.String("m"), UploadId: id})
	if err != nil || parts.Parts != nil || e.leftovers(t) != nil {
		t.Errorf("left %+v and %v, %v", parts, e.leftovers(t), err)
	}
	if s := e.server.Stats(); s.ServerErrors != 2 || s.Created != 1 {
		t.Errorf("got %+v", s)
	}
}

// zeros gives so many bytes.
type zeros struct{ left int64 }

// Read is that of io.Reader.
func (z *zeros) Read(p []byte) (int, error) {
	if z.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), z.left)
	z.left -= n
	return int(n), nil
}

// Memory does not grow with objects: 200 MB go in by PUT, in parts and come out
// again in a heap of less than 32 MiB, client included.
func TestMemoryIsBounded(t *testing.T) {
	const size = 200_000_000
	e := serve(t, s3.Config{}, httptest.NewTLSServer) // TLS, so that nothing bypasses the heap
	runtime.GC()                                      // what tests before this one left would let the heap grow first
	var mu sync.Mutex                                 // bodies are read by the transport's goroutines
	var highest uint64
	watch := func() {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		mu.Lock()
		defer mu.Unlock()
		highest = max(highest, m.HeapAlloc)
	}
	watched := func(r io.Reader) io.Reader {
		return io.TeeReader(r, &every{n: 20_000_000, do: watch})
	}
	_, err := e.PutObject(t.Context(), &awss3.PutObjectInput{
		Bucket: aws.String(bucket), Key: aws.String("put"), Body: watched(&zeros{size}), ContentLength: aws.Int64(size),
	})
	if err != nil {
		t.Fatal(err)
	}
	id := e.begin(t, "parts", "", "")
	var parts []types.CompletedPart
	for number := range int32(4) {
		out, err := e.UploadPart(t.Context(), &awss3.UploadPartInput{
			Bucket: aws.String(bucket), Key: aws.String("parts"), UploadId: id, PartNumber: aws.Int32(number + 1),
			Body: watched(&zeros{size / 4}), ContentLength: aws.Int64(size / 4),
		})
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, types.CompletedPart{PartNumber: aws.Int32(number + 1), ETag: out.ETag})
	}
	if _, err := e.complete(t, "parts", id, parts...); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"put", "parts"} {
		out, err := e.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: aws.String(bucket), Key: &key})
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, watched(out.Body))
		if err := errors.Join(err, out.Body.Close()); err != nil || n != size {
			t.Fatalf("%s: %d bytes, %v", key, n, err)
		}
	}
	if mib := highest >> 20; mib >= 32 {
		t.Errorf("the heap reached %d MiB", mib)
	} else {
		t.Logf("the heap reached %d MiB", mib)
	}
}

// every calls do once for n bytes.
type every struct {
	n, seen int
	do      func()
}

// Write is that of io.Writer.
func (e *every) Write(p []byte) (int, error) {
	if e.seen += len(p); e.seen >= e.n {
		e.seen = 0
		e.do()
	}
	return len(p), nil
}
