package awsclient

import (
	"context"
	"net/http"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/kload/kload/internal/awscbor/protocol"
)

// Wire is the encoding of data calls.
type Wire string

// The wires. CBOR carries blobs as they are and costs a third of JSON's CPU;
// AWS's Java SDKs speak it to Kinesis by default. Auto is CBOR unless the service
// turned out not to know it.
const (
	Auto Wire = "auto"
	CBOR Wire = "cbor"
	JSON Wire = "json"
)

// wires is what a client knows of the encodings it speaks.
type wires struct {
	cbor  *Caller
	json  *Caller
	probe *kinesis.Client // cbor, with the SDK's retries

	mu       sync.Mutex
	agreed   Wire // what Auto stands for
	used     map[Wire]bool
	fallback error // why it is JSON
	apart    []*http.Transport
}

// Negotiate settles what [Auto] stands for by asking for one shard of the stream
// in CBOR. Until then, and where the service does not understand, it is JSON. Only
// an error that leaves the question open is returned, with a hint.
func (c *Client) Negotiate(ctx context.Context, stream string) error {
	_, err := c.wires.probe.ListShards(ctx, &kinesis.ListShardsInput{StreamName: aws.String(stream), MaxResults: aws.Int32(1)})
	agreed, why := CBOR, error(nil)
	if err != nil {
		if !protocol.NotSpoken(err) {
			return Explain(err, "asking for the shards of stream "+stream+" in CBOR")
		}
		agreed, why = JSON, err
	}
	c.wires.mu.Lock()
	defer c.wires.mu.Unlock()
	c.wires.agreed, c.wires.fallback = agreed, why
	return nil
}

// Over returns a client for data calls in the given wire. Calls and attempts are
// counted together, whatever the wire.
func (c *Client) Over(w Wire) *Caller {
	c.wires.mu.Lock()
	defer c.wires.mu.Unlock()
	if w == Auto {
		w = c.wires.agreed
	}
	c.wires.used[w] = true
	if w == CBOR {
		return c.wires.cbor
	}
	return c.wires.json
}

// Apart is Over with connections of the caller's own: neither waits for those of
// others, and what they cost the processor can be told apart. [Client.Close]
// closes them, too.
func (c *Client) Apart(w Wire) *Caller {
	t := newTransport(c.options)
	c.wires.mu.Lock()
	c.wires.apart = append(c.wires.apart, t)
	c.wires.mu.Unlock()
	from := c.Over(w).Options()
	return newCaller(kinesis.New(from, func(o *kinesis.Options) {
		o.Protocol = from.Protocol // New has put its own in its place
		o.HTTPClient = newIsolating(t, &c.attempts)
	}))
}

// InForce returns the wires that Over gave clients of, and why Auto is JSON if the
// service did not understand CBOR.
func (c *Client) InForce() (used []Wire, fallback error) {
	c.wires.mu.Lock()
	defer c.wires.mu.Unlock()
	for _, w := range []Wire{CBOR, JSON} {
		if c.wires.used[w] {
			used = append(used, w)
		}
	}
	return used, c.wires.fallback
}
