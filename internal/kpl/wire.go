package kpl

import "encoding/binary"

// Protobuf wire types.
const (
	wireVarint     = 0
	wire64         = 1
	wireBytes      = 2
	wireGroupStart = 3
	wireGroupEnd   = 4
	wire32         = 5
)

// maxGroupDepth bounds nesting of unknown groups, a construct that protobuf
// gave up long ago.
const maxGroupDepth = 16

// cursor walks over protobuf fields in buf[pos:end]. Its methods report false on
// malformed input and leave the cursor useless then.
type cursor struct {
	buf      []byte
	pos, end int
}

// span is a run of bytes in a buffer.
type span struct{ from, to uint32 }

func (s span) of(buf []byte) []byte { return buf[s.from:s.to:s.to] }

func (c *cursor) more() bool { return c.pos < c.end }

func (c *cursor) varint() (uint64, bool) {
	if c.pos < c.end && c.buf[c.pos] < 0x80 {
		c.pos++
		return uint64(c.buf[c.pos-1]), true
	}
	v, n := binary.Uvarint(c.buf[c.pos:c.end])
	c.pos += n
	return v, n > 0
}

// tag reads a field's number and wire type. Field numbers are 1 to 2^29-1.
func (c *cursor) tag() (uint64, bool) {
	t, ok := c.varint()
	return t, ok && t>>3 != 0 && t>>3 < 1<<29
}

// bytes reads a length-delimited value.
func (c *cursor) bytes() (span, bool) {
	n, ok := c.varint()
	if !ok || n > uint64(c.end-c.pos) {
		return span{}, false
	}
	s := span{uint32(c.pos), uint32(c.pos) + uint32(n)}
	c.pos += int(n)
	return s, true
}

// skip passes over the value of an unknown field.
func (c *cursor) skip(tag uint64) bool { return c.skipNested(tag, 0) }

func (c *cursor) skipNested(tag uint64, depth int) bool {
	switch tag & 7 {
	case wireVarint:
		_, ok := c.varint()
		return ok
	case wireBytes:
		_, ok := c.bytes()
		return ok
	case wire64:
		return c.advance(8)
	case wire32:
		return c.advance(4)
	case wireGroupStart:
		return depth < maxGroupDepth && c.skipGroup(tag>>3, depth+1)
	}
	return false
}

func (c *cursor) skipGroup(field uint64, depth int) bool {
	for {
		tag, ok := c.tag()
		if !ok {
			return false
		}
		if tag&7 == wireGroupEnd {
			return tag>>3 == field
		}
		if !c.skipNested(tag, depth) {
			return false
		}
	}
}

func (c *cursor) advance(n int) bool {
	c.pos += n
	return c.pos <= c.end
}
