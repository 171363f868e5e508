//go:build interop

package interop_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/conformance"
)

var update = flag.Bool("update", false, "check the other services anew and record the results")

// TestConformance keeps what docs/reference/conformance.md says of other people's
// services: with -update it runs every check on them, which takes six minutes;
// without, a few quick ones and compares.
func TestConformance(t *testing.T) {
	for name, dir := range map[string]string{"kinesalite 3.3.3": "kinesalite", "kinesis-local 0.6.2": "kinesis-local"} {
		t.Run(dir, func(t *testing.T) {
			o := conformance.Options{Client: awsclient.Options{Local: true, Endpoint: startNode(t, dir)}}
			if !*update {
				o.Only = []int{1, 4, 14, 16, 29, 48}
			}
			rep, err := conformance.Run(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", "conformance", dir+".json")
			if *update {
				record(t, path, name, rep)
				return
			}
			var known conformance.Report
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(text, &known); err != nil {
				t.Fatal(err)
			}
			for _, c := range rep.Checks {
				if want := known.Checks[c.ID-1]; c.Outcome != want.Outcome {
					t.Errorf("check %d: %s (%s), recorded is %s (%s)", c.ID, c.Outcome, c.Detail, want.Outcome, want.Detail)
				}
			}
		})
	}
}

// record writes results without what differs from run to run.
func record(t *testing.T, path, name string, rep conformance.Report) {
	t.Helper()
	for i := range rep.Checks {
		d := &rep.Checks[i].Detail
		for _, v := range []struct{ pattern, instead string }{
			{`kload-conformance-[a-z0-9]{8}`, "STREAM"},
			{`http://127\.0\.0\.1:\d+`, "ENDPOINT"},
			{`[A-Za-z0-9+/=]{60,}…?"?`, "…"},
			{`\b(\d{50,}|1\d{12}|1\d{9}(\.\d+)?)\b`, "N"},
			{`\b\d+(\.\d+)?(ms|s)$`, "another time"},
			{`[^\x20-\x7e…]+`, "?"},
		} {
			*d = regexp.MustCompile(v.pattern).ReplaceAllString(*d, v.instead)
		}
		if len(*d) > 240 {
			*d = (*d)[:240] + "…"
		}
	}
	text, err := json.MarshalIndent(map[string]any{"name": name, "checks": rep.Checks}, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}
