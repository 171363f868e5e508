package local_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/local"
	"github.com/kload/kload/internal/local/kinesis"
	"github.com/kload/kload/internal/memnet"
	"github.com/kload/kload/internal/sigv4"
)

// TestData ends a server that keeps its records, and starts another.
func TestData(t *testing.T) {
	cfg := local.ServeConfig{Config: local.Config{Data: t.TempDir()}, Streams: []local.NewStream{{Name: "s", Shards: 1}}}
	for round := range 3 {
		s, stop := served(t, cfg)
		c, err := awsclient.New(t.Context(), awsclient.Options{Local: true, Endpoint: s.Endpoint()})
		if err != nil {
			t.Fatal(err)
		}
		if err := putOne(t, c.Data, "s", "data"); err != nil {
			t.Fatal(err)
		}
		c.Close()
		_, page, _ := get(t, http.DefaultClient, s.Endpoint()+"/status.json")
		if kept := []string{`"stored_records":1,`, `"stored_records":2,`, `"stored_records":3,`}[round]; !strings.Contains(page, kept) {
			t.Errorf("round %d: %s", round, page)
		}
		// The directory is one server's only, until that ends.
		if _, err := local.Listen(t.Context(), local.ServeConfig{Listen: "127.0.0.1:0", Config: cfg.Config}); err == nil {
			t.Error("a second server took the same directory")
		}
		if report := stop(); !report.Complete {
			t.Errorf("%+v", report)
		}
	}
	bad := cfg
	bad.Streams = []local.NewStream{{Name: "no/name", Shards: 1}}
	bad.Listen = "127.0.0.1:0"
	if _, err := local.Listen(t.Context(), bad); err == nil {
		t.Error("a bad name was taken")
	}
	_, stop := served(t, cfg) // the failure has given the directory free
	stop()
}

// TestBuckets serves a folder next to the streams, over TLS and to those with a
// key.
func TestBuckets(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "trips"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "trips", "day-1"), []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, stop := served(t, local.ServeConfig{S3: dir, S3Listen: "127.0.0.1:0", TLS: true, Keys: []sigv4.Key{{ID: "id", Secret: "right"}}})
	text, err := os.ReadFile(s.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	web := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	client := func(secret string) *awss3.Client {
		return awss3.New(awss3.Options{
			Region: "us-east-1", BaseEndpoint: aws.String(s.BucketsEndpoint()), UsePathStyle: true, HTTPClient: web, RetryMaxAttempts: 1,
			Credentials: credentials.NewStaticCredentialsProvider("id", secret, ""),
		})
	}
	out, err := client("right").GetObject(t.Context(), &awss3.GetObjectInput{Bucket: aws.String("trips"), Key: aws.String("day-1")})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(out.Body); string(got) != "content" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	out.Body.Close()
	if _, err := client("right").PutObject(t.Context(), &awss3.PutObjectInput{
		Bucket: aws.String("trips"), Key: aws.String("day-2"), Body: strings.NewReader("more"),
	}); err != nil {
		t.Error(err)
	}
	if _, err := client("wrong").ListBuckets(t.Context(), &awss3.ListBucketsInput{}); err == nil || !strings.Contains(err.Error(), "SignatureDoesNotMatch") {
		t.Errorf("another secret: %v", err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "trips", "day-2")); string(got) != "more" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	for path, want := range map[string]string{
		"/status.json": `"s3":{"endpoint":"` + s.BucketsEndpoint() + `"`, "/metrics": `kload_local_s3_request_errors_total{fault="client"} 1`,
	} {
		if _, body, _ := get(t, web, s.Endpoint()+path); !strings.Contains(body, want) {
			t.Errorf("%s lacks %s", path, want)
		}
	}
	if v := s.Environ(); v[3].Name != "AWS_ENDPOINT_URL_S3" || v[3].Value != s.BucketsEndpoint() {
		t.Errorf("%v", v)
	}
	web.CloseIdleConnections()
	if report := stop(); !report.Complete {
		t.Errorf("%+v", report)
	}
	taken, stopTaken := served(t, local.ServeConfig{})
	defer stopTaken()
	if _, err := local.Listen(context.Background(), local.ServeConfig{
		Listen: "127.0.0.1:0", S3: dir, S3Listen: strings.TrimPrefix(taken.Endpoint(), "http://"),
	}); err == nil {
		t.Error("the port of another server was taken")
	}
}

// TestDataFails takes the directory away under a server, in virtual time: that is
// told at once where health is asked for, and once to who serves.
func TestDataFails(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	synctest.Test(t, func(t *testing.T) {
		ln := memnet.Listen()
		var alarms []error
		s, err := local.ListenOn(t.Context(), local.ServeConfig{
			Config:  local.Config{Data: dir, StoreBytes: 4 << 20, Limits: kinesis.Limits{Off: true}},
			Streams: []local.NewStream{{Name: "s", Shards: 1}},
			Alarm:   func(err error) { alarms = append(alarms, err) },
		}, ln)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			_, err := s.Serve(ctx)
			ended <- err
		}()
		c, err := awsclient.New(t.Context(), awsclient.Options{Local: true, Endpoint: s.Endpoint(), Dial: ln.Dial})
		if err != nil {
			t.Fatal(err)
		}
		health := func() int {
			status, _, _ := get(t, &http.Client{Transport: &http.Transport{DialContext: ln.Dial, DisableKeepAlives: true}}, "http://localhost/healthz")
			return status
		}
		if got := health(); got != http.StatusOK {
			t.Errorf("healthy: %d", got)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		for range 40 { // past the end of a segment
			err = putOne(t, c.Data, "s", strings.Repeat("x", 100000))
		}
		if got := health(); err == nil || got != http.StatusServiceUnavailable {
			t.Errorf("without a directory: %v, health %d", err, got)
		}
		<-time.After(time.Minute)
		synctest.Wait()
		if len(alarms) != 1 || !strings.Contains(alarms[0].Error(), "puts are refused") {
			t.Errorf("told %v", alarms)
		}
		c.Close()
		stop()
		if err := <-ended; err == nil {
			t.Error("the server ended without an error")
		}
	})
}
