package sigv4_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/kload/kload/internal/sigv4"
)

const (
	keyID  = "AKIDEXAMPLE"
	secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
)

func signedAt() time.Time { return time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC) }

func verifier() *sigv4.Verifier {
	return sigv4.New(sigv4.Key{ID: keyID, Secret: secret},
		sigv4.Key{ID: "TEMP", Secret: "temporary", Token: "token/with+signs="})
}

func sum(b string) string {
	s := sha256.Sum256([]byte(b))
	return hex.EncodeToString(s[:])
}

// recipe says how to make a signed request.
type recipe struct {
	method, url, body, service string
	header                     map[string]string
	creds                      aws.Credentials
	payload                    string // default: the body's hash
	presign                    bool
}

// received signs a request with the SDK's signer and sends it through
// net/http's server side, so that it looks as a server gets it.
func received(t *testing.T, rc recipe) *http.Request {
	t.Helper()
	r, err := http.NewRequest(rc.method, rc.url, strings.NewReader(rc.body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range rc.header {
		r.Header.Set(name, value)
	}
	if rc.creds.AccessKeyID == "" {
		rc.creds = aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret}
	}
	if rc.payload == "" {
		rc.payload = sum(rc.body)
	}
	s3 := func(o *v4.SignerOptions) { o.DisableURIPathEscaping = rc.service == "s3" }
	signer := v4.NewSigner(s3)
	if rc.presign {
		link, _, err := signer.PresignHTTP(context.Background(), rc.creds, r, rc.payload, rc.service, "us-east-1", signedAt())
		if err != nil {
			t.Fatal(err)
		}
		if r, err = http.NewRequest(rc.method, link, strings.NewReader(rc.body)); err != nil {
			t.Fatal(err)
		}
	} else if err := signer.SignHTTP(context.Background(), rc.creds, r, rc.payload, rc.service, "us-east-1", signedAt()); err != nil {
		t.Fatal(err)
	}
	return overTheWire(t, r)
}

func overTheWire(t *testing.T, r *http.Request) *http.Request {
	t.Helper()
	var got *http.Request
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, in *http.Request) {
		body, err := io.ReadAll(in.Body)
		if err != nil {
			t.Error(err)
		}
		got = in.Clone(context.WithoutCancel(in.Context()))
		got.Body = io.NopCloser(bytes.NewReader(body))
	}))
	defer srv.Close()
	r.Host, r.URL.Host = r.URL.Host, srv.Listener.Addr().String()
	answer, err := srv.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	return got
}

func kinesisCall() recipe {
	return recipe{
		method: "POST", url: "http://localhost:4567/", body: `{"StreamName":"s"}`, service: "kinesis",
		header: map[string]string{
			"X-Amz-Target": "Kinesis_20131202.PutRecord", "Content-Type": "application/x-amz-json-1.1",
			"User-Agent": "sdk", "Amz-Sdk-Request": "attempt=1; max=3", "X-Amz-Spaces": "  a   b ",
		},
	}
}

func s3Call(method, path, payload string) recipe {
	return recipe{
		method: method, url: "http://bucket.localhost:9000" + path, service: "s3", payload: payload,
		header: map[string]string{"X-Amz-Content-Sha256": payload},
	}
}

