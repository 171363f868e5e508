package s3_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	tmtypes "github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager/types"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/kload/kload/internal/local/s3"
	"github.com/kload/kload/internal/sigv4"
)

// unseekable hides all of a reader but Read, so that the SDK must stream.
type unseekable struct{ io.Reader }

// Over TLS the SDK sends checksums in the trailer of an aws-chunked body, which
// must not become part of the object.
func TestChecksumsOverTLS(t *testing.T) {
	for _, c := range []struct {
		name   string
		config s3.Config
	}{{"open", s3.Config{}}, {"signed", s3.Config{Verifier: sigv4.New(keys())}}} {
		t.Run(c.name, func(t *testing.T) {
			e := serve(t, c.config, httptest.NewTLSServer)
			data := noise(300_000)
			for _, algorithm := range []types.ChecksumAlgorithm{
				"", types.ChecksumAlgorithmCrc32, types.ChecksumAlgorithmCrc32c, types.ChecksumAlgorithmCrc64nvme,
				types.ChecksumAlgorithmSha1, types.ChecksumAlgorithmSha256, types.ChecksumAlgorithmSha512,
			} {
				for _, body := range []io.Reader{bytes.NewReader(data), unseekable{bytes.NewReader(data)}} {
					key := fmt.Sprintf("%s/%T", algorithm, body)
					_, err := e.PutObject(t.Context(), &awss3.PutObjectInput{
						Bucket: aws.String(bucket), Key: &key, Body: body, ChecksumAlgorithm: algorithm, ContentLength: aws.Int64(int64(len(data))),
					})
					if err != nil {
						t.Errorf("%s: %v", key, err)
						continue
					}
					e.mustHold(t, key, data)
					head, err := e.HeadObject(t.Context(), &awss3.HeadObjectInput{Bucket: aws.String(bucket), Key: &key, ChecksumMode: types.ChecksumModeEnabled})
					if err != nil || head.ChecksumType != types.ChecksumTypeFullObject {
						t.Errorf("%s: the checksum was not returned: %+v, %v", key, head, err)
					}
				}
			}
		})
	}
}

// mustHold compares an object with what it should be, without its checksum.
func (e *endpoint) mustHold(t *testing.T, key string, want []byte) {
	t.Helper()
	got, out := e.get(t, key)
	if len(got) != len(want) || md5Hex([]byte(got)) != md5Hex(want) {
		t.Errorf("%s: got %d bytes with MD5 %s, want %d with %s", key, len(got), md5Hex([]byte(got)), len(want), md5Hex(want))
	}
	if out.ContentEncoding != nil {
		t.Errorf("%s: the transfer's encoding was kept: %s", key, *out.ContentEncoding)
	}
}

func TestTransferManagerOverTLS(t *testing.T) {
	e := serve(t, s3.Config{}, httptest.NewTLSServer)
	data := noise(40 << 20)
	for _, algorithm := range []tmtypes.ChecksumAlgorithm{"", tmtypes.ChecksumAlgorithmCrc32c, tmtypes.ChecksumAlgorithmSha256} {
		key := "big" + string(algorithm)
		manager := transfermanager.New(e.Client)
		out, err := manager.UploadObject(t.Context(), &transfermanager.UploadObjectInput{
			Bucket: aws.String(bucket), Key: &key, Body: unseekable{bytes.NewReader(data)}, ChecksumAlgorithm: algorithm,
		})
		if err != nil {
			t.Fatalf("%s: %v", key, err)
		}
		e.mustHold(t, key, data)
		for _, kind := range []tmtypes.GetObjectType{tmtypes.GetObjectParts, tmtypes.GetObjectRanges} {
			got, err := manager.GetObject(t.Context(), &transfermanager.GetObjectInput{Bucket: aws.String(bucket), Key: &key},
				func(o *transfermanager.Options) { o.GetObjectType = kind })
			if err != nil {
				t.Fatalf("%s by %s: %v", key, kind, err)
			}
			body, err := io.ReadAll(got.Body)
			if err != nil || md5Hex(body) != md5Hex(data) {
				t.Errorf("%s by %s: %d bytes, %v", key, kind, len(body), err)
			}
		}
		if etag := aws.ToString(out.ETag); len(etag) != len(`"00000000000000000000000000000000-5"`) {
			t.Errorf("%s: the ETag of 5 parts is %s", key, etag)
		}
	}
}

