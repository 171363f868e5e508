package fanout

import (
	"io"

	"github.com/kload/kload"
)

// Decoder reads events from one stream after another, in the same memory.
type Decoder struct{ e event }

// Read reads the next frame and, if it is an event, decodes it. The records are
// valid until the next call.
func (d *Decoder) Read(r io.Reader) (*kload.Batch, error) {
	d.e.Records, d.e.Children, d.e.End = d.e.Records[:0], nil, false
	if err := d.e.frame.read(r); err != nil {
		return nil, err
	}
	return &d.e.Batch, d.e.decode()
}

// Next returns the continuation of the last event.
func (d *Decoder) Next() string { return d.e.next }

// Headers returns what the last frame says it is.
func (d *Decoder) Headers() (message, kind, reason string) {
	f := &d.e.frame
	return string(f.message), string(f.kind), string(f.reason)
}

// ReadFrame reads a frame and returns its payload.
func (d *Decoder) ReadFrame(r io.Reader) ([]byte, error) {
	err := d.e.frame.read(r)
	return d.e.frame.payload, err
}
