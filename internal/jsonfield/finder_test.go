package jsonfield_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/kload/kload/internal/jsonfield"
)

const trip = `{"vendor_id":2,"trip_id":17,"pickup_datetime":"2018-01-01T00:21:05.000Z","passenger_count":1,` +
	`"pickup_location_id":41,"trip_distance":0.5,"fare_amount":4.5,"total_amount":5.8,"dropoff_datetime":"2018-01-01T00:24:23.000Z"}`

func TestFind(t *testing.T) {
	tests := []struct {
		obj, name string
		want      string
		isString  bool
		ok        bool
	}{
		{trip, "vendor_id", "2", false, true},
		{trip, "dropoff_datetime", "2018-01-01T00:24:23.000Z", true, true},
		{trip, "id", "", false, false},
		{`{"a":"5"}`, "a", "5", true, true},
		{`{"a":5}`, "a", "5", false, true},
		{`{"a":""}`, "a", "", true, true},
		{`{"a":null}`, "a", "null", false, true},
		{`{"a":-1.5E+3}`, "a", "-1.5E+3", false, true},
		{" \n{ \"x\" : 1 , \"a\" \t: [1, {\"a\":2}] } \n", "a", `[1, {"a":2}]`, false, true},
		{`{"a":{"b":"}"}}`, "a", `{"b":"}"}`, false, true},
		{`{"x":"a","a":1}`, "a", "1", false, true},                    // a value that looks like the key
		{`{"x":{"a":1},"a":2}`, "a", "2", false, true},                // nested key first
		{`{"x":[{"a":1}]}`, "a", "", false, false},                    // only nested
		{`{"x":"\"a\":1","a":2}`, "a", "2", false, true},              // key text inside a string
		{`{"x":"{","a":2}`, "a", "2", false, true},                    // brace inside a string
		{`{"a":1,"a":2}`, "a", "1", false, true},                      // the first duplicate wins
		{`{"\u0061":1,"a":2}`, "a", "1", false, true},                 // also in another spelling
		{`{"c":"b","d":1}`, ",", "", false, false},                    // quotes of two strings around a comma
		{`{"\ud83d\ude00":1}`, "😀", "1", false, true},                 // surrogate pair
		{`{"\ud83d":1}`, "\uFFFD", "1", false, true},                  // lone surrogate
		{`{"a\"b":1}`, `a"b`, "1", false, true},                       // escaped quote in the name
		{`{"a\n":1}`, "a\n", "1", false, true},                        // control character
		{"{\"\xff\":1}", "\uFFFD", "1", false, true},                  // broken UTF-8
		{`{"a":"x\\"}`, "a", `x\\`, true, true},                       // escaped backslash before the quote
		{`{"a":"x\"y","b":1}`, "a", `x\"y`, true, true},               // escapes stay as they stand
		{`{"zzzzzzzzz":"zzzzzzzzzzzz","z":1}`, "z", "1", false, true}, // the byte searched for is everywhere
		{`{"zzzzzzzzzzzzz":1}`, "z", "", false, false},
		{`{"":1}`, "", "1", false, true},                            // empty name
		{`{}`, "a", "", false, false},                               // nothing in it
		{`[{"a":1}]`, "a", "", false, false},                        // not an object
		{`"a":1`, "a", "", false, false},                            // not an object
		{``, "a", "", false, false},                                 // empty
		{`{"a":1`, "a", "", false, false},                           // cut off
		{`{"a":}`, "a", "", false, false},                           // no value
		{`{"a":xyz}`, "a", "", false, false},                        // no JSON value
		{`{"a":"x}`, "a", "", false, false},                         // open string
		{`{"a":1 2}`, "a", "", false, false},                        // no comma
		{`{"a"1}`, "a", "", false, false},                           // no colon
		{`{"x":tru,"a":1`, "a", "", false, false},                   // cut off
		{`{"x":[1,"a":1}`, "a", "", false, false},                   // unbalanced
		{`{"x\`, "x", "", false, false},                             // ends in an escape
		{`{"x":"\ud8","y\u00zz":1,"z\q":1}`, "y", "", false, false}, // broken escapes
	}
	for _, tt := range tests {
		f := jsonfield.NewFinder(tt.name)
		v, isString, ok := f.Lookup([]byte(tt.obj))
		if string(v) != tt.want || isString != tt.isString || ok != tt.ok {
			t.Errorf("Lookup(%s, %q) = %q, %v, %v; want %q, %v, %v", tt.obj, tt.name, v, isString, ok, tt.want, tt.isString, tt.ok)
		}
		if v, ok := jsonfield.Find([]byte(tt.obj), tt.name); string(v) != tt.want || ok != tt.ok {
			t.Errorf("Find(%s, %q) = %q, %v; want %q, %v", tt.obj, tt.name, v, ok, tt.want, tt.ok)
		}
	}
}

func TestBounds(t *testing.T) {
	tests := []struct {
		obj       string
		open, end int
		ok        bool
	}{
		{`{}`, 0, 1, true},
		{" {\"a\":1}\n", 1, 7, true},
		{`{`, -1, -1, false},
		{`{]`, -1, -1, false},
		{`  `, -1, -1, false},
	}
	for _, tt := range tests {
		open, end, ok := jsonfield.Bounds([]byte(tt.obj))
		if open != tt.open || end != tt.end || ok != tt.ok {
			t.Errorf("Bounds(%q) = %d, %d, %v; want %d, %d, %v", tt.obj, open, end, ok, tt.open, tt.end, tt.ok)
		}
	}
}

func TestFindAllocatesNothing(t *testing.T) {
	fast, slow := jsonfield.NewFinder("dropoff_datetime"), jsonfield.NewFinder("c")
	plain, hard := []byte(trip), []byte(`{"a":{"c":1},"\u0062":"\"","c":[1,2]}`)
	allocs := testing.AllocsPerRun(100, func() {
		fast.Find(plain)
		slow.Find(hard)
		jsonfield.Find(hard, "b")
	})
	if allocs != 0 {
		t.Errorf("%v allocations; want 0", allocs)
	}
}

// first decodes obj with encoding/json, but keeps the first of duplicate names.
func first(obj []byte) map[string]json.RawMessage {
	dec := json.NewDecoder(bytes.NewReader(obj))
	if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
		return nil
	}
	m := map[string]json.RawMessage{}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil
		}
		var v json.RawMessage
		if dec.Decode(&v) != nil {
			return nil
		}
		if _, dup := m[name.(string)]; !dup {
			m[name.(string)] = v
		}
	}
	return m
}

func FuzzFind(f *testing.F) {
	for _, s := range []string{trip, `{"a":{"b":[1,"}"]},"b":2}`, `{"\u0061\\":"\"","a":"b"}`, `{"a":1,"a":2}`, "{\"\xff\": \"\xff\"}", `{"a`, `[]`} {
		f.Add([]byte(s), "a")
		f.Add([]byte(s), "trip_id")
	}
	f.Fuzz(func(t *testing.T, obj []byte, name string) {
		finder := jsonfield.NewFinder(name)
		check := func(name string, v []byte, isString, ok bool) {
			if !json.Valid(obj) {
				return
			}
			want, has := first(obj)[name]
			got := string(v)
			if isString {
				got = `"` + got + `"`
			}
			if ok != has || got != string(want) {
				t.Errorf("name %q in %q: %q, %v; want %q, %v", name, obj, got, ok, want, has)
			}
		}
		v, isString, ok := finder.Lookup(obj)
		check(name, v, isString, ok)
		if w, found := jsonfield.Find(obj, name); found != ok || !bytes.Equal(v, w) {
			if json.Valid(obj) {
				t.Errorf("Find and Lookup differ on %q in %q", name, obj)
			}
		}
		if json.Valid(obj) {
			for name := range first(obj) {
				v, isString, ok := jsonfield.NewFinder(name).Lookup(obj)
				check(name, v, isString, ok)
			}
		}
	})
}

func BenchmarkFinder(b *testing.B) {
	nested := `{"meta":{"a":1,"trip_id":2},` + trip[1:]
	long := `{"text":"` + strings.Repeat("x", 1000) + `",` + trip[1:]
	for _, bb := range []struct{ name, obj, field string }{
		{"first", trip, "vendor_id"},
		{"last", trip, "dropoff_datetime"},
		{"absent", trip, "nothing"},
		{"nested", nested, "dropoff_datetime"},
		{"long", long, "trip_id"},
	} {
		b.Run(fmt.Sprintf("%s/%dB", bb.name, len(bb.obj)), func(b *testing.B) {
			f, obj := jsonfield.NewFinder(bb.field), []byte(bb.obj)
			b.ReportAllocs()
			b.SetBytes(int64(len(obj)))
			for b.Loop() {
				f.Find(obj)
			}
		})
	}
}

func TestMembers(t *testing.T) {
	tests := []struct {
		obj  string
		want []string // text and name by turns
		ok   bool
	}{
		{`{}`, nil, true},
		{" { } ", nil, true},
		{`{"a":1}`, []string{`"a":1`, "a"}, true},
		{` {"a" : [1,{"b":2}] , "\u0062":"x,y" } `, []string{`"a" : [1,{"b":2}]`, "a", `"\u0062":"x,y"`, `\u0062`}, true},
		{`{"a":1,"a":2}`, []string{`"a":1`, "a", `"a":2`, "a"}, true},
		{`{"":null}`, []string{`"":null`, ""}, true},
		{`{"a":1,}`, []string{`"a":1`, "a"}, false},
		{`{,}`, nil, false},
		{`{"a":1 "b":2}`, []string{`"a":1`, "a"}, false},
		{`{"a"}`, nil, false},
		{`{"a":}`, nil, false},
		{`{"a:1}`, nil, false},
		{`{"a":1`, nil, false},
		{`{"a":"}`, nil, false},
		{`[1]`, nil, false},
		{``, nil, false},
	}
	for _, tt := range tests {
		var got []string
		ok := jsonfield.Members([]byte(tt.obj), func(member, name []byte) { got = append(got, string(member), string(name)) })
		if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", tt.want) || ok != tt.ok {
			t.Errorf("%s: %q, %v, want %q, %v", tt.obj, got, ok, tt.want, tt.ok)
		}
	}
	if !jsonfield.Named([]byte(`\u0062`), "b") || jsonfield.Named([]byte(`b`), "bb") {
		t.Error("names are not compared decoded")
	}
}

// FuzzMembers puts an object together again from its members.
func FuzzMembers(f *testing.F) {
	for _, seed := range []string{trip, `{}`, `{"a":{"b":[1,"}"]}}`, `{"a":1,}`, `{"\"":"\\"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, obj []byte) {
		var members [][]byte
		ok := jsonfield.Members(obj, func(member, _ []byte) { members = append(members, member) })
		var want map[string]json.RawMessage
		if json.Unmarshal(obj, &want) != nil || want == nil {
			return // damage may go unnoticed
		}
		var got map[string]json.RawMessage
		again := append(append([]byte{'{'}, bytes.Join(members, []byte{','})...), '}')
		if err := json.Unmarshal(again, &got); err != nil || !ok || fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
			t.Errorf("%v, %v: %s became %s", ok, err, obj, again)
		}
	})
}