func crc(b string) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte(b))))
}

// A body that is not what it says must never be stored.
func TestRefusedBodies(t *testing.T) {
	const unsigned, signed = "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	sum := "x-amz-checksum-crc32:" + crc("hello world") + "\r\n"
	e := serve(t, s3.Config{}, httptest.NewServer)
	for _, c := range []struct {
		name, body string
		headers    []string
		status     int
		code       string
	}{
		{"one chunk", "b\r\nhello world\r\n0\r\n" + sum + "\r\n", []string{"X-Amz-Content-Sha256", unsigned, "X-Amz-Trailer", "x-amz-checksum-crc32"}, 200, ""},
		{"two chunks", "6\r\nhello \r\n5\r\nworld\r\n0\r\n" + sum + "\r\n", []string{"X-Amz-Content-Sha256", unsigned, "X-Amz-Trailer", "x-amz-checksum-crc32"}, 200, ""},
		{"without the last line", "b\r\nhello world\r\n0\r\n" + sum, []string{"X-Amz-Content-Sha256", unsigned, "X-Amz-Trailer", "x-amz-checksum-crc32"}, 200, ""},
		{"no trailer announced", "b\r\nhello world\r\n0\r\n\r\n", []string{"X-Amz-Content-Sha256", unsigned}, 200, ""},
		{"signed, not checked", "b;chunk-signature=00\r\nhello world\r\n0;chunk-signature=00\r\n\r\n", []string{"X-Amz-Content-Sha256", signed}, 200, ""},
		{"wrong trailer", "b\r\nhello_world\r\n0\r\n" + sum + "\r\n", []string{"X-Amz-Content-Sha256", unsigned, "X-Amz-Trailer", "x-amz-checksum-crc32"}, 400, "BadDigest"},
		{"announced trailer missing", "b\r\nhello world\r\n0\r\n\r\n", []string{"X-Amz-Content-Sha256", unsigned, "X-Amz-Trailer", "x-amz-checksum-crc32"}, 400, "MalformedTrailerError"},
		{"another trailer", "b\r\nhello world\r\n0\r\n" + sum + "\r\n", []string{"X-Amz-Content-Sha256", unsigned, "X-Amz-Trailer", "x-amz-checksum-crc32c"}, 400, "MalformedTrailerError"},
		{"trailer not announced", "b\r\nhello world\r\n0\r\n" + sum + "\r\n", []string{"X-Amz-Content-Sha256", unsigned}, 400, "MalformedTrailerError"},
		{"trailer in a form without", "b;chunk-signature=0\r\nhello world\r\n0;chunk-signature=0\r\n" + sum + "\r\n", []string{"X-Amz-Content-Sha256", signed}, 400, "MalformedTrailerError"},
		{"ends early", "b\r\nhello w", []string{"X-Amz-Content-Sha256", unsigned}, 400, "IncompleteBody"},
		{"ends after a chunk", "b\r\nhello world\r\n", []string{"X-Amz-Content-Sha256", unsigned}, 400, "IncompleteBody"},
		{"less than declared", "5\r\nhello\r\n0\r\n\r\n", []string{"X-Amz-Content-Sha256", unsigned}, 400, "IncompleteBody"},
		{"more than declared", "c\r\nhello world!\r\n0\r\n\r\n", []string{"X-Amz-Content-Sha256", unsigned}, 400, "IncompleteBody"},
		{"more than any", "7fffffffffffffff\r\nhello", []string{"X-Amz-Content-Sha256", unsigned}, 400, "IncompleteBody"},
		{"negative", "-b\r\nhello world\r\n0\r\n\r\n", []string{"X-Amz-Content-Sha256", unsigned}, 400, "InvalidRequest"},
		{"longer than its header", "5\r\nhello world\r\n0\r\n\r\n", []string{"X-Amz-Content-Sha256", unsigned}, 400, "InvalidRequest"},
		{"data after the end", "b\r\nhello world\r\n0\r\n\r\nmore", []string{"X-Amz-Content-Sha256", unsigned}, 400, "InvalidRequest"},
		{"without a signature", "b\r\nhello world\r\n0\r\n\r\n", []string{"X-Amz-Content-Sha256", signed}, 400, "InvalidRequest"},
		{"small signed chunks", "6;chunk-signature=0\r\nhello \r\n5;chunk-signature=0\r\nworld\r\n0;chunk-signature=0\r\n\r\n", []string{"X-Amz-Content-Sha256", signed}, 403, "InvalidChunkSizeError"},
		{"no decoded length", "b\r\nhello world\r\n0\r\n\r\n", []string{"X-Amz-Content-Sha256", unsigned, "X-Amz-Decoded-Content-Length", ""}, 411, "MissingContentLength"},
		{"unknown form", "hello world", []string{"X-Amz-Content-Sha256", "STREAMING-SOMETHING-ELSE"}, 501, "NotImplemented"},
		{"encoding without a form", "b\r\nhello world\r\n0\r\n\r\n", []string{"Content-Encoding", "aws-chunked"}, 400, "InvalidRequest"},
		{"wrong MD5", "hello_world", []string{"Content-Md5", "XrY7u+Ae7tCTyyK7j1rNww=="}, 400, "BadDigest"},
		{"right MD5", "hello world", []string{"Content-Md5", "XrY7u+Ae7tCTyyK7j1rNww=="}, 200, ""},
		{"no MD5", "hello world", []string{"Content-Md5", "short"}, 400, "InvalidDigest"},
		{"wrong SHA-256", "hello world", []string{"X-Amz-Content-Sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}, 400, "XAmzContentSHA256Mismatch"},
		{"wrong checksum", "hello_world", []string{"X-Amz-Checksum-Crc32", crc("hello world")}, 400, "BadDigest"},
		{"two checksums", "hello world", []string{"X-Amz-Checksum-Crc32", crc("hello world"), "X-Amz-Checksum-Crc32c", crc("")}, 400, "InvalidRequest"},
		{"no checksum", "hello world", []string{"X-Amz-Checksum-Crc32", "AAAA"}, 400, "InvalidRequest"},
		{"unknown checksum", "hello world", []string{"X-Amz-Checksum-Xxhash64", "AAAAAAAAAAA="}, 501, "NotImplemented"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e.put(t, "k", "before")
			status, body, _ := e.request(t, "PUT", "/data/k", c.body, append([]string{"X-Amz-Decoded-Content-Length", "11"}, c.headers...)...)
			want := "before"
			if c.status == 200 {
				want = "hello world"
			}
			if status != c.status || !bytes.Contains([]byte(body), []byte(c.code)) {
				t.Errorf("got %d %s, want %d %s", status, body, c.status, c.code)
			}
			if now, _ := e.get(t, "k"); now != want {
				t.Errorf("the object is %q now, want %q", now, want)
			}
			if left := e.leftovers(t); left != nil {
				t.Errorf("left %v", left)
			}
		})
	}
}

// What the decoder takes must be what encodes to it, and no input may make it
// give more than was declared.
func FuzzChunked(f *testing.F) {
	f.Add([]byte("b\r\nhello world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n"), false, true)
	f.Add([]byte("5;chunk-signature=00\r\nhello\r\n0;chunk-signature=00\r\n\r\n"), true, false)
	f.Add([]byte("0\r\n\r\n"), false, true)
	f.Add([]byte("ffffffffffffffff\r\n"), false, false)
	f.Fuzz(func(t *testing.T, in []byte, signed, trailer bool) {
		const limit = 64
		got, err := io.ReadAll(s3.DecodeChunked(bytes.NewReader(in), limit, signed, trailer))
		if len(got) > limit {
			t.Fatalf("gave %d bytes of at most %d", len(got), limit)
		}
		if err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatalf("an error that reads like an end: %v", err)
			}
			return
		}
		encoded := fmt.Appendf(nil, "%x\r\n%s\r\n0\r\n\r\n", len(got), got)
		if len(got) == 0 {
			encoded = []byte("0\r\n\r\n")
		}
		again, err := io.ReadAll(s3.DecodeChunked(bytes.NewReader(encoded), limit, false, true))
		if err != nil || !bytes.Equal(again, got) {
			t.Fatalf("%q encoded again gives %q, %v", got, again, err)
		}
	})
}
