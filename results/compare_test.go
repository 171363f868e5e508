package results_test

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kload/kload"
	"github.com/kload/kload/results"
)

// several returns n runs whose latencies differ a little and are factor times
// those of a run in which everything went well.
func several(n int, factor float64) []*results.Run {
	var out []*results.Run
	for i := range n {
		s := passed()
		for key, h := range s.Hops {
			by := factor * math.Pow(1.01, float64(i))
			h.P50, h.P90, h.P99, h.P999 = int64(float64(h.P50)*by), int64(float64(h.P90)*by), int64(float64(h.P99)*by), int64(float64(h.P999)*by)
			s.Hops[key] = h
		}
		s.Judge(results.DefaultDeliveredRatio)
		out = append(out, results.NewRun(s))
	}
	return out
}

func TestCompareRuns(t *testing.T) {
	tests := []struct {
		name   string
		a, b   []*results.Run
		o      results.CompareOptions
		want   results.Outcome
		exit   int
		reason string
	}{
		{"worse", several(5, 1), several(5, 1.2), results.CompareOptions{}, results.Regression, 7, "worse: "},
		{"better", several(5, 1), several(5, 0.8), results.CompareOptions{}, results.Improvement, 0, "better: "},
		{"the same", several(5, 1), several(5, 1), results.CompareOptions{MinEffect: 0.08}, results.Same, 0, ""},
		{"unlike enough, too small", several(5, 1), several(5, 1.06), results.CompareOptions{MinEffect: 0.2}, results.Same, 0, ""},
		{"perhaps", several(5, 1), several(5, 1.01), results.CompareOptions{MinEffect: 0.01}, results.Undecided, 0, "may have changed by 1 %"},
		{"four each", several(4, 1), several(4, 1.2), results.CompareOptions{}, results.Regression, 7, "worse: "},
		{"ten each", several(10, 1), several(10, 1.2), results.CompareOptions{}, results.Regression, 7, "worse: "},
		{"three each", several(3, 1), several(3, 9), results.CompareOptions{}, results.Undecided, 0, "too few runs for a verdict: 3 against 3"},
		{"one against five", several(1, 1), several(5, 9), results.CompareOptions{}, results.Undecided, 0, "too few runs"},
		{"single summaries", several(1, 1), several(1, 9), results.CompareOptions{}, results.Undecided, 0, "says nothing about time"},
		{"another figure chosen", several(5, 1), several(5, 1.2), results.CompareOptions{Metrics: []string{"trips.acked_per_s"}}, results.Same, 0, ""},
		{"this figure chosen", several(5, 1), several(5, 1.2), results.CompareOptions{Metrics: []string{"*.e2e.read.p99"}}, results.Regression, 7, "worse: fares/e2e.read p99 +20.0%"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := results.Compare(tt.a, tt.b, tt.o)
			must(t, err)
			if reasons := strings.Join(c.Reasons, "\n"); c.Verdict != tt.want || c.ExitCode != tt.exit || !strings.Contains(reasons, tt.reason) {
				t.Errorf("%s, exit %d, reasons %q; want %s, %d, %q", c.Verdict, c.ExitCode, reasons, tt.want, tt.exit, tt.reason)
			}
			if tt.name == "worse" || tt.name == "three each" {
				goldenComparison(t, "compare_"+strings.ReplaceAll(tt.name, " ", "_"), c)
			}
		})
	}
}

