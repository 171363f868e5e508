package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"

	"github.com/kload/kload"
)

// A segment is a header and frames:
//
//	"kloadlog"  version u32  salt u32  segment u64  crc32c of these u32
//	length u32  crc32c of the payload u32  crc32c of these 8 bytes u32  payload
//
// Numbers are little-endian. The checksums of frames begin with the segment's
// random salt, so that no record's bytes can pass for one.
const (
	magic      = "kloadlog"
	version    = 1
	headerSize = len(magic) + 4 + 4 + 8 + 4
	frameHead  = 12
	suffix     = ".log"
)

// maxFrame bounds a payload when reading: more than a request or a state can be.
const maxFrame = 1 << 30

// errTorn is the end of what an interrupted write left.
var errTorn = errors.New("the last write was interrupted")

func sum(salt uint32, b []byte) uint32 {
	return crc32.Update(salt, crc32.MakeTable(crc32.Castagnoli), b)
}

func newSalt() uint32 { return rand.Uint32() | 1 }

func appendHeader(b []byte, segment uint64, salt uint32) []byte {
	start := len(b)
	b = binary.LittleEndian.AppendUint32(append(b, magic...), version)
	b = binary.LittleEndian.AppendUint32(b, salt)
	b = binary.LittleEndian.AppendUint64(b, segment)
	return binary.LittleEndian.AppendUint32(b, sum(0, b[start:]))
}

// parseHeader returns the salt of a segment.
func parseHeader(b []byte, segment uint64) (salt uint32, err error) {
	if len(b) < headerSize {
		return 0, errTorn
	}
	at := len(magic)
	if string(b[:at]) != magic {
		return 0, errors.New("this is not a log of kload")
	}
	if v := binary.LittleEndian.Uint32(b[at:]); v != version {
		return 0, kload.WithHint(fmt.Errorf("the log has version %d, this kload reads version %d", v, version),
			"open it with the kload that wrote it, or give another directory")
	}
	if binary.LittleEndian.Uint32(b[headerSize-4:]) != sum(0, b[:headerSize-4]) || binary.LittleEndian.Uint64(b[at+8:]) != segment {
		return 0, errors.New("the header is corrupt")
	}
	return binary.LittleEndian.Uint32(b[at+4:]), nil
}

// endFrame fills in the head of a frame.
func endFrame(f []byte, salt uint32) {
	binary.LittleEndian.PutUint32(f, uint32(len(f)-frameHead))
	binary.LittleEndian.PutUint32(f[4:], sum(salt, f[frameHead:]))
	binary.LittleEndian.PutUint32(f[8:], sum(salt, f[:8]))
}

// parseFrame returns the payload at the beginning of b, if it is whole.
func parseFrame(b []byte, salt uint32) (payload []byte, ok bool) {
	if len(b) < frameHead || binary.LittleEndian.Uint32(b[8:]) != sum(salt, b[:8]) {
		return nil, false
	}
	n := int(binary.LittleEndian.Uint32(b))
	if n > maxFrame || n > len(b)-frameHead {
		return nil, false
	}
	payload = b[frameHead : frameHead+n]
	return payload, binary.LittleEndian.Uint32(b[4:]) == sum(salt, payload)
}

// scan gives every payload of a segment to f and returns how many bytes of it
// are good. It fails with errTorn if an incomplete frame follows, and otherwise
// if a broken frame has a good one behind it.
func scan(b []byte, segment uint64, f func(payload []byte) error) (good int, err error) {
	salt, err := parseHeader(b, segment)
	if err != nil {
		return 0, err
	}
	at := headerSize
	for at < len(b) {
		payload, ok := parseFrame(b[at:], salt)
		if !ok {
			return at, broken(b, at, salt)
		}
		if err := f(payload); err != nil {
			return at, fmt.Errorf("entry at offset %d: %w", at, err)
		}
		at += frameHead + len(payload)
	}
	return at, nil
}

// broken tells a torn tail from damage.
func broken(b []byte, at int, salt uint32) error {
	for next := at + 1; next+frameHead <= len(b); next++ {
		if _, ok := parseFrame(b[next:], salt); ok {
			return kload.WithHint(fmt.Errorf("the entry at offset %d is corrupt, and valid ones follow at %d", at, next),
				"the disk or another program changed the file: restore the directory from a copy, or start with an empty one")
		}
	}
	return errTorn
}

func appendNumbers(b []byte, list []uint64) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for _, n := range list {
		b = binary.AppendUvarint(b, n)
	}
	return b
}

// parseHead splits a head into the older segments and the owner's state.
func parseHead(b []byte) (kept []uint64, state []byte, err error) {
	n, size := binary.Uvarint(b)
	for b = b[max(0, size):]; size > 0 && n > 0; n-- {
		var segment uint64
		segment, size = binary.Uvarint(b)
		b = b[max(0, size):]
		kept = append(kept, segment)
	}
	if size <= 0 {
		return nil, nil, errors.New("the head is corrupt")
	}
	return kept, b, nil
}
