package protocol

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/document"
	"github.com/aws/smithy-go/traits"

	"github.com/kload/kload/internal/awscbor"
)

// deserializer reads shapes from CBOR.
type deserializer struct {
	awscbor.Decoder
	copies  bool // of blobs
	texts   arena
	open    []container
	results *Results // where the caller wants those of PutRecords, or nil
}

// container is a structure, list or map being read.
type container struct {
	schema *smithy.Schema
	left   awscbor.Count
}

var _ smithy.ShapeDeserializer = (*deserializer)(nil)

// read reads an answer; the two that carry records have a way of their own.
func (d *deserializer) read(out smithy.Deserializable) error {
	switch out := out.(type) {
	case *kinesis.GetRecordsOutput:
		d.getRecords(out)
	case *kinesis.PutRecordsOutput:
		if d.results != nil {
			d.results.begin()
		}
		d.putRecords(out)
	default:
		if err := out.Deserialize(d); err != nil {
			return err
		}
	}
	return d.Err()
}

func (d *deserializer) ReadInt8(_ *smithy.Schema, v *int8) error {
	n := d.within(math.MinInt8, math.MaxInt8)
	*v = int8(n)
	return d.Err()
}

func (d *deserializer) ReadInt16(_ *smithy.Schema, v *int16) error {
	n := d.within(math.MinInt16, math.MaxInt16)
	*v = int16(n)
	return d.Err()
}

func (d *deserializer) ReadInt32(_ *smithy.Schema, v *int32) error {
	*v = d.int32()
	return d.Err()
}

func (d *deserializer) ReadInt64(_ *smithy.Schema, v *int64) error {
	*v = d.Int()
	return d.Err()
}

func (d *deserializer) int32() int32 { return int32(d.within(math.MinInt32, math.MaxInt32)) }

func (d *deserializer) within(lo, hi int64) int64 {
	n := d.Int()
	if n < lo || n > hi {
		d.Fail(fmt.Errorf("integer %d exceeds range [%d, %d]", n, lo, hi))
		return 0
	}
	return n
}

func (d *deserializer) ReadFloat32(_ *smithy.Schema, v *float32) error {
	*v = float32(d.Float())
	return d.Err()
}

func (d *deserializer) ReadFloat64(_ *smithy.Schema, v *float64) error {
	*v = d.Float()
	return d.Err()
}

func (d *deserializer) ReadBool(_ *smithy.Schema, v *bool) error {
	*v = d.Bool()
	return d.Err()
}

func (d *deserializer) ReadString(_ *smithy.Schema, v *string) error {
	*v = d.string()
	return d.Err()
}

func (d *deserializer) string() string { return d.texts.string(d.Text()) }

func (d *deserializer) ReadBlob(_ *smithy.Schema, v *[]byte) error {
	if !d.Null() {
		*v = d.blob()
	}
	return d.Err()
}

// blob reads a byte string; an empty one is not nil.
func (d *deserializer) blob() []byte {
	b := d.Bytes()
	if d.copies && b != nil {
		c := make([]byte, len(b))
		copy(c, b)
		return c
	}
	return b
}

func (d *deserializer) ReadTime(_ *smithy.Schema, v *time.Time) error {
	*v = d.time()
	return d.Err()
}

func (d *deserializer) time() time.Time { return time.UnixMilli(d.Millis()).UTC() }

func (d *deserializer) ReadNil(*smithy.Schema) (bool, error) { return d.Null(), d.Err() }

func (d *deserializer) push(schema *smithy.Schema, left awscbor.Count) error {
	d.open = append(d.open, container{schema, left})
	return d.Err()
}

// more reports whether the innermost container has more to read, and forgets it
// if not.
func (d *deserializer) more() bool {
	last := len(d.open) - 1
	if last < 0 {
		d.Fail(errors.New("nothing is open"))
		return false
	}
	if d.Next(&d.open[last].left) {
		return true
	}
	d.open = d.open[:last]
	return false
}

func (d *deserializer) ReadStruct(schema *smithy.Schema) error {
	if d.Null() {
		return d.push(schema, 0)
	}
	return d.push(schema, d.Map())
}

func (d *deserializer) ReadStructMember() (*smithy.Schema, error) {
	for d.more() {
		schema := d.open[len(d.open)-1].schema
		name := d.Name()
		member := schema.Members()[string(name)]
		if member == nil {
			member = messageMember(schema, name)
		}
		switch {
		case member == nil:
			d.Skip()
		case !d.Null():
			return member, d.Err()
		}
	}
	return nil, d.Err()
}

// messageMember finds the message of an error, which services spell either way.
func messageMember(schema *smithy.Schema, name []byte) *smithy.Schema {
	if string(name) != "message" && string(name) != "Message" {
		return nil
	}
	if _, ok := smithy.SchemaTrait[*traits.Error](schema); !ok {
		return nil
	}
	if m := schema.Member("message"); m != nil {
		return m
	}
	return schema.Member("Message")
}

func (d *deserializer) ReadList(schema *smithy.Schema) error { return d.push(schema, d.List()) }

// ReadListItem reports an error together with true: with false the SDK would not
// look at it.
func (d *deserializer) ReadListItem(*smithy.Schema) (bool, error) {
	return d.more() || d.Err() != nil, d.Err()
}

func (d *deserializer) ReadMap(schema *smithy.Schema) error { return d.push(schema, d.Map()) }

// ReadMapKey reports errors as ReadListItem does.
func (d *deserializer) ReadMapKey(*smithy.Schema) (string, bool, error) {
	if !d.more() {
		return "", d.Err() != nil, d.Err()
	}
	return d.string(), true, d.Err()
}

// ReadUnion returns the member that is present; a second call ends the union.
func (d *deserializer) ReadUnion(schema *smithy.Schema) (*smithy.Schema, error) {
	if last := len(d.open) - 1; last < 0 || d.open[last].schema != schema {
		if err := d.ReadStruct(schema); err != nil {
			return nil, err
		}
	}
	return d.ReadStructMember()
}

func (d *deserializer) unsupported() error {
	d.Fail(errors.New("documents and big numbers have no place in Kinesis"))
	return d.Err()
}

func (d *deserializer) ReadDocument(*smithy.Schema, *document.Value) error { return d.unsupported() }

func (d *deserializer) ReadBigInt(*smithy.Schema, *big.Int) error { return d.unsupported() }

func (d *deserializer) ReadBigFloat(*smithy.Schema, *big.Float) error { return d.unsupported() }
