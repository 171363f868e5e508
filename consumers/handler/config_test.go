package handler_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload/consumers/handler"
	"github.com/kload/kload/internal/conf"
)

func TestConfig(t *testing.T) {
	tests := []struct{ src, want string }{
		{`{filter: "a > 1", fail_on: 1%, cost: 2ms, on_error: retry, transform: "_key"}`, ""},
		{`{fail_on: {when: "a > 1", share: 1%, times: 2}, on_error: {do: retry, backoff: 1s}, cost: {cpu: 1us, per: batch}}`, ""},
		{`filter: "a >"`, "filter: column 3: unexpected token EOF"},
		{`filter: "  "`, "filter: column 1: empty"},
		{`filter: "1 + 1"`, "filter: column 1: gives int, not true or false"},
		{`filter: "_key == 5"`, "filter: column 6: invalid operation: == (mismatched types string and int)"},
		{`filter: "a == 1 && _sice > 3"`, `filter: column 11: unknown name "_sice" (did you mean "_size"?)`},
		{`filter: "lenn(a) > 3"`, `unknown function "lenn"`},
		{`filter: "len(a, b)"`, "filter: column 1: invalid number of arguments"},
		{`filter: "field(a) == 1"`, "field takes one name in quotes"},
		{`filter: "$env.a == 1"`, "$env is not available"},
		{`fail_on: "_x == 1"`, `fail_on.when: column 1: unknown name "_x"`},
		{`transform: {set: {a: ""}}`, "transform.set.a: column 1: empty"},
		{`transform: {set: {a: "1 +"}}`, "transform.set.a: column 3"},
		{`transform: {payload: "1", remove: [a]}`, "transform.payload: replaces all that set and remove would change"},
		{`transform: {set: {a: "1"}, remove: [a]}`, `transform.remove: the field "a" is set and removed`},
		{`route: 'a ? "x" : "y"'`, ""},
		{`route: "a >"`, "route: column 3: unexpected token EOF"},
		{`route: a > 1`, "route: column 1: gives bool, not a name"},
		{`route: "1 + 1"`, "route: column 1: gives int, not a name"},
		{`fail_on: 1.x%`, "fail_on: "},
		{`{fail_on: {when: "a == 1", times: 1}}`, "fail_on.times: only one attempt is made"},
		{`{fail_on: {times: 1}, on_error: retry}`, "fail_on.times: chooses no records"},
		{`{fail_on: {times: -1}, on_error: retry}`, "fail_on.times: must not be negative"},
		{`on_error: retri`, `on_error: "retri" is not allowed`},
		{`on_error: {attempts: 0}`, "on_error.attempts: must be at least 1"},
		{`cost: much`, "cost: bad duration"},
	}
	for _, tt := range tests {
		t.Run(tt.src, func(t *testing.T) {
			var c handler.Config
			doc, err := conf.Parse("test.yaml", []byte(tt.src))
			if err == nil {
				err = doc.Decode(&c, nil)
			}
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// TestFields lists the fields that records must have, each where it is first named.
func TestFields(t *testing.T) {
	c := handler.Config{Filter: "a =="}
	if got := c.Fields(); got != nil {
		t.Errorf("of what does not compile: %v", got)
	}
	c = decode(t, `{filter: "(a ?? b) > c.d && e == nil && c > a && any(f, # > _size) && field(\"g h\") == 1", `+
		`fail_on: "let x = y; x > 1", transform: {set: {k: "a?.b.c"}}}`)
	want := []handler.Field{
		{Setting: "filter", Name: "a", Column: 35},
		{Setting: "filter", Name: "b", Column: 7},
		{Setting: "filter", Name: "c", Column: 12},
		{Setting: "filter", Name: "f", Column: 44},
		{Setting: "filter", Name: "g h", Column: 61},
		{Setting: "fail_on.when", Name: "y", Column: 9},
	}
	if d := cmp.Diff(want, c.Fields()); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}
