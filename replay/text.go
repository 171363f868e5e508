package replay

import (
	"context"
	"errors"
	"io"

	"github.com/kload/kload/replay/origin"
)

// OpenText returns the text of an object, decompressed where it is compressed.
func OpenText(ctx context.Context, from origin.Origin, object origin.Object) (io.ReadCloser, error) {
	r := newReader(&Config{Timestamp: timestampNone}, from, []origin.Object{object})
	if err := r.next(ctx); err != nil {
		return nil, errors.Join(err, r.close())
	}
	return text{r}, nil
}

type text struct{ *reader }

// Read reads text.
func (t text) Read(p []byte) (int, error) { return t.decoder.Read(p) }

// Close ends the object.
func (t text) Close() error { return t.close() }
