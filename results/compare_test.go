package results_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kload/kload"
	"github.com/kload/kload/results"
)

func TestCompare(t *testing.T) {
	a, b := judged(t, passed()), judged(t, broken())
	b.Target = results.Target{Kind: "aws", Detail: "(eu-west-1, kinesis.eu-west-1.amazonaws.com)"}
	b.Process.Target = nil
	for name, pair := range map[string][2]*results.Summary{"same": {a, a}, "different": {a, b}} {
		t.Run(name, func(t *testing.T) {
			c, err := results.Compare(pair[0], pair[1])
			if err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			if err := results.WriteCompare(&out, c); err != nil {
				t.Fatal(err)
			}
			narrow(t, out.String())
			golden(t, "compare_"+name+".txt", out.String())
			if _, err := json.Marshal(c); err != nil {
				t.Errorf("as JSON: %v", err)
			}
		})
	}
}

func TestCompareChange(t *testing.T) {
	a, b := passed(), passed()
	b.Load["trips"].Throttled = 7
	put := b.Hops["trips/put"]
	put.P99 *= 2
	b.Hops["trips/put"] = put
	c, err := results.Compare(a, b)
	if err != nil {
		t.Fatal(err)
	}
	changed := map[string]results.Change{}
	for _, ch := range append(c.Latencies, c.Counters...) {
		if ch.Absolute != nil && *ch.Absolute != 0 {
			changed[ch.Name+" "+ch.Stat] = ch
		}
	}
	p99, throttled := changed["trips/put p99"], changed["trips throttled"]
	if len(changed) != 2 || *p99.Relative != 1 || *throttled.Absolute != 7 || throttled.Relative != nil {
		t.Errorf("changes %+v, want p99 doubled and 7 more throttled from none", changed)
	}
}

func TestCompareNothingInCommon(t *testing.T) {
	if _, err := results.Compare(passed(), results.NewSummary("x", "y")); !errors.Is(err, results.ErrNotComparable) {
		t.Errorf("error %v, want %v", err, results.ErrNotComparable)
	}
}

func TestLoadSadRows(t *testing.T) {
	tests := []struct {
		name          string
		files         map[string]string
		wantErr, hint string
	}{
		{"no run directory", map[string]string{}, "has no summary.json", "this is not a run directory"},
		{"killed run", map[string]string{"run.json": "{}"}, "has no summary.json", "the run was killed"},
		{"not JSON", map[string]string{"summary.json": "{"}, "unexpected end of JSON", ""},
		{"other schema", map[string]string{"summary.json": `{"schema":"kload/summary/v9"}`}, `schema "kload/summary/v9"`, "use the kload version"},
		{"no schema", map[string]string{"summary.json": `{}`}, `schema ""`, "use the kload version"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range tt.files {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			_, err := results.Load(dir)
			if !errors.Is(err, results.ErrNotComparable) || !strings.Contains(err.Error(), tt.wantErr) {
				t.Errorf("error %v, want %q", err, tt.wantErr)
			}
			var hint *kload.HintError
			if errors.As(err, &hint); tt.hint != "" && (hint == nil || !strings.Contains(hint.Hint, tt.hint)) {
				t.Errorf("hint %v, want %q", hint, tt.hint)
			}
		})
	}
	_, err := results.Load(filepath.Join(t.TempDir(), "absent"))
	var hint *kload.HintError
	if !errors.As(err, &hint) || !strings.Contains(hint.Hint, "no such directory") {
		t.Errorf("absent directory: %v, hint %v", err, hint)
	}
}
