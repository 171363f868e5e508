package conf_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/conf"
)

// badDocuments are files that do not decode; testdata/problems.txt has what the
// user is told.
func badDocuments() []document {
	deep := strings.Repeat("[", 100) + strings.Repeat("]", 100)
	return []document{
		{name: "empty", src: ""},
		{name: "comment only", src: "# nothing yet\n"},
		{name: "separator only", src: "---\n"},
		{name: "a list", src: "- a\n"},
		{name: "a word", src: "hello\n"},
		{name: "not UTF-8", src: "name: x\na: \xff\n", blind: true},
		{name: "too large", src: strings.Repeat("#", 1<<20+1), blind: true},
		{name: "too deep, flow", src: "a: " + deep, blind: true},
		{name: "too deep, dashes", src: strings.Repeat("- ", 100) + "a", blind: true},
		{name: "too deep, indented", src: indented(70), blind: true},
		{name: "two documents", src: head + "---\nname: y\n", blind: true},
		{name: "anchors and merge keys", src: head + "stream: &s {shards: 2}\nload: *s\ntuning: {<<: *s}\n", blind: true},
		{name: "tags", src: head + "seed: !!int 1\n", blind: true},
		{name: "directive", src: "%YAML 1.2\n---\nname: x\n", blind: true},
		{name: "complex key", src: "? [a]\n: b\n", blind: true},
		{name: "duplicate keys", src: head + "seed: 1\nstream: {shards: 1, shards: 2}\nseed: 2\n", blind: true},
		{name: "tab", src: "name: x\nstream:\n\tshards: 1\n", blind: true},
		{name: "unclosed", src: head + "expect: [a, b\n", blind: true},
		{name: "colon in text", src: head + "labels:\n  a: b: c\n", blind: true},
		{name: "unquoted variable in braces", src: head + "stream: {shards: ${n}}\n", blind: true},
		{name: "reserved character", src: head + "labels: {a: @b}\n", blind: true},
		{name: "several problems", src: head + "sead: 1\nstream: {shardz: 2, create: maybe}\nload:\n  trips:\n    sorce: {}\n    size: 200\n    rate: 5000\n    retries: 256\nexpect: none\n"},
		{name: "missing keys", src: "seed: 1\nphases: [{for: 1s}]\n"},
		{name: "missing plug-in key", src: head + "load: {a: {source: replay}, b: {source: {replay: {}}}, c: {}}\n"},
		{name: "unknown key far from all", src: head + "stream: {qqqqqq: 1}\nconsumers: {a: {read: {fanout: {x: 1}}}}\n"},
		{name: "unknown plug-in", src: head + "consumers: {a: {read: poling}, b: {read: {efo: {}}}, c: {sinks: [discrad]}}\n"},
		{name: "not one plug-in", src: head + "consumers: {a: {read: {}}, b: {read: {polling: {}, fanout: {}}}, c: {read: 5}, d: {read: [polling]}, e: {read: {polling: fast}}}\n"},
		{name: "no value", src: head + "seed:\nstream:\nconsumers: {a: {read: {polling: }}}\nexpect: [~]\n"},
		{name: "wrong types", src: head + "seed: -1\nstream: {name: 5, shards: 1.5, create: yes}\nload: [a]\nphases: {a: 1}\nlabels: {a: true, b: 1.5, c: [x]}\ntuning: 3\n"},
		{name: "wrong numbers", src: head + "seed: 18446744073709551616\nstream: {shards: 3000000000}\nload: {a: {source: generate, retries: 010, factor: .inf}, b: {source: generate, factor: fast, retries: -1}}\n", blind: true},
		{name: "wrong quantities", src: head + "load: {a: {source: generate, size: 5, share: 80, total: -1, rate: {profile: [{constant: 5, for: 10}]}}}\n"},
		{name: "a list for a quantity", src: head + "load: {a: {source: generate, size: [1B], rate: [1/s]}}\n"},
		{name: "enum", src: head + "load: {a: {source: generate, trace: prefx}, b: {source: generate, trace: xyz}}\n"},
		{name: "wrong version", src: "apiVersion: kload/v2\nname: x\n"},
		{name: "own checks", src: head + "stream:\n  name: ''\n  shards: 0\n", blind: true},
		{name: "own text", src: head + "consumers: {a: {sinks: [{http: {url: ''}}]}}\n", blind: true},
		{name: "bad names", src: head + "labels: {a.b: x, 1: y}\n"},
		{name: "variables", src: head + "vars: {speed: 1, a: '${b}', b: '${a}', list: [1], 'bad name': 1}\nstream: {name: '${sped}', shards: '${list}'}\nlabels: {a: '${', b: '${1x}', c: 'x ${a}'}\n", blind: true},
		{name: "vars and profiles are no blocks", src: head + "vars: 5\nprofiles: []\n"},
		{name: "variable of the wrong type", src: head + "vars: {n: many}\nstream: {shards: '${n}'}\n", blind: true},
		{name: "growing variables", src: head + growing(), blind: true},
		{name: "a long line", src: head + "labels: {" + "a1: b, a2: b, a3: b, a4: b, a5: b, " + strings.Repeat("é", 100) + ": 5}\n", blind: true},
		{name: "settings", src: head, blind: true, changes: []string{"stream.shardz=2", "stream.shards=many", "stream.create=1", "expect=a"}},
		{name: "setting below a value", src: head, blind: true, changes: []string{"name.y=2"}},
		{name: "setting outside a list", src: head + "expect: [a]\n", blind: true, changes: []string{"expect.5=2"}},
		{name: "setting nothing", src: head, blind: true, changes: []string{"stream..x=2"}},
		{name: "setting that is not UTF-8", src: head, blind: true, changes: []string{"name=\xff"}},
		{name: "unknown profile", src: head + "profiles: {aws: {}}\n", blind: true, changes: []string{"@profiles.asw"}},
		{name: "no profiles", src: head, blind: true, changes: []string{"@profiles.aws"}},
		{name: "profile is no block", src: head + "profiles: {aws: 5}\n", blind: true, changes: []string{"@profiles.aws"}},
		{name: "setting over a bare value", src: head + "stream: {name: y}\n", blind: true, changes: []string{"stream.name.y.z=2"}},
		{name: "problem in a profile", src: head + "profiles:\n  aws:\n    stream:\n      shards: many\n", blind: true, changes: []string{"@profiles.aws"}},
	}
}

