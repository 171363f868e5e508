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
	if req.Body == nil || req.Body == http.NoBody {
		return c.send(req)
	}
	body, err := c.body(req.Context(), req.Body, req.ContentLength)
	if err != nil {
		return nil, err
	}
	defer body.Release()
	// req stays as it is: smithy-go closes its body, and that must not be the
	// transport's.
	return c.sendBody(req.WithContext(req.Context()), body)
}

// body returns the body of a call's request, with a reference that is the caller's.
func (c *isolating) body(ctx context.Context, r io.Reader, length int64) (*protocol.Body, error) {
	if body := protocol.BodyOf(ctx); body != nil && int64(body.Len()) == length {
		return body.Hold(), nil
	}
	body := c.bodies.Get()
	if err := body.Fill(r, length); err != nil {
		body.Release()
		return nil, err
	}
	return body, nil
}

// sendBody sends one attempt with a body. The request is the transport's from then
// on.
func (c *isolating) sendBody(req *http.Request, body *protocol.Body) (*http.Response, error) {
	// GetBody lets net/http start over when an idle connection was closed under it
	// before anything was written; that is no second attempt.
	started := startOf(req.Context())
	if started != nil || body.Len() > smallBody {
		req.Body = body.Open(started)
		req.GetBody = func() (io.ReadCloser, error) { return body.Open(started), nil }
		return c.send(req)
	}
	// A copy, which is the transport's for as long as it likes. From a type that
	// net/http knows to be in memory it writes header and body in one piece.
	content := slices.Clone(body.Bytes())
	req.Body = io.NopCloser(bytes.NewReader(content))
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }
	return c.send(req)
}

// send counts an attempt, and says where it went if it was not answered.
func (c *isolating) send(req *http.Request) (*http.Response, error) {
	c.attempts.Add(1)
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
