package shard

import (
	"math/bits"

	"github.com/kload/kload"
)

// Range is a run of hash keys; both ends belong to it. The zero value holds the
// one point 0.
type Range struct{ Start, End kload.HashKey }

// Contains reports whether h lies in the range.
func (r Range) Contains(h kload.HashKey) bool {
	return r.Start.Compare(h) <= 0 && h.Compare(r.End) <= 0
}

// Split divides the whole hash key space among n shards as CreateStream does:
// every range is floor(2^128/n) wide, and the last one also takes the remainder.
// It returns nil for n < 1.
func Split(n int) []Range {
	if n < 1 {
		return nil
	}
	ranges := make([]Range, n)
	width := widthOf(uint64(n))
	var start kload.HashKey
	for i := range ranges {
		next := add(start, width)
		ranges[i] = Range{Start: start, End: before(next)}
		start = next
	}
	ranges[n-1].End = Max()
	return ranges
}

// widthOf returns floor(2^128/n). For n = 1 that is 2^128, which wraps to 0:
// the only range then ends right before 0, at the last point.
func widthOf(n uint64) kload.HashKey {
	if n == 1 {
		return kload.HashKey{}
	}
	hi, rem := bits.Div64(1, 0, n)
	lo, _ := bits.Div64(rem, 0, n)
	return kload.HashKey{Hi: hi, Lo: lo}
}

// add returns a+b modulo 2^128.
func add(a, b kload.HashKey) kload.HashKey {
	lo, carry := bits.Add64(a.Lo, b.Lo, 0)
	hi, _ := bits.Add64(a.Hi, b.Hi, carry)
	return kload.HashKey{Hi: hi, Lo: lo}
}

// before returns h-1 modulo 2^128.
func before(h kload.HashKey) kload.HashKey {
	lo, borrow := bits.Sub64(h.Lo, 1, 0)
	return kload.HashKey{Hi: h.Hi - borrow, Lo: lo}
}
