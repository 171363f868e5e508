package awsclient

import (
	"net/http"
	"sync/atomic"
)

// NewIsolating is the HTTP client that SDK clients send through.
func NewIsolating(t http.RoundTripper, attempts *atomic.Uint64) interface {
	Do(req *http.Request) (*http.Response, error)
} {
	return newIsolating(t, attempts)
}
