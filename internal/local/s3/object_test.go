package s3_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/kload/kload/internal/local/s3"
)

func TestReads(t *testing.T) {
	e := serve(t, s3.Config{}, httptest.NewServer)
	etag := *e.put(t, "k", "0123456789").ETag
	e.put(t, "empty", "")
	past, future := time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat), time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)
	for _, c := range []struct {
		path   string
		header []string
		status int
		body   string
		span   string
	}{
		{"k", nil, 200, "0123456789", ""},
		{"k", []string{"Range", "bytes=0-0"}, 206, "0", "bytes 0-0/10"},
		{"k", []string{"Range", "bytes=3-"}, 206, "3456789", "bytes 3-9/10"},
		{"k", []string{"Range", "bytes=-3"}, 206, "789", "bytes 7-9/10"},
		{"k", []string{"Range", "bytes=8-100"}, 206, "89", "bytes 8-9/10"},
		{"k", []string{"Range", "bytes=-30"}, 206, "0123456789", "bytes 0-9/10"},
		{"k", []string{"Range", "bytes=5-2"}, 200, "0123456789", ""},
		{"k", []string{"Range", "bytes=0-1,4-5"}, 200, "0123456789", ""},
		{"k", []string{"Range", "lines=0-1"}, 200, "0123456789", ""},
		{"k", []string{"Range", "bytes=10-"}, 416, "InvalidRange", ""},
		{"k", []string{"Range", "bytes=-0"}, 416, "InvalidRange", ""},
		{"empty", []string{"Range", "bytes=0-0"}, 416, "InvalidRange", ""},
		{"empty", nil, 200, "", ""},
		{"k", []string{"If-Match", etag}, 200, "0123456789", ""},
		{"k", []string{"If-Match", `"other"`}, 412, "PreconditionFailed", ""},
		{"k", []string{"If-None-Match", etag}, 304, "", ""},
		{"k", []string{"If-None-Match", `"other", W/` + etag}, 304, "", ""},
		{"k", []string{"If-None-Match", `"other"`}, 200, "0123456789", ""},
		{"k", []string{"If-Modified-Since", future}, 304, "", ""},
		{"k", []string{"If-Modified-Since", past}, 200, "0123456789", ""},
		{"k", []string{"If-Unmodified-Since", past}, 412, "PreconditionFailed", ""},
		{"k", []string{"If-Match", etag, "If-Unmodified-Since", past}, 200, "0123456789", ""},
		{"k?partNumber=1", nil, 206, "0123456789", "bytes 0-9/10"},
		{"k?partNumber=2", nil, 416, "InvalidPartNumber", ""},
		{"k?response-content-type=text/x", nil, 200, "0123456789", ""},
		{"none", nil, 404, "NoSuchKey", ""},
		{"k/below", nil, 404, "NoSuchKey", ""},
		{"k?versionId=abc", nil, 501, "NotImplemented", ""},
		{"k?acl", nil, 501, "NotImplemented", ""},
	} {
		status, body, h := e.request(t, "GET", "/data/"+c.path, "", c.header...)
		if status != c.status || status < 300 && body != c.body || !strings.Contains(body, c.body) || h.Get("Content-Range") != c.span {
			t.Errorf("GET %s with %v: %d %q %q", c.path, c.header, status, body, h.Get("Content-Range"))
		}
		head, nothing, hh := e.request(t, "HEAD", "/data/"+c.path, "", c.header...)
		if head != c.status || nothing != "" || hh.Get("Content-Range") != c.span || status < 400 && hh.Get("ETag") != h.Get("ETag") {
			t.Errorf("HEAD %s with %v: %d %q %v", c.path, c.header, head, nothing, hh)
		}
		if h.Get("X-Amz-Request-Id") == "" || h.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("GET %s: headers %v", c.path, h)
		}
	}
}

