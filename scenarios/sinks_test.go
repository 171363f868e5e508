package scenarios_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload/results"
	"github.com/kload/kload/scenarios"
)

// routing sends 400 trips to three sinks, but each tenth, which goes to a sink that
// there is not.
const routing = `
apiVersion: kload/v1
name: routing
stream: {shards: 2}
load: {trips: {source: {generate: {taxi: {}}}, rate: {profile: [{constant: 100/s, for: 4s}]}}}
consumers:
  desk:
    read: {polling: {every: 400ms}}
    host: {%s: {route: "trip_id %% 10 == 9 ? type + '!' : trip_id %% 2 == 0 ? 'even' : trip_id == 7 ? 'seven' : 'odd'"}}
    sinks: {even: {file: {}}, odd: {file: {name: rest.jsonl}}, seven: {discard: {}}}
expect: ["desk.lost == 0", "desk.expression_errors == 40", "sinks.even.sunk == 200", "sinks.odd.sunk == desk.ok - 201", "sinks.seven.routed == 1"]
`

// TestRouting has a handler route records: the books balance over all sinks and for
// each, under the plain host and the one that shares, and a fault in any is found.
func TestRouting(t *testing.T) {
	tests := []struct{ host, inject, reason string }{
		{host: "plain"},
		{host: "kcl"},
		{"plain", "drop=1@target", "desk: lost 1"},
		{"plain", "dup=1@consumer:desk", "desk: duplicates 1"},
		{"plain", "drop=1@consumer:desk", "desk: lost 1"},
		{"plain", "drop=1@sink:desk", "desk: ok 360, but sunk 359"},
		{"kcl", "drop=1@sink:desk.seven", "desk: routed 1 to sink seven, but sunk 0"},
		{"plain", "drop=3@sink:desk.odd", "desk: routed 159 to sink odd, but sunk 156"},
	}
	for _, tt := range tests {
		t.Run(tt.host+" "+tt.inject, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := scenarios.RunOptions{}
				if tt.inject != "" {
					o.Inject = []string{tt.inject}
				}
				out := run(t.Context(), t, fmt.Sprintf(routing, tt.host), o, "drain_timeout=5s")
				if tt.inject != "" {
					out.judged(t, results.Fail, 3)
					if all := strings.Join(out.Reasons, "\n"); !strings.Contains(all, tt.reason) {
						t.Errorf("no %q in\n%s", tt.reason, all)
					}
					return
				}
				out.judged(t, results.Pass, 0)
				want := ledger{Acked: 400, ReadUnique: 400, Others: 40, OK: 360, Sunk: 360}
				if d := cmp.Diff(want, out.ledger("desk")); d != "" || out.err != nil {
					t.Errorf("%v (-want +got)\n%s", out.err, d)
				}
				sinks := map[string]results.SinkCounts{"even": {Routed: 200, Sunk: 200}, "odd": {Routed: 159, Sunk: 159}, "seven": {Routed: 1, Sunk: 1}}
				if d := cmp.Diff(sinks, out.Consumers["desk"].Sinks); d != "" {
					t.Errorf("(-want +got)\n%s", d)
				}
				checkRoutes(t, filepath.Join(out.dir, "sink"), map[string]int{"desk.even.jsonl": 200, "rest.jsonl": 159})
			})
		})
	}
}

// checkRoutes wants so many trips in each file, those with even numbers apart from
// the others.
func checkRoutes(t *testing.T, dir string, want map[string]int) {
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != len(want) {
		t.Errorf("%d files, %v", len(files), err)
	}
	for name, n := range want {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
		if len(lines) != n {
			t.Errorf("%s has %d lines", name, len(lines))
		}
		for _, line := range lines {
			_, rest, _ := bytes.Cut(line, []byte(`"trip_id":`))
			id, _, _ := bytes.Cut(rest, []byte(","))
			if even := len(id) > 0 && (id[len(id)-1]-'0')%2 == 0; even != (name == "desk.even.jsonl") {
				t.Errorf("%s has %s", name, line)
			}
		}
	}
}

// TestRoutingIsExplained says where records go and what expectations may name.
func TestRoutingIsExplained(t *testing.T) {
	s, err := scenarios.Decode("test.yaml", fmt.Appendf(nil, routing, "plain"), scenarios.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	text, err := s.Explain()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"# consumer desk: each record goes to the sink that the route names: even (file), odd (file), seven (discard)\n", "sinks.even.routed", "sinks.seven.sunk",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}
