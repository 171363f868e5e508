package httpapi

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
)

// base64Pairs gives the 12 bits that two characters stand for, the first one in
// the index's low byte, and notBase64 where one is none. Of its 128 KiB only 16
// are looked at, which stay in the cache.
var base64Pairs = makeBase64Pairs()

const notBase64 = 0xffff

func makeBase64Pairs() *[1 << 16]uint16 {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	t := new([1 << 16]uint16)
	for i := range t {
		t[i] = notBase64
	}
	for i, first := range []byte(alphabet) {
		for k, second := range []byte(alphabet) {
			t[int(second)<<8|int(first)] = uint16(i<<6 | k)
		}
	}
	return t
}

// DecodeBase64 is enc.Decode for an encoding with the standard alphabet, in half
// the time for records, but that line breaks are errors: JSON has none within a
// string, and a service writes none. dst must have room for
// enc.DecodedLen(len(src)).
func DecodeBase64(enc *base64.Encoding, dst, src []byte) (n int, err error) {
	const in, out = 16, 12 // characters and bytes per turn
	at := 0
	for len(src)-at >= in+8 { // so that the last store, of 8 bytes, has room
		s := src[at : at+in : at+in]
		a, b := binary.LittleEndian.Uint64(s), binary.LittleEndian.Uint64(s[8:])
		a0, a1, a2, a3 := base64Pairs[uint16(a)], base64Pairs[uint16(a>>16)], base64Pairs[uint16(a>>32)], base64Pairs[uint16(a>>48)]
		b0, b1, b2, b3 := base64Pairs[uint16(b)], base64Pairs[uint16(b>>16)], base64Pairs[uint16(b>>32)], base64Pairs[uint16(b>>48)]
		if (a0|a1|a2|a3|b0|b1|b2|b3)>>12 != 0 {
			break // the end, or what is no base64
		}
		d := dst[n : n+out+2 : n+out+2]
		binary.BigEndian.PutUint64(d, uint64(a0)<<52|uint64(a1)<<40|uint64(a2)<<28|uint64(a3)<<16)
		binary.BigEndian.PutUint64(d[6:], uint64(b0)<<52|uint64(b1)<<40|uint64(b2)<<28|uint64(b3)<<16)
		n += out
		at += in
	}
	for _, end := range []byte("\r\n") {
		if i := bytes.IndexByte(src[at:], end); i >= 0 {
			return n, base64.CorruptInputError(at + i)
		}
	}
	rest, err := enc.Decode(dst[n:], src[at:])
	return n + rest, err
}
