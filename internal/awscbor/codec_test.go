package awscbor_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/aws/smithy-go/encoding/cbor"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/kload/kload/internal/awscbor"
)

// tagged is a timestamp.
type tagged struct{ ms int64 }

// decode reads any value with the Decoder.
func decode(d *awscbor.Decoder, depth int) any {
	if depth > 120 {
		d.Fail(errors.New("deep"))
	}
	switch d.Peek() {
	case awscbor.Null:
		d.Null()
		return nil
	case awscbor.Bool:
		return d.Bool()
	case awscbor.Int, awscbor.Float:
		return d.Float()
	case awscbor.Text:
		return string(d.Text())
	case awscbor.Bytes:
		return slices.Clone(d.Bytes())
	case awscbor.List:
		list := []any{}
		for n := d.List(); d.Next(&n); {
			list = append(list, decode(d, depth+1))
		}
		return list
	case awscbor.Map:
		m := map[string]any{}
		for n := d.Map(); d.Next(&n); {
			key := string(d.Text())
			m[key] = decode(d, depth+1)
		}
		return m
	case awscbor.Tag:
		return tagged{d.Millis()}
	}
	d.Skip() // fails
	return nil
}

// encode writes what decode returned.
func encode(dst []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return awscbor.AppendNull(dst)
	case bool:
		return awscbor.AppendBool(dst, v)
	case float64:
		if math.IsNaN(v) {
			v = math.NaN() // there are many, all the same
		}
		return awscbor.AppendFloat(dst, v)
	case string:
		return awscbor.AppendText(dst, v)
	case []byte:
		return awscbor.AppendBytes(dst, v)
	case tagged:
		return awscbor.AppendMillis(dst, v.ms)
	case []any:
		dst = awscbor.AppendList(dst, len(v))
		for _, e := range v {
			dst = encode(dst, e)
		}
		return dst
	case map[string]any:
		dst = awscbor.AppendOpenMap(dst)
		for _, k := range slices.Sorted(maps.Keys(v)) {
			dst = encode(awscbor.AppendText(dst, k), v[k])
		}
		return awscbor.AppendBreak(dst)
	}
	return dst
}

// plain brings the reference decoder's values into the shape of decode.
func plain(v cbor.Value) any {
	switch v := v.(type) {
	case cbor.Uint:
		return float64(v)
	case cbor.NegInt:
		if v == 0 {
			return -math.Exp2(64)
		}
		return -float64(v)
	case cbor.Slice:
		return slices.Clone([]byte(v))
	case cbor.String:
		return string(v)
	case cbor.List:
		list := []any{}
		for _, e := range v {
			list = append(list, plain(e))
		}
		return list
	case cbor.Map:
		m := map[string]any{}
		for k, e := range v {
			m[k] = plain(e)
		}
		return m
	case *cbor.Tag:
		switch n := v.Value.(type) {
		case cbor.Uint:
			return tagged{int64(n)}
		case cbor.NegInt:
			return tagged{-int64(n)}
		}
		f, _ := plain(v.Value).(float64)
		return tagged{int64(f)}
	case cbor.Bool:
		return bool(v)
	case cbor.Float32:
		return float64(v)
	case cbor.Float64:
		return float64(v)
	}
	return nil
}

func compare() cmp.Option {
	return cmp.Options{cmpopts.EquateNaNs(), cmpopts.EquateEmpty(), cmp.AllowUnexported(tagged{})}
}

