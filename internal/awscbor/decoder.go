package awscbor

import (
	"encoding/binary"
	"fmt"
	"math"
	"unicode/utf8"
)

// maxDepth bounds nesting, so that hostile input cannot exhaust the stack.
const maxDepth = 128

// Kind is the type of the next value.
type Kind uint8

// The kinds of values. End stands for the end of the input, for the break that
// ends an open list or map, and for anything that cannot start a value.
const (
	End Kind = iota
	Null
	Bool
	Int
	Float
	Text
	Bytes
	List
	Map
	Tag
)

// Error says where input stops being what was asked for.
type Error struct {
	Offset int
	Text   string
}

// Error returns the text and the offset.
func (e *Error) Error() string { return fmt.Sprintf("%s at offset %d", e.Text, e.Offset) }

// Count is how many elements of a list, or pairs of a map, are still to come;
// negative if only a break will tell.
type Count int

// Decoder reads values from a buffer. Text and bytes it returns are slices of
// the buffer, but for those that were written in several chunks. After the first
// error all methods return zero values; check Err at the end. A Decoder is used
// from one goroutine.
//
//	for n := d.Map(); d.Next(&n); {
//		switch string(d.Name()) {
//		case "Title":
//			title = d.Text()
//		default:
//			d.Skip()
//		}
//	}
type Decoder struct {
	buf []byte // emptied by the first error, so that reads fail without asking
	pos int
	err error
}

// NewDecoder returns a decoder on buf.
func NewDecoder(buf []byte) Decoder { return Decoder{buf: buf} }

// Err returns the first error, an [*Error] unless Fail was called.
func (d *Decoder) Err() error { return d.err }

// Fail records err unless there is an earlier one.
func (d *Decoder) Fail(err error) {
	if d.err == nil {
		d.err = err
		d.buf, d.pos = nil, 0
	}
}

func (d *Decoder) syntax(text string) { d.Fail(&Error{Offset: d.pos, Text: text}) }

// unexpected complains about the next value.
func (d *Decoder) unexpected(wanted string) {
	if d.pos >= len(d.buf) {
		d.syntax("expected " + wanted + ", found the end")
		return
	}
	d.syntax(fmt.Sprintf("expected %s, found a head of %#02x", wanted, d.buf[d.pos]))
}

// Finish checks that nothing is left, and returns Err.
func (d *Decoder) Finish() error {
	if d.pos < len(d.buf) {
		d.syntax("unexpected bytes after the value")
	}
	return d.err
}

// Peek returns the kind of the next value.
func (d *Decoder) Peek() Kind {
	if d.pos >= len(d.buf) {
		return End
	}
	c := d.buf[d.pos]
	switch c &^ 31 {
	case majorUint, majorNegative:
		return Int
	case majorBytes:
		return Bytes
	case majorText:
		return Text
	case majorList:
		return List
	case majorMap:
		return Map
	case majorTag:
		return Tag
	}
	switch c {
	case headFalse, headTrue:
		return Bool
	case headNull, headUndefined:
		return Null
	case headHalf, headSingle, headDouble:
		return Float
	}
	return End
}

// argument reads a head of the given major type and returns its argument.
func (d *Decoder) argument(major byte, wanted string) uint64 {
	if d.pos < len(d.buf) {
		if minor := d.buf[d.pos] ^ major; minor < 24 {
			d.pos++
			return uint64(minor)
		}
	}
	return d.longArgument(major, wanted)
}

func (d *Decoder) longArgument(major byte, wanted string) (v uint64) {
	rest := d.buf[min(d.pos, len(d.buf)):]
	minor := byte(open)
	if len(rest) > 0 {
		minor = rest[0] ^ major
	}
	if minor > 27 {
		d.unexpected(wanted)
		return 0
	}
	size := 1 << (minor - 24)
	if len(rest) <= size {
		d.syntax("unexpected end")
		return 0
	}
	switch size {
	case 1:
		v = uint64(rest[1])
	case 2:
		v = uint64(binary.BigEndian.Uint16(rest[1:]))
	case 4:
		v = uint64(binary.BigEndian.Uint32(rest[1:]))
	default:
		v = binary.BigEndian.Uint64(rest[1:])
	}
	d.pos += 1 + size
	return v
}

// at reports whether the next byte is this head, and reads it if so.
func (d *Decoder) at(head byte) bool {
	if d.pos < len(d.buf) && d.buf[d.pos] == head {
		d.pos++
		return true
	}
	return false
}

// Null reports whether the next value is null, and reads it if so.
func (d *Decoder) Null() bool { return d.at(headNull) || d.at(headUndefined) }

// Bool reads true or false.
func (d *Decoder) Bool() bool {
	if d.at(headTrue) {
		return true
	}
	if !d.at(headFalse) {
		d.unexpected("a boolean")
	}
	return false
}

// Int reads an integer that fits into 64 bits with its sign.
func (d *Decoder) Int() int64 {
	start, negative := d.pos, d.pos < len(d.buf) && d.buf[d.pos]&^31 == majorNegative
	major := byte(majorUint)
	if negative {
		major = majorNegative
	}
	v := d.argument(major, "an integer")
	if v > math.MaxInt64 {
		d.pos = start
		d.syntax("integer out of range")
		return 0
	}
	if negative {
		return ^int64(v)
	}
	return int64(v)
}

