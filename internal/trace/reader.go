package trace

import (
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"

	"github.com/kload/kload/internal/jsonfield"
)

// Reader finds stamps in records that were read. Make it with [NewReader]. It
// is immutable and safe for concurrent use.
type Reader struct {
	prefix, json, tag bool
	finder            jsonfield.Finder
}

// NewReader returns a Reader that looks for the given carriers only: no payload
// is mistaken for a stamp that no load of the run writes.
func NewReader(carriers ...Carrier) *Reader {
	r := &Reader{finder: jsonfield.NewFinder(attribute)}
	for _, c := range carriers {
		switch c {
		case Prefix:
			r.prefix = true
		case JSON:
			r.json = true
		case Tag:
			r.tag = true
		}
	}
	return r
}

// Read looks for a stamp in a record's data and tag. ok says that there is one;
// intact that the payload still has the checksum in it. A stamp of another run
// is found like any other: compare Stamp.Run.
//
// payload is the bare payload for Prefix (a slice of data) and Tag. For JSON,
// and where no stamp was found, it is data as it is: the attribute is left in.
//
// A JSON stamp is also found after something between has written the object
// anew, as long as the attribute is there; such a payload is not intact, since
// its bytes are no longer those that were sent.
func (r *Reader) Read(data, tag []byte) (s Stamp, payload []byte, ok, intact bool) {
	if r.tag && len(tag) == textLen {
		if s, ok = parseText(tag); ok {
			return s, data, true, crc32.Checksum(data, castagnoli) == s.CRC
		}
	}
	if r.prefix && len(data) >= headerLen && binary.BigEndian.Uint32(data) == magic {
		s, payload = parseCore(data[4:]), data[headerLen:]
		return s, payload, true, crc32.Checksum(payload, castagnoli) == s.CRC
	}
	if r.json {
		s, ok, intact = r.readJSON(data)
	}
	return s, data, ok, intact
}

func (r *Reader) readJSON(data []byte) (s Stamp, ok, intact bool) {
	open, end, isObject := jsonfield.Bounds(data)
	if !isObject {
		return Stamp{}, false, false
	}
	if at := stampStart(data[open:end]); at > 0 {
		if s, ok = parseText(data[end-1-textLen : end-1]); ok {
			crc := crc32.Update(0, castagnoli, data[:open+at])
			return s, true, crc32.Update(crc, castagnoli, data[end:]) == s.CRC
		}
	}
	text, isString, found := r.finder.Lookup(data)
	if !found || !isString {
		return Stamp{}, false, false
	}
	s, ok = parseText(text)
	return s, ok, false
}

// stampStart returns where in obj (an object without its closing brace) the
// stamp's attribute starts, if obj ends in one just as appendJSON writes it;
// else 0.
func stampStart(obj []byte) int {
	at := len(obj) - JSON.Overhead()
	if at > 0 && string(obj[at:at+len(jsonStart)]) == jsonStart && obj[len(obj)-1] == '"' {
		return at
	}
	// The only attribute of its object has no comma before it.
	at++
	if at > 0 && string(obj[at:at+len(jsonStart)-1]) == jsonStart[1:] && obj[len(obj)-1] == '"' && isEmpty(obj[1:at]) {
		return at
	}
	return 0
}

// parseText reads what appendText wrote.
func parseText(text []byte) (s Stamp, ok bool) {
	if len(text) != textLen || text[0] != version {
		return Stamp{}, false
	}
	var core [coreLen]byte
	n, err := base64.RawURLEncoding.Decode(core[:], text[1:])
	if n != coreLen || err != nil {
		return Stamp{}, false
	}
	return parseCore(core[:]), true
}