func unhex(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// vectors are from RFC 8949, appendix A, and from captures of real traffic.
var vectors = []struct {
	hex  string
	want any
}{
	{"00", 0.},
	{"17", 23.},
	{"1818", 24.},
	{"1864", 100.},
	{"1903e8", 1000.},
	{"1a000f4240", 1e6},
	{"1b000000e8d4a51000", 1e12},
	{"1bffffffffffffffff", math.Exp2(64)},
	{"3bffffffffffffffff", -math.Exp2(64)},
	{"20", -1.},
	{"3863", -100.},
	{"3903e7", -1000.},
	{"1800", 0.},
	{"f90000", 0.},
	{"f93c00", 1.},
	{"f93e00", 1.5},
	{"f97bff", 65504.},
	{"f90001", 5.960464477539063e-8},
	{"f90400", 0.00006103515625},
	{"f9c400", -4.},
	{"f97c00", math.Inf(1)},
	{"f9fc00", math.Inf(-1)},
	{"f97e00", math.NaN()},
	{"fa47c35000", 100000.},
	{"fa7f800000", math.Inf(1)},
	{"fb3ff199999999999a", 1.1},
	{"fbc010666666666666", -4.1},
	{"f4", false},
	{"f5", true},
	{"f6", nil},
	{"f7", nil},
	{"40", []byte{}},
	{"4401020304", []byte{1, 2, 3, 4}},
	{"5f42010243030405ff", []byte{1, 2, 3, 4, 5}},
	{"5fff", []byte{}},
	{"60", ""},
	{"6449455446", "IETF"},
	{"62c3bc", "ü"},
	{"64f0908591", "\U00010151"},
	{"7f657374726561646d696e67ff", "streaming"},
	{"80", []any{}},
	{"83010203", []any{1., 2., 3.}},
	{"9f018202039f0405ffff", []any{1., []any{2., 3.}, []any{4., 5.}}},
	{"a0", map[string]any{}},
	{"a26161016162820203", map[string]any{"a": 1., "b": []any{2., 3.}}},
	{"bf6346756ef563416d7421ff", map[string]any{"Fun": true, "Amt": -2.}},
	{"a2616101616102", map[string]any{"a": 2.}},
	{"c11b000001a013accc38", tagged{1787036486712}},
	{"c11a514b67b0", tagged{1363896240}},
	{"c1fb41d452d9e2200000", tagged{1363896200}},
	{"c13903e7", tagged{-1000}},
}

func TestVectors(t *testing.T) {
	for _, tc := range vectors {
		d := awscbor.NewDecoder(unhex(t, tc.hex))
		got := decode(&d, 0)
		if err := d.Finish(); err != nil {
			t.Errorf("%s: %v", tc.hex, err)
			continue
		}
		if diff := cmp.Diff(tc.want, got, compare()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.hex, diff)
		}
	}
}

// refused lists what is malformed; where skipping it succeeds, only reading it
// is wrong.
var refused = []struct {
	hex, want string
	skips     bool
}{
	{"", "expected a value, found the end at offset 0", false},
	{"18", "unexpected end at offset 0", false},
	{"1b00000000000000", "unexpected end at offset 0", false},
	{"1c", "expected a number, found a head of 0x1c at offset 0", false},
	{"fa0000", "unexpected end at offset 0", false},
	{"ff", "expected a value, found a head of 0xff at offset 0", false},
	{"e0", "expected a value, found a head of 0xe0 at offset 0", false},
	{"f820", "expected a value, found a head of 0xf8 at offset 0", false},
	{"fc", "expected a value, found a head of 0xfc at offset 0", false},
	{"42 01", "length beyond the end at offset 1", false},
	{"5bffffffffffffffff", "length beyond the end at offset 9", false},
	{"5f 4101", "expected bytes, found the end at offset 3", false},
	{"5f 6161 ff", "expected bytes, found a head of 0x61 at offset 1", false},
	{"5f 5f ff ff", "chunk within a chunk at offset 1", false},
	{"7f 4101 ff", "expected text, found a head of 0x41 at offset 1", false},
	{"61ff", "invalid UTF-8 at offset 0", false},
	{"7f 61c3 61bc ff", "", true}, // a rune cut in two is whole once the chunks are joined
	{"8201", "more elements than bytes at offset 1", false},
	{"9bffffffffffffffff", "more elements than bytes at offset 9", false},
	{"bb7fffffffffffffff 6161 01", "more elements than bytes at offset 9", false},
	{"9f01", "unexpected end at offset 2", false},
	{"a1 01 01", "expected text, found a head of 0x01 at offset 1", false},
	{"bf 6161 ff", "expected a value, found a head of 0xff at offset 3", false},
	{"c1 6161", "expected an integer, found a head of 0x61 at offset 1", true},
	{"c1 f97e00", "timestamp out of range at offset 1", true},
	{"c1 fb7fefffffffffffff", "timestamp out of range at offset 1", true},
	{"c1 1bffffffffffffffff", "integer out of range at offset 1", true},
	{"c0 01", "expected a timestamp, found a head of 0xc0 at offset 0", true},
	{"d9d9f7 01", "expected a timestamp, found a head of 0xd9 at offset 0", true},
	{"01 01", "unexpected bytes after the value at offset 1", false},
}