// Clients make the names of metadata of those of headers: they must be in lower
// case on the wire, as S3 sends them.
func TestMetadataInLowerCase(t *testing.T) {
	e := serve(t, s3.Config{}, httptest.NewServer)
	e.request(t, "PUT", "/data/k", "x", "X-Amz-Meta-Account", "a1", "Content-Type", "text/plain")
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(e.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprint(conn, "GET /data/k?response-content-type=text/csv HTTP/1.1\r\nHost: local\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err := errors.Join(err, conn.Close()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"x-amz-meta-account: a1", "x-amz-request-id: ", "Content-Type: text/csv", "Etag: \"9dd4e461268c8034f5c8564e155c67a6\""} {
		if strings.Count(string(answer), "\r\n"+want) != 1 {
			t.Errorf("no or several %q in:\n%s", want, answer)
		}
	}
}

func TestConditionalWrites(t *testing.T) {
	e := serve(t, s3.Config{}, httptest.NewServer)
	put := func(body string, change func(*awss3.PutObjectInput)) error {
		in := &awss3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String("k"), Body: strings.NewReader(body)}
		change(in)
		_, err := e.PutObject(t.Context(), in)
		return err
	}
	once := func(in *awss3.PutObjectInput) { in.IfNoneMatch = aws.String("*") }
	if err := put("x", func(in *awss3.PutObjectInput) { in.IfMatch = aws.String("abc") }); code(err) != "NoSuchKey" {
		t.Errorf("replacing nothing: %v", err)
	}
	var wg sync.WaitGroup
	results := make([]error, 16)
	for i := range results {
		wg.Go(func() { results[i] = put(fmt.Sprint(i), once) })
	}
	wg.Wait()
	winner := -1
	for i, err := range results {
		switch {
		case err == nil && winner < 0:
			winner = i
		case code(err) != "PreconditionFailed":
			t.Errorf("writer %d: %v, beside %d", i, err, winner)
		}
	}
	body, out := e.get(t, "k")
	if body != fmt.Sprint(winner) {
		t.Errorf("%d won, the object holds %q", winner, body)
	}
	if err := put("new", func(in *awss3.PutObjectInput) { in.IfMatch = out.ETag }); err != nil {
		t.Error(err)
	}
	if err := put("newer", func(in *awss3.PutObjectInput) { in.IfMatch = out.ETag }); code(err) != "PreconditionFailed" {
		t.Errorf("replacing an old version: %v", err)
	}
}

// Objects whose keys continue those of others, in whatever order they come and go.
func TestKeysThatArePrefixes(t *testing.T) {
	e := serve(t, s3.Config{}, httptest.NewServer)
	keys := []string{"a", "a/b", "a/b/c", "a/b/"}
	for shift := range keys {
		for i := range keys {
			key := keys[(i+shift)%len(keys)]
			e.put(t, key, "first")
			e.put(t, key, key)
		}
		for i, key := range keys {
			if got, out := e.get(t, key); got != key || *out.ETag != `"`+md5Hex([]byte(key))+`"` {
				t.Errorf("%q holds %q", key, got)
			}
			_, err := e.DeleteObject(t.Context(), &awss3.DeleteObjectInput{Bucket: aws.String(bucket), Key: &key})
			if err != nil {
				t.Error(err)
			}
			if got, _ := e.listed(t, awss3.ListObjectsV2Input{}); len(got) != len(keys)-i-1 {
				t.Errorf("without %q there is %v", key, got)
			}
		}
	}
	if _, err := e.DeleteBucket(t.Context(), &awss3.DeleteBucketInput{Bucket: aws.String(bucket)}); err != nil {
		t.Errorf("deleting the empty bucket: %v", err)
	}
}

func TestCopy(t *testing.T) {
	e := serve(t, s3.Config{}, httptest.NewServer)
	_, err := e.PutObject(t.Context(), &awss3.PutObjectInput{
		Bucket: aws.String(bucket), Key: aws.String("raw/a b"), Body: strings.NewReader("x"), ContentType: aws.String("text/plain"),
		Metadata: map[string]string{"k": "v"}, ChecksumAlgorithm: types.ChecksumAlgorithmCrc32,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, source, to string
		change           func(*awss3.CopyObjectInput)
		code, kind       string
	}{
		{"as it is", "data/raw/a%20b", "copy", func(*awss3.CopyObjectInput) {}, "", "text/plain"},
		{"other metadata", "data/raw/a%20b", "raw/a b", func(in *awss3.CopyObjectInput) {
			in.MetadataDirective, in.ContentType = types.MetadataDirectiveReplace, aws.String("text/csv")
		}, "", "text/csv"},
		{"onto itself", "data/raw/a%20b", "raw/a b", func(*awss3.CopyObjectInput) {}, "InvalidRequest", ""},
		{"of nothing", "data/none", "copy", func(*awss3.CopyObjectInput) {}, "NoSuchKey", ""},
		{"of no bucket", "nodata/none", "copy", func(*awss3.CopyObjectInput) {}, "NoSuchBucket", ""},
		{"out of the bucket", "data/../../etc/passwd", "copy", func(*awss3.CopyObjectInput) {}, "NoSuchKey", ""},
		{"of another version", "data/raw/a%20b", "copy", func(in *awss3.CopyObjectInput) { in.CopySourceIfMatch = aws.String("other") }, "PreconditionFailed", ""},
	} {
		in := &awss3.CopyObjectInput{Bucket: aws.String(bucket), Key: &c.to, CopySource: &c.source}
		c.change(in)
		out, err := e.CopyObject(t.Context(), in)
		if code(err) != c.code {
			t.Errorf("%s: %v, want %q", c.name, err, c.code)
			continue
		}
		if err != nil {
			continue
		}
		body, got := e.get(t, c.to)
		if body != "x" || *got.ContentType != c.kind || *out.CopyObjectResult.ETag != *got.ETag || (got.Metadata["k"] == "v") != (c.kind == "text/plain") {
			t.Errorf("%s: %q %+v", c.name, body, got)
		}
	}
}

func TestDeleteMany(t *testing.T) {
	e := serve(t, s3.Config{}, httptest.NewServer)
	e.put(t, "a", "")
	e.put(t, "b", "")
	out, err := e.DeleteObjects(t.Context(), &awss3.DeleteObjectsInput{Bucket: aws.String(bucket), Delete: &types.Delete{Objects: []types.ObjectIdentifier{
		{Key: aws.String("a")}, {Key: aws.String("none")}, {Key: aws.String(strings.Repeat("x", 300))},
	}}})
	if err != nil || len(out.Deleted) != 2 || len(out.Errors) != 1 || *out.Errors[0].Code != "KeyTooLongError" {
		t.Errorf("got %+v, %v", out, err)
	}
	if got, _ := e.listed(t, awss3.ListObjectsV2Input{}); len(got) != 1 || got[0] != "b" {
		t.Errorf("left: %v", got)
	}
}

func TestBuckets(t *testing.T) {
	e := serve(t, s3.Config{}, httptest.NewServer)
	create := func(name string) error {
		_, err := e.CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: &name})
		return err
	}
	for name, want := range map[string]string{"other": "", bucket: "BucketAlreadyOwnedByYou", "UPPER": "InvalidBucketName"} {
		if err := create(name); code(err) != want {
			t.Errorf("creating %s: %v, want %q", name, err, want)
		}
	}
	all, err := e.ListBuckets(t.Context(), &awss3.ListBucketsInput{})
	if err != nil || len(all.Buckets) != 2 {
		t.Errorf("got %+v, %v", all, err)
	}
	e.put(t, "k", "")
	drop := func(name string) error {
		_, err := e.DeleteBucket(t.Context(), &awss3.DeleteBucketInput{Bucket: &name})
		return err
	}
	for name, want := range map[string]string{"other": "", bucket: "BucketNotEmpty", "none": "NoSuchBucket"} {
		if err := drop(name); code(err) != want {
			t.Errorf("deleting %s: %v, want %q", name, err, want)
		}
	}
	_, err = e.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: aws.String("none"), Key: aws.String("k"), Body: strings.NewReader("x")})
	if code(err) != "NoSuchBucket" {
		t.Errorf("putting into no bucket: %v", err)
	}
}

