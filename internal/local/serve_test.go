package local_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
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
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/local"
	"github.com/kload/kload/internal/local/kinesis"
	"github.com/kload/kload/internal/memnet"
	"github.com/kload/kload/internal/sigv4"
)

// serving runs a server until the test calls what is returned.
func serving(t *testing.T, s *local.Server) (stop func() local.Report) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	type result struct {
		report local.Report
		err    error
	}
	ended := make(chan result, 1)
	go func() {
		report, err := s.Serve(ctx)
		ended <- result{report, err}
	}()
	t.Cleanup(cancel)
	return func() local.Report {
		t.Helper()
		cancel()
		r := <-ended
		if r.err != nil {
			t.Error(r.err)
		}
		return r.report
	}
}

// served starts a server on a free port.
func served(t *testing.T, cfg local.ServeConfig) (s *local.Server, stop func() local.Report) {
	t.Helper()
	cfg.Listen = "127.0.0.1:0"
	s, err := local.Listen(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s, serving(t, s)
}

// get asks for a page as a browser does.
func get(t *testing.T, c *http.Client, url string, header ...string) (status int, body string, h http.Header) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	r.Host = r.Header.Get("Host")
	answer, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text), answer.Header
}

func putOne(t *testing.T, c *sdk.Client, stream, data string) error {
	t.Helper()
	_, err := c.PutRecord(t.Context(), &sdk.PutRecordInput{StreamName: &stream, PartitionKey: aws.String("key"), Data: []byte(data)})
	return err
}

// TestPages uses a server in virtual time and looks at what it says about that.
func TestPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := memnet.Listen()
		s, err := local.ListenOn(t.Context(), local.ServeConfig{
			Config:  local.Config{Region: "<b>", Limits: kinesis.Limits{WriteRecords: 40}},
			Streams: []local.NewStream{{Name: "busy", Shards: 1}, {Name: "quiet", Shards: 100}},
		}, ln)
		if err != nil {
			t.Fatal(err)
		}
		stop := serving(t, s)
		c, err := awsclient.New(t.Context(), awsclient.Options{Local: true, Endpoint: s.Endpoint(), Dial: ln.Dial})
		if err != nil {
			t.Fatal(err)
		}
		for range 70 {
			<-time.After(100 * time.Millisecond)
			if err := putOne(t, c.Data, "busy", "1234567"); err != nil {
				t.Fatal(err)
			}
		}
		if err := putOne(t, c.Data, "missing", ""); err == nil {
			t.Error("put into a stream that is not there")
		}
		transport := &http.Transport{DialContext: ln.Dial}
		page := func(path string, header ...string) string {
			status, body, _ := get(t, &http.Client{Transport: transport}, "http://localhost"+path, header...)
			if status != http.StatusOK {
				t.Fatalf("%s: %d %s", path, status, body)
			}
			return body
		}
		if got := page("/healthz"); got != "ok\n" {
			t.Errorf("health: %q", got)
		}
		var status local.Status
		if err := json.Unmarshal([]byte(page("/?format=json")), &status); err != nil {
			t.Fatal(err)
		}
		busy := status.Streams[0]
		want := local.Rates{RecordsIn: 10, BytesIn: 100}
		if diff := cmp.Diff(want, busy.Rates); diff != "" || status.Rates != want || busy.Shards[0].Rates != want {
			t.Errorf("rates of ten records of ten bytes a second, -want +got:\n%s", diff)
		}
		if busy.Name != "busy" || busy.Tally.RecordsIn != 70 || busy.StoredBytes != 700 || busy.Open != 1 || len(status.Streams[1].Shards) != 100 ||
			status.Stats.Requests["PutRecord"] != 71 || status.Stats.Errors["PutRecord"] != 1 || status.UptimeS != 7 || status.Connections < 2 {
			t.Errorf("status %+v", status)
		}
		html := page("/", "Accept", "text/html,*/*")
		for _, want := range []string{
			"<h2>busy</h2>", "<td>10.0/s</td>", "&lt;b&gt;", `content="2"`, "36 more shards", "40 records/s",
		} {
			if !strings.Contains(html, want) {
				t.Errorf("the page lacks %q", want)
			}
		}
		if strings.Contains(html, "<b>") || strings.Contains(html, "http://") && strings.Contains(html, "src=") {
			t.Error("the page has foreign elements")
		}
		metrics := page("/metrics")
		for _, want := range []string{
			`kload_local_requests_total{action="PutRecord"} 71`, `kload_local_request_errors_total{action="PutRecord"} 1`,
			`kload_local_records_in_total{shard="shardId-000000000000",stream="busy"} 70`, "kload_local_streams 2\n", "go_goroutines ",
		} {
			if !strings.Contains(metrics, want) {
				t.Errorf("the metrics lack %q", want)
			}
		}
		// Rates are of the last seconds only.
		<-time.After(time.Minute)
		if err := json.Unmarshal([]byte(page("/status.json")), &status); err != nil || status.Rates != (local.Rates{}) {
			t.Errorf("after a minute of silence: %+v, %v", status.Rates, err)
		}
		c.Close()
		transport.CloseIdleConnections()
		if report := stop(); !report.Complete || report.Stats.RecordsIn != 70 {
			t.Errorf("report %+v", report)
		}
	})
}