func TestRefused(t *testing.T) {
	for _, tc := range refused {
		d := awscbor.NewDecoder(unhex(t, tc.hex))
		decode(&d, 0)
		got := ""
		if err := d.Finish(); err != nil {
			got = err.Error()
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.hex, diff)
		}
		s := awscbor.NewDecoder(unhex(t, tc.hex))
		if s.Skip(); (s.Finish() == nil) != tc.skips {
			t.Errorf("%s: skipping it: %v", tc.hex, s.Err())
		}
	}
}

func TestReadingTheWrongType(t *testing.T) {
	tests := []struct {
		hex  string
		read func(*awscbor.Decoder)
	}{
		{"6161", func(d *awscbor.Decoder) { d.Int() }},
		{"fb3ff0000000000000", func(d *awscbor.Decoder) { d.Int() }},
		{"1b8000000000000000", func(d *awscbor.Decoder) { d.Int() }},
		{"3b8000000000000000", func(d *awscbor.Decoder) { d.Int() }},
		{"01", func(d *awscbor.Decoder) { d.Bool() }},
		{"f6", func(d *awscbor.Decoder) { d.Bool() }},
		{"01", func(d *awscbor.Decoder) { d.Text() }},
		{"4101", func(d *awscbor.Decoder) { d.Text() }},
		{"6161", func(d *awscbor.Decoder) { d.Bytes() }},
		{"a0", func(d *awscbor.Decoder) { d.List() }},
		{"80", func(d *awscbor.Decoder) { d.Map() }},
		{"f6", func(d *awscbor.Decoder) { d.Map() }},
		{"f5", func(d *awscbor.Decoder) { d.Float() }},
		{"f6", func(d *awscbor.Decoder) { d.Millis() }},
	}
	for i, tc := range tests {
		d := awscbor.NewDecoder(unhex(t, tc.hex))
		tc.read(&d)
		if _, ok := errors.AsType[*awscbor.Error](d.Err()); !ok {
			t.Errorf("row %d: reading %s: error %v", i, tc.hex, d.Err())
		}
		first := d.Err()
		d.Int()
		d.Skip()
		n := d.List()
		if d.Next(&n) || d.Peek() != awscbor.End || d.Null() || !errors.Is(d.Finish(), first) {
			t.Errorf("row %d: reads go on after an error", i)
		}
	}
}

func TestName(t *testing.T) {
	for in, want := range map[string]string{
		"60": "", "6449455446": "IETF", "61ff": "\xff", "7818" + strings.Repeat("61", 24): strings.Repeat("a", 24), "7f61616162ff": "ab",
	} {
		d := awscbor.NewDecoder(unhex(t, in))
		if got := d.Name(); string(got) != want || cap(got) > len(want)+8 || d.Finish() != nil {
			t.Errorf("%s: %q, %v", in, got, d.Err())
		}
	}
	for _, in := range []string{"", "01", "4161", "62ff", "7802", "7818" + strings.Repeat("ff", 24)} {
		d := awscbor.NewDecoder(unhex(t, in))
		if got := d.Name(); got != nil || d.Err() == nil {
			t.Errorf("%s: %q", in, got)
		}
	}
}

