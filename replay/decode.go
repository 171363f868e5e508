package replay

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/pierrec/lz4/v4"

	"github.com/kload/kload"
	"github.com/kload/kload/replay/origin"
)

// sniffBytes is how much of an object is looked at to tell text from binary.
const sniffBytes = 512

// Magic numbers of lz4 frames, little-endian (lz4 frame format 1.6.4): a data
// frame, and the first of sixteen for frames that a decoder skips.
const (
	lz4Frame     = 0x184D2204
	lz4Skippable = 0x184D2A50
)

// foreign names the formats that are recognised and not read.
func foreign(head []byte) string {
	for _, f := range []struct{ magic, name string }{
		{"\x1f\x8b", "gzip"},
		{"\x28\xb5\x2f\xfd", "zstd"},
		{"\xff\x06\x00\x00sNaPpY", "snappy"},
		{"BZh", "bzip2"},
		{"\xfd7zXZ\x00", "xz"},
		{"PK\x03\x04", "zip"},
		{"PAR1", "Parquet"},
		{"ORC", "ORC"},
		{"Obj\x01", "Avro"},
		{"\x02\x21\x4c\x18", "lz4 in its old frameless form"},
	} {
		if bytes.HasPrefix(head, []byte(f.magic)) {
			return f.name
		}
	}
	if bytes.ContainsFunc(head, isBinary) {
		return "neither text nor lz4"
	}
	return ""
}

// isBinary tells control characters that text does not use; white space and the
// escape of terminal colours it does.
func isBinary(r rune) bool {
	return r < ' ' && r != '\t' && r != '\n' && r != '\r' && r != '\f' && r != '\x1b'
}

// decoder turns one object after the other into text. Its buffers are kept from
// object to object: a replay opens thousands.
type decoder struct {
	object origin.Object
	body   io.ReadCloser // nil between objects
	source meter
	head   *bufio.Reader
	lz4    *lz4.Reader
	text   io.Reader // head or lz4
}

func newDecoder() *decoder {
	d := &decoder{head: bufio.NewReaderSize(nil, 64<<10)}
	d.lz4 = lz4.NewReader(&d.source)
	d.source.r = d.head
	return d
}

// open starts on an object, whose format is told by its first bytes.
func (d *decoder) open(ctx context.Context, from origin.Origin, object origin.Object) error {
	body, err := from.Open(ctx, object.Name, 0)
	if err != nil {
		return fmt.Errorf("opening %s: %w", object.Name, err)
	}
	d.object, d.body = object, body
	d.head.Reset(body)
	d.source = meter{r: d.head}
	head, err := d.head.Peek(sniffBytes)
	if err != nil && !errors.Is(err, io.EOF) {
		return d.readError(err)
	}
	if isLZ4(head) {
		d.lz4.Reset(&d.source)
		d.text = d.lz4
		return nil
	}
	if name := foreign(head); name != "" {
		return kload.WithHint(fmt.Errorf("%w: opening %s: its content is %s", kload.ErrInvalid, object.Name, name),
			"replay reads JSON lines as plain text or in lz4 frames: convert the object, or move it out of the data")
	}
	d.text = &d.source
	if mark := []byte("\ufeff"); bytes.HasPrefix(head, mark) {
		_, err := io.ReadFull(d.text, mark)
		return err
	}
	return nil
}

func isLZ4(head []byte) bool {
	if len(head) < 4 {
		return false
	}
	magic := binary.LittleEndian.Uint32(head)
	return magic == lz4Frame || magic&^0xF == lz4Skippable
}

// Read reads text. Before io.EOF it makes sure that the object was complete;
// other errors name the object and the byte. An lz4 frame without block checksums
// proves its content only at its end: damage that still decodes is reported there.
func (d *decoder) Read(p []byte) (int, error) {
	n, err := d.text.Read(p)
	switch {
	case err == nil:
		return n, nil
	case d.source.err != nil && (!errors.Is(d.source.err, io.EOF) || d.source.n < d.object.Size):
		return n, d.readError(d.source.err)
	case errors.Is(err, io.EOF):
		return n, io.EOF
	}
	return n, kload.WithHint(fmt.Errorf("%w: decoding %s up to byte %d: %w", kload.ErrInvalid, d.object.Name, d.source.n, err),
		"the object is damaged or cut short there: fetch it again, or move it out of the data (lz4 -t checks a file)")
}

// readError is for objects that end early, or cannot be read at all.
func (d *decoder) readError(err error) error {
	if errors.Is(err, io.EOF) {
		err = fmt.Errorf("%w: it was listed with %d bytes", io.ErrUnexpectedEOF, d.object.Size)
	}
	return kload.WithHint(fmt.Errorf("reading %s at byte %d: %w", d.object.Name, d.source.n, err),
		"the storage failed or the object changed during the replay: run again")
}

// close ends the current object, if there is one.
func (d *decoder) close() error {
	if d.body == nil {
		return nil
	}
	body := d.body
	d.body = nil
	if err := body.Close(); err != nil {
		return fmt.Errorf("closing %s: %w", d.object.Name, err)
	}
	return nil
}

// meter counts what was read through it and keeps the error that ended it.
type meter struct {
	r   io.Reader
	n   int64
	err error
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	m.n += int64(n)
	m.err = err
	return n, err
}
