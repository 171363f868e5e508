package awscbor

import (
	"encoding/binary"
	"math"
)

// Media is the media type of requests and answers.
const Media = "application/x-amz-cbor-1.1"

// Major types, in the upper three bits of a head.
const (
	majorUint = iota << 5
	majorNegative
	majorBytes
	majorText
	majorList
	majorMap
	majorTag
	majorOther
)

// Whole heads, and the additional information in the lower five bits.
const (
	headFalse     = majorOther | 20
	headTrue      = majorOther | 21
	headNull      = majorOther | 22
	headUndefined = majorOther | 23
	headHalf      = majorOther | 25
	headSingle    = majorOther | 26
	headDouble    = majorOther | 27
	headTime      = majorTag | 1
	headBreak     = majorOther | open

	open = 31 // indefinite length, or the break that ends it
)

// AppendInt appends an integer.
func AppendInt(dst []byte, v int64) []byte {
	if v < 0 {
		return appendHead(dst, majorNegative, ^uint64(v))
	}
	return appendHead(dst, majorUint, uint64(v))
}

// AppendFloat appends a number in double precision.
func AppendFloat(dst []byte, v float64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, headDouble), math.Float64bits(v))
}

// AppendBool appends true or false.
func AppendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, headTrue)
	}
	return append(dst, headFalse)
}

// AppendNull appends null.
func AppendNull(dst []byte) []byte { return append(dst, headNull) }

// AppendText appends a text string, which must be valid UTF-8.
func AppendText[T string | []byte](dst []byte, v T) []byte {
	return append(appendHead(dst, majorText, uint64(len(v))), v...)
}

// AppendTextHead begins a text string whose n bytes must follow.
func AppendTextHead(dst []byte, n int) []byte { return appendHead(dst, majorText, uint64(n)) }

// AppendBytes appends a byte string.
func AppendBytes(dst, v []byte) []byte {
	return append(appendHead(dst, majorBytes, uint64(len(v))), v...)
}

// AppendMillis appends a timestamp: milliseconds since 1970.
func AppendMillis(dst []byte, ms int64) []byte {
	return AppendInt(append(dst, headTime), ms)
}

// AppendList appends the head of a list; n elements must follow.
func AppendList(dst []byte, n int) []byte { return appendHead(dst, majorList, uint64(n)) }

// AppendMap appends the head of a map; n pairs of text and value must follow.
func AppendMap(dst []byte, n int) []byte { return appendHead(dst, majorMap, uint64(n)) }

// AppendOpenList begins a list that AppendBreak ends.
func AppendOpenList(dst []byte) []byte { return append(dst, majorList|open) }

// AppendOpenMap begins a map that AppendBreak ends.
func AppendOpenMap(dst []byte) []byte { return append(dst, majorMap|open) }

// AppendBreak ends what AppendOpenList or AppendOpenMap began.
func AppendBreak(dst []byte) []byte { return append(dst, headBreak) }

func appendHead(dst []byte, major byte, arg uint64) []byte {
	switch {
	case arg < 24:
		return append(dst, major|byte(arg))
	case arg <= math.MaxUint8:
		return append(dst, major|24, byte(arg))
	case arg <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, major|25), uint16(arg))
	case arg <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(dst, major|26), uint32(arg))
	}
	return binary.BigEndian.AppendUint64(append(dst, major|27), arg)
}