// TestAccepts verifies what the SDK's signer signs.
func TestAccepts(t *testing.T) {
	temporary := aws.Credentials{AccessKeyID: "TEMP", SecretAccessKey: "temporary", SessionToken: "token/with+signs="}
	with := func(rc recipe, change func(*recipe)) recipe { change(&rc); return rc }
	tests := map[string]recipe{
		"kinesis":               kinesisCall(),
		"temporary credentials": with(kinesisCall(), func(rc *recipe) { rc.creds = temporary }),
		"odd path and query":    with(kinesisCall(), func(rc *recipe) { rc.url += "a%20b/c+d/%C3%A9?b=2&a-b=1&a=/&a=-&empty&sp=x%20y" }),
		"s3 empty body":         s3Call("GET", "/k/ey%20with%2Bodd~%C3%A9?list-type=2&prefix=a%2Fb", sum("")),
		"s3 unsigned":           s3Call("PUT", "/key", sigv4.Unsigned),
		"s3 streaming":          s3Call("PUT", "/key", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
		"s3 presigned":          {method: "GET", url: "http://b.localhost/k%20y?X-Amz-Expires=60&x=%2F", service: "s3", payload: sigv4.Unsigned, presign: true},
		"presigned, temporary":  {method: "GET", url: "http://b.localhost/key?X-Amz-Expires=60", service: "s3", payload: sigv4.Unsigned, presign: true, creds: temporary},
	}
	for name, rc := range tests {
		t.Run(name, func(t *testing.T) {
			r := received(t, rc)
			verify := func() (sigv4.Identity, error) { return verifier().For("us-east-1", rc.service).Verify(r, signedAt()) }
			if rc.service == "kinesis" {
				verify = func() (sigv4.Identity, error) { return verifier().VerifyBody(r, []byte(rc.body), signedAt()) }
			}
			id, err := verify()
			if err != nil {
				if e, ok := errors.AsType[*sigv4.Error](err); ok {
					t.Log(e.CanonicalRequest)
				}
				t.Fatal(err)
			}
			wantKey, wantPayload := rc.creds.AccessKeyID, rc.payload
			if wantKey == "" {
				wantKey = keyID
			}
			if wantPayload == "" {
				wantPayload = sum(rc.body)
			}
			if id.AccessKey != wantKey || id.Service != rc.service || id.Region != "us-east-1" ||
				id.Presigned != rc.presign || id.PayloadHash != wantPayload || !id.Time.Equal(signedAt()) {
				t.Errorf("identity %+v", id)
			}
		})
	}
}

// TestRefuses changes one thing of a good request at a time.
func TestRefuses(t *testing.T) {
	link := recipe{method: "GET", url: "http://b.localhost/key?X-Amz-Expires=60&x=1", service: "s3", payload: sigv4.Unsigned, presign: true}
	edit := func(header, from, to string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(header, strings.Replace(r.Header.Get(header), from, to, 1)) }
	}
	query := func(from, to string) func(*http.Request) {
		return func(r *http.Request) { r.URL.RawQuery = strings.Replace(r.URL.RawQuery, from, to, 1) }
	}
	later := func(d time.Duration) time.Time { return signedAt().Add(d) }
	tests := []struct {
		name   string
		from   recipe
		change func(*http.Request)
		now    time.Time
		want   sigv4.Reason
		says   string
	}{
		{"no signature", kinesisCall(), func(r *http.Request) { r.Header.Del("Authorization") }, signedAt(), sigv4.Missing, "Missing Authentication Token"},
		{"other scheme", kinesisCall(), func(r *http.Request) { r.Header.Set("Authorization", "Basic eA==") }, signedAt(), sigv4.Malformed, "Unsupported AWS 'algorithm': 'Basic'."},
		{
			"nothing in it", kinesisCall(), func(r *http.Request) {
				r.Header.Set("Authorization", "AWS4-HMAC-SHA256 x=y")
				r.Header.Del("X-Amz-Date")
			}, signedAt(), sigv4.Malformed,
			"Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter. Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.",
		},
		{"no pair", kinesisCall(), edit("Authorization", "Signature=", "Signature"), signedAt(), sigv4.Malformed, "not a valid key=value pair"},
		{"repeated", kinesisCall(), edit("Authorization", "SignedHeaders=", "Credential=x, SignedHeaders="), signedAt(), sigv4.Malformed, "repeated"},
		{"short credential", kinesisCall(), edit("Authorization", "/kinesis/", "/"), signedAt(), sigv4.Malformed, "at least 5 slash-delimited elements"},
		{"other terminator", kinesisCall(), edit("Authorization", "aws4_request", "aws3_request"), signedAt(), sigv4.WrongScope, "'aws4_request', not 'aws3_request'"},
		{"other day", kinesisCall(), edit("Authorization", "/20261123/", "/20261122/"), signedAt(), sigv4.WrongScope, "'20261122' != '20261123'"},
		{"other region", kinesisCall(), edit("Authorization", "us-east-1", "us-east-2"), signedAt(), sigv4.WrongScope, "valid region, not 'us-east-2'"},
		{"other service", kinesisCall(), edit("Authorization", "/kinesis/", "/sqs/"), signedAt(), sigv4.WrongScope, "correct service: 'kinesis'"},
		{"unknown key", kinesisCall(), edit("Authorization", keyID, "AKIDOTHER"), signedAt(), sigv4.UnknownKey, "security token included"},
		{"token of nobody", kinesisCall(), func(r *http.Request) { r.Header.Set("X-Amz-Security-Token", "x") }, signedAt(), sigv4.BadToken, "security token"},
		{"token missing", kinesisCall(), edit("Authorization", keyID, "TEMP"), signedAt(), sigv4.BadToken, "security token"},
		{"other date", kinesisCall(), edit("X-Amz-Date", "0000Z", "0001Z"), signedAt(), sigv4.Mismatch, "does not match"},
		{"date is none", kinesisCall(), edit("X-Amz-Date", "Z", ""), signedAt(), sigv4.Malformed, "ISO-8601 'basic format'"},
		{"too late", kinesisCall(), nil, later(15*time.Minute + time.Second), sigv4.Skewed, "Signature expired: 20261123T090000Z is now earlier than 20261123T090001Z (20261123T091501Z - 15 min.)"},
		{"too early", kinesisCall(), nil, later(-16 * time.Minute), sigv4.Skewed, "Signature not yet current: 20261123T090000Z is still later than 20261123T085900Z (20261123T084400Z + 15 min.)"},
		{"other operation", kinesisCall(), edit("X-Amz-Target", "PutRecord", "DeleteStream"), signedAt(), sigv4.Mismatch, "does not match"},
		{"header added", kinesisCall(), func(r *http.Request) { r.Header.Add("X-Amz-Acl", "public") }, signedAt(), sigv4.UnsignedHeaders, "'x-amz-acl' must be"},
		{"value added", kinesisCall(), func(r *http.Request) { r.Header.Add("X-Amz-Target", "x") }, signedAt(), sigv4.Mismatch, "does not match"},
		{"host not signed", kinesisCall(), edit("Authorization", ";host;", ";"), signedAt(), sigv4.UnsignedHeaders, "'Host' or ':authority'"},
		{"other host", kinesisCall(), func(r *http.Request) { r.Host = "elsewhere" }, signedAt(), sigv4.Mismatch, "does not match"},
		{"other method", kinesisCall(), func(r *http.Request) { r.Method = "GET" }, signedAt(), sigv4.Mismatch, "does not match"},
		{"other path", kinesisCall(), func(r *http.Request) { r.URL.Path = "/x" }, signedAt(), sigv4.Mismatch, "does not match"},
		{"query added", kinesisCall(), func(r *http.Request) { r.URL.RawQuery = "a=b" }, signedAt(), sigv4.Mismatch, "does not match"},
		{"query broken", kinesisCall(), func(r *http.Request) { r.URL.RawQuery = "a=%zz" }, signedAt(), sigv4.Malformed, "cannot be decoded"},
		{"other signature", kinesisCall(), edit("Authorization", "Signature=", "Signature=0"), signedAt(), sigv4.Mismatch, "does not match"},
		{"other body", kinesisCall(), func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader("{}")) }, signedAt(), sigv4.Mismatch, "does not match"},
		{"stated hash is another", s3Call("PUT", "/k", sum("x")), nil, signedAt(), sigv4.WrongPayload, "does not match what was computed"},
		{"stated hash is none", s3Call("PUT", "/k", "abc"), nil, signedAt(), sigv4.MissingPayloadHash, "valid sha256"},
		{"presigned, too late", link, nil, later(61 * time.Second), sigv4.Expired, "Signature expired"},
		{"presigned, too early", link, nil, later(-time.Hour), sigv4.Skewed, "not yet current"},
		{"presigned, life changed", link, query("Expires=60", "Expires=6000"), signedAt(), sigv4.Mismatch, "does not match"},
		{"presigned, life over a week", link, query("Expires=60", "Expires=604801"), signedAt(), sigv4.Malformed, "604800"},
		{"presigned, no life", link, query("Expires=60", "Expires=-1"), signedAt(), sigv4.Malformed, "604800"},
		{"presigned, parameter changed", link, query("x=1", "x=2"), signedAt(), sigv4.Mismatch, "does not match"},
		{"presigned, parameter added", link, query("x=1", "x=1&x=1"), signedAt(), sigv4.Mismatch, "does not match"},
		{"presigned, no date", link, query("X-Amz-Date", "Date"), signedAt(), sigv4.Malformed, "must include 'X-Amz-Date'"},
		{"presigned, other algorithm", link, query("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), signedAt(), sigv4.Malformed, "AWS4-ECDSA-P256-SHA256"},
		{"presigned, header too", link, func(r *http.Request) { r.Header.Set("Authorization", "x") }, signedAt(), sigv4.TwoSignatures, "Found both"},
		{"presigned, header added", link, func(r *http.Request) { r.Header.Set("X-Amz-Acl", "x") }, signedAt(), sigv4.UnsignedHeaders, "x-amz-acl"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			r := received(t, tc.from)
			if tc.change != nil {
				tc.change(r)
			}
			verify := func() error { _, err := verifier().Verify(r, tc.now); return err }
			if !tc.from.presign {
				verify = func() error {
					body, err := io.ReadAll(r.Body)
					if err != nil {
						t.Fatal(err)
					}
					_, err = verifier().For("us-east-1", tc.from.service).VerifyBody(r, body, tc.now)
					return err
				}
			}
			err := verify()
			got, ok := errors.AsType[*sigv4.Error](err)
			if !ok || got.Reason != tc.want || !strings.Contains(got.Message, tc.says) {
				t.Fatalf("%v, want reason %d: %s", err, tc.want, tc.says)
			}
			if hasDetails := got.CanonicalRequest != ""; hasDetails != (tc.want == sigv4.Mismatch) {
				t.Errorf("canonical request: %t", hasDetails)
			}
			if strings.Contains(err.Error()+got.CanonicalRequest+got.StringToSign, secret) {
				t.Error("the secret is in the error")
			}
		})
	}
}

