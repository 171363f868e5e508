package protocol

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
)

const (
	// maxResponse is the largest response that is read: several times what the
	// service may send.
	maxResponse = 64 << 20
	// maxTrusted is how much memory a response gets on its word alone.
	maxTrusted = 16 << 20
)

// Buffer is memory for one response at a time. The zero value is ready for use;
// it grows as needed and is not safe for concurrent use.
type Buffer struct{ b []byte }

// Cap returns how many bytes the buffer holds on to.
func (b *Buffer) Cap() int { return cap(b.b) }

// bufferKey is the context key of a caller's *Buffer.
type bufferKey struct{}

// WithBuffer makes a call under the returned context read its response into buf.
// The blobs of the call's output are parts of buf, so buf must be left alone
// until they are done with; strings and numbers are copies. It is for one call
// at a time.
func WithBuffer(ctx context.Context, buf *Buffer) context.Context {
	return context.WithValue(ctx, bufferKey{}, buf)
}

// fill reads the whole body.
func (b *Buffer) fill(resp *http.Response) error {
	b.b = b.b[:0]
	if resp.ContentLength > maxResponse {
		return tooLarge()
	}
	if n := resp.ContentLength; n > 0 && n <= maxTrusted {
		if cap(b.b) < int(n) {
			b.b = make([]byte, n)
		}
		b.b = b.b[:n]
		if _, err := io.ReadFull(resp.Body, b.b); err != nil {
			return fmt.Errorf("reading the response: %w", err)
		}
		return nil
	}
	for {
		b.b = slices.Grow(b.b, 4096)
		n, err := resp.Body.Read(b.b[len(b.b):cap(b.b)])
		b.b = b.b[:len(b.b)+n]
		switch {
		case len(b.b) > maxResponse:
			return tooLarge()
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("reading the response: %w", err)
		}
	}
}

func tooLarge() error {
	return fmt.Errorf("reading the response: it has more than %d bytes", maxResponse)
}
