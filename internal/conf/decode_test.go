package conf_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/conf"
	"github.com/kload/kload/internal/units"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares got with a file in testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s is not what it was; run with -update if it should change (-want +got):\n%s", path, diff)
	}
}

// decode reads a document with overlays and settings. A change that starts with
// "@" names an overlay.
func decode(src string, changes ...string) (*scenario, error) {
	doc, err := conf.Parse("s.yaml", []byte(src))
	if err != nil {
		return nil, err
	}
	for _, c := range changes {
		if overlay, ok := strings.CutPrefix(c, "@"); ok {
			err = doc.Overlay(overlay)
		} else {
			path, value, _ := strings.Cut(c, "=")
			err = doc.Set(path, value)
		}
		if err != nil {
			return nil, err
		}
	}
	s := new(scenario)
	return s, doc.Decode(s, kinds())
}

const head = "apiVersion: kload/v1\nname: x\n"

// document is a row of the tables: files that decode and files that do not.
type document struct {
	name    string
	src     string
	changes []string
	// blind marks files that the schema cannot tell from right ones.
	blind bool
}

func goodDocuments() []document {
	return []document{
		{name: "minimal", src: head},
		{name: "all defaults", src: head + "stream: {}\nload: {}\nconsumers: {a: {}}\ntuning: {}\n"},
		{name: "full", src: head + `seed: 7
stream: {name: demo, shards: 4, create: true}
load:
  trips:
    source: {replay: {from: "builtin:nyc-taxi", speedup: 6480, max_gap: 2s, window: []}}
    rate: {arrival: poisson, profile: [{ramp: [0/s, 3k/s], for: 10s}, {constant: 3k/s, for: 60s}]}
    size: 50KiB
    total: 1M
    share: 12.5%
    trace: tag
    key: "{pickup_location_id}"
    factor: 2
    retries: 255
  events: {source: generate, rate: 1000/s, total: 500}
consumers:
  reader: {read: {polling: {every: 1s, backoff: 50ms}}, sinks: [discard, {http: {url: "h:1", headers: {a: {name: b}}}}]}
  other: {read: fanout, sinks: []}
phases: [{name: warmup, for: 10s, measure: false}, {name: steady}]
expect: ["reader.lost == 0", "delivered_ratio >= 0.99"]
tuning: {gomaxprocs: 2, rate: 10MB/s, deeper: {deeper: {}}}
labels: {team: streams, note: "yes"}
`},
		{name: "variables", src: head + `vars: {n: 4, every: 3s, unit: ms, who: me, again: "${n}0"}
stream: {shards: "${n}", name: "s-${who}-${again}"}
consumers: {r: {read: {polling: {every: "5${unit}", backoff: "${every}"}}}}
load: {l: {source: "${src:generate}", total: "${again}", key: "$${not} ${x:{}y"}}
`},
		{name: "block styles", src: head + "stream:\n  # a comment\n  name: >-\n    folded\n  shards: 0x10\nexpect:\n- a\n- |\n  b\n  c\n"},
		{name: "profiles are left alone", src: head + "profiles: {aws: {stream: {shards: '${none}'}}}\n", blind: true},
	}
}

