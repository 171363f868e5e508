package local_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/kload/kload/internal/local"
)

// TestUnnegotiatedHTTP2 speaks HTTP/2 over TLS without having said so in the
// handshake.
func TestUnnegotiatedHTTP2(t *testing.T) {
	s, stop := served(t, local.ServeConfig{TLS: true, Streams: []local.NewStream{{Name: "s", Shards: 1}}})
	text, err := os.ReadFile(s.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		return (&tls.Dialer{Config: &tls.Config{RootCAs: roots}}).DialContext(ctx, network, addr)
	}}
	url := strings.Replace(s.Endpoint(), "https://", "http://", 1) // encrypted all the same
	c := sdk.New(sdk.Options{
		Region: "us-east-1", BaseEndpoint: &url, HTTPClient: &http.Client{Transport: transport},
		Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
	})
	if err := putOne(t, c, "s", "data"); err != nil {
		t.Error(err)
	}
	transport.CloseIdleConnections()
	if report := stop(); report.Stats.RecordsIn != 1 {
		t.Errorf("%+v", report.Stats)
	}
}