// TestMetricsAreBounded has more shards than series.
func TestMetricsAreBounded(t *testing.T) {
	s, stop := served(t, local.ServeConfig{Streams: []local.NewStream{{Name: "a", Shards: 600}, {Name: "b", Shards: 3000}}})
	_, body, _ := get(t, http.DefaultClient, s.Endpoint()+"/metrics")
	if n := strings.Count(body, "\nkload_local_stored_bytes{"); n != 1001 {
		t.Errorf("%d series, want those of 1000 shards and one for the others", n)
	}
	if !strings.Contains(body, `{shard="_other",stream="_other"} 0`) {
		t.Error("the others are missing")
	}
	stop()
}

// TestFront checks who gets to see what.
func TestFront(t *testing.T) {
	s, stop := served(t, local.ServeConfig{})
	remote, err := local.Listen(t.Context(), local.ServeConfig{Listen: "127.0.0.1:0", AllowRemote: true})
	if err != nil {
		t.Fatal(err)
	}
	stopRemote := serving(t, remote)
	const html = "text/html"
	tests := []struct {
		path, host, accept string
		status             int
		media              string
	}{
		{"/", "localhost", html, 200, "text/html; charset=utf-8"},
		{"/", "", html, 200, "text/html; charset=utf-8"}, // 127.0.0.1
		{"/", "[::1]:4567", html, 200, "text/html; charset=utf-8"},
		{"/", "Kinesis.LOCALHOST.:80", html, 200, "text/html; charset=utf-8"},
		{"/", "evil.example", html, 421, "text/plain; charset=utf-8"},
		{"/status.json", "evil.example:4567", "", 421, "text/plain; charset=utf-8"},
		{"/metrics", "localhost.evil.example", "", 421, "text/plain; charset=utf-8"},
		{"/healthz", "localhost", "", 200, "text/plain; charset=utf-8"},
		{"/?format=json", "localhost", "", 200, "application/json"},
		{"/", "localhost", "*/*", 403, "application/xml"}, // the service's own answer
		{"/nothing", "localhost", html, 403, "application/xml"},
	}
	for _, tc := range tests {
		status, body, h := get(t, http.DefaultClient, s.Endpoint()+tc.path, "Host", tc.host, "Accept", tc.accept)
		if status != tc.status || h.Get("Content-Type") != tc.media {
			t.Errorf("%s for %q: %d %s %s", tc.path, tc.host, status, h.Get("Content-Type"), body)
		}
		if policy := h.Get("Content-Security-Policy"); (policy == "") != (tc.media == "application/xml") || h.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s for %q: policy %q", tc.path, tc.host, policy)
		}
	}
	if status, _, _ := get(t, http.DefaultClient, remote.Endpoint()+"/status.json", "Host", "host.example"); status != 200 {
		t.Errorf("with remote clients, under another name: %d", status)
	}
	for _, path := range []string{"/", "/healthz", "/metrics", "/status.json"} { // what a client posts is for the service
		answer, err := http.Post(s.Endpoint()+path, "application/x-amz-json-1.1", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusBadRequest || answer.Header.Get("X-Amzn-Requestid") == "" {
			t.Errorf("POST %s: %d", path, answer.StatusCode)
		}
	}
	stop()
	stopRemote()
}

func TestTLS(t *testing.T) {
	noted := make(chan string, 100)
	s, stop := served(t, local.ServeConfig{Note: func(line string) { noted <- line }, TLS: true, Streams: []local.NewStream{{Name: "s", Shards: 1}}})
	text, err := os.ReadFile(s.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		t.Fatal("no certificate in the file")
	}
	for _, h2 := range []bool{false, true} {
		protocols := new(http.Protocols)
		protocols.SetHTTP1(!h2)
		protocols.SetHTTP2(h2)
		transport := &http.Transport{Protocols: protocols, TLSClientConfig: &tls.Config{RootCAs: roots}}
		for _, host := range []string{"127.0.0.1", "localhost"} {
			url := strings.Replace(s.Endpoint(), "127.0.0.1", host, 1)
			if !strings.HasPrefix(url, "https://") {
				t.Fatal(url)
			}
			c := sdk.New(sdk.Options{
				Region: "us-east-1", BaseEndpoint: &url, HTTPClient: &http.Client{Transport: transport},
				Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
			})
			if err := putOne(t, c, "s", "data"); err != nil {
				t.Errorf("HTTP/2 %t, %s: %v", h2, host, err)
			}
		}
		transport.CloseIdleConnections()
	}
	if answer, err := http.Get(s.Endpoint()); err == nil {
		answer.Body.Close()
		t.Error("the certificate is trusted by those who were not told to")
	}
	if line := <-noted; !strings.Contains(line, "bad certificate") {
		t.Errorf("noted %q", line)
	}
	if report := stop(); report.Stats.RecordsIn != 4 {
		t.Errorf("%+v", report.Stats)
	}
	if _, err := os.Stat(s.CAFile()); err == nil {
		t.Error("the temporary certificate is still there")
	}
}

