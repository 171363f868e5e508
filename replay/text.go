package replay

import (
	"context"
	"io"

	"github.com/kload/kload/replay/origin"
)

// OpenText returns the text of an object, decompressed where it is compressed.
func OpenText(ctx context.Context, from origin.Origin, object origin.Object) (io.ReadCloser, error) {
	d := newDecoder()
	if err := d.open(ctx, from, object); err != nil {
		return nil, err
	}
	return text{d}, nil
}

type text struct{ *decoder }

// Close ends the object.
func (t text) Close() error { return t.close() }
