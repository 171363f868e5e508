package s3_test

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"github.com/kload/kload/internal/local/s3"
	"github.com/kload/kload/internal/sigv4"
)

const bucket = "data"

// endpoint is a server on loopback with an empty bucket, and a client of it.
type endpoint struct {
	*awss3.Client
	server *s3.Server
	url    string
	dir    string
	http   *http.Client
}

func keys() sigv4.Key { return sigv4.Key{ID: "AKIDEXAMPLE", Secret: "secret"} }

// serve starts an endpoint, over TLS where start says so.
func serve(tb testing.TB, c s3.Config, start func(http.Handler) *httptest.Server) *endpoint {
	tb.Helper()
	if c.Dir == "" {
		c.Dir = tb.TempDir()
	}
	if err := os.MkdirAll(filepath.Join(c.Dir, bucket), 0o755); err != nil {
		tb.Fatal(err)
	}
	server, err := s3.New(c)
	if err != nil {
		tb.Fatal(err)
	}
	front := start(server)
	tb.Cleanup(func() {
		front.Close()
		if err := server.Close(); err != nil {
			tb.Error(err)
		}
	})
	return &endpoint{client(front.URL, front.Client(), keys().Secret), server, front.URL, c.Dir, front.Client()}
}

// client returns a client of the endpoint at url.
func client(url string, transport *http.Client, secret string) *awss3.Client {
	return awss3.New(awss3.Options{
		BaseEndpoint: &url, Region: "us-east-1", UsePathStyle: true, HTTPClient: transport,
		Credentials: credentials.NewStaticCredentialsProvider(keys().ID, secret, ""),
		Retryer:     aws.NopRetryer{},
		// As config.LoadDefaultConfig sets them.
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenSupported,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenSupported,
	})
}

func (e *endpoint) put(tb testing.TB, key, body string) *awss3.PutObjectOutput {
	tb.Helper()
	out, err := e.PutObject(tb.Context(), &awss3.PutObjectInput{Bucket: aws.String(bucket), Key: &key, Body: strings.NewReader(body)})
	if err != nil {
		tb.Fatalf("putting %q: %v", key, err)
	}
	return out
}

func (e *endpoint) get(tb testing.TB, key string) (string, *awss3.GetObjectOutput) {
	tb.Helper()
	out, err := e.GetObject(tb.Context(), &awss3.GetObjectInput{Bucket: aws.String(bucket), Key: &key})
	if err != nil {
		tb.Fatalf("getting %q: %v", key, err)
	}
	body, err := io.ReadAll(out.Body)
	if err := errors.Join(err, out.Body.Close()); err != nil {
		tb.Fatalf("reading %q: %v", key, err)
	}
	return string(body), out
}

// code returns the service's code for an error, or its status.
func code(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

// request sends a bare request and returns status, body and headers.
func (e *endpoint) request(tb testing.TB, method, path, body string, headers ...string) (int, string, http.Header) {
	tb.Helper()
	r, err := http.NewRequestWithContext(tb.Context(), method, e.url+path, strings.NewReader(body))
	if err != nil {
		tb.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := e.http.Do(r)
	if err != nil {
		tb.Fatal(err)
	}
	answer, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		tb.Fatal(err)
	}
	return resp.StatusCode, string(answer), resp.Header
}

// noise returns bytes that are the same each time.
func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b) // never fails
	return b
}

func md5Hex(b []byte) string {
	sum := md5.Sum(b)
	return hex.EncodeToString(sum[:])
}

// leftovers returns the endpoint's temporary files.
func (e *endpoint) leftovers(tb testing.TB) []string {
	tb.Helper()
	found, err := filepath.Glob(filepath.Join(e.dir, ".kload-s3", "tmp", "*"))
	if err != nil {
		tb.Fatal(err)
	}
	return found
}

func TestPutAndGet(t *testing.T) {
	e := serve(t, s3.Config{Durable: true}, httptest.NewServer)
	_, err := e.PutObject(t.Context(), &awss3.PutObjectInput{
		Bucket: aws.String(bucket), Key: aws.String("a/b c+d.txt"), Body: strings.NewReader("hello"),
		ContentType: aws.String("text/plain"), ContentEncoding: aws.String("gzip"), CacheControl: aws.String("no-store"),
		Metadata: map[string]string{"account": "a1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	body, out := e.get(t, "a/b c+d.txt")
	if body != "hello" || *out.ETag != `"`+md5Hex([]byte("hello"))+`"` || *out.ContentType != "text/plain" ||
		*out.ContentEncoding != "gzip" || *out.CacheControl != "no-store" || out.Metadata["account"] != "a1" || *out.ContentLength != 5 {
		t.Errorf("got %q with %+v", body, out)
	}
	if onDisk, err := os.ReadFile(filepath.Join(e.dir, bucket, "a", "b c+d.txt")); err != nil || string(onDisk) != "hello" {
		t.Errorf("on disk: %q, %v", onDisk, err)
	}
	if _, err := e.DeleteObject(t.Context(), &awss3.DeleteObjectInput{Bucket: aws.String(bucket), Key: aws.String("a/b c+d.txt")}); err != nil {
		t.Error(err)
	}
	_, err = e.HeadObject(t.Context(), &awss3.HeadObjectInput{Bucket: aws.String(bucket), Key: aws.String("a/b c+d.txt")})
	if code(err) != "NotFound" {
		t.Errorf("after the deletion: %v", err)
	}
	if _, err := os.Stat(filepath.Join(e.dir, bucket, "a")); !os.IsNotExist(err) {
		t.Errorf("the empty folder is still there: %v", err)
	}
	var files []string
	_ = filepath.WalkDir(e.dir, func(path string, d os.DirEntry, _ error) error {
		if d.Type().IsRegular() {
			files = append(files, path)
		}
		return nil
	})
	if files != nil {
		t.Errorf("a deleted object left %v", files)
	}
}

func TestPlainFilesAreObjects(t *testing.T) {
	e := serve(t, s3.Config{}, httptest.NewServer)
	path := filepath.Join(e.dir, bucket, "trips", "2010-01.json")
	write := func(text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, text := range []string{"one", "three"} { // the second makes the first one's ETag stale
		write(text)
		body, out := e.get(t, "trips/2010-01.json")
		list, err := e.ListObjectsV2(t.Context(), &awss3.ListObjectsV2Input{Bucket: aws.String(bucket), Prefix: aws.String("trips/")})
		want := `"` + md5Hex([]byte(text)) + `"`
		if err != nil || body != text || *out.ETag != want || len(list.Contents) != 1 || *list.Contents[0].ETag != want || *list.Contents[0].Size != int64(len(text)) {
			t.Errorf("%s: got %q %s, list %+v, %v", text, body, *out.ETag, list, err)
		}
	}
	write("unseen")
	if _, err := e.PutObject(t.Context(), &awss3.PutObjectInput{
		Bucket: aws.String(bucket), Key: aws.String("trips/2010-01.json"), Body: bytes.NewReader(nil), IfMatch: aws.String(md5Hex([]byte("unseen"))),
	}); err != nil {
		t.Errorf("replacing a file by its ETag: %v", err)
	}
}
