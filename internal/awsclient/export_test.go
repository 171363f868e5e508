package awsclient

import (
	"net/http"
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
