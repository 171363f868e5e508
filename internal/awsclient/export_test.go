package awsclient

import (
	"net/http"
	"sync/atomic"
)

// Isolating is the HTTP client that SDK clients send through.
type Isolating = isolating

// NewIsolating returns one.
func NewIsolating(t http.RoundTripper, attempts *atomic.Uint64) *Isolating {
	return newIsolating(t, attempts)
}
