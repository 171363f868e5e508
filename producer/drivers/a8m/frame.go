package a8m

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/producer"
)

// The two processes talk in frames: the length of the body in four bytes, little
// end first, a byte for the kind, and the body. Numbers in a body are uvarints,
// texts have their length before them.
const (
	// To the child.
	frameSettings = 'C' // JSON of settings, first
	frameRecords  = 'R' // user records, numbered from 0 over all frames
	frameStop     = 'S' // nothing more comes: send all and end
	frameAbandon  = 'A' // end now

	// From the child.
	frameReady    = 'O' // the library has started
	frameDecided  = 'D' // the outcome of a stream record
	frameFailure  = 'F' // JSON of failure: further puts are pointless
	frameFarewell = 'E' // JSON of farewell, last
)

const frameHead = 5

// maxFrame is above what either side sends.
const maxFrame = 64 << 20

// settings is what the child has to know.
type settings struct {
	Config                    Config
	Stream                    string
	Connections               int
	Timeout                   time.Duration
	Wire                      awsclient.Wire
	Region, Profile, Endpoint string
	Local                     bool
}

// failure is an error on its way to the parent.
type failure struct {
	Error, Hint string
	Unreachable bool
}

func newFailure(err error) failure {
	f := failure{Error: err.Error(), Unreachable: errors.Is(err, kload.ErrUnreachable)}
	if h, ok := errors.AsType[*kload.HintError](err); ok {
		f.Hint = h.Hint
	}
	return f
}

func (f failure) err() error {
	err := errors.New(f.Error)
	if f.Unreachable {
		err = &remoteError{f.Error}
	}
	return kload.WithHint(err, f.Hint)
}

// remoteError is kload.ErrUnreachable with the text that the child gave it.
type remoteError struct{ text string }

func (e *remoteError) Error() string { return e.text }
func (e *remoteError) Unwrap() error { return kload.ErrUnreachable }

// farewell is what the child says last.
type farewell struct {
	Usage producer.Usage
}

// readFrame reads one frame. At the end of the stream, and there only, the error
// is io.EOF.
func readFrame(r io.Reader) (kind byte, body []byte, err error) {
	var head [frameHead]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.LittleEndian.Uint32(head[:])
	if n > maxFrame {
		return 0, nil, fmt.Errorf("a frame of %d bytes", n)
	}
	body = make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		return 0, nil, fmt.Errorf("reading a frame: %w", io.ErrUnexpectedEOF)
	}
	return head[4], body, nil
}

// tally counts what the library did so far.
type tally struct {
	requests, attempts, retries, throttled, failed, wrongKeys uint64
}

func (t *tally) fields() []*uint64 {
	return []*uint64{&t.requests, &t.attempts, &t.retries, &t.throttled, &t.failed, &t.wrongKeys}
}

// run is user records with consecutive numbers.
type run struct{ from, n uint64 }

// decided is the outcome of one stream record.
type decided struct {
	kload.Outcome       // without its records
	runs          []run // its records, in order
	tally         tally
}

func (d *decided) append(dst []byte) []byte {
	dst = append(dst, byte(d.Status))
	for _, n := range []uint64{
		uint64(d.Attempts), uint64(d.Ambiguous), uint64(d.FirstAttempt), uint64(d.LastAttempt), uint64(d.Acked),
	} {
		dst = binary.AppendUvarint(dst, n)
	}
	for _, s := range []string{d.Code, d.Shard, d.Sequence} {
		dst = appendText(dst, s)
	}
	for _, n := range d.tally.fields() {
		dst = binary.AppendUvarint(dst, *n)
	}
	dst = binary.AppendUvarint(dst, uint64(len(d.runs)))
	for _, r := range d.runs {
		dst = binary.AppendUvarint(binary.AppendUvarint(dst, r.from), r.n)
	}
	return dst
}

func parseDecided(body []byte) (decided, error) {
	var d decided
	c := cursor{rest: body}
	d.Status = kload.Status(c.byte())
	d.Attempts, d.Ambiguous = int(c.number()), int(c.number())
	d.FirstAttempt, d.LastAttempt, d.Acked = int64(c.number()), int64(c.number()), int64(c.number())
	d.Code, d.Shard, d.Sequence = string(c.text()), string(c.text()), string(c.text())
	for _, n := range d.tally.fields() {
		*n = c.number()
	}
	for range min(c.number(), uint64(len(c.rest))) {
		d.runs = append(d.runs, run{c.number(), c.number()})
	}
	if c.bad || len(c.rest) > 0 || d.Status < kload.Acked || d.Status > kload.Unknown {
		return d, errors.New("a broken outcome")
	}
	return d, nil
}

func appendText[T string | []byte](dst []byte, s T) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

func appendRecord(dst []byte, r *kload.Record) []byte {
	return appendText(appendText(dst, r.Key), r.Data)
}

// nextRecord takes a record off the body of a frame. Its data shares memory with
// the body.
func (c *cursor) nextRecord() (key string, data []byte) {
	key = string(c.text())
	return key, c.text()
}

// cursor reads a body. What is not there reads as nothing, and makes it bad.
type cursor struct {
	rest []byte
	bad  bool
}

func (c *cursor) byte() byte {
	if len(c.rest) == 0 {
		c.bad = true
		return 0
	}
	b := c.rest[0]
	c.rest = c.rest[1:]
	return b
}

func (c *cursor) number() uint64 {
	v, n := binary.Uvarint(c.rest)
	if n <= 0 {
		c.bad, c.rest = true, nil
		return 0
	}
	c.rest = c.rest[n:]
	return v
}

func (c *cursor) text() []byte {
	n := c.number()
	if n > uint64(len(c.rest)) {
		c.bad, c.rest = true, nil
		return nil
	}
	b := c.rest[:n:n]
	c.rest = c.rest[n:]
	return b
}
