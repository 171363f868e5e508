package awsclient

import (
	"context"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Subscribe makes a SubscribeToShard call and returns the event stream as it
// comes from the network, initial response included. It counts as a data call.
// ctx governs the stream as well as the call; the caller closes the stream.
//
// The SDK's own event streams read ahead of whoever reads them and copy each
// record, with a decoder that all subscriptions of a client share without a lock.
func (c *Client) Subscribe(ctx context.Context, in *kinesis.SubscribeToShardInput) (io.ReadCloser, error) {
	take := &taker{next: c.events}
	_, err := c.Data.SubscribeToShard(ctx, in, func(o *kinesis.Options) {
		o.HTTPClient, o.Protocol = take, undecoded{o.Protocol}
	})
	if err != nil {
		if take.body != nil {
			_ = take.body.Close() // the call's error says more
		}
		return nil, err
	}
	return take.body, nil
}

// taker is the HTTP client of one call: it takes the body of a good answer out
// of the SDK's hands.
type taker struct {
	next *isolating
	body io.ReadCloser
}

// Do sends the call.
func (t *taker) Do(req *http.Request) (*http.Response, error) {
	resp, err := t.next.Do(req)
	if err == nil && resp.StatusCode == http.StatusOK {
		t.body, resp.Body = resp.Body, http.NoBody
	}
	return resp, err
}

// undecoded is a protocol whose event streams have no events.
type undecoded struct{ smithyhttp.ClientProtocol }

// HasInitialEventMessage implements [smithyhttp.ClientProtocol].
func (undecoded) HasInitialEventMessage() bool { return false }

// DeserializeEventMessage implements [smithyhttp.ClientProtocol].
func (undecoded) DeserializeEventMessage(*smithy.Schema, *smithy.TypeRegistry, io.Reader) (smithy.Deserializable, error) {
	return nil, io.EOF
}

// newEventTransport is for subscriptions, which are answered for minutes. The
// service serves them over HTTP/2 only, many on one connection; without TLS each
// has a connection of HTTP/1.1.
func newEventTransport(o Options) *http.Transport {
	dial := o.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: dialTimeout, KeepAlive: keepAlive}).DialContext
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	proxy := http.ProxyFromEnvironment
	if o.Local {
		proxy = nil
	}
	return &http.Transport{
		Proxy:               proxy,
		DialContext:         dial,
		TLSClientConfig:     tlsConfig(o, 0),
		Protocols:           protocols,
		IdleConnTimeout:     90 * time.Second,
		TLSHandshakeTimeout: handshakeTimeout,
		DisableCompression:  true,
		// An event has 1.4 MB at most, but for records of several MiB. What is not read
		// yet waits at the service, not in memory.
		HTTP2: &http.HTTP2Config{MaxReceiveBufferPerStream: 1 << 20, SendPingTimeout: 15 * time.Second},
	}
}

// ServiceError is an error in an event stream, which ends it. [Classify] and
// [Explain] take it like that of a call.
func ServiceError(code, message string) error {
	return &smithy.GenericAPIError{Code: code, Message: message}
}
