package handler_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"

	"github.com/kload/kload"
	"github.com/kload/kload/consumers/handler"
	"github.com/kload/kload/internal/jsonfield"
	"github.com/kload/kload/internal/pace"
)

// FuzzField holds what an expression gets of a field against encoding/json.
func FuzzField(f *testing.F) {
	for _, seed := range []string{
		trip, `{"a":1}`, `{"a":-0.5e3}`, `{"a":"\ud83d\ude00\ud83d"}`, "{\"a\":\"\xff\"}", `{"a":[1,{"b":[]}]}`, `{"a":null}`, `{"a":99999999999999999999}`, `{"a":01}`, `[]`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		var want map[string]any
		if json.Unmarshal(payload, &want) != nil || want == nil || twice(payload) {
			return // what is no object, or has a name twice, is for others to say
		}
		h, err := handler.New(handler.Options{Config: handler.Config{Transform: handler.Transform{Payload: `{"v": a ?? nil}`}}, Clock: pace.NewClock()})
		if err != nil {
			t.Fatal(err)
		}
		b := batchOf(string(payload))
		results := make([]kload.HandlerResult, 1)
		if err := h.Handle(t.Context(), b, results); err != nil || results[0] != kload.OK {
			t.Fatalf("result %d, %v", results[0], err)
		}
		var got struct{ V any }
		if err := json.Unmarshal(b.Users[0].Data, &got); err != nil {
			t.Fatalf("made %q: %v", b.Users[0].Data, err)
		}
		if !reflect.DeepEqual(got.V, want["a"]) {
			t.Errorf("got %v, want %v", got.V, want["a"])
		}
	})
}

// twice reports whether an object has two members of one name.
func twice(payload []byte) bool {
	seen := map[string]bool{}
	again := false
	jsonfield.Members(payload, func(_, raw []byte) {
		var name string
		if json.Unmarshal(fmt.Appendf(nil, `"%s"`, raw), &name) == nil {
			again = again || seen[name]
			seen[name] = true
		}
	})
	return again
}

// FuzzExpression compiles anything and evaluates it over anything: it ends in a
// result or in an error and never in a panic. What is written as JSON is JSON.
func FuzzExpression(f *testing.F) {
	for _, seed := range []string{
		`trip_id % 20 == 0`, `from?.zone ?? 3`, `let x = a; x.b == "c"`, `any(stops, # > 1)`, `field("user-id") in ["a"]`, `_age > duration("1s")`, `{"a": [b, nil]}`,
		`$env`, `a.b.c != nil`, `map(stops, {#.x})`, `_key matches "^k"`, `toJSON(from)`, `1..trip_id`, `reduce(stops, #acc + #)`, `a ? b : c`, `"x" | upper()`,
	} {
		f.Add(seed, trip)
	}
	f.Fuzz(func(t *testing.T, source, payload string) {
		c := handler.Config{Filter: source}
		c.Fields()
		if len(c.Validate()) == 0 && source != "" {
			judge(t, c, payload)
		}
		c = handler.Config{Route: source}
		c.Names()
		if len(c.Validate()) == 0 && source != "" {
			judge(t, c, payload)
		}
		c = handler.Config{Transform: handler.Transform{Payload: "{\"v\": (" + source + ")}"}}
		if len(c.Validate()) > 0 {
			return
		}
		if result, made := judge(t, c, payload); result == kload.OK && !json.Valid([]byte(made)) {
			t.Errorf("made %q", made)
		}
	})
}

// judge handles a record.
func judge(t *testing.T, c handler.Config, payload string) (kload.HandlerResult, string) {
	h, err := handler.New(handler.Options{Config: c, Clock: pace.NewClock()})
	if err != nil {
		t.Fatalf("validated, and now: %v", err)
	}
	b := batchOf(payload)
	results := make([]kload.HandlerResult, 1)
	if err := h.Handle(t.Context(), b, results); err != nil {
		t.Fatal(err)
	}
	return results[0], string(b.Users[0].Data)
}
