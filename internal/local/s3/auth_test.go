package s3_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/kload/kload/internal/local/s3"
	"github.com/kload/kload/internal/memnet"
	"github.com/kload/kload/internal/sigv4"
)

// signer signs as S3 wants it.
func signer() *v4.Signer {
	return v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
}

func TestSignatures(t *testing.T) {
	e := serve(t, s3.Config{Verifier: sigv4.New(keys())}, httptest.NewServer)
	e.put(t, "k", "hello")
	presign := awss3.NewPresignClient(e.Client)
	get, err := presign.PresignGetObject(t.Context(), &awss3.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String("k")})
	if err != nil {
		t.Fatal(err)
	}
	put, err := presign.PresignPutObject(t.Context(), &awss3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String("p")})
	if err != nil {
		t.Fatal(err)
	}
	path := func(of string) string { return strings.TrimPrefix(of, e.url) }
	for _, c := range []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		want                     string
	}{
		{"presigned get", "GET", path(get.URL), "", nil, 200, "hello"},
		{"presigned get of a range", "GET", path(get.URL), "", []string{"Range", "bytes=1-2"}, 206, "el"},
		{"presigned put", "PUT", path(put.URL), "by link", nil, 200, ""},
		{"another object", "GET", strings.Replace(path(get.URL), "/k?", "/p?", 1), "", nil, 403, "<Code>SignatureDoesNotMatch</Code>"},
		{"another method", "PUT", path(get.URL), "x", nil, 403, "<Code>SignatureDoesNotMatch</Code>"},
		{"another life", "GET", strings.Replace(path(get.URL), "X-Amz-Expires=900", "X-Amz-Expires=9000", 1), "", nil, 403, "<Code>SignatureDoesNotMatch</Code>"},
		{"signature version 2", "GET", "/data/k?AWSAccessKeyId=a&Signature=b&Expires=9", "", nil, 400, "Please use AWS4-HMAC-SHA256."},
		{"nobody", "GET", "/data/k", "", nil, 403, "<Code>AccessDenied</Code>"},
		{"unknown key", "GET", strings.Replace(path(get.URL), keys().ID, "AKIDOTHER", 1), "", nil, 403, "<Code>InvalidAccessKeyId</Code>"},
		{"other scheme", "GET", "/data/k", "", []string{"Authorization", "Basic abc"}, 400, "<Code>AuthorizationHeaderMalformed</Code>"},
	} {
		status, body, _ := e.request(t, c.method, c.path, c.body, c.headers...)
		if status != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s: got %d %s, want %d %s", c.name, status, body, c.status, c.want)
		}
	}
	if got, _ := e.get(t, "p"); got != "by link" {
		t.Errorf("put by link: %q", got)
	}
	thief := client(e.url, e.http, "guess")
	_, err = thief.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String("k"), Body: strings.NewReader("x")})
	if code(err) != "SignatureDoesNotMatch" {
		t.Errorf("with a wrong secret: %v", err)
	}
	if got, _ := e.get(t, "k"); got != "hello" {
		t.Errorf("the object is %q after refused requests", got)
	}
}

