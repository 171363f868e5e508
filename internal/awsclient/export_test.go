package awsclient

import (
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
)

// Isolating is the HTTP client that SDK clients send through.
type Isolating = isolating

// NewIsolating returns one.
func NewIsolating(t http.RoundTripper, attempts *atomic.Uint64) *Isolating {
	return newIsolating(t, attempts)
}

// NewCaller returns a [Caller] of any client.
func NewCaller(api *kinesis.Client) *Caller { return newCaller(api) }

// Gathering is a connection that gathers.
type Gathering struct{ *gathering }

// NewGathering returns one over a connection.
func NewGathering(c net.Conn) Gathering {
	return Gathering{&gathering{Conn: c, buffers: new(sync.Pool)}}
}

// Gather begins to gather.
func (g Gathering) Gather() { g.gather() }

// Flush ends it.
func (g Gathering) Flush() error { return g.flush() }
