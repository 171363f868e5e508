package httpapi

import (
	"errors"
	"math"
	"strconv"
	"strings"

	"github.com/kload/kload/internal/awscbor"
)

// Blob is the kind of a byte string, which only CBOR has.
const Blob = Object + 1

// ParseCBOR is Parse for a body in CBOR. Timestamps, which are milliseconds
// there, become seconds with a fraction, so that Members reads both alike.
func ParseCBOR(body []byte) (Value, error) {
	d := awscbor.NewDecoder(body)
	if KindCBOR(&d) != Object {
		FailCBOR(&d, Malformed("Expected an object at offset 0"))
	}
	v := cborValue(&d, "", maxDepth)
	return v, FinishCBOR(&d)
}

// CheckCBOR is Check for a body in CBOR.
func CheckCBOR(body []byte) error {
	d := awscbor.NewDecoder(body)
	d.Skip()
	return FinishCBOR(&d)
}

// FinishCBOR checks that nothing is left and returns the first error, as a
// SerializationException.
func FinishCBOR(d *awscbor.Decoder) error {
	err := d.Finish()
	if syntax, ok := errors.AsType[*awscbor.Error](err); ok {
		return Malformed("%s", syntax.Error())
	}
	return err
}

// FailCBOR records a refusal unless what is left of the body is malformed, which
// outranks it.
func FailCBOR(d *awscbor.Decoder, refusal error) {
	d.Skip()
	d.Fail(refusal)
}

// KindCBOR returns the kind of the next value.
func KindCBOR(d *awscbor.Decoder) Kind {
	switch d.Peek() {
	case awscbor.Null:
		return Null
	case awscbor.Bool:
		return Bool
	case awscbor.Int, awscbor.Float, awscbor.Tag:
		return Number
	case awscbor.Text:
		return String
	case awscbor.Bytes:
		return Blob
	case awscbor.List:
		return List
	case awscbor.Map:
		return Object
	}
	return End
}

func cborValue(d *awscbor.Decoder, name string, depth int) Value {
	v := Value{Kind: KindCBOR(d)}
	if depth == 0 {
		d.Fail(Malformed("Nesting too deep"))
		return v
	}
	switch v.Kind {
	case Object:
		for n := d.Map(); d.Next(&n); {
			name := string(d.Text())
			v.Names = append(v.Names, name)
			v.Items = append(v.Items, cborValue(d, name, depth-1))
		}
	case List:
		for n := d.List(); d.Next(&n); {
			v.Items = append(v.Items, cborValue(d, name, depth-1))
		}
	case String:
		v.Text = d.Text()
	case Blob:
		v.Text = d.Bytes()
	case Number:
		v.Text = cborNumber(d, name)
	case Bool:
		v.Text = strconv.AppendBool(nil, d.Bool())
	case Null:
		d.Null()
	default:
		d.Skip() // fails
	}
	return v
}

func cborNumber(d *awscbor.Decoder, name string) []byte {
	if d.Peek() == awscbor.Tag || isTime(name) {
		return strconv.AppendFloat(nil, float64(d.Millis())/1000, 'f', 3, 64)
	}
	if d.Peek() == awscbor.Int {
		return strconv.AppendInt(nil, d.Int(), 10)
	}
	f := d.Float()
	if math.IsNaN(f) || math.IsInf(f, 0) {
		d.Fail(Malformed("Number is not finite"))
		return nil
	}
	return strconv.AppendFloat(nil, f, 'g', -1, 64)
}

// isTime tells members that are timestamps by their names, as far as Kinesis has
// any.
func isTime(name string) bool {
	switch name {
	case "StartedAt", "EndedAt", "EarliestAllowedEndAt":
		return true
	}
	return strings.HasSuffix(name, "Timestamp")
}

// AppendCBORFromJSON appends an answer given in JSON as CBOR. Timestamps are
// told by their names; nothing is taken for a blob.
func AppendCBORFromJSON(dst, body []byte) ([]byte, error) {
	v, err := Parse(body)
	if err != nil {
		return dst, err
	}
	return appendCBOR(dst, v, ""), nil
}

func appendCBOR(dst []byte, v Value, name string) []byte {
	switch v.Kind {
	case Object:
		dst = awscbor.AppendMap(dst, len(v.Items))
		for i, item := range v.Items {
			dst = appendCBOR(awscbor.AppendText(dst, v.Names[i]), item, v.Names[i])
		}
		return dst
	case List:
		dst = awscbor.AppendList(dst, len(v.Items))
		for _, item := range v.Items {
			dst = appendCBOR(dst, item, name)
		}
		return dst
	case String:
		return awscbor.AppendText(dst, v.Text)
	case Bool:
		return awscbor.AppendBool(dst, string(v.Text) == "true")
	case Number:
		return appendCBORNumber(dst, v.Text, name)
	}
	return awscbor.AppendNull(dst)
}

func appendCBORNumber(dst, text []byte, name string) []byte {
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err == nil && !isTime(name) {
		return awscbor.AppendInt(dst, n)
	}
	f, _ := strconv.ParseFloat(string(text), 64)
	if isTime(name) {
		return awscbor.AppendMillis(dst, int64(math.Round(f*1000)))
	}
	return awscbor.AppendFloat(dst, f)
}

// AppendCBOR appends the error as a CBOR body, worded as in JSON.
func (e *Error) AppendCBOR(dst []byte) []byte {
	name := "message"
	if e.Code == "SerializationException" {
		name = "Message"
	}
	dst = awscbor.AppendMap(dst, 2)
	dst = awscbor.AppendText(awscbor.AppendText(dst, "__type"), e.Code)
	return awscbor.AppendText(awscbor.AppendText(dst, name), strings.ToValidUTF8(e.Message, "\uFFFD"))
}
