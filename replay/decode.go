package replay

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/kload/kload"
	"github.com/kload/kload/replay/origin"
	"github.com/kload/kload/replay/parquet"
)

// decoder turns one object after the other into text. Its buffers are kept from
// object to object: a replay opens thousands.
type decoder struct {
	object origin.Object
	body   io.ReadCloser // nil between objects
	source meter
	head   *bufio.Reader
	codecs codecs

	timestamp string      // what rows are sorted by that are not in order; "" for nothing
	sorted    bool        // the current object's rows were
	first     bool        // only their first row is asked for
	rejected  uint64      // rows that could not become lines, since this was last asked
	samples   []Malformed // of them

	text io.Reader // source, or what decodes it
}

func newDecoder() *decoder {
	d := &decoder{head: bufio.NewReaderSize(nil, 64<<10)}
	d.source.r = d.head
	return d
}

// open starts on an object, whose format is told by its first bytes.
func (d *decoder) open(ctx context.Context, from origin.Origin, object origin.Object) error {
	d.object, d.source, d.sorted = object, meter{r: d.head}, false
	body, err := from.Open(ctx, object, 0, object.Size)
	if err != nil {
		return fmt.Errorf("opening %s: %w", object.Name, err)
	}
	d.body = body
	d.head.Reset(body)
	head, err := d.head.Peek(sniffBytes)
	if err != nil && !errors.Is(err, io.EOF) {
		return d.readError(err)
	}
	format, name := sniff(head)
	switch format {
	case plainText:
		d.text = &d.source
		if mark := []byte("\ufeff"); bytes.HasPrefix(head, mark) {
			_, err = io.ReadFull(d.text, mark)
			return err
		}
		return nil
	case parquetFile:
		return d.openParquet(ctx, from)
	case foreignFormat:
		return kload.WithHint(fmt.Errorf("%w: opening %s: its content is %s", kload.ErrInvalid, object.Name, name),
			"replay reads JSON lines, plain or compressed with lz4, gzip, zstd or snappy (framed), and Parquet: convert the object, or move it out of the data")
	}
	if d.text, err = d.codecs.open(format, &d.source); err != nil {
		return d.failed(err)
	}
	return nil
}

// openParquet sorts the rows of a file, which takes reading all of it.
func (d *decoder) openParquet(ctx context.Context, from origin.Origin) error {
	ahead, ok := from.(*origin.Ahead)
	if !ok {
		ahead = origin.NewAhead(from, []origin.Object{d.object})
	}
	body := d.body
	d.body = nil
	if err := body.Close(); err != nil {
		return fmt.Errorf("closing %s: %w", d.object.Name, err)
	}
	d.source = meter{r: bytes.NewReader(nil)}
	storage := &storage{r: ahead.ReaderAt(ctx, d.object), m: &d.source}
	rows, err := parquet.Open(ctx, storage, d.object.Size, parquet.Options{Name: d.object.Name, Time: d.timestamp, First: d.first})
	d.source.r, d.source.n = d.head, d.object.Size
	if err != nil {
		return d.failed(err)
	}
	d.body, d.text, d.sorted = rows, rows, true
	n, samples := rows.Rejected()
	d.rejected += n
	for _, r := range samples {
		d.samples = append(d.samples, Malformed{Object: d.object.Name, Line: r.Row, Reason: r.Reason})
	}
	return nil
}

// storage reads at any place of an object. It keeps the error that ended it, and
// counts.
type storage struct {
	r io.ReaderAt
	m *meter
}

// ReadAt is that of io.ReaderAt.
func (s *storage) ReadAt(p []byte, offset int64) (int, error) {
	n, err := s.r.ReadAt(p, offset)
	s.m.n += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		s.m.err = err
	}
	return n, err
}

// Read reads text. Errors other than io.EOF name the object and the byte. A
// format without block checksums proves its content only at its end: damage that
// still decodes is reported there.
func (d *decoder) Read(p []byte) (int, error) {
	n, err := d.text.Read(p)
	return n, d.failed(err)
}

// failed says what an error of the text means: the end, a failing storage, or
// damage.
func (d *decoder) failed(err error) error {
	switch {
	case err == nil:
		return nil
	case d.source.err != nil && !errors.Is(d.source.err, io.EOF):
		return d.readError(d.source.err)
	case errors.Is(err, io.EOF):
		return err
	}
	return kload.WithHint(fmt.Errorf("%w: decoding %s up to byte %d: %w", kload.ErrInvalid, d.object.Name, d.source.n, err),
		"the object is damaged or cut short there: fetch it again, or move it out of the data (lz4, gzip and zstd check a file with -t)")
}

// readError is for objects that cannot be read to their end.
func (d *decoder) readError(err error) error {
	err = fmt.Errorf("reading %s at byte %d: %w", d.object.Name, d.source.n, err)
	if errors.As(err, new(*kload.HintError)) {
		return err
	}
	return kload.WithHint(err, "the storage failed: run again, or set tolerant to leave out what cannot be read and count it")
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
