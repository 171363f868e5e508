//go:build interop

package interop_test

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kload/kload/results"
)

// goldenRun is a run directory that kload wrote.
func goldenRun(name string) string {
	return filepath.Join("..", "..", "results", "testdata", "runs", name)
}

// TestHlogIsRead has hdr-histogram-js sum up an interval log by tag. It must find
// the percentiles of the summary.
func TestHlogIsRead(t *testing.T) {
	dir := goldenRun("a")
	s, err := results.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	type theirs struct {
		Intervals           int
		Count               int64
		P50, P90, P99, P999 float64
	}
	path, err := filepath.Abs(filepath.Join(dir, results.FileHlog))
	if err != nil {
		t.Fatal(err)
	}
	got := reportOf[map[string]theirs](node(t, "hlog.js", path))
	if len(got) != len(s.Hops) || len(got) == 0 {
		t.Fatalf("they read the tags %v, the summary has %d hops", got, len(s.Hops))
	}
	for hop, want := range s.Hops {
		h := got[hop]
		if h.Count != want.Count || h.Intervals != 100 {
			t.Errorf("%s: they read %d values in %d intervals, we wrote %d in 100", hop, h.Count, h.Intervals, want.Count)
		}
		for stat, pair := range map[string][2]float64{
			"p50": {h.P50, float64(want.P50)}, "p90": {h.P90, float64(want.P90)}, "p99": {h.P99, float64(want.P99)}, "p999": {h.P999, float64(want.P999)},
		} {
			if math.Abs(pair[0]/pair[1]-1) > 1e-3 { // three digits
				t.Errorf("%s %s: they find %v, we %v", hop, stat, pair[0], pair[1])
			}
		}
	}
}

// TestBenchstat has benchstat compare the bench.txt of two runs, each repeated as
// often as it wants to be.
func TestBenchstat(t *testing.T) {
	tmp := t.TempDir()
	var args []string
	for _, name := range []string{"a", "b"} {
		text, err := os.ReadFile(filepath.Join(goldenRun(name), results.FileBench))
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(tmp, name+".txt")
		if err := os.WriteFile(path, bytes.Repeat(text, 6), 0o644); err != nil {
			t.Fatal(err)
		}
		args = append(args, path)
	}
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"tool", "-modfile=tools/go.mod", "benchstat", "-format", "csv"}, args...)...)
	cmd.Dir = filepath.Join("..", "..")
	out := string(output(t, cmd))
	for _, want := range []struct{ unit, row string }{
		{"sec/op", "Pair/trips/put/p50,"}, {"sec/op", "Pair/fares/e2e.read/p999,"}, {"records/s", "Pair/trips/acked,40,"}, {"max-rss-bytes", "Pair/process,6e+07,"},
	} {
		if !strings.Contains(out, want.unit) || !strings.Contains(out, "\n"+want.row) {
			t.Errorf("benchstat does not show %s in %s:\n%s", want.row, want.unit, out)
		}
	}
	a, err := results.Load(goldenRun("a"))
	if err != nil {
		t.Fatal(err)
	}
	if p50 := fmt.Sprintf("\nPair/trips/put/p50,%.9f", float64(a.Hops["trips/put"].P50)/1e9); !strings.Contains(out, p50) {
		t.Errorf("benchstat does not show %q:\n%s", p50, out)
	}
}
