package scenarios_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	books "github.com/kload/kload/internal/ledger"
	"github.com/kload/kload/results"
	"github.com/kload/kload/scenarios"
)

// TestVerifyFile reads which records a run's verdicts are about.
func TestVerifyFile(t *testing.T) {
	first := []books.Range{{First: 0, Last: 0}}
	for inject, want := range map[string][]books.List{
		"":                       nil,
		"drop=1@target":          {{Verdict: "lost", Load: "events", Producer: 1, Ranges: first}},
		"dup=1@target":           {{Verdict: "duplicates", Load: "events", Producer: 1, Ranges: first}},
		"drop=3@consumer:reader": {{Verdict: "lost", Load: "events", Producer: 1, Ranges: []books.Range{{First: 0, Last: 2}}}},
		"dup=3@consumer:reader":  {{Verdict: "duplicates", Load: "events", Producer: 1, Ranges: []books.Range{{First: 0, Last: 2}}}},
	} {
		t.Run(inject, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := scenarios.RunOptions{}
				if inject != "" {
					o.Inject = []string{inject}
				}
				out := run(t.Context(), t, single, o)
				text, err := os.ReadFile(filepath.Join(out.dir, results.FileVerify))
				if err != nil {
					t.Fatal(err)
				}
				var v results.Verify
				if err := json.Unmarshal(text, &v); err != nil {
					t.Fatal(err)
				}
				if v.Schema != results.VerifySchema || v.RunID != out.RunID || v.Loads[0].Acked != 10 {
					t.Errorf("%+v", v)
				}
				if diff := cmp.Diff(want, v.Consumers[0].Lists); diff != "" {
					t.Errorf("lists (-want +got):\n%s", diff)
				}
			})
		})
	}
}
