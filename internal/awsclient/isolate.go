package awsclient

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/kload/kload/internal/invariants"
)

// isolating is an HTTP client for the SDK that gives the transport a request
// body of its own. smithy-go closes its body as soon as Do returns, while
// net/http may still be writing it; the write then fails, the connection dies,
// and requests are retried or lost that nobody asked for. Every SDK client of
// kload sends through this.
type isolating struct {
	next     *http.Client
	attempts *atomic.Uint64
	buffers  sync.Pool // of *bytes.Buffer; request bodies are large and alike
}

func newIsolating(t http.RoundTripper, attempts *atomic.Uint64) *isolating {
	return &isolating{attempts: attempts, next: &http.Client{
		Transport: t,
		// A redirect would be an attempt that nobody counts.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Do sends one attempt.
func (c *isolating) Do(req *http.Request) (*http.Response, error) {
	c.attempts.Add(1)
	if req.Body == nil || req.Body == http.NoBody {
		return c.next.Do(req)
	}
	own, body, err := c.isolate(req)
	if err != nil {
		return nil, err
	}
	defer body.release()
	return c.next.Do(own)
}

// isolate returns a request like req that reads a copy of the body. req stays as
// it is: smithy-go closes its body, and that must not be the transport's.
func (c *isolating) isolate(req *http.Request) (*http.Request, *isolatedBody, error) {
	buf, ok := c.buffers.Get().(*bytes.Buffer)
	if !ok {
		buf = new(bytes.Buffer)
	}
	buf.Reset()
	buf.Grow(int(max(req.ContentLength, 0)) + bytes.MinRead)
	if _, err := buf.ReadFrom(req.Body); err != nil {
		return nil, nil, fmt.Errorf("reading the request body: %w", err)
	}
	b := &isolatedBody{buf: buf, pool: &c.buffers}
	b.refs.Store(1)
	own := req.WithContext(req.Context())
	own.Body = b.open()
	// Lets net/http start over when an idle connection was closed under it before
	// anything was written; that is no second attempt.
	own.GetBody = func() (io.ReadCloser, error) { return b.open(), nil }
	return own, b, nil
}

// isolatedBody counts who may still read the buffer. net/http closes every body
// it opened, also on errors and possibly after Do returned, so the buffer is
// reused only when the transport has surely finished with it.
type isolatedBody struct {
	buf  *bytes.Buffer
	pool *sync.Pool
	refs atomic.Int32
}

func (b *isolatedBody) open() io.ReadCloser {
	b.refs.Add(1)
	return &bodyReader{Reader: bytes.NewReader(b.buf.Bytes()), body: b}
}

func (b *isolatedBody) release() {
	if b.refs.Add(-1) == 0 {
		invariants.Poison(b.buf.Bytes())
		b.pool.Put(b.buf)
	}
}

type bodyReader struct {
	*bytes.Reader
	body   *isolatedBody
	closed atomic.Bool
}

func (r *bodyReader) Close() error {
	if r.closed.CompareAndSwap(false, true) {
		r.body.release()
	}
	return nil
}
