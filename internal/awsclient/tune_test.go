package awsclient_test

import (
	"context"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload/internal/awscbor"
	"github.com/kload/kload/internal/awsclient"
)

// TestTune holds what a program's own client does after tuning, over plain HTTP and
// TLS: one HTTP/1.1 attempt per call in the wire that was asked for, trusting and
// dialing what it did before.
func TestTune(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "any")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "any")
	t.Setenv("AWS_CONFIG_FILE", os.DevNull)
	t.Setenv("AWS_CA_BUNDLE", "")
	const json = "application/x-amz-json-1.1"
	var dialed atomic.Int64
	counted := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		dialed.Add(1)
		return new(net.Dialer).DialContext(ctx, network, addr)
	}}}
	for name, tt := range map[string]struct {
		wire   awsclient.Wire
		tls    bool
		client kinesis.HTTPClient // nil for the SDK's
		want   string
	}{
		"CBOR":             {awsclient.CBOR, false, nil, awscbor.Media},
		"CBOR over TLS":    {awsclient.CBOR, true, nil, awscbor.Media},
		"JSON over TLS":    {awsclient.JSON, true, nil, json},
		"its own dialing":  {awsclient.CBOR, false, counted, awscbor.Media},
		"net/http's usual": {awsclient.CBOR, false, new(http.Client), awscbor.Media},
	} {
		t.Run(name, func(t *testing.T) {
			var seen []string
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				seen = append(seen, r.Proto+" "+r.Header.Get("Content-Type"))
				answer(500, json, `{"__type":"InternalFailure"}`, nil)(w, r)
			}))
			defer server.Close()
			if server.EnableHTTP2 = tt.tls; tt.tls {
				server.StartTLS()
				bundle := filepath.Join(t.TempDir(), "ca.pem")
				text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
				if err := os.WriteFile(bundle, text, 0o600); err != nil {
					t.Fatal(err)
				}
				t.Setenv("AWS_CA_BUNDLE", bundle)
			} else {
				server.Start()
			}
			cfg, err := config.LoadDefaultConfig(t.Context(), config.WithRegion("us-east-1"), config.WithHTTPClient(tt.client))
			if err != nil {
				t.Fatal(err)
			}
			cfg.BaseEndpoint = aws.String(server.URL)
			client := kinesis.NewFromConfig(cfg, awsclient.Tune(tt.wire))
			before := dialed.Load()
			if _, err := put(t, &awsclient.Client{Data: client}, "x"); err == nil {
				t.Error("a failure was not passed on")
			}
			if d := cmp.Diff([]string{"HTTP/1.1 " + tt.want}, seen); d != "" {
				t.Errorf("requests (-want +got)\n%s", d)
			}
			if own := tt.client == counted; own != (dialed.Load() > before) {
				t.Errorf("its own dialing was used %d times", dialed.Load()-before)
			}
		})
	}
}
