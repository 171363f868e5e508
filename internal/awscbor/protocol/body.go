package protocol

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"

	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/kload/kload/internal/invariants"
)

// Body is the memory of one request's body. It counts who may still read it: the
// call that wrote it, and every reader that a transport was given, which may go
// on after the call returned. The last of them gives it back for reuse.
type Body struct {
	serializer
	refs atomic.Int32
	home *Bodies

	reader  bytes.Reader        // for the SDK
	request *smithyhttp.Request // any that has it
}

// Bodies keeps bodies for reuse. The zero value is ready; it is safe for
// concurrent use.
type Bodies struct{ pool sync.Pool }

// Get returns an empty body with one reference, the caller's.
func (p *Bodies) Get() *Body {
	b, ok := p.pool.Get().(*Body)
	if !ok {
		b = &Body{home: p}
	}
	b.reset()
	b.refs.Store(1)
	return b
}

// bodyKey is the context key of a call's *Body.
type bodyKey struct{}

// BodyOf returns the body that the call under ctx has written, or nil if the
// protocol does not manage its memory: JSON, or a [Protocol] set without Use.
func BodyOf(ctx context.Context) *Body {
	if b, ok := ctx.Value(bodyKey{}).(*Body); ok && len(b.buf) > 0 {
		return b
	}
	return nil
}

// stream makes the body that of a request. The SDK's SetStream, if called on req
// itself, would copy all that is in it.
func (b *Body) stream(req *smithyhttp.Request) (err error) {
	b.reader.Reset(b.buf)
	if b.request == nil {
		if b.request, err = (&smithyhttp.Request{Request: new(http.Request)}).SetStream(&b.reader); err != nil {
			return err
		}
	}
	of := req.Request
	*req = *b.request
	req.Request, of.ContentLength = of, int64(len(b.buf))
	return nil
}

// Len returns the size in bytes.
func (b *Body) Len() int { return len(b.buf) }

// Fill replaces the content with what r holds, about size bytes.
func (b *Body) Fill(r io.Reader, size int64) error {
	b.buf = slices.Grow(b.buf[:0], int(max(size, 0))+1) // one more, to meet the end without growing
	for {
		n, err := r.Read(b.buf[len(b.buf):cap(b.buf)])
		b.buf = b.buf[:len(b.buf)+n]
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("reading the request body: %w", err)
		}
		b.buf = slices.Grow(b.buf, 1)
	}
}

// Hold returns the body with one more reference.
func (b *Body) Hold() *Body {
	b.refs.Add(1)
	return b
}

// Release gives up the caller's reference.
func (b *Body) Release() {
	if left := b.refs.Add(-1); left == 0 {
		invariants.Poison(b.buf)
		b.home.pool.Put(b)
	} else {
		invariants.Check(left > 0, "a request body was released twice")
	}
}

// Open returns a reader for a transport. It holds a reference until it is
// closed. started is called before the first byte is handed out, which is when
// the transport has a connection; nil calls nothing.
func (b *Body) Open(started func()) *BodyReader {
	return &BodyReader{body: b.Hold(), started: started}
}

// BodyReader reads a [Body]. Reading after or during Close is safe: what is under
// way keeps the memory, what comes later fails.
type BodyReader struct {
	body    *Body
	started func()
	off     int

	mu     sync.Mutex
	closed bool
}

// hold takes a reference of its own, unless the reader is closed.
func (r *BodyReader) hold() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return fmt.Errorf("reading a request body: %w", io.ErrClosedPipe)
	}
	r.body.refs.Add(1)
	if r.off == 0 && r.started != nil {
		r.started()
		r.started = nil
	}
	return nil
}

// Read copies the next bytes.
func (r *BodyReader) Read(p []byte) (int, error) {
	if err := r.hold(); err != nil {
		return 0, err
	}
	defer r.body.Release()
	if r.off == len(r.body.buf) {
		return 0, io.EOF
	}
	n := copy(p, r.body.buf[r.off:])
	r.off += n
	return n, nil
}

// Left returns how many bytes are still to be read.
func (r *BodyReader) Left() int { return len(r.body.buf) - r.off }

// WriteTo writes what is left in one piece, without copying it.
func (r *BodyReader) WriteTo(w io.Writer) (int64, error) {
	if err := r.hold(); err != nil {
		return 0, err
	}
	defer r.body.Release()
	n, err := w.Write(r.body.buf[r.off:])
	r.off += n
	return int64(n), err
}

// Close gives up the reader's reference. Closing again does nothing.
func (r *BodyReader) Close() error {
	r.mu.Lock()
	first := !r.closed
	r.closed = true
	r.mu.Unlock()
	if first {
		r.body.Release()
	}
	return nil
}
