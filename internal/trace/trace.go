// Package trace puts a stamp on every user record of a run and reads it back:
// which run and load the record belongs to, its sequence number, when it was
// meant to be sent, and a checksum of its payload. The stamp is what latency
// and the ledger's verdicts are computed from.
//
// A stamp travels in one of these carriers:
//
//   - [Prefix], a binary header before the payload, for opaque payloads. Its 32
//     bytes, integers big-endian:
//
//     offset  size  field
//     0       3     magic F6 6B 6C; F6 never starts UTF-8 text
//     3       1     version, 1
//     4       4     run
//     8       4     producer
//     12      8     sequence
//     20      8     T0, Unix nanoseconds
//     28      4     CRC32C of the payload that follows
//
//   - [JSON], one more attribute at the end of a payload that is a JSON object,
//     for consumers that decode the payload: {"fare":4.5,"_k":"1…"}. White space
//     around the object, such as a newline after it, stays where it is. The
//     checksum is that of the payload without the attribute.
//
//   - [Tag], text beside the payload, in the tags field of an aggregated record.
//     The payload is not touched.
//
//   - [Natural], nothing at all: the record is known by an id that it has anyway,
//     and its stamp is kept aside in an [Index].
//
// As text, a stamp is the version digit 1 followed by bytes 4 to 31 of the
// header in unpadded base64url: 39 ASCII characters.
//
// The checksum is CRC32C (Castagnoli, RFC 3720 appendix B.4), which current
// processors compute in hardware. It covers the payload only.
package trace

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/jsonfield"
)

// Carrier says how a stamp travels.
type Carrier uint8

// The carriers.
const (
	None    Carrier = iota // no stamp
	Prefix                 // binary header before the payload
	JSON                   // attribute "_k" of a JSON object
	Tag                    // tags field of an aggregated record
	Natural                // none: looked up by a natural id
)

var names = [...]string{"none", "prefix", "json", "tag", "natural"}

// String returns the carrier's name in scenario files.
func (c Carrier) String() string {
	if int(c) < len(names) {
		return names[c]
	}
	return fmt.Sprintf("Carrier(%d)", uint8(c))
}

// ParseCarrier returns the carrier with the given name.
func ParseCarrier(name string) (Carrier, error) {
	for c, n := range names {
		if n == name {
			return Carrier(c), nil
		}
	}
	return None, kload.WithHint(fmt.Errorf("parsing trace carrier %q: %w", name, kload.ErrInvalid),
		"use one of prefix, json, tag, natural, none")
}

// Overhead returns the bytes the carrier adds to each user record: to its
// payload, or for Tag as the text of the tag, to which the aggregated record
// adds its own framing.
func (c Carrier) Overhead() int {
	switch c {
	case Prefix:
		return headerLen
	case JSON:
		return len(jsonStart) + textLen + 1
	case Tag:
		return textLen
	}
	return 0
}

// Stamp is what a record carries through the stream.
type Stamp struct {
	Run      uint32 // identifies the run
	Producer uint32 // the ledger's number of the load, 1 and up
	Seq      uint64 // counts from 0 within a producer
	T0       int64  // intended send time, Unix nanoseconds
	CRC      uint32 // CRC32C of the payload as sent; filled in when stamping
}

const (
	headerLen = 32
	magic     = 0xF66B6C01 // with the version as its last byte
	coreLen   = headerLen - 4
	textLen   = 1 + (coreLen*8+5)/6
	version   = '1'
	attribute = "_k"
	jsonStart = `,"` + attribute + `":"`
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ErrNotObject says that a payload cannot carry a JSON stamp.
var ErrNotObject = errors.New("payload is not a JSON object")

// AppendStamped appends the payload with its stamp to dst; the checksum is
// computed here, whatever s.CRC says. None, Tag and Natural append the payload as
// it is.
// A payload that cannot carry the stamp gives [ErrNotObject] and dst unchanged.
func (c Carrier) AppendStamped(dst, payload []byte, s Stamp) ([]byte, error) {
	switch c {
	case Prefix:
		s.CRC = crc32.Checksum(payload, castagnoli)
		dst = binary.BigEndian.AppendUint32(dst, magic)
		dst = s.appendCore(dst)
	case JSON:
		return appendJSON(dst, payload, s)
	}
	return append(dst, payload...), nil
}

// AppendTag appends the text of a [Tag] stamp for the payload to dst.
func AppendTag(dst, payload []byte, s Stamp) []byte {
	s.CRC = crc32.Checksum(payload, castagnoli)
	return s.appendText(dst)
}

func appendJSON(dst, payload []byte, s Stamp) ([]byte, error) {
	open, end, ok := jsonfield.Bounds(payload)
	if !ok {
		return dst, kload.WithHint(fmt.Errorf("stamping %.40q: %w", payload, ErrNotObject),
			"use trace: prefix for payloads that are not JSON objects, or trace: tag to leave payloads as they are")
	}
	s.CRC = crc32.Checksum(payload, castagnoli)
	dst = append(dst, payload[:end]...)
	if isEmpty(payload[open+1 : end]) {
		dst = append(dst, jsonStart[1:]...)
	} else {
		dst = append(dst, jsonStart...)
	}
	dst = append(s.appendText(dst), '"')
	return append(dst, payload[end:]...), nil
}

// isEmpty reports whether there are no members between the braces of an object.
func isEmpty(inner []byte) bool {
	for _, c := range inner {
		if c != ' ' && c != '\n' && c != '\r' && c != '\t' {
			return false
		}
	}
	return true
}

// appendCore appends the binary stamp without magic and version.
func (s *Stamp) appendCore(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, s.Run)
	dst = binary.BigEndian.AppendUint32(dst, s.Producer)
	dst = binary.BigEndian.AppendUint64(dst, s.Seq)
	dst = binary.BigEndian.AppendUint64(dst, uint64(s.T0))
	return binary.BigEndian.AppendUint32(dst, s.CRC)
}

func (s *Stamp) appendText(dst []byte) []byte {
	var core [coreLen]byte
	dst = append(dst, version)
	return base64.RawURLEncoding.AppendEncode(dst, s.appendCore(core[:0]))
}

// parseCore reads what appendCore wrote.
func parseCore(b []byte) Stamp {
	_ = b[coreLen-1]
	return Stamp{
		Run:      binary.BigEndian.Uint32(b),
		Producer: binary.BigEndian.Uint32(b[4:]),
		Seq:      binary.BigEndian.Uint64(b[8:]),
		T0:       int64(binary.BigEndian.Uint64(b[16:])),
		CRC:      binary.BigEndian.Uint32(b[24:]),
	}
}
