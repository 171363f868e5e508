package conf_test

import (
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload/internal/conf"
)

func TestResolved(t *testing.T) {
	s, err := decode(goodDocuments()[2].src)
	if err != nil {
		t.Fatal(err)
	}
	for name, comments := range map[string]bool{"resolved.yaml": false, "explained.yaml": true} {
		out, err := conf.Resolved(s, comments)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name, string(out))
	}
}

func TestResolvedDecodesAgain(t *testing.T) {
	for _, c := range goodDocuments() {
		s, err := decode(c.src)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		checkResolved(t, s)
	}
}

// checkResolved checks that both forms of the resolved file decode to s.
func checkResolved(t *testing.T, s *scenario) {
	t.Helper()
	for _, comments := range []bool{false, true} {
		out, err := conf.Resolved(s, comments)
		if err != nil {
			t.Fatal(err)
		}
		again, err := decode(string(out))
		if err != nil {
			t.Fatalf("the resolved file does not decode: %v\n%s", err, out)
		}
		if diff := cmp.Diff(s, again, cmp.Comparer(func(a, b func()) bool { return (a == nil) == (b == nil) })); diff != "" {
			t.Fatalf("the resolved file differs (-want +got):\n%s\n%s", diff, out)
		}
	}
}

func TestResolvedRefuses(t *testing.T) {
	for name, v := range map[string]any{
		"nil": nil, "not a struct": 5, "nil pointer": (*scenario)(nil),
		"choice without configuration": &consumer{Read: conf.Choice{Kind: "polling"}},
		"list with a hole": &struct {
			A []*phase `yaml:"a"`
		}{A: []*phase{nil}},
	} {
		if out, err := conf.Resolved(v, false); err == nil {
			t.Errorf("%s: no error, got\n%s", name, out)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, c := range append(goodDocuments(), badDocuments()...) {
		if len(c.src) < 4096 {
			f.Add(c.src, "stream.name=x")
		}
	}
	f.Add(head, `labels.a={"b": ${c}}`)
	f.Add(head+"labels: {a: \"\\u2028\\x85\\0$${\"}", "labels.b=\"\\ud800\"")
	f.Fuzz(func(t *testing.T, src, set string) {
		s, err := decode(src)
		if err == nil {
			checkResolved(t, s)
		}
		if s, err := decode(src, set); err == nil {
			checkResolved(t, s)
		}
		if s, err := decode(head, set); err == nil {
			checkResolved(t, s)
		}
	})
}

// FuzzText checks that any text survives being written and read.
func FuzzText(f *testing.F) {
	for _, s := range []string{"", "yes", "null", "~", "1e3", "0x1", "- a", "a: b", "a #b", "${x}", "$${x}", "a\nb", "\x00\x7f\u0085\u2028\U0001F600", "'", `"\`, " a ", "=", "<<", "---", "a:", "?", "1_0", ".5", "+1", "12:30:45", "2026-11-23", "\ufeff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			return
		}
		s := &scenario{APIVersion: "kload/v1", Name: "n" + text, Seed: 1, Stream: stream{Name: "a" + text, Shards: 1}, Expect: []string{text, text}}
		s.Labels.Put("a", text)
		checkResolved(t, s)
	})
}
