package httpapi_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload/internal/awscbor"
	"github.com/kload/kload/internal/local/httpapi"
)

func TestCBORFromJSON(t *testing.T) {
	tests := []struct{ text, want string }{
		{`{}`, "a0"},
		{`{"a":[1,-5,"x",true,false,null]}`, "a1616186012461" + "78f5f4f6"},
		{`{"a":1.5,"b":1e3}`, "a26161fb3ff80000000000006162fb408f400000000000"},
		{`{"XTimestamp":1787036486.712}`, "a16a5854696d657374616d70" + "c11b000001a013accc38"},
		{`{"XTimestamp":2}`, "a16a5854696d657374616d70c11907d0"},
		{`{"StartedAt":[-1]}`, "a16953746172746564417481c13903e7"},
		{`{"XTimestamp":null,"XTimestamps":2}`, "a26a5854696d657374616d70f66b5854696d657374616d707302"},
	}
	for _, tc := range tests {
		got, err := httpapi.AppendCBORFromJSON(nil, []byte(tc.text))
		if diff := cmp.Diff(tc.want, hex.EncodeToString(got)); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", tc.text, err, diff)
		}
		// It comes back as the same members.
		want, err := httpapi.Parse([]byte(tc.text))
		if err != nil {
			t.Fatal(err)
		}
		back, err := httpapi.ParseCBOR(got)
		if diff := cmp.Diff(plain(want), plain(back), cmp.Transformer("number", number)); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", tc.text, err, diff)
		}
	}
	if _, err := httpapi.AppendCBORFromJSON(nil, []byte(`{`)); err == nil {
		t.Error("half an object was taken")
	}
}

func number(n json.Number) float64 {
	f, _ := n.Float64()
	return f
}

func TestMembersOfCBOR(t *testing.T) {
	b := awscbor.AppendOpenMap(nil)
	b = awscbor.AppendInt(awscbor.AppendText(b, "n"), 5)
	b = awscbor.AppendFloat(awscbor.AppendText(b, "f"), 2.9)
	b = awscbor.AppendBool(awscbor.AppendText(b, "b"), true)
	b = awscbor.AppendMillis(awscbor.AppendText(b, "tagged"), 1763816000123)
	b = awscbor.AppendInt(awscbor.AppendText(b, "Timestamp"), -1763816000123)
	b = awscbor.AppendBytes(awscbor.AppendText(b, "blob"), []byte("x"))
	m := parseCBOR(t, awscbor.AppendBreak(b))
	n, _ := m.Int("n")
	f, _ := m.Int("f")
	tagged, _ := m.Time("tagged")
	bare, _ := m.Time("Timestamp")
	got := []any{n, f, m.Bool("b"), tagged.UnixMilli(), bare.UnixMilli(), m.Err()}
	if diff := cmp.Diff([]any{int64(5), int64(2), true, int64(1763816000123), int64(-1763816000123), nil}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	m.Int("blob")
	want := error(&httpapi.Error{Status: 400, Code: "SerializationException", Message: "class java.nio.ByteBuffer can not be converted to an Integer"})
	if diff := cmp.Diff(want, m.Err()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func parseCBOR(t *testing.T, body []byte) httpapi.Members {
	t.Helper()
	v, err := httpapi.ParseCBOR(body)
	if err != nil {
		t.Fatal(err)
	}
	return httpapi.NewMembers(v)
}

func TestMalformedCBOR(t *testing.T) {
	for body, want := range map[string]string{
		"":                         "expected a value, found the end at offset 0",
		"80":                       "Expected an object at offset 0",
		"81":                       "more elements than bytes at offset 1",
		"a0a0":                     "unexpected bytes after the value at offset 1",
		"a16161fb7ff8000000000000": "Number is not finite",
		"a161611bffffffffffffffff": "integer out of range at offset 3",
	} {
		raw, err := hex.DecodeString(body)
		if err != nil {
			t.Fatal(err)
		}
		_, err = httpapi.ParseCBOR(raw)
		if diff := cmp.Diff(error(httpapi.Malformed("%s", want)), err); diff != "" {
			t.Errorf("%s (-want +got):\n%s", body, diff)
		}
	}
}

func TestErrorCBOR(t *testing.T) {
	for want, e := range map[string]*httpapi.Error{
		"a2665f5f747970656143676d6573736167656178":                                               {Code: "C", Message: "x"},
		"a2665f5f747970657653657269616c697a6174696f6e457863657074696f6e674d65737361676563efbfbd": {Code: "SerializationException", Message: "\xff"},
	} {
		if diff := cmp.Diff(want, hex.EncodeToString(e.AppendCBOR(nil))); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
}

func FuzzParseCBOR(f *testing.F) {
	for _, text := range texts {
		if b, err := httpapi.AppendCBORFromJSON(nil, []byte(text)); err == nil {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		original := bytes.Clone(body)
		_, err := httpapi.ParseCBOR(body)
		if checked := httpapi.CheckCBOR(body); err == nil && checked != nil && len(body) < 100 {
			t.Fatalf("parsed but not well-formed: %v", checked)
		}
		if !bytes.Equal(body, original) {
			t.Fatal("the body was changed")
		}
	})
}