func indented(depth int) string {
	var b strings.Builder
	for i := range depth {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

// growing returns variables that would fill the memory.
func growing() string {
	var b strings.Builder
	b.WriteString("vars:\n  v0: aaaaaaaaaa\n")
	for i := range 30 {
		fmt.Fprintf(&b, "  v%d: \"%s\"\n", i+1, strings.Repeat(fmt.Sprintf("${v%d}", i), 10))
	}
	return b.String() + "labels: {a: '${v30}'}\n"
}

func TestProblems(t *testing.T) {
	var out strings.Builder
	for _, c := range badDocuments() {
		_, err := decode(c.src, c.changes...)
		if err == nil {
			t.Errorf("%s: no problem found", c.name)
			continue
		}
		if _, ok := errors.AsType[conf.Problems](err); !ok || !errors.Is(err, kload.ErrInvalid) {
			t.Errorf("%s: got %T: %v", c.name, err, err)
		}
		fmt.Fprintf(&out, "=== %s\n%v\n", c.name, err)
	}
	golden(t, "problems.txt", out.String())
}

func TestProblemIsPlaced(t *testing.T) {
	doc, err := conf.Parse("s.yaml", []byte("a:\n  b: [x, {c: 1}]\nd: 5\n"))
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Set("d", "6"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ path, want string }{
		{"a.b.1.c", "s.yaml:2:14: a.b.1.c: m\n   2 |   b: [x, {c: 1}]\n     |              ^\n  hint: h"},
		{"a.b", "s.yaml:2:3: a.b: m\n   2 |   b: [x, {c: 1}]\n     |   ^\n  hint: h"},
		{"a.z.y", "s.yaml:1:1: a.z.y: m\n   1 | a:\n     | ^\n  hint: h"},
		{"a.b.7", "s.yaml:2:3: a.b.7: m\n   2 |   b: [x, {c: 1}]\n     |   ^\n  hint: h"},
		{"", "s.yaml:1:1: m\n   1 | a:\n     | ^\n  hint: h"},
		{"d", "--set d=6: d: m\n  hint: h"},
	} {
		if diff := cmp.Diff(c.want, doc.Problem(c.path, "m", "h").Error()); diff != "" {
			t.Errorf("%q (-want +got):\n%s", c.path, diff)
		}
	}
}

// TestHostileFiles feeds what would exhaust the stack or the time of a careless
// reader: each must be refused, by a short list of problems.
func TestHostileFiles(t *testing.T) {
	const n = 1 << 18
	for name, src := range map[string]string{
		"brackets":  strings.Repeat("[", n),
		"pairs":     strings.Repeat("[]", n),
		"questions": strings.Repeat("? ", n),
		"dashes":    strings.Repeat("-\n", n),
		"anchors":   strings.Repeat("&a ", n),
		"tags":      strings.Repeat("!a ", n),
		"aliases":   strings.Repeat("*a ", n),
		"colons":    strings.Repeat("a: ", n),
		"indented":  indented(1400),
		"keys":      head + strings.Repeat("a: 1\n", n/2),
		"unknown":   head + strings.Repeat("a: 1\n", 2000),
		"plain":     "a: " + strings.Repeat("a\n b", n/4),
		"escapes":   `a: "` + strings.Repeat(`\n`, n),
	} {
		_, err := decode(src)
		problems, ok := errors.AsType[conf.Problems](err)
		if !ok || len(problems) > 101 {
			t.Errorf("%s: got %T with %d problems", name, err, len(problems))
		}
	}
}

func TestHas(t *testing.T) {
	doc, err := conf.Parse("s.yaml", []byte("a:\n  b: [x, {c: 1}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{"a": true, "a.b.1.c": true, "a.b.2": false, "a.b.-1": false, "c": false, "": false, "a.b.0.x": false} {
		if got := doc.Has(path); got != want {
			t.Errorf("%q: got %v", path, got)
		}
	}
}
