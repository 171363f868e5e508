package awsclient_test

import (
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/kload/kload/internal/awsclient"
)

// The transport is kload's own, and yet trusts what AWS tools are told to.
func TestTrustsTheBundleOfTheEnvironment(t *testing.T) {
	server := httptest.NewUnstartedServer(answer(200, "application/x-amz-json-1.1", `{"SequenceNumber":"1","ShardId":"s"}`, nil))
	server.EnableHTTP2 = true // to be declined
	server.StartTLS()
	defer server.Close()
	bundle := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(bundle, text, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "any")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "any")
	t.Setenv("AWS_CONFIG_FILE", os.DevNull)
	for _, c := range []struct {
		bundle string
		ok     bool
	}{{"", false}, {bundle, true}} {
		t.Setenv("AWS_CA_BUNDLE", c.bundle)
		client, err := awsclient.New(t.Context(), awsclient.Options{Region: "us-east-1", Endpoint: server.URL})
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		if _, err := put(t, client, "x"); (err == nil) != c.ok {
			t.Errorf("with bundle %q: %v", c.bundle, err)
		}
	}
}