// What the protocol layer would take for something else must not change objects.
func TestNotImplemented(t *testing.T) {
	e := serve(t, s3.Config{}, httptest.NewServer)
	e.put(t, "k", "hello")
	for _, c := range [][]string{
		{"PUT", "/data/k?tagging"},
		{"PUT", "/data/k?acl"},
		{"PUT", "/data?policy"},
		{"DELETE", "/data?lifecycle"},
		{"DELETE", "/data/k?tagging"},
		{"POST", "/data/k?restore"},
		{"POST", "/data"},
		{"PUT", "/data/k", "X-Amz-Write-Offset-Bytes", "5"},
		{"DELETE", "/data", "X-Minio-Force-Delete", "true"},
		{"DELETE", "/data/k?versionId=1"},
	} {
		if status, body, _ := e.request(t, c[0], c[1], "x", c[2:]...); status != 501 {
			t.Errorf("%v: %d %s", c, status, body)
		}
	}
	if status, _, _ := e.request(t, "OPTIONS", "/data/k", "", "Origin", "http://evil", "Access-Control-Request-Method", "PUT"); status != 403 {
		t.Errorf("preflight: %d", status)
	}
	if got, _ := e.get(t, "k"); got != "hello" {
		t.Errorf("the object is %q", got)
	}
}

// Readers see one version or another, whole, while others replace, delete and
// move it aside.
func TestReadersSeeWholeVersions(t *testing.T) {
	e := serve(t, s3.Config{}, httptest.NewServer)
	e.put(t, "k", strings.Repeat("x", 1000))
	done := make(chan struct{})
	var writers, readers sync.WaitGroup
	for i := range 3 {
		writers.Go(func() {
			for n := range 100 {
				e.put(t, "k", strings.Repeat(string(rune('a'+i)), 1000+n%2))
				e.put(t, "k/below", "")
				_, _ = e.DeleteObject(t.Context(), &awss3.DeleteObjectInput{Bucket: aws.String(bucket), Key: aws.String("k/below")})
			}
		})
	}
	readers.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			body, out := e.get(t, "k")
			if *out.ETag != `"`+md5Hex([]byte(body))+`"` || strings.Trim(body, body[:1]) != "" || out.ContentType == nil {
				t.Errorf("got %d bytes with %s", len(body), *out.ETag)
			}
		}
	})
	writers.Wait()
	close(done)
	readers.Wait()
	meta, err := os.ReadDir(filepath.Join(e.dir, ".kload-s3", "meta", bucket))
	if err != nil || len(meta) != 1 || e.leftovers(t) != nil {
		t.Errorf("left %v and %v, %v", meta, e.leftovers(t), err)
	}
}
