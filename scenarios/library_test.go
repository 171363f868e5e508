package scenarios_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/kload/kload"
	"github.com/kload/kload/scenarios"
)

// open opens a scenario of the library that must be valid.
func open(t *testing.T, name string, o scenarios.OpenOptions) *scenarios.Scenario {
	t.Helper()
	s, err := scenarios.Open(name, o)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return s
}

func TestLibrary(t *testing.T) {
	var names []string
	for _, e := range scenarios.List() {
		names = append(names, e.Name)
		if !strings.HasSuffix(e.Question, "?") {
			t.Errorf("%s asks no question: %q", e.Name, e.Question)
		}
		src, err := scenarios.Show(e.Name)
		if err != nil {
			t.Fatal(err)
		}
		for _, target := range []string{"", "local", "aws"} {
			s := open(t, e.Name, scenarios.OpenOptions{Target: target})
			if s.Spec.Name != e.Name || s.File != e.Name+".yaml" || !bytes.Equal(s.Source, src) {
				t.Errorf("%s: opened %s of file %s", e.Name, s.Spec.Name, s.File)
			}
			if target != "" && s.Spec.Target.Kind != target {
				t.Errorf("%s: --target %s runs on %s", e.Name, target, s.Spec.Target.Kind)
			}
			if len(s.Spec.Expect) == 0 {
				t.Errorf("%s expects nothing", e.Name)
			}
		}
	}
	if !slices.IsSorted(names) || !slices.Contains(names, "quickstart") || !slices.Contains(names, "taxi-replay") {
		t.Errorf("the library is %q", names)
	}
	for _, name := range []string{"", "nope", "../scenarios/quickstart", "quickstart.yaml"} {
		if _, err := scenarios.Show(name); !errors.Is(err, kload.ErrInvalid) {
			t.Errorf("Show(%q): %v", name, err)
		}
	}
}

// schemaCheck compiles the schema and returns a check of documents against it.
func schemaCheck(t *testing.T) func(src []byte) error {
	t.Helper()
	text, err := scenarios.Schema()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "../schema.json", string(text))

	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return func(src []byte) error {
		var v any
		if err := yaml.Unmarshal(src, &v); err != nil {
			t.Fatal(err)
		}
		return schema.Validate(v)
	}
}

func TestSchema(t *testing.T) {
	validate := schemaCheck(t)
	for _, e := range scenarios.List() {
		src, err := scenarios.Show(e.Name)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate(src); err != nil {
			t.Errorf("%s.yaml: %v", e.Name, err)
		}
		if validate(bytes.Replace(src, []byte("\nstream:"), []byte("\nstraem:"), 1)) == nil {
			t.Errorf("%s.yaml with an unknown key is valid", e.Name)
		}
	}
}

func TestExplain(t *testing.T) {
	for _, e := range scenarios.List() {
		s := open(t, e.Name, scenarios.OpenOptions{})
		text, err := s.Explain()
		if err != nil {
			t.Fatal(err)
		}
		if e.Name == "quickstart" {
			golden(t, "testdata/explain-quickstart.golden", string(text))
		}
		again, err := scenarios.Decode("explained", text, scenarios.OpenOptions{})
		if err != nil {
			t.Errorf("%s: what it explains is not valid: %v", e.Name, err)
			continue
		}
		if d := cmp.Diff(s.Spec, again.Spec); d != "" {
			t.Errorf("%s: what it explains is another scenario (-want +got)\n%s", e.Name, d)
		}
	}
}

// TestActionsAreExplained has actions and a latency model written out, read back
// and held against the schema.
func TestActionsAreExplained(t *testing.T) {
	src := scenario("target: {latency: 'aws-like,PutRecord=1ms'}", "phases: [{name: a, for: 1s}, {name: b, for: 1s}]", "seed: 7",
		"load: {events: {source: {generate: {stock: {}}}, rate: 100/s}}",
		"actions: [{at: 0s, do: {fault: {on: [PutRecords, get], delay: 'uniform(1ms,2s)', share: 12.5%, count: 1k, for: 1s}}}, {at: b+500ms, do: split}, "+
			"{at: a+1s, do: {fault: {on: [subscribe], frame: each, cut: mid_body, shard: hottest, stream: s}}}, {at: 0s, do: {fault: {clock: -300ms}}}, "+
			"{at: b, do: {merge: {shard: '3', with: shardId-000000000004}}}, {at: 1s, do: {update_shard_count: {to: 4}}}, {at: 1s, do: {pause_consumer: {for: 200ms}}}]")
	s, err := scenarios.Decode("test.yaml", []byte(src), scenarios.OpenOptions{Target: "aws"})
	if err != nil {
		t.Fatal(err)
	}
	text, err := s.Explain()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/explain-actions.golden", string(text))
	again, err := scenarios.Decode("explained", text, scenarios.OpenOptions{})
	if err != nil {
		t.Fatalf("what it explains is not valid: %v", err)
	}
	if d := cmp.Diff(s.Spec, again.Spec); d != "" {
		t.Errorf("what it explains is another scenario (-want +got)\n%s", d)
	}
	validate := schemaCheck(t)
	if err := errors.Join(validate([]byte(src)), validate(text)); err != nil {
		t.Error(err)
	}
}

