package fanout

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
)

const (
	prelude  = 12 // length of the frame, length of its headers, checksum of both
	checksum = 4
	// maxFrame is the largest frame that is read: twice what a record of 10 MiB
	// takes.
	maxFrame = 32 << 20
)

// errDamaged says that the bytes of a stream are not those that were sent.
var errDamaged = errors.New("a frame of the event stream is damaged")

// frame is one message of an event stream, in memory that is used again for the
// next. Format: Amazon Transcribe Developer Guide, "Event stream encoding", which
// all AWS event streams share.
type frame struct {
	buf []byte
	// What follows is parts of buf.
	message []byte // event, exception or error
	kind    []byte // of the event, or code of the exception or error
	reason  []byte // of an error; exceptions have theirs in the payload
	payload []byte
}

// read fills the frame. It returns io.EOF only where no byte follows the last
// frame: the stream has ended, and has not been cut.
func (f *frame) read(r io.Reader) error {
	f.buf = slices.Grow(f.buf[:0], prelude)[:prelude]
	if _, err := io.ReadFull(r, f.buf); err != nil {
		return err
	}
	total, headers := binary.BigEndian.Uint32(f.buf), binary.BigEndian.Uint32(f.buf[4:])
	if crc32.ChecksumIEEE(f.buf[:8]) != binary.BigEndian.Uint32(f.buf[8:]) || total > maxFrame ||
		total < prelude+checksum || headers > total-prelude-checksum {
		return errDamaged
	}
	f.buf = slices.Grow(f.buf, int(total)-prelude)[:total]
	if _, err := io.ReadFull(r, f.buf[prelude:]); errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	} else if err != nil {
		return err
	}
	end := total - checksum
	if crc32.ChecksumIEEE(f.buf[:end]) != binary.BigEndian.Uint32(f.buf[end:]) {
		return errDamaged
	}
	f.payload = f.buf[prelude+headers : end]
	return f.parse(f.buf[prelude : prelude+headers])
}

// parse takes from the headers what says what the frame is.
func (f *frame) parse(headers []byte) error {
	f.message, f.kind, f.reason = nil, nil, nil
	for len(headers) > 0 {
		name, value, rest, ok := cutHeader(headers)
		if !ok {
			return fmt.Errorf("%w: its headers make no sense", errDamaged)
		}
		headers = rest
		switch string(name) {
		case ":message-type":
			f.message = value
		case ":event-type", ":exception-type", ":error-code":
			f.kind = value
		case ":error-message":
			f.reason = value
		}
	}
	return nil
}

// cutHeader takes the first header: length and name, type, value. Values of a
// variable length begin with it.
func cutHeader(b []byte) (name, value, rest []byte, ok bool) {
	n := int(b[0])
	if len(b) < 1+n+1 {
		return nil, nil, nil, false
	}
	name, kind, b := b[1:1+n], b[1+n], b[2+n:]
	sizes := [...]int{0, 0, 1, 2, 4, 8, -1, -1, 8, 16}
	if int(kind) >= len(sizes) {
		return nil, nil, nil, false
	}
	size := sizes[kind]
	if size < 0 {
		if len(b) < 2 {
			return nil, nil, nil, false
		}
		size, b = int(binary.BigEndian.Uint16(b)), b[2:]
	}
	if len(b) < size {
		return nil, nil, nil, false
	}
	return name, b[:size], b[size:], true
}