func TestHashMustBeStated(t *testing.T) {
	_, err := verifier().Verify(received(t, kinesisCall()), signedAt())
	if got, ok := errors.AsType[*sigv4.Error](err); !ok || got.Reason != sigv4.MissingPayloadHash {
		t.Errorf("%v", err)
	}
}

func TestBody(t *testing.T) {
	id, err := verifier().Verify(received(t, s3Call("PUT", "/k", sum("content"))), signedAt())
	if err != nil {
		t.Fatal(err)
	}
	for body, want := range map[string]bool{"content": true, "contenu": false, "": false} {
		got, err := io.ReadAll(id.Body(io.NopCloser(strings.NewReader(body))))
		if _, refused := errors.AsType[*sigv4.Error](err); refused == want || string(got) != body {
			t.Errorf("%q: read %q, %v", body, got, err)
		}
	}
	id.PayloadHash = sigv4.Unsigned
	if _, err := io.ReadAll(id.Body(io.NopCloser(strings.NewReader("anything")))); err != nil {
		t.Error(err)
	}
}

// TestChunks is the example of the S3 API Reference, "Signature calculations
// for the Authorization header: transferring payload in multiple chunks".
func TestChunks(t *testing.T) {
	v := sigv4.New(sigv4.Key{ID: "AKIAIOSFODNN7EXAMPLE", Secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"})
	r := httptest.NewRequest("PUT", "/examplebucket/chunkObject.txt", nil)
	r.Host = "s3.amazonaws.com"
	for name, value := range map[string]string{
		"X-Amz-Date": "20130524T000000Z", "X-Amz-Storage-Class": "REDUCED_REDUNDANCY", "Content-Encoding": "aws-chunked",
		"X-Amz-Content-Sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "X-Amz-Decoded-Content-Length": "66560", "Content-Length": "66824",
		"Authorization": "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request," +
			"SignedHeaders=content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class," +
			"Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
	} {
		r.Header.Set(name, value)
	}
	id, err := v.Verify(r, time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	if !id.Chunked() {
		t.Error("not chunked")
	}
	chunks := id.Chunks()
	for i, c := range []struct{ data, signature string }{
		{strings.Repeat("a", 64<<10), "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"},
		{strings.Repeat("a", 1<<10), "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"},
		{"", "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"},
	} {
		if err := chunks.Verify(sha256.Sum256([]byte(c.data+"x")), c.signature); err == nil {
			t.Errorf("chunk %d: changed data is taken", i)
		}
		if err := chunks.Verify(sha256.Sum256([]byte(c.data)), c.signature); err != nil {
			t.Errorf("chunk %d: %v", i, err)
		}
	}
	if err := chunks.VerifyTrailer(sha256.Sum256([]byte("x-amz-checksum-crc32c:sOO8/Q==\n")), "00"); err == nil {
		t.Error("a wrong signature of the trailer is taken")
	}
}

// FuzzVerify feeds what strangers send: it must be refused, whatever it is.
func FuzzVerify(f *testing.F) {
	f.Add("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261123/us-east-1/kinesis/aws4_request, SignedHeaders=host;x-amz-date, Signature=00", "", "20261123T090000Z")
	f.Add("", "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20261123%2Fr%2Fs3%2Faws4_request&X-Amz-Date=20261123T090000Z&X-Amz-Expires=9&X-Amz-SignedHeaders=host&X-Amz-Signature=0", "")
	f.Add("AWS4-HMAC-SHA256 ,,==,", "&&=&%", "Mon, 23 Nov 2026 09:00:00 GMT")
	f.Fuzz(func(t *testing.T, authorization, query, date string) {
		r := httptest.NewRequest("POST", "/", nil)
		r.URL.RawQuery = query
		r.Header["Authorization"] = []string{authorization}
		r.Header["X-Amz-Date"] = []string{date}
		_, err := verifier().VerifyBody(r, nil, signedAt())
		if _, ok := errors.AsType[*sigv4.Error](err); !ok {
			t.Fatalf("%v", err)
		}
	})
}

// TestAcceptsAuthority has a call that the AWS SDK for JavaScript signed for
// HTTP/2: it names the host by its pseudo-header.
func TestAcceptsAuthority(t *testing.T) {
	body := `{"Data":"eA==","StreamName":"s","PartitionKey":"k"}`
	r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1:39729/", strings.NewReader(body))
	for name, value := range map[string]string{
		"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "Kinesis_20131202.PutRecord", "Content-Length": "51",
		"X-Amz-User-Agent": "aws-sdk-js/3.1142.0", "Amz-Sdk-Invocation-Id": "93f9c618-1dc0-45bd-bb99-94ce94895392",
		"Amz-Sdk-Request": "attempt=1; max=3", "X-Amz-Date": "20261123T104415Z",
		"X-Amz-Content-Sha256": "c369021b7747cbd39f188c21a09c81b8da917c4244b8cccd90d2043f28d5da60",
		"Authorization": "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261123/us-east-1/kinesis/aws4_request, " +
			"SignedHeaders=:authority;amz-sdk-invocation-id;amz-sdk-request;content-length;content-type;x-amz-content-sha256;x-amz-date;x-amz-target;x-amz-user-agent, " +
			"Signature=325e4fe81a9a5f7285ad55b94f93fb05de08b84588f00a83cce2f1b5a9c23a13",
	} {
		r.Header.Set(name, value)
	}
	at := time.Date(2026, 11, 23, 10, 44, 15, 0, time.UTC)
	if _, err := verifier().VerifyBody(r, []byte(body), at); err != nil {
		t.Error(err)
	}
	r.Host = "127.0.0.1:39730"
	if _, err := verifier().VerifyBody(r, []byte(body), at); err == nil {
		t.Error("accepted for another host")
	}
}
