package httpapi

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"net/http"
	"sync/atomic"
)

// RequestIDs issues the two identifiers that every answer carries. Ids are
// unique within one issuer: a random part made once and a counter, which costs
// no system call per request. It is safe for concurrent use.
type RequestIDs struct {
	prefix [10]byte
	tail   string
	count  atomic.Uint64
}

// NewRequestIDs returns an issuer with a random part of its own.
func NewRequestIDs() *RequestIDs {
	ids := &RequestIDs{}
	var noise [66]byte
	rand.Read(ids.prefix[:])
	rand.Read(noise[:])
	ids.tail = base64.StdEncoding.EncodeToString(noise[:])
	return ids
}

// Stamp sets x-amzn-RequestId (a UUID) and x-amz-id-2 (base64 of 72 bytes, the
// length the services use).
func (ids *RequestIDs) Stamp(h http.Header) {
	var raw [16]byte
	copy(raw[:10], ids.prefix[:])
	n := ids.count.Add(1)
	for i := range 6 {
		raw[15-i] = byte(n >> (8 * i))
	}
	raw[6] = raw[6]&0x0f | 0x40
	raw[8] = raw[8]&0x3f | 0x80
	buf := make([]byte, 0, 36+96)
	for i, b := range []int{4, 6, 8, 10, 16} {
		if i > 0 {
			buf = append(buf, '-')
		}
		buf = hex.AppendEncode(buf, raw[[]int{0, 4, 6, 8, 10}[i]:b])
	}
	var count [8]byte
	binary.BigEndian.PutUint64(count[:], n)
	buf = base64.StdEncoding.AppendEncode(buf, count[2:])
	buf = append(buf, ids.tail...)
	all := string(buf)
	// The services write the first name in this mixed case; Set would change it.
	h["x-amzn-RequestId"] = []string{all[:36]}
	h["x-amz-id-2"] = []string{all[36:]}
}