// TestCompareJudgesWhatCanBe leaves alone what too few values support, and what
// the clocks cannot tell.
func TestCompareJudgesWhatCanBe(t *testing.T) {
	a, b := several(5, 1), several(5, 1.2)
	for _, r := range append(append([]*results.Run{}, a...), b...) {
		small := r.Summary.Hops["trips/gen.lag"]
		small.P50 = 1000
		r.Summary.Hops["trips/gen.lag"] = small
	}
	for _, r := range b {
		small := r.Summary.Hops["trips/gen.lag"]
		small.P50 = 1900
		r.Summary.Hops["trips/gen.lag"] = small
	}
	c, err := results.Compare(a, b, results.CompareOptions{})
	must(t, err)
	verdicts := map[string]results.Outcome{}
	for _, ch := range c.Latencies {
		verdicts[ch.Name+" "+ch.Stat] = ch.Verdict
	}
	for figure, want := range map[string]results.Outcome{
		"trips/put p50":       results.Regression, // 310 values
		"trips/put p90":       "",                 // 31 of them above
		"trips/put max":       "",
		"trips/arrive p50":    results.Same, // 0.2 ms more, of clocks that tell 1 ms
		"trips/gen.lag p50":   results.Same, // 0.9 µs more
		"fares/e2e.read p999": results.Regression,
	} {
		if verdicts[figure] != want {
			t.Errorf("%s: %q, want %q", figure, verdicts[figure], want)
		}
	}
}

// TestCompareSaysWhatItDoesNotJudge has figures chosen that cannot be judged.
func TestCompareSaysWhatItDoesNotJudge(t *testing.T) {
	for _, tt := range []struct{ metrics, reason, note string }{
		{"trips.put.max", "no figure can be judged", ""},
		{"trips.put.p90", "no figure can be judged", ""}, // 31 values above
		{"trips.put.p50", "", ""},
		{"trips.put.p[59]0", "", "chosen, but not judged, for too few values or runs: trips/put p90"},
	} {
		c, err := results.Compare(several(5, 1), several(5, 1), results.CompareOptions{Metrics: []string{tt.metrics}})
		must(t, err)
		reasons, notes := strings.Join(c.Reasons, "\n"), strings.Join(c.Notes, "\n")
		if !strings.Contains(reasons, tt.reason) || !strings.Contains(notes, tt.note) || tt.reason == "" && strings.Contains(reasons, "judged") || tt.note == "" && strings.Contains(notes, "judged") {
			t.Errorf("%s: %s, reasons %q, notes %q; want %q, %q", tt.metrics, c.Verdict, reasons, notes, tt.reason, tt.note)
		}
	}
}

func TestCompareRefuses(t *testing.T) {
	undelivered, invalid := passed(), passed()
	undelivered.Load["trips"].DeliveredRatio = 0.5
	invalid.InvalidReason = "trimmed"
	aws, injected := passed(), passed()
	aws.Target.Kind = "aws"
	injected.Inject = []string{"drop=1@target"}
	tests := []struct {
		name    string
		b       *results.Summary
		wantErr string
	}{
		{"nothing in common", results.NewSummary("x", "y"), "no load, consumer or hop in common"},
		{"not delivered", undelivered, "B proves nothing about latencies: trips: delivered 50.00%"},
		{"invalid", invalid, "B proves nothing about latencies: invalid: trimmed"},
		{"another target", aws, "target kind differs: local (A), aws (B)"},
		{"another fault", injected, "injected faults differs: none (A), drop=1@target (B)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.b.Judge(results.DefaultDeliveredRatio)
			a, b := several(1, 1), []*results.Run{results.NewRun(tt.b)}
			_, err := results.Compare(a, b, results.CompareOptions{})
			if !errors.Is(err, results.ErrNotComparable) || !strings.Contains(err.Error(), tt.wantErr) {
				t.Fatalf("error %v, want %q", err, tt.wantErr)
			}
			if c, err := results.Compare(a, b, results.CompareOptions{Force: true}); tt.name != "nothing in common" && (err != nil || len(c.Differences) == 0) {
				t.Errorf("forced: %v, %v; want it compared and the difference named", c, err)
			}
		})
	}
	if _, err := results.Compare(nil, several(1, 1), results.CompareOptions{}); !errors.Is(err, results.ErrNotComparable) {
		t.Errorf("a side without runs: %v", err)
	}
	if _, err := results.Compare(several(5, 1), several(5, 1), results.CompareOptions{Metrics: []string{"fares.e2e.raed.p99"}}); !errors.Is(err, kload.ErrInvalid) {
		t.Errorf("a figure that does not exist: %v", err)
	}
}

