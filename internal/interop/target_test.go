//go:build interop

package interop_test

import (
	"context"
	"net"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/local"
	"github.com/kload/kload/internal/local/kinesis"
)

// startTarget serves the embedded target, with the service's own limits, until
// the test ends, and returns its endpoint.
func startTarget(t *testing.T) string {
	t.Helper()
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	target, err := local.StartShared(local.Config{}, ln)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Second)
		defer cancel()
		_, _ = target.Stop(ctx) // a client that was killed may have left calls
	})
	return target.Endpoint()
}

// startSecure serves two endpoints of one target: plain, and over TLS with a
// certificate nobody trusts.
func startSecure(t *testing.T) (plain, secure *httptest.Server) {
	t.Helper()
	target, err := kinesis.New(kinesis.Config{})
	if err != nil {
		t.Fatal(err)
	}
	plain, secure = httptest.NewServer(target), httptest.NewUnstartedServer(target)
	t.Cleanup(plain.Close)
	secure.EnableHTTP2 = true
	secure.StartTLS()
	t.Cleanup(secure.Close)
	return plain, secure
}

func newClient(t *testing.T, endpoint string) *awsclient.Client {
	t.Helper()
	c, err := awsclient.New(t.Context(), awsclient.Options{Local: true, Endpoint: endpoint})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}