func TestDepth(t *testing.T) {
	for depth, ok := range map[int]bool{127: true, 128: false, 1e6: false} {
		for _, nested := range [][]byte{bytes.Repeat([]byte{0x81}, depth), bytes.Repeat([]byte{0x9f}, depth), bytes.Repeat([]byte{0xc1}, depth)} {
			in := append(nested, 0)
			if nested[0] == 0x9f {
				in = append(in, bytes.Repeat([]byte{0xff}, depth)...)
			}
			d := awscbor.NewDecoder(in)
			if d.Skip(); (d.Finish() == nil) != ok {
				t.Errorf("%d × %#x: %v", depth, nested[0], d.Err())
			}
		}
	}
}

func TestAppend(t *testing.T) {
	tests := []struct {
		got  []byte
		want string
	}{
		{awscbor.AppendInt(nil, 0), "00"},
		{awscbor.AppendInt(nil, 23), "17"},
		{awscbor.AppendInt(nil, 24), "1818"},
		{awscbor.AppendInt(nil, 255), "18ff"},
		{awscbor.AppendInt(nil, 256), "190100"},
		{awscbor.AppendInt(nil, 65536), "1a00010000"},
		{awscbor.AppendInt(nil, math.MaxInt64), "1b7fffffffffffffff"},
		{awscbor.AppendInt(nil, -1), "20"},
		{awscbor.AppendInt(nil, -25), "3818"},
		{awscbor.AppendInt(nil, math.MinInt64), "3b7fffffffffffffff"},
		{awscbor.AppendFloat(nil, 1.1), "fb3ff199999999999a"},
		{awscbor.AppendBool(awscbor.AppendBool(nil, true), false), "f5f4"},
		{awscbor.AppendNull(nil), "f6"},
		{awscbor.AppendText(nil, "IETF"), "6449455446"},
		{awscbor.AppendText(nil, []byte("ü")), "62c3bc"},
		{awscbor.AppendBytes(nil, nil), "40"},
		{awscbor.AppendBytes(nil, make([]byte, 24)), "5818" + strings.Repeat("00", 24)},
		{awscbor.AppendMillis(nil, 1787036486712), "c11b000001a013accc38"},
		{awscbor.AppendMillis(nil, -1), "c120"},
		{awscbor.AppendMap(awscbor.AppendList(nil, 500), 2), "9901f4a2"},
		{awscbor.AppendBreak(awscbor.AppendOpenMap(awscbor.AppendOpenList(nil))), "9fbfff"},
	}
	for _, tc := range tests {
		if diff := cmp.Diff(tc.want, hex.EncodeToString(tc.got)); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
}

func TestDecodingDoesNotAllocate(t *testing.T) {
	page := awscbor.AppendOpenList(nil)
	for range 100 {
		page = awscbor.AppendMap(page, 4)
		page = awscbor.AppendBytes(awscbor.AppendText(page, "Data"), make([]byte, 300))
		page = awscbor.AppendText(awscbor.AppendText(page, "PartitionKey"), "key")
		page = awscbor.AppendMillis(awscbor.AppendText(page, "ApproximateArrivalTimestamp"), 1763816000123)
		page = awscbor.AppendInt(awscbor.AppendText(page, "MillisBehindLatest"), -5)
	}
	page = awscbor.AppendBreak(page)
	work := make([]byte, 0, len(page))
	allocs := testing.AllocsPerRun(10, func() {
		work = append(work[:0], page...)
		d := awscbor.NewDecoder(work)
		for n := d.List(); d.Next(&n); {
			for m := d.Map(); d.Next(&m); {
				switch string(d.Name()) {
				case "Data":
					d.Bytes()
				case "PartitionKey":
					d.Text()
				case "ApproximateArrivalTimestamp":
					d.Millis()
				default:
					d.Skip()
				}
			}
		}
		if err := d.Finish(); err != nil {
			t.Error(err)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

// acceptable reports whether the reference's value has nothing in it that the
// Decoder refuses on purpose.
func acceptable(v cbor.Value) bool {
	switch v := v.(type) {
	case cbor.String:
		return strings.ToValidUTF8(string(v), "") == string(v)
	case cbor.List:
		return !slices.ContainsFunc(v, func(e cbor.Value) bool { return !acceptable(e) })
	case cbor.Map:
		for k, e := range v {
			if !acceptable(cbor.String(k)) || !acceptable(e) {
				return false
			}
		}
	case *cbor.Tag:
		switch v.Value.(type) {
		case cbor.Uint, cbor.NegInt, cbor.Float32, cbor.Float64:
			f, _ := plain(v.Value).(float64)
			return v.ID == 1 && math.Abs(f) < 1<<62
		}
		return false
	}
	return true
}

func FuzzDecode(f *testing.F) {
	for _, tc := range vectors {
		f.Add(unhex(f, tc.hex))
	}
	for _, tc := range refused {
		f.Add(unhex(f, tc.hex))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		original := slices.Clone(in)
		d := awscbor.NewDecoder(in)
		got := decode(&d, 0)
		err := d.Finish()
		s := awscbor.NewDecoder(in)
		if s.Skip(); err == nil && s.Finish() != nil {
			t.Fatalf("read but not skipped: %v", s.Err())
		}
		if !bytes.Equal(in, original) {
			t.Fatal("the input was changed")
		}
		if err != nil {
			return
		}
		// Compared as bytes: cmp takes for ever on deep nesting.
		text := encode(nil, got)
		again := awscbor.NewDecoder(slices.Clone(text))
		if back := encode(nil, decode(&again, 0)); !bytes.Equal(text, back) || again.Finish() != nil {
			t.Fatalf("%x came back as %x, %v", text, back, again.Err())
		}
		agree(t, in, got)
	})
}

// agree compares with the SDK's own decoder.
func agree(t *testing.T, in []byte, got any) {
	t.Helper()
	want, err := cbor.Decode(in)
	if err != nil || !acceptable(want) {
		// It refuses floats of tags and the like; what it accepts must agree.
		return
	}
	if ours, theirs := encode(nil, got), encode(nil, plain(want)); !bytes.Equal(ours, theirs) {
		t.Fatalf("read as %x, by the SDK as %x", ours, theirs)
	}
}

func FuzzRoundTrip(f *testing.F) {
	f.Add("key", []byte("data"), int64(-5), 1.5, true)
	f.Add(strings.Repeat("k", 300), []byte{}, int64(math.MinInt64), math.Inf(-1), false)
	f.Fuzz(func(t *testing.T, text string, data []byte, n int64, x float64, flag bool) {
		text = strings.ToValidUTF8(text, "")
		b := awscbor.AppendList(nil, 6)
		b = awscbor.AppendText(b, text)
		b = awscbor.AppendBytes(b, data)
		b = awscbor.AppendInt(b, n)
		b = awscbor.AppendFloat(b, x)
		b = awscbor.AppendBool(b, flag)
		b = awscbor.AppendMillis(b, n)
		if _, err := cbor.Decode(b); err != nil {
			t.Fatalf("the SDK refuses it: %v", err)
		}
		d := awscbor.NewDecoder(b)
		d.List()
		got := []any{string(d.Text()), slices.Clone(d.Bytes()), d.Int(), d.Float(), d.Bool(), d.Millis()}
		if err := d.Finish(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]any{text, data, n, x, flag, n}, got, compare()); diff != "" {
			t.Fatalf("-want +got:\n%s", diff)
		}
	})
}