func TestDecode(t *testing.T) {
	got, err := decode(goodDocuments()[2].src)
	if err != nil {
		t.Fatal(err)
	}
	gap := 2 * time.Second
	perSecond := func(n int64) units.Rate { r, _ := units.ParseRate(fmt.Sprintf("%d/s", n)); return r }
	want := &scenario{
		APIVersion: "kload/v1", Name: "x", Seed: 7,
		Stream: stream{Name: "demo", Shards: 4, Create: true},
		Phases: []phase{{Name: "warmup", For: 10 * time.Second}, {Name: "steady", For: 10 * time.Second, Measure: true}},
		Expect: []string{"reader.lost == 0", "delivered_ratio >= 0.99"},
		Tuning: &tuning{GOMAXPROCS: 2, Rate: 10e6, Deeper: &tuning{Rate: 1 << 20, Deeper: &tuning{Rate: 1 << 20}}},
	}
	want.Load.Put("trips", load{
		Source: conf.Choice{Kind: "replay", Config: &replay{From: "builtin:nyc-taxi", Speedup: 6480, MaxGap: &gap}},
		Rate: rate{Arrival: "poisson", Profile: []rateStage{
			{Ramp: []units.Rate{{Per: time.Second}, perSecond(3000)}, For: 10 * time.Second}, {Constant: perSecond(3000), For: time.Minute},
		}},
		Size: 50 << 10, Total: 1e6, Share: 12.5, Trace: "tag", Key: "{pickup_location_id}", Factor: 2, Retries: 255,
	})
	want.Load.Put("events", load{
		Source: conf.Choice{Kind: "generate", Config: &generate{}},
		Rate:   rate{Arrival: "uniform", Profile: []rateStage{{Constant: perSecond(1000)}}},
		Size:   200, Total: 500, Share: 80, Trace: "prefix", Key: "{user_id}", Factor: 1.5,
	})
	var headers map1
	headers.Put("a", &phase{Name: "b", For: 10 * time.Second, Measure: true})
	want.Consumers.Put("reader", consumer{
		Read: conf.Choice{Kind: "polling", Config: &polling{time.Second, retry{50 * time.Millisecond}}},
		Sinks: []conf.Choice{
			{Kind: "discard", Config: &fanout{}},
			{Kind: "http", Config: &httpSink{URL: endpoint{"h:1"}, Head: headers}},
		},
	})
	want.Consumers.Put("other", consumer{Read: conf.Choice{Kind: "fanout", Config: &fanout{}}})
	want.Labels.Put("team", "streams")
	want.Labels.Put("note", "yes")
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b func()) bool { return (a == nil) == (b == nil) })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"trips", "events"}, got.Load.Names()); diff != "" {
		t.Errorf("the order of the file is lost (-want +got):\n%s", diff)
	}
}