func TestCertificateFile(t *testing.T) {
	dir := t.TempDir()
	precious := filepath.Join(dir, "precious")
	if err := os.WriteFile(precious, []byte("not a certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{precious, dir, filepath.Join(dir, "none", "ca.pem")} {
		if _, err := local.Listen(t.Context(), local.ServeConfig{Listen: "127.0.0.1:0", TLS: true, CAFile: bad}); err == nil {
			t.Errorf("%s was written", bad)
		}
	}
	ca := filepath.Join(dir, "ca.pem")
	for range 2 { // the second time over the first one's
		s, stop := served(t, local.ServeConfig{TLS: true, CAFile: ca})
		stop()
		text, err := os.ReadFile(s.CAFile())
		if err != nil || !strings.HasPrefix(string(text), "-----BEGIN CERTIFICATE-----") || strings.Contains(string(text), "KEY") {
			t.Errorf("%s, %v", text, err)
		}
	}
}

func TestListenRefuses(t *testing.T) {
	taken, stop := served(t, local.ServeConfig{})
	defer stop()
	tests := []struct {
		cfg        local.ServeConfig
		says, hint string
	}{
		{local.ServeConfig{Listen: strings.TrimPrefix(taken.Endpoint(), "http://")}, "address already in use", "something else listens there"},
		{local.ServeConfig{Listen: "0.0.0.0:0"}, "can be reached from other machines", "--allow-remote"},
		{local.ServeConfig{Listen: ":0"}, "can be reached from other machines", "--allow-remote"},
		{local.ServeConfig{Listen: "[::]:0"}, "can be reached from other machines", "--allow-remote"},
		{local.ServeConfig{Listen: "127.0.0.1"}, "missing port", "a host and a port"},
		{local.ServeConfig{Listen: "127.0.0.1:99999"}, "invalid port", "a host and a port"},
		{local.ServeConfig{Listen: "127.0.0.1:0", Streams: []local.NewStream{{Name: "a b", Shards: 1}}}, `creating the stream "a b"`, ""},
		{local.ServeConfig{Listen: "127.0.0.1:0", Streams: []local.NewStream{{Name: "s", Shards: 0}}}, "at least 1 shard", ""},
		{local.ServeConfig{Listen: "127.0.0.1:0", Config: local.Config{StoreBytes: 1}}, "store of 1 bytes", "at least 4 MiB"},
	}
	for _, tc := range tests {
		_, err := local.Listen(t.Context(), tc.cfg)
		hint := ""
		if h, ok := errors.AsType[*kload.HintError](err); ok {
			hint = h.Hint
		}
		if err == nil || !errors.Is(err, kload.ErrInvalid) || !strings.Contains(err.Error(), tc.says) || !strings.Contains(hint, tc.hint) {
			t.Errorf("%s %v: %v; hint %q", tc.cfg.Listen, tc.cfg.Streams, err, hint)
		}
	}
}

func TestEnviron(t *testing.T) {
	anyone, stop := served(t, local.ServeConfig{})
	defer stop()
	keyed, stopKeyed := served(t, local.ServeConfig{
		Config: local.Config{Region: "eu west's"}, TLS: true, Keys: []sigv4.Key{{ID: "id", Secret: "never shown"}},
	})
	defer stopKeyed()
	export := func(s *local.Server) (out []string) {
		for _, v := range s.Environ() {
			out = append(out, v.Export())
		}
		return out
	}
	want := [][]string{{
		"export AWS_ENDPOINT_URL_KINESIS=" + anyone.Endpoint(), "export AWS_REGION=us-east-1", "export AWS_DEFAULT_REGION=us-east-1",
		"export AWS_ACCESS_KEY_ID=local", "export AWS_SECRET_ACCESS_KEY=local",
	}, {
		"export AWS_ENDPOINT_URL_KINESIS=" + keyed.Endpoint(), `export AWS_REGION='eu west'\''s'`, `export AWS_DEFAULT_REGION='eu west'\''s'`,
		"export AWS_ACCESS_KEY_ID=id", "export AWS_CA_BUNDLE=" + keyed.CAFile(),
	}}
	if diff := cmp.Diff(want, [][]string{export(anyone), export(keyed)}); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
