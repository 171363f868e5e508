package awsclient

import (
	"crypto/tls"
	"net"
	"net/http"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/kload/kload/internal/awscbor/protocol"
)

// tunedConnections is how many connections a tuned client opens at most, unless
// its own transport says otherwise.
const tunedConnections = 64

// Tune returns an option that makes a program's own client send as kload's does:
// one attempt per call, over many HTTP/1.1 connections, with isolated request
// bodies, in CBOR unless the wire is JSON. What the client's transport says of
// proxies, dialing, TLS and connections stays; an HTTP client that is neither the
// SDK's nor net/http's stays as it is.
func Tune(w Wire) func(*kinesis.Options) {
	return func(ko *kinesis.Options) {
		ko.Retryer = aws.NopRetryer{}
		if t := transportOf(ko.HTTPClient); t != nil {
			tune(t)
			ko.HTTPClient = newIsolating(t, new(atomic.Uint64))
		}
		if w != JSON {
			protocol.New(protocol.Options{}).Use(ko)
		}
	}
}

// transportOf returns a copy of a client's transport, nil where it has none that
// is known.
func transportOf(c kinesis.HTTPClient) *http.Transport {
	switch c := c.(type) {
	case *awshttp.BuildableClient:
		return c.GetTransport()
	case *http.Client:
		next := c.Transport
		if next == nil {
			next = http.DefaultTransport
		}
		if t, ok := next.(*http.Transport); ok {
			return t.Clone()
		}
	}
	return nil
}

func tune(t *http.Transport) {
	if t.MaxConnsPerHost == 0 {
		t.MaxConnsPerHost = tunedConnections
	}
	t.MaxIdleConns, t.MaxIdleConnsPerHost = 0, t.MaxConnsPerHost
	t.ReadBufferSize, t.WriteBufferSize = readBuffer, writeBuffer
	t.DisableCompression, t.ForceAttemptHTTP2 = true, false
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
	if t.TLSClientConfig == nil {
		t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	t.TLSClientConfig.DynamicRecordSizingDisabled, t.TLSClientConfig.NextProtos = true, nil
	if t.TLSClientConfig.ClientSessionCache == nil {
		t.TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(t.MaxConnsPerHost)
	}
	dial := dialFunc(t.DialContext)
	if dial == nil {
		dial = (&net.Dialer{Timeout: dialTimeout, KeepAlive: keepAlive}).DialContext
	}
	t.DialContext = dial.plain
	if t.DialTLSContext == nil {
		t.DialTLSContext = dial.secured(t.TLSClientConfig)
	}
}