func TestVariables(t *testing.T) {
	src := goodDocuments()[3].src
	s, err := decode(src)
	if err != nil {
		t.Fatal(err)
	}
	l, _ := s.Load.Get("l")
	r, _ := s.Consumers.Get("r")
	got := []string{
		fmt.Sprint(s.Stream.Shards), s.Stream.Name, l.Source.Kind, l.Total.String(), l.Key,
		fmt.Sprint(r.Read.Config.(*polling).Every, r.Read.Config.(*polling).Backoff),
	}
	want := []string{"4", "s-me-40", "generate", "40", "${not} {y", "5ms 3s"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	doc, err := conf.Parse("s.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	var vars []string
	for name, value := range doc.Vars().All() {
		vars = append(vars, name+"="+value)
	}
	if diff := cmp.Diff([]string{"n=4", "every=3s", "unit=ms", "who=me", "again=40"}, vars); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestChanges decodes one base file under overlays and settings, and looks at
// the resolved result.
func TestChanges(t *testing.T) {
	const base = head + `vars: {n: 2}
stream: {shards: "${n}"}
load: {a: {source: {replay: {from: f}}}}
consumers: {r: {read: polling}}
expect: [one, two]
profiles:
  aws: {stream: {name: big, shards: 8}, consumers: {r: {read: fanout}}, expect: [three]}
  poll: {consumers: {r: {read: {polling: {every: 7s}}}}}
  gen: {load: {a: {source: {generate: {}}}}}
`
	for _, c := range []struct {
		name    string
		changes []string
		want    []string // lines of the resolved file
	}{
		{"nothing", nil, []string{"shards: 2", "expect: [one, two]"}},
		{"overlay", []string{"@profiles.aws"}, []string{"name: big", "shards: 8", "fanout: {}", "expect: [three]"}},
		{"another plug-in", []string{"@profiles.gen"}, []string{"generate: {}"}},
		{"overlay, then set", []string{"@profiles.aws", "stream.shards=9"}, []string{"shards: 9"}},
		{"variable", []string{"vars.n=5"}, []string{"shards: 5"}},
		{"list item", []string{"expect.1=drei"}, []string{"expect: [one, drei]"}},
		{"append", []string{"expect.2=drei"}, []string{"expect: [one, two, drei]"}},
		{"whole list", []string{"expect=[x]"}, []string{"expect: [x]"}},
		{"below a bare plug-in", []string{"consumers.r.read.polling.every=9s"}, []string{"every: 9s"}},
		{"plug-in over plug-in", []string{"load.a.source.generate={}"}, []string{"generate: {}"}},
		{"plug-in, twice", []string{"@profiles.poll", "consumers.r.read.fanout={}"}, []string{"fanout: {}"}},
		{"missing blocks", []string{"tuning.deeper.gomaxprocs=3"}, []string{"gomaxprocs: 3"}},
		{"missing list", []string{"phases.0.name=p"}, []string{"- name: p"}},
		{"text that is a number", []string{"stream.name=123"}, []string{`name: "123"`}},
		{"text that is a map", []string{"load.a.key={k}"}, []string{`key: "{k}"`}},
		{"text with a hash", []string{"load.a.key=a #b"}, []string{`key: "a #b"`}},
		{"quoted text", []string{`load.a.key="0x1"`}, []string{`key: "0x1"`}},
		{"text that is not YAML", []string{"load.a.key=@x"}, []string{`key: "@x"`}},
		{"variable in a setting", []string{"load.a.key=s${n}"}, []string{"key: s2"}},
		{"variable in a map-like setting", []string{"load.a.key={${n}}"}, []string{`key: "{2}"`}},
		{"empty", []string{"load.a.key="}, []string{`key: ""`}},
		{"removed", []string{"stream.shards=null"}, []string{"shards: 1"}},
		{"short form", []string{"load.a.rate=9/s"}, []string{"- constant: 9/s"}},
	} {
		s, err := decode(base, c.changes...)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		out, err := conf.Resolved(s, false)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range c.want {
			if !strings.Contains(string(out), line+"\n") {
				t.Errorf("%s: no line %q in\n%s", c.name, line, out)
			}
		}
	}
}

func TestDecodeMistakes(t *testing.T) {
	doc, err := conf.Parse("s.yaml", []byte("a: 1\n"))
	if err != nil {
		t.Fatal(err)
	}
	type endless struct {
		Next conf.Choice `yaml:"next" choice:"next" default:"again"`
	}
	loop := conf.Kinds{"next": {"again": func() any { return new(endless) }}, "nil": {"a": func() any { return nil }}}
	for _, c := range []struct {
		name string
		dst  any
		want string
	}{
		{"no pointer", scenario{}, "not a pointer to a struct"},
		{"nil", nil, "not a pointer to a struct"},
		{"nil pointer", (*scenario)(nil), "not a pointer to a struct"},
		{"no tag", &struct{ A int }{}, "field A"},
		{"twice", &struct {
			A int `yaml:"a"`
			B int `yaml:"a"`
		}{}, "used twice"},
		{"unknown registry", &struct {
			A conf.Choice `yaml:"a" choice:"nope"`
		}{}, "nothing is registered"},
		{"no registry", &struct {
			A []conf.Choice `yaml:"a"`
		}{}, "needs the tag choice"},
		{"unsupported", &struct {
			A map[string]int `yaml:"a"`
		}{}, "not supported"},
		{"required with default", &struct {
			A int `yaml:"a" required:"true" default:"1"`
		}{}, "has a default and is required"},
		{"broken default", &struct {
			B []int `yaml:"b" default:"[1"`
		}{}, "reading the default"},
		{"endless defaults", &endless{}, "have no end"},
		{"no plug-in", &struct {
			B conf.Choice `yaml:"b" choice:"nil" default:"a"`
		}{}, "not a pointer"},
	} {
		err := doc.Decode(c.dst, loop)
		if err == nil || !strings.Contains(err.Error(), c.want) || errors.Is(err, kload.ErrInvalid) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}