// In virtual time and over memory: a link works until its life is over.
func TestPresignedLinkExpires(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		server, err := s3.New(s3.Config{Dir: dir, Verifier: sigv4.New(keys())})
		if err != nil {
			t.Fatal(err)
		}
		listener, stop := memnet.Serve(server)
		transport := &http.Transport{DialContext: listener.Dial}
		client := client("http://s3.memory", &http.Client{Transport: transport}, keys().Secret)
		var heard []s3.Event
		defer server.Subscribe(func(e s3.Event) { heard = append(heard, e) })()
		if _, err := client.CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: aws.String(bucket)}); err != nil {
			t.Fatal(err)
		}
		in := &awss3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String("k"), Body: bytes.NewReader(noise(100_000))}
		if _, err := client.PutObject(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		link, err := awss3.NewPresignClient(client).PresignGetObject(t.Context(),
			&awss3.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String("k")}, awss3.WithPresignExpires(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		started := time.Now()
		for _, want := range []int{200, 403} {
			resp, err := (&http.Client{Transport: transport}).Get(link.URL)
			if err != nil {
				t.Fatal(err)
			}
			var body bytes.Buffer
			if _, err := body.ReadFrom(resp.Body); err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if resp.StatusCode != want || want == 403 && !strings.Contains(body.String(), "<Message>Request has expired</Message>") {
				t.Errorf("after %s: got %d with %d bytes, want %d", time.Since(started), resp.StatusCode, body.Len(), want)
			}
			<-time.After(61 * time.Second)
		}
		synctest.Wait()
		if len(heard) != 1 || heard[0].Size != 100_000 || heard[0].Time.Before(started.Add(-time.Second)) {
			t.Errorf("heard %+v", heard)
		}
		transport.CloseIdleConnections()
		stop()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
}

// signChunks encodes data in chunks, signed as the S3 API Reference says under
// "Transferring payload in multiple chunks".
func signChunks(r *http.Request, at time.Time, size int, data []byte, trailer string) []byte {
	mac := func(key []byte, text string) []byte {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(text))
		return h.Sum(nil)
	}
	hash := func(b []byte) string { sum := sha256.Sum256(b); return hex.EncodeToString(sum[:]) }
	key := []byte("AWS4" + keys().Secret)
	for _, part := range []string{at.Format("20060102"), "us-east-1", "s3", "aws4_request"} {
		key = mac(key, part)
	}
	_, previous, _ := strings.Cut(r.Header.Get("Authorization"), "Signature=")
	sign := func(kind, rest string) string {
		previous = hex.EncodeToString(mac(key, "AWS4-HMAC-SHA256"+kind+"\n"+at.Format("20060102T150405Z")+"\n"+
			at.Format("20060102")+"/us-east-1/s3/aws4_request\n"+previous+"\n"+rest))
		return previous
	}
	var out []byte
	for more := true; more; data = data[min(size, len(data)):] {
		chunk := data[:min(size, len(data))]
		more = len(chunk) > 0
		out = fmt.Appendf(out, "%x;chunk-signature=%s\r\n", len(chunk), sign("-PAYLOAD", hash(nil)+"\n"+hash(chunk)))
		if more {
			out = append(append(out, chunk...), "\r\n"...)
		}
	}
	if trailer != "" {
		out = fmt.Appendf(out, "%s\r\nx-amz-trailer-signature:%s\r\n", trailer, sign("-TRAILER", hash([]byte(trailer+"\n"))))
	}
	return append(out, "\r\n"...)
}

func TestSignedChunks(t *testing.T) {
	e := serve(t, s3.Config{Verifier: sigv4.New(keys())}, httptest.NewServer)
	data := noise(70_000)
	trailer := "x-amz-checksum-crc32:" + crc(string(data))
	for _, c := range []struct {
		name, trailer string
		spoil         func([]byte) []byte
		status        int
		code          string
	}{
		{"as signed", "", func(b []byte) []byte { return b }, 200, ""},
		{"with trailer", trailer, func(b []byte) []byte { return b }, 200, ""},
		{"a bit of the last chunk", "", func(b []byte) []byte { b[len(b)-200] ^= 1; return b }, 403, "SignatureDoesNotMatch"},
		{"a signature", "", func(b []byte) []byte { b[30] ^= 1; return b }, 403, "SignatureDoesNotMatch"},
		{"the trailer", trailer, func(b []byte) []byte { return bytes.Replace(b, []byte("crc32:"), []byte("crc32c:"), 1) }, 403, "SignatureDoesNotMatch"},
		{"no last chunk", "", func(b []byte) []byte { return b[:bytes.LastIndex(b, []byte("0;chunk"))] }, 400, "IncompleteBody"},
	} {
		t.Run(c.name, func(t *testing.T) {
			payload := "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
			r, err := http.NewRequestWithContext(t.Context(), "PUT", e.url+"/data/"+url.PathEscape(c.name), nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("X-Amz-Decoded-Content-Length", strconv.Itoa(len(data)))
			if c.trailer != "" {
				payload += "-TRAILER"
				r.Header.Set("X-Amz-Trailer", "x-amz-checksum-crc32")
			}
			r.Header.Set("X-Amz-Content-Sha256", payload)
			at := time.Now().UTC()
			creds := aws.Credentials{AccessKeyID: keys().ID, SecretAccessKey: keys().Secret}
			if err := signer().SignHTTP(t.Context(), creds, r, payload, "s3", "us-east-1", at); err != nil {
				t.Fatal(err)
			}
			headers := []string{}
			for name := range r.Header {
				headers = append(headers, name, r.Header.Get(name))
			}
			body := c.spoil(signChunks(r, at, 64<<10, data, c.trailer))
			status, answer, _ := e.request(t, "PUT", r.URL.EscapedPath(), string(body), headers...)
			if status != c.status || !strings.Contains(answer, c.code) {
				t.Fatalf("got %d %s, want %d %s", status, answer, c.status, c.code)
			}
			if status == 200 {
				e.mustHold(t, c.name, data)
			}
		})
	}
}