func TestAdjust(t *testing.T) {
	seed := uint64(18446744073709551615)
	s := open(t, "taxi-replay", scenarios.OpenOptions{Target: "aws", Seed: &seed, Sets: []string{
		"stream.shards=3", "name=other", "seed=7", "target.region=eu-west-1", "expect=[reader.lost == 0]", "consumers.reader.sink=discard",
	}})
	type facts struct {
		Name, Kind, Region, Sink string
		Shards                   int
		Seed                     uint64
		Expect                   []scenarios.Expect
	}
	reader, _ := s.Spec.Consumers.Get("reader")
	got := facts{s.Spec.Name, s.Spec.Target.Kind, s.Spec.Target.Region, reader.Sink.Kind, s.Spec.Stream.Shards, s.Spec.Seed, s.Spec.Expect}
	want := facts{"other", "aws", "eu-west-1", "discard", 3, 7, []scenarios.Expect{{Expr: "reader.lost == 0"}}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("--set has the last word (-want +got)\n%s", d)
	}
	if s := open(t, "quickstart", scenarios.OpenOptions{Seed: &seed}); s.Spec.Seed != seed {
		t.Errorf("--seed gave %d", s.Spec.Seed)
	}
	text, err := s.Explain()
	if err != nil || !bytes.Contains(text, []byte("linger: 100ms")) {
		t.Errorf("the profile aws was not applied: %v\n%s", err, text)
	}
}

func TestOpenReplay(t *testing.T) {
	tests := []struct {
		name    string
		options scenarios.ReplayOptions
		target  string
		want    []string // in the resolved scenario
		notes   int
	}{
		{"nothing", scenarios.ReplayOptions{}, "", []string{"speedup: 6480", "from: builtin:nyc-taxi", "name: replay"}, 0},
		{"asap", scenarios.ReplayOptions{Source: map[string]string{"rate": "asap"}}, "", []string{"asap: true", "off: true"}, 1},
		{"asap on aws", scenarios.ReplayOptions{Source: map[string]string{"rate": "asap"}}, "aws", []string{"asap: true", "off: false"}, 0},
		{
			"everything",
			scenarios.ReplayOptions{
				Source: map[string]string{"from": `file:///a "b"`, "timestamp": "at", "rate": "50/s", "limit": "10k", "strict": "true", "loop": "3"},
				Stream: "s-1", Shards: 5, Key: "{user}",
			},
			"",
			[]string{`from: "file:///a \"b\""`, "timestamp: at", "rate: 50/s", "limit: 10k", "strict: true", "loop: 3", "name: s-1", "shards: 5", "name: user", "missing: error"},
			0,
		},
		{"gaps", scenarios.ReplayOptions{Source: map[string]string{"speedup": "0.5", "max_gap": "2s"}}, "", []string{"speedup: 0.5", "max_gap: 2s"}, 0},
		{"shape alone", scenarios.ReplayOptions{Source: map[string]string{"shape": "500/s"}}, "", []string{"shape: 500/s", "# speedup:"}, 0},
		{"template", scenarios.ReplayOptions{Key: "{a}-{b}"}, "", []string{`text: "{a}-{b}"`}, 0},
		{"random keys", scenarios.ReplayOptions{Keys: "random"}, "", []string{"n: 4G"}, 0},
		{"payload keys, one record each", scenarios.ReplayOptions{Keys: "payload", Plain: true}, "", []string{"payload: {}", "enabled: false", "trace: json"}, 0},
		{"hash keys in turn", scenarios.ReplayOptions{Keys: "round_robin", Shards: 3}, "", []string{"of: 3"}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, notes, err := scenarios.OpenReplay(tt.options, scenarios.OpenOptions{Target: tt.target})
			if err != nil {
				t.Fatal(err)
			}
			text, err := s.Explain()
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range tt.want {
				if !strings.Contains(string(text), want) {
					t.Errorf("no %q in the resolved scenario", want)
				}
			}
			if len(notes) != tt.notes {
				t.Errorf("notes %q", notes)
			}
		})
	}
	untraced := scenarios.OpenOptions{Sets: []string{"load.trips.trace=none"}}
	if _, _, err := scenarios.OpenReplay(scenarios.ReplayOptions{Source: map[string]string{"watermarks": "true"}}, untraced); err == nil || !strings.Contains(err.Error(), "cannot tell watermarks") {
		t.Errorf("watermarks without traces: %v", err)
	}
	for name, o := range map[string]scenarios.ReplayOptions{
		"two paces":       {Source: map[string]string{"rate": "5/s", "speedup": "2"}},
		"asap and a pace": {Source: map[string]string{"rate": "asap", "speedup": "2"}},
		"bad rate":        {Source: map[string]string{"rate": "fast"}}, "bad stream": {Stream: "a b"}, "bad keys": {Keys: "all"},
		"bad filter": {Source: map[string]string{"filter": "1 +"}}, "nothing to resume": {Resume: "no/such/run"},
	} {
		if _, _, err := scenarios.OpenReplay(o, scenarios.OpenOptions{}); !errors.Is(err, kload.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
