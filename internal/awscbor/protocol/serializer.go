package protocol

import (
	"errors"
	"math/big"
	"time"

	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/document"

	"github.com/kload/kload/internal/awscbor"
)

// serializer writes shapes as CBOR. How many members a structure or list has is
// not known when it begins, so all of them are of indefinite length, as AWS's
// own clients write them.
type serializer struct {
	buf    []byte
	digest payloadDigest
	// structs says for each open structure, list, map and union whether it is a
	// structure, whose members write their names themselves.
	structs []bool
	err     error
}

var _ smithy.ShapeSerializer = (*serializer)(nil)

func (s *serializer) reset() {
	s.buf, s.structs, s.err = s.buf[:0], s.structs[:0], nil
	s.digest.reset()
}

// Bytes returns what was written.
func (s *serializer) Bytes() []byte { return s.buf }

// name writes the member's name where one belongs.
func (s *serializer) name(schema *smithy.Schema) {
	if n := len(s.structs); n > 0 && s.structs[n-1] {
		s.buf = awscbor.AppendText(s.buf, schema.MemberName())
	}
}

func (s *serializer) open(isStruct bool) { s.structs = append(s.structs, isStruct) }

func (s *serializer) close() {
	s.structs = s.structs[:max(0, len(s.structs)-1)]
}

func (s *serializer) unsupported() {
	s.err = errors.Join(s.err, errors.New("documents and big numbers have no place in Kinesis"))
}

func (s *serializer) WriteInt8(schema *smithy.Schema, v int8)   { s.WriteInt64(schema, int64(v)) }
func (s *serializer) WriteInt16(schema *smithy.Schema, v int16) { s.WriteInt64(schema, int64(v)) }
func (s *serializer) WriteInt32(schema *smithy.Schema, v int32) { s.WriteInt64(schema, int64(v)) }

func (s *serializer) WriteInt64(schema *smithy.Schema, v int64) {
	s.name(schema)
	s.buf = awscbor.AppendInt(s.buf, v)
}

func (s *serializer) WriteFloat32(schema *smithy.Schema, v float32) {
	s.WriteFloat64(schema, float64(v))
}

func (s *serializer) WriteFloat64(schema *smithy.Schema, v float64) {
	s.name(schema)
	s.buf = awscbor.AppendFloat(s.buf, v)
}

func (s *serializer) WriteBool(schema *smithy.Schema, v bool) {
	s.name(schema)
	s.buf = awscbor.AppendBool(s.buf, v)
}

func (s *serializer) WriteString(schema *smithy.Schema, v string) {
	s.name(schema)
	s.buf = awscbor.AppendText(s.buf, v)
}

func (s *serializer) WriteBlob(schema *smithy.Schema, v []byte) {
	s.name(schema)
	s.buf = awscbor.AppendBytes(s.buf, v)
	s.digest.follow(s.buf)
}

func (s *serializer) WriteTime(schema *smithy.Schema, v time.Time) {
	s.name(schema)
	s.buf = awscbor.AppendMillis(s.buf, v.UnixMilli())
}

func (s *serializer) WriteNil(schema *smithy.Schema) {
	s.name(schema)
	s.buf = awscbor.AppendNull(s.buf)
}

func (s *serializer) WriteStruct(schema *smithy.Schema) {
	s.name(schema)
	s.buf = awscbor.AppendOpenMap(s.buf)
	s.open(true)
}

func (s *serializer) CloseStruct() {
	s.buf = awscbor.AppendBreak(s.buf)
	s.close()
}

func (s *serializer) WriteList(schema *smithy.Schema) {
	s.name(schema)
	s.buf = awscbor.AppendOpenList(s.buf)
	s.open(false)
}

func (s *serializer) CloseList() { s.CloseStruct() }

func (s *serializer) WriteMap(schema *smithy.Schema) {
	s.name(schema)
	s.buf = awscbor.AppendOpenMap(s.buf)
	s.open(false)
}

func (s *serializer) WriteKey(_ *smithy.Schema, key string) {
	s.buf = awscbor.AppendText(s.buf, key)
}

func (s *serializer) CloseMap() { s.CloseStruct() }

func (s *serializer) WriteUnion(schema, variant *smithy.Schema) {
	s.name(schema)
	s.buf = awscbor.AppendMap(s.buf, 1)
	s.buf = awscbor.AppendText(s.buf, variant.MemberName())
	s.open(false)
}

func (s *serializer) CloseUnion() { s.close() }

func (s *serializer) WriteDocument(*smithy.Schema, document.Value) { s.unsupported() }
func (s *serializer) WriteBigInt(*smithy.Schema, *big.Int)         { s.unsupported() }
func (s *serializer) WriteBigFloat(*smithy.Schema, *big.Float)     { s.unsupported() }
