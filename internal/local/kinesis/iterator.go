package kinesis

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/kload/kload/internal/local/httpapi"
)

// position is what a shard iterator stands for: a place in one shard of one
// incarnation of a stream, and when it was issued.
type position struct {
	stream  string
	created int64 // of the stream, ns: tells incarnations of one name apart
	shard   uint32
	counter uint64 // of the next record to read
	issued  int64  // ms since 1970
}

// iteratorPrefix starts every iterator of the service.
const iteratorPrefix = "\x00\x00\x00\x00\x00\x00\x00\x01"

// iteratorLen is the length of the service's iterators before base64, which
// grows with the stream's name in steps of 16.
func iteratorLen(name int) int { return 152 + (name+2)/16*16 }

// appendIterator appends an iterator: the prefix and the position, padded to the
// service's length and sealed, so that it is opaque and cannot be made up. Equal
// positions give different iterators.
func (s *Server) appendIterator(dst []byte, p position) []byte {
	var room [iteratorMax]byte
	plain := room[:iteratorLen(len(p.stream))-len(iteratorPrefix)-s.seal.Overhead()]
	binary.BigEndian.PutUint64(plain, uint64(p.issued))
	binary.BigEndian.PutUint64(plain[8:], uint64(p.created))
	binary.BigEndian.PutUint64(plain[16:], p.counter)
	binary.BigEndian.PutUint32(plain[24:], p.shard)
	plain[28] = byte(len(p.stream))
	copy(plain[29:], p.stream)
	var sealed [iteratorMax]byte
	raw := append(sealed[:0], iteratorPrefix...)
	raw = s.seal.Seal(raw, nil, plain, nil)
	return base64.StdEncoding.AppendEncode(dst, raw)
}

// iteratorMax is the length for the longest stream name, 128.
const iteratorMax = 152 + (128+2)/16*16

// parseIterator opens an iterator. The service also takes it in quotes, as
// copied from its JSON.
func (s *Server) parseIterator(text string) (position, error) {
	invalid := httpapi.Refuse("InvalidArgumentException", "Invalid ShardIterator.")
	raw, err := strictBase64.DecodeString(strings.Trim(text, `"`))
	if err != nil || !strings.HasPrefix(string(raw), iteratorPrefix) {
		return position{}, invalid
	}
	plain, err := s.seal.Open(nil, nil, raw[len(iteratorPrefix):], nil)
	if err != nil || len(plain) < 29 || len(plain) < 29+int(plain[28]) {
		return position{}, invalid
	}
	return position{
		issued:  int64(binary.BigEndian.Uint64(plain)),
		created: int64(binary.BigEndian.Uint64(plain[8:])),
		counter: binary.BigEndian.Uint64(plain[16:]),
		shard:   binary.BigEndian.Uint32(plain[24:]),
		stream:  string(plain[29 : 29+int(plain[28])]),
	}, nil
}

// fresh refuses an iterator older than the server's limit.
func (p position) fresh(now time.Time, ttl time.Duration) error {
	if now.UnixMilli()-p.issued <= ttl.Milliseconds() {
		return nil
	}
	return httpapi.Refuse("ExpiredIteratorException", "%s", expired(time.UnixMilli(p.issued), now, ttl))
}

// expired is what is said of an iterator that is too old.
func expired(issued, now time.Time, ttl time.Duration) string {
	const layout = "Mon Jan 02 15:04:05 UTC 2006"
	return fmt.Sprintf("Iterator expired. The iterator was created at time %s while right now it is %s "+
		"which is further in the future than the tolerated delay of %d milliseconds.",
		issued.UTC().Format(layout), now.UTC().Format(layout), ttl.Milliseconds())
}
