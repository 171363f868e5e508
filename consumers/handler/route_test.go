package handler_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/consumers/handler"
)

func TestRoute(t *testing.T) {
	tests := []struct{ expr, payload, want string }{ // want is the route or a part of the failure
		{`type`, trip, "yellow"},
		{`type`, `{"type":"gr\u0065en"}`, "green"},
		{`field("type")`, `{"x":{"type":"green"},"type":"yellow"}`, "yellow"},
		{`"green"`, trip, "green"},
		{`fare > 12 ? "yellow" : "green"`, trip, "yellow"},
		{`nope ?? "green"`, trip, "green"},
		{`let t = type; t == "yellow" ? "green" : t`, trip, "green"},
		{`{"7": "green"}[string(from.zone)]`, trip, "green"},
		{`_key == "key" ? lower("GREEN") : type`, trip, "green"},

		{`type`, `{"type":"red"}`, `column 1: gives "red", and no sink has that name`},
		{`type == "yellow" ? "gre" + _key : type`, trip, `column 1: gives "grekey", and no sink has that name`},
		{`type`, `{"type":""}`, `gives "", and no sink has that name`},
		{`type`, `{"type":null}`, `gives null, not a name`},
		{`type`, `{"type":5}`, `gives a number, not a name`},
		{`type`, `{"tipe":"green"}`, `column 1: the record has no field "type"`},
		{`type`, `abc`, `the payload is no JSON object`},
		{`fare > 12 && type > 3 ? "yellow" : "green"`, trip, `column 19: `},
	}
	for _, tt := range tests {
		t.Run(tt.expr+" "+tt.payload, func(t *testing.T) {
			r := newRig(t, fmt.Sprintf("route: %q", tt.expr))
			b := batchOf(`{"type":"green","fare":1,"from":{"zone":7}}`, tt.payload)
			b.Users[1].Route = "of a handler before"
			results := r.handle(t, b)
			got := b.Users[1].Route
			if results[1] == kload.DeadLettered {
				got = strings.Join(r.failures, "\n")
				if b.Users[1].Route != "" || len(r.failures) != 1 || !strings.HasPrefix(got, "route shard-1/s0/1: ") {
					t.Errorf("routed to %q, failures %q", b.Users[1].Route, r.failures)
				}
			}
			if !strings.Contains(got, tt.want) || results[1] == kload.OK && got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			if failed := r.Counters()["expression_errors"] == 1; failed != (results[1] == kload.DeadLettered) || results[0] != kload.OK {
				t.Errorf("results %v, counters %v", results, r.Counters())
			}
		})
	}
}

// TestRouteAmongOthers has a handler that does everything: the route sees what was
// read, and only records that are passed on have one.
func TestRouteAmongOthers(t *testing.T) {
	r := newRig(t, `{filter: "id > 0", fail_on: "id == 2", route: 'id == 3 ? "nowhere" : id == 4 ? "green" : "yellow"', transform: {set: {id: "id == 5 ? nope : 7"}}}`)
	b := numbered(7)
	results := r.handle(t, b)
	var got []string
	for i, u := range b.Users {
		got = append(got, fmt.Sprint(results[i], " ", u.Route, " ", string(u.Data)))
	}
	want := []string{
		`1  {"id":0}`, `0 yellow {"id":7}`, `2  {"id":2}`, `2  {"id":3}`, `0 green {"id":7}`, `2  {"id":5}`, `0 yellow {"id":7}`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

// TestRouteFails has a batch fail for a record without a sink: it is as it was.
func TestRouteFails(t *testing.T) {
	r := newRig(t, `{route: 'id == 1 ? "nowhere" : "green"', on_error: fail}`)
	b := numbered(2)
	err := r.Handle(t.Context(), b, make([]kload.HandlerResult, 2))
	if err == nil || !strings.Contains(err.Error(), `record 1 of the batch: column 1: gives "nowhere"`) || b.Users[0].Route != "" {
		t.Errorf("%v, routed to %q", err, b.Users[0].Route)
	}
}

func TestNames(t *testing.T) {
	tests := []struct {
		route string
		want  []handler.Name
		all   bool
	}{
		{``, nil, false},
		{`a ==`, nil, false},
		{`type`, nil, false},
		{`"x"`, []handler.Name{{Text: "x", Column: 1}}, true},
		{`a > 1 ? "x" : b ? "y" : "z"`, []handler.Name{{Text: "x", Column: 9}, {Text: "y", Column: 19}, {Text: "z", Column: 25}}, true},
		{`a ?? "x"`, []handler.Name{{Text: "x", Column: 6}}, false},
		{`let t = "no"; if a == t { "x" } else { b }`, []handler.Name{{Text: "x", Column: 27}}, false},
		{`"x" + "y"`, []handler.Name{{Text: "xy", Column: 5}}, true},
	}
	for _, tt := range tests {
		c := handler.Config{Route: tt.route}
		names, all := c.Names()
		if d := cmp.Diff(tt.want, names); d != "" || all != tt.all {
			t.Errorf("%s: all %t (-want +got)\n%s", tt.route, all, d)
		}
	}
}
