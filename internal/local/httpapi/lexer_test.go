package httpapi_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload/internal/local/httpapi"
)

// plain turns a parsed value into what encoding/json would make of it.
func plain(v httpapi.Value) any {
	switch v.Kind {
	case httpapi.Object:
		m := map[string]any{}
		for i, name := range v.Names {
			m[name] = plain(v.Items[i])
		}
		return m
	case httpapi.List:
		list := []any{}
		for _, item := range v.Items {
			list = append(list, plain(item))
		}
		return list
	case httpapi.String:
		return string(v.Text)
	case httpapi.Number:
		return json.Number(v.Text)
	case httpapi.Bool:
		return string(v.Text) == "true"
	}
	return nil
}

func reference(body []byte) (map[string]any, error) {
	var m map[string]any
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	return m, errors.Join(d.Decode(&m), trailing(d))
}

func trailing(d *json.Decoder) error {
	if _, err := d.Token(); err != io.EOF {
		return errors.New("trailing text")
	}
	return nil
}

var texts = []string{
	`{}`, ` { "a" : [ ] } `, `{"a":1,"b":-0.5e+3,"c":[true,false,null,{}]}`,
	`{"a":"x\"\\\/\b\f\n\r\t\u0041\u00e9\u20ac\ud83d\ude00é€😀"}`,
	`{"a":"\ud83d","b":"\ud83dx","c":"\udc00\ud83d\ude00"}`,
	`{"a":1,"a":2}`, `{"":""}`, "{\"a\":\"\u2028\"}",
	// sad rows
	``, `null`, `[]`, `"x"`, `{`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{,}`, `{"a":[1,]}`, `{"a":1}}`, `{"a":01}`, `{"a":+1}`,
	`{"a":1.}`, `{"a":.5}`, `{"a":1e}`, `{"a":-}`, `{"a":tru}`, `{"a":nul}`, `{"a":"`, `{"a":"\x"}`, `{"a":"\u12"}`,
	`{"a":"\`, "{\"a\":\"\n\"}", `{a:1}`, `{"a":1 "b":2}`, `{"a" 1}`, `{"a":"\ud83d\u12"}`, `{"a":1true}`,
	"{\"a\":\"\xff\"}", `{"a":` + strings.Repeat("[", 300) + strings.Repeat("]", 300) + `}`,
}

// stricter lists what encoding/json accepts and the lexer refuses on purpose.
func stricter(text string) bool {
	return !utf8.ValidString(text) || strings.Count(text, "[") > 200 || strings.Count(text, "{") > 200 ||
		strings.HasPrefix(strings.TrimSpace(text), "null")
}

func TestParseAgreesWithEncodingJSON(t *testing.T) {
	for _, text := range texts {
		got, err := httpapi.Parse([]byte(text))
		want, wantErr := reference([]byte(text))
		if (err != nil) != (wantErr != nil) && !stricter(text) {
			t.Errorf("%s: error %v, encoding/json says %v", text, err, wantErr)
		}
		if err != nil {
			if refusal, ok := errors.AsType[*httpapi.Error](err); !ok || refusal.Code != "SerializationException" {
				t.Errorf("%s: error %v is no SerializationException", text, err)
			}
			continue
		}
		if diff := cmp.Diff(any(want), plain(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range texts {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := httpapi.Parse(slices.Clone(body))
		if checkErr := httpapi.Check(slices.Clone(body)); err == nil && checkErr != nil {
			t.Fatalf("parsed but not well-formed: %v", checkErr)
		}
		want, wantErr := reference(body)
		if err == nil && wantErr != nil {
			t.Fatalf("accepted what encoding/json refuses: %v", wantErr)
		}
		if err != nil && wantErr == nil && !stricter(string(body)) {
			t.Fatalf("refused what encoding/json accepts: %v", err)
		}
		if err != nil {
			return
		}
		if diff := cmp.Diff(any(want), plain(got)); diff != "" {
			t.Fatalf("-want +got:\n%s", diff)
		}
	})
}

func TestMembers(t *testing.T) {
	const body = `{"s":"x","n":5,"f":2.9,"b":true,"t":1763816000.123,"o":{"n":7},"null":null,"l":[]}`
	v, err := httpapi.Parse([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	m := httpapi.NewMembers(v)
	s, _ := m.String("s")
	n, _ := m.Int("n")
	f, _ := m.Int("f")
	at, _ := m.Time("t")
	o, _ := m.Object("o")
	inner, _ := o.Int("n")
	_, null := m.String("null")
	_, absent := m.Int("absent")
	got := []any{s, n, f, m.Bool("b"), at.UnixMilli(), inner, null, absent, m.Err()}
	want := []any{"x", int64(5), int64(2), true, int64(1763816000123), int64(7), false, false, nil}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestWrongTypes(t *testing.T) {
	tests := []struct {
		value string
		read  func(httpapi.Members)
		want  string
	}{
		{`"5"`, func(m httpapi.Members) { m.Int("v") }, "class java.lang.String can not be converted to an Integer"},
		{`true`, func(m httpapi.Members) { m.Int("v") }, "class java.lang.Boolean can not be converted to an Integer"},
		{`[]`, func(m httpapi.Members) { m.Int("v") }, "Start of list found where not expected"},
		{`{}`, func(m httpapi.Members) { m.Int("v") }, "Start of structure or map found where not expected."},
		{`5`, func(m httpapi.Members) { m.String("v") }, "class java.math.BigDecimal can not be converted to an String"},
		{`"x"`, func(m httpapi.Members) { m.Time("v") }, "class java.lang.String can not be converted to milliseconds since epoch"},
		{`"x"`, func(m httpapi.Members) { m.Object("v") }, "Expected null"},
		{`5`, func(m httpapi.Members) { m.Bool("v") }, "class java.math.BigDecimal can not be converted to an Boolean"},
	}
	for _, tc := range tests {
		v, err := httpapi.Parse([]byte(`{"v":` + tc.value + `}`))
		if err != nil {
			t.Fatal(err)
		}
		m := httpapi.NewMembers(v)
		tc.read(m)
		want := error(&httpapi.Error{Status: 400, Code: "SerializationException", Message: tc.want})
		if diff := cmp.Diff(want, m.Err()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.value, diff)
		}
	}
}

func TestViolations(t *testing.T) {
	var v httpapi.Violations
	if err := v.Err(); err != nil {
		t.Errorf("no violations: %v", err)
	}
	v.Missing("data")
	one := v.Err()
	v.Length("partitionKey", "", 0, 1, 256)
	v.Range("limit", 10001, 1, 10000)
	v.Range("limit", 5, 1, 10)
	v.Pattern("streamName", "a b", "[a-z]+", false)
	v.Enum("type", "X", "A", "B")
	all := v.Err()
	for range 20 {
		v.Missing("more")
	}
	refused := func(message string) error {
		return &httpapi.Error{Status: 400, Code: "ValidationException", Message: message}
	}
	const first = "Value null at 'data' failed to satisfy constraint: Member must not be null"
	if diff := cmp.Diff(refused("1 validation error detected: "+first), one); diff != "" {
		t.Errorf("one violation (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(refused("5 validation errors detected: "+first+
		"; Value '' at 'partitionKey' failed to satisfy constraint: Member must have length greater than or equal to 1"+
		"; Value '10001' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 10000"+
		"; Value 'a b' at 'streamName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-z]+"+
		"; Value 'X' at 'type' failed to satisfy constraint: Member must satisfy enum value set: [A, B]"), all); diff != "" {
		t.Errorf("all violations (-want +got):\n%s", diff)
	}
	if !strings.HasPrefix(v.Err().Error(), "ValidationException: 10 validation errors") {
		t.Errorf("more than ten are listed: %v", v.Err())
	}
}