// Float reads a number of any kind.
func (d *Decoder) Float() float64 {
	if d.Peek() == Int {
		if d.buf[d.pos]&^31 == majorNegative {
			if v := d.argument(majorNegative, "a number"); v != math.MaxUint64 {
				return -float64(v + 1) // rounded once
			}
			return -math.MaxUint64
		}
		return float64(d.argument(majorUint, "a number"))
	}
	if d.Peek() != Float {
		d.unexpected("a number")
		return 0
	}
	head := d.buf[d.pos]
	v := d.argument(majorOther, "a number")
	switch head {
	case headHalf:
		return half(uint16(v))
	case headSingle:
		return float64(math.Float32frombits(uint32(v)))
	}
	return math.Float64frombits(v)
}

// half widens a half-precision float.
func half(v uint16) float64 {
	exponent, fraction := int(v>>10&31), float64(v&0x3ff)
	var f float64
	switch {
	case exponent == 0:
		f = math.Ldexp(fraction, -24)
	case exponent == 31 && fraction == 0:
		f = math.Inf(1)
	case exponent == 31:
		f = math.NaN()
	default:
		f = math.Ldexp(1024+fraction, exponent-25)
	}
	if v&0x8000 != 0 {
		return -f
	}
	return f
}

// Millis reads a timestamp: milliseconds since 1970.
func (d *Decoder) Millis() int64 {
	if d.Peek() == Tag {
		if !d.at(headTime) {
			d.unexpected("a timestamp")
			return 0
		}
	}
	if d.Peek() != Float {
		return d.Int()
	}
	start := d.pos
	v := math.Trunc(d.Float())
	if !(math.Abs(v) < 1<<63) { // not a number is neither
		d.pos = start
		d.syntax("timestamp out of range")
		return 0
	}
	return int64(v)
}

// Text reads a text string.
func (d *Decoder) Text() []byte {
	start := d.pos
	s := d.blob(majorText, "text")
	if !utf8.Valid(s) {
		d.pos = start
		d.syntax("invalid UTF-8")
		return nil
	}
	return s
}

// Name reads a map's key that is only going to be compared: it is Text, but for
// short text that is not valid UTF-8, which equals no name there is.
func (d *Decoder) Name() []byte {
	if d.pos < len(d.buf) {
		n, from := int(d.buf[d.pos]^majorText), d.pos+1
		if n < 24 && n <= len(d.buf)-from {
			d.pos = from + n
			return d.buf[from:d.pos:d.pos]
		}
	}
	return d.Text()
}

// Bytes reads a byte string.
func (d *Decoder) Bytes() []byte { return d.blob(majorBytes, "bytes") }

func (d *Decoder) blob(major byte, wanted string) []byte {
	if d.at(major | open) {
		return d.chunks(major, wanted)
	}
	n := d.argument(major, wanted)
	if d.err != nil {
		return nil
	}
	if n > uint64(len(d.buf)-d.pos) {
		d.syntax("length beyond the end")
		return nil
	}
	end := d.pos + int(n)
	s := d.buf[d.pos:end:end]
	d.pos = end
	return s
}

// chunks joins the chunks of a string of indefinite length. Writers use them for
// long text only.
func (d *Decoder) chunks(major byte, wanted string) []byte {
	s := []byte{}
	for d.err == nil && !d.at(headBreak) {
		if d.pos < len(d.buf) && d.buf[d.pos] == major|open {
			d.syntax("chunk within a chunk")
			return nil
		}
		s = append(s, d.blob(major, wanted)...)
	}
	if d.err != nil {
		return nil
	}
	return s
}

// List reads the head of a list; iterate with Next.
func (d *Decoder) List() Count { return d.container(majorList, 1, "a list") }

// Map reads the head of a map; iterate with Next and read a Name or Text, then a
// value.
func (d *Decoder) Map() Count { return d.container(majorMap, 2, "a map") }

// container refuses counts that what is left cannot hold, at size bytes each.
func (d *Decoder) container(major byte, size int, wanted string) Count {
	if d.at(major | open) {
		return -1
	}
	n := d.argument(major, wanted)
	if n > uint64((len(d.buf)-d.pos)/size) {
		d.syntax("more elements than bytes")
		return 0
	}
	return Count(n)
}

// Next reports whether another element or pair follows.
func (d *Decoder) Next(n *Count) bool {
	switch {
	case d.err != nil || *n == 0:
		return false
	case *n > 0:
		*n--
		return true
	case d.at(headBreak):
		*n = 0
		return false
	case d.pos >= len(d.buf):
		d.syntax("unexpected end")
		return false
	}
	return true
}

// Skip reads a value of any kind and drops it.
func (d *Decoder) Skip() { d.skip(maxDepth) }

func (d *Decoder) skip(depth int) {
	if depth == 0 {
		d.syntax("nesting too deep")
		return
	}
	switch d.Peek() {
	case Null:
		d.pos++
	case Bool:
		d.Bool()
	case Int: // of any size
		d.Float()
	case Float:
		d.Float()
	case Text:
		d.Text()
	case Bytes:
		d.Bytes()
	case List:
		for n := d.List(); d.Next(&n); {
			d.skip(depth - 1)
		}
	case Map:
		for n := d.Map(); d.Next(&n); {
			d.Text()
			d.skip(depth - 1)
		}
	case Tag:
		d.argument(majorTag, "a tag")
		d.skip(depth - 1)
	default:
		d.unexpected("a value")
	}
}