// TestCompareSettings tells run directories apart by how they were made.
func TestCompareSettings(t *testing.T) {
	base := t.TempDir()
	dirs := map[string]string{}
	for i, name := range []string{"one", "two", "faster", "bigger", "killed", "none"} {
		dirs[name] = filepath.Join(base, name)
		writeRun(t, dirs[name], name, 1, uint64(i), 3, name == "killed")
	}
	edit := func(dir, file, from, to string) {
		path := filepath.Join(dir, file)
		text, err := os.ReadFile(path)
		must(t, err)
		must(t, os.WriteFile(path, []byte(strings.ReplaceAll(string(text), from, to)), 0o644))
	}
	edit(dirs["faster"], results.FileResolved, "40/s", "80/s\n    arrival: poisson")
	edit(dirs["bigger"], results.FileRun, `"cpus": 2`, `"cpus": 8`)
	must(t, os.Remove(filepath.Join(dirs["none"], results.FileResolved)))
	tests := []struct {
		name         string
		a, b         []string
		varied       bool
		refuse, note string
	}{
		{"another seed", []string{"one"}, []string{"two"}, false, "", "seed differs: 0 (A), 1 (B)"},
		{"another rate", []string{"one"}, []string{"faster"}, false, "load.trips.rate differs: 40/s (A), 80/s\n    arrival: poisson (B)", ""},
		{"another rate, meant", []string{"one"}, []string{"faster"}, true, "", "load.trips.rate differs"},
		{"another machine", []string{"one"}, []string{"bigger"}, false, "machine differs: linux/amd64 with 2 CPUs, GOMAXPROCS 2 (A), linux/amd64 with 8 CPUs", ""},
		{"within a side", []string{"one", "faster"}, []string{"two"}, false, "load.trips.rate differs: 40/s (A1 B), 80/s", ""},
		{"killed", []string{"one"}, []string{"killed"}, false, "", "B is partial: killed after 3.00s"},
		{"settings not known", []string{"one"}, []string{"none"}, false, "", "seed differs"},
		{"one side first", []string{"one", "two"}, []string{"killed"}, false, "", "all came before those of the other"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			paths := func(names []string) (out []string) {
				for _, n := range names {
					out = append(out, dirs[n])
				}
				return out
			}
			c, err := results.Compare(open(t, paths(tt.a)...), open(t, paths(tt.b)...), results.CompareOptions{Varied: tt.varied})
			if tt.refuse != "" {
				first, _, _ := strings.Cut(tt.refuse, "\n")
				if !errors.Is(err, results.ErrNotComparable) || !strings.Contains(err.Error(), first) {
					t.Errorf("error %v, want %q", err, tt.refuse)
				}
				return
			}
			must(t, err)
			if notes := strings.Join(c.Notes, "\n"); !strings.Contains(notes, tt.note) {
				t.Errorf("notes %q, want %q", notes, tt.note)
			}
		})
	}
	if runs := open(t, base); len(runs) != 6 {
		t.Errorf("a directory of run directories opened as %d runs, want 6", len(runs))
	}
}

func TestLoadSadRows(t *testing.T) {
	tests := []struct {
		name          string
		files         map[string]string
		wantErr, hint string
	}{
		{"no run directory", map[string]string{}, "has no summary.json", "this is not a run directory"},
		{"killed at once", map[string]string{"run.json": "{}"}, "killed before it had measured anything", "run it again"},
		{"not JSON", map[string]string{"summary.json": "{"}, "unexpected end of JSON", "it was damaged after the run"},
		{"null load", map[string]string{"summary.json": `{"schema":"kload/summary/v1","load":{"x":null}}`}, `the counts of "x" are null`, "it was damaged after the run"},
		{"null in the series", map[string]string{"run.json": "{}", "series.ndjson": `{"t_s":1,"consumers":{"x":null}}` + "\n"}, "killed before it had measured anything", ""},
		{"other schema", map[string]string{"summary.json": `{"schema":"kload/summary/v9"}`}, `schema "kload/summary/v9"`, "use the kload version"},
		{"no schema", map[string]string{"summary.json": `{}`}, `schema ""`, "use the kload version"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range tt.files {
				must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
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
