package awsclient

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync/atomic"

	"github.com/kload/kload/internal/awscbor/protocol"
)

// isolating is an HTTP client for the SDK that gives the transport a request
// body of its own. smithy-go closes its body as soon as Do returns, while
// net/http may still be writing it; the write then fails, the connection dies,
// and requests are retried or lost that nobody asked for. Every SDK client of
// kload sends through this.
type isolating struct {
	next     http.RoundTripper
	attempts *atomic.Uint64
	bodies   protocol.Bodies // copies of bodies whose memory the SDK owns
}

func newIsolating(t http.RoundTripper, attempts *atomic.Uint64) *isolating {
	return &isolating{attempts: attempts, next: t}
}

// Do sends one attempt. It leaves out what [http.Client] adds for browsers:
// cookies, and redirects, which would be attempts that nobody counts.
func (c *isolating) Do(req *http.Request) (*http.Response, error) {
	c.attempts.Add(1)
	if req.Body == nil || req.Body == http.NoBody {
		return c.send(req)
	}
	body := protocol.BodyOf(req.Context())
	if body == nil || int64(body.Len()) != req.ContentLength {
		body = c.bodies.Get()
		defer body.Release()
		if err := body.Fill(req.Body, req.ContentLength); err != nil {
			return nil, err
		}
	}
	started := startOf(req.Context())
	if started == nil && body.Len() <= smallBody {
		return c.send(withCopy(req, body))
	}
	// req stays as it is: smithy-go closes its body, and that must not be the
	// transport's.
	own := req.WithContext(req.Context())
	own.Body = body.Open(started)
	// Lets net/http start over when an idle connection was closed under it before
	// anything was written; that is no second attempt.
	own.GetBody = func() (io.ReadCloser, error) { return body.Open(started), nil }
	return c.send(own)
}

// send says where an attempt went that was not answered.
func (c *isolating) send(req *http.Request) (*http.Response, error) {
	resp, err := c.next.RoundTrip(req)
	if err == nil {
		return resp, nil
	}
	if header, ok := errors.AsType[tls.RecordHeaderError](err); ok && string(header.RecordHeader[:]) == "HTTP/" {
		err = http.ErrSchemeMismatch
	}
	return nil, fmt.Errorf("sending to %s: %w", req.URL.Host, err)
}

// smallBody is the size in bytes up to which a body is copied for the transport.
const smallBody = 4 << 10

// withCopy returns the request with a copy of the body, which is the transport's for
// as long as it likes. From a type that net/http knows to be in memory it writes
// header and body in one piece.
func withCopy(req *http.Request, body *protocol.Body) *http.Request {
	content := slices.Clone(body.Bytes())
	own := req.WithContext(req.Context())
	own.Body = io.NopCloser(bytes.NewReader(content))
	own.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }
	return own
}

// Start learns when the latest attempt of a call got its connection: then it asks
// for the first byte of the request. Waiting for a free connection, connecting,
// serializing and signing lie before that. It is for one call at a time.
type Start struct {
	mark func()
	at   atomic.Int64
}

// NewStart returns a Start that reads the given clock.
func NewStart(now func() int64) *Start {
	s := new(Start)
	s.mark = func() { s.at.Store(now()) }
	return s
}

// Reset forgets the last call. To be called before each call.
func (s *Start) Reset() { s.at.Store(0) }

// At returns the time, or 0 when no attempt has got a connection.
func (s *Start) At() int64 { return s.at.Load() }

// startKey is the context key of a caller's *Start.
type startKey struct{}

// WithStart makes calls under the returned context tell s when they start.
func WithStart(ctx context.Context, s *Start) context.Context {
	return context.WithValue(ctx, startKey{}, s)
}

func startOf(ctx context.Context) func() {
	if s, ok := ctx.Value(startKey{}).(*Start); ok {
		return s.mark
	}
	return nil
}
