package kinesis

import (
	"math/big"
	"math/bits"
)

// sequence is what a sequence number encodes. The number has 56 decimal digits,
// 47 hexadecimal ones: 2, the shard's creation in seconds (9), the low nibble of
// the shard's index (1), a counter (16), two unknown (00), the arrival in
// seconds (9), the shard's index (8), version 2. The layout is not documented by
// AWS but stable since 2015.
type sequence struct {
	created int64 // s since 1970
	counter uint64
	arrived int64 // s since 1970
	shard   uint32
}

// sequenceDigits is the length of a sequence number.
const sequenceDigits = 56

const chunk = 1e19 // the largest power of ten in a uint64

// append appends the decimal form.
func (q sequence) append(dst []byte) []byte {
	lo := uint64(2) | uint64(q.shard)<<4 | uint64(q.arrived)<<36
	mid := uint64(q.arrived)>>28&0xff | q.counter<<16
	hi := q.counter>>48 | uint64(q.shard&0xf)<<16 | uint64(q.created)<<20 | 2<<56
	var d0, d1 uint64
	mid, d0 = bits.Div64(hi, mid, chunk)
	lo, d0 = bits.Div64(d0, lo, chunk)
	hi, d1 = bits.Div64(mid, lo, chunk)
	var text [sequenceDigits]byte
	digits19(text[37:], d0)
	digits19(text[18:37], d1)
	for i := 17; i >= 0; i-- {
		text[i] = byte('0' + hi%10)
		hi /= 10
	}
	return append(dst, text[:]...)
}

func digits19(dst []byte, v uint64) {
	for i := 18; i >= 0; i-- {
		dst[i] = byte('0' + v%10)
		v /= 10
	}
}

// parseSequence decodes a decimal sequence number of the current version.
func parseSequence(text string) (sequence, bool) {
	n, ok := new(big.Int).SetString(text, 10)
	if !ok || len(text) != sequenceDigits || n.BitLen() > 188 {
		return sequence{}, false
	}
	word := func(at, size uint) uint64 {
		part := new(big.Int).Rsh(n, at)
		return part.And(part, new(big.Int).SetUint64(1<<size-1)).Uint64()
	}
	q := sequence{
		created: int64(word(148, 36)), counter: word(80, 64),
		arrived: int64(word(36, 36)), shard: uint32(word(4, 32)),
	}
	return q, word(184, 4) == 2 && word(0, 4) == 2
}
