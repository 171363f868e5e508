package shard

import (
	"crypto/md5"
	"fmt"
	"math"
	"math/bits"

	"github.com/kload/kload"
)

// The largest hash key, 2^128-1, has 39 digits.
const (
	maxDigits = 39
	// chunk is the largest power of ten below 2^64; chunkDigits is its exponent.
	// A hash key is at most three groups of digits to this base.
	chunk       = 10_000_000_000_000_000_000
	chunkDigits = 19
)

// HashOf returns the point of a partition key: the MD5 of its UTF-8 bytes as an
// unsigned big-endian number. It does not allocate.
func HashOf(key []byte) kload.HashKey {
	sum := md5.Sum(key)
	return point(&sum)
}

// Max returns the last point of the hash key space, 2^128-1.
func Max() kload.HashKey {
	return kload.HashKey{Hi: math.MaxUint64, Lo: math.MaxUint64}
}

// ParseHash reads a hash key as the service writes and accepts it: decimal, 0 to
// 2^128-1, without sign or leading zeros.
func ParseHash(dec string) (kload.HashKey, error) { return parse(dec) }

// ParseHashBytes is ParseHash for bytes. It does not allocate unless it fails.
func ParseHashBytes(dec []byte) (kload.HashKey, error) { return parse(dec) }

func parse[T string | []byte](dec T) (kload.HashKey, error) {
	var h kload.HashKey
	if len(dec) == 0 || len(dec) > maxDigits || dec[0] == '0' && len(dec) > 1 {
		return kload.HashKey{}, badHash(string(dec))
	}
	for i := 0; i < len(dec); i++ {
		d := dec[i] - '0'
		carry, lo := bits.Mul64(h.Lo, 10)
		over, hi := bits.Mul64(h.Hi, 10)
		lo, c := bits.Add64(lo, uint64(d), 0)
		hi, c = bits.Add64(hi, carry, c)
		if d > 9 || over != 0 || c != 0 {
			return kload.HashKey{}, badHash(string(dec))
		}
		h = kload.HashKey{Hi: hi, Lo: lo}
	}
	return h, nil
}

func badHash(dec string) error {
	if len(dec) > maxDigits+1 {
		dec = dec[:maxDigits+1] + "…"
	}
	return kload.WithHint(fmt.Errorf("parsing hash key %q: %w", dec, kload.ErrInvalid),
		"a hash key is a decimal number from 0 to 340282366920938463463374607431768211455, without sign or leading zeros")
}

// FormatHash returns the decimal form of h.
func FormatHash(h kload.HashKey) string {
	return string(AppendHash(make([]byte, 0, maxDigits), h))
}

// AppendHash appends the decimal form of h, at most 39 digits, to dst. It
// allocates only when dst has no room.
func AppendHash(dst []byte, h kload.HashKey) []byte {
	var digits [3 * chunkDigits]byte
	pos := len(digits)
	for h.Hi != 0 || h.Lo >= chunk {
		var low uint64
		h, low = divChunk(h)
		for range chunkDigits {
			pos--
			digits[pos] = byte('0' + low%10)
			low /= 10
		}
	}
	for low := h.Lo; low != 0 || pos == len(digits); low /= 10 {
		pos--
		digits[pos] = byte('0' + low%10)
	}
	return append(dst, digits[pos:]...)
}

// divChunk splits off the last 19 decimal digits of h.
func divChunk(h kload.HashKey) (q kload.HashKey, r uint64) {
	q.Hi, r = h.Hi/chunk, h.Hi%chunk
	q.Lo, r = bits.Div64(r, h.Lo, chunk)
	return q, r
}
