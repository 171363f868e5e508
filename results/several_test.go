package results_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload/results"
)

// throttled is a run that an expectation has failed.
func throttled(t *testing.T) *results.Summary {
	t.Helper()
	s := passed()
	s.Load["trips"].Throttled = 1234
	return judged(t, s, "trips.throttled == 0")
}

func TestWriteSearch(t *testing.T) {
	step := func(s *results.Search, rate float64, dir string, summary *results.Summary) {
		summary.Phases = []results.Phase{{Name: "settle", WallS: 1}, {Name: "hold", WallS: 10}}
		s.Add(rate, dir, summary)
	}
	searches := map[string]func(*results.Search){
		"found": func(s *results.Search) {
			step(s, 2000, "01-2000", judged(t, passed()))
			step(s, 4000, "02-4000", throttled(t))
			step(s, 2828, "03-2828", judged(t, passed()))
			s.Conclude(2828, 4000)
		},
		"above": func(s *results.Search) {
			step(s, 1e6, "01-1000000", judged(t, passed()))
			s.Conclude(1e6, 0)
		},
		"below": func(s *results.Search) {
			step(s, 1, "01-1", throttled(t))
			s.Conclude(0, 1)
		},
		"broken off": func(s *results.Search) {
			s.BreakOff(nil, 500, 1000, true)
		},
	}
	var out strings.Builder
	for _, name := range []string{"found", "above", "below", "broken off"} {
		s := results.NewSearch("capacity", "load.trips.rate")
		s.Target = results.Target{Kind: "local", Detail: "local(limits=off)"}
		searches[name](s)
		if err := results.WriteSearch(&out, s, results.TextOptions{Dir: "kload-results/x"}); err != nil {
			t.Fatal(err)
		}
		out.WriteString("-- exit " + string(rune('0'+s.ExitCode%10)) + "\n\n")
	}
	narrow(t, out.String())
	golden(t, "search.txt", out.String())
}

func TestWriteMatrix(t *testing.T) {
	m := results.NewMatrix("grid", []string{"stream.shards", "load.trips.ingress.kinesis.aggregation.enabled"}, 6)
	settings := func(shards, enabled string) []results.Setting {
		return []results.Setting{{Path: m.Axes[0], Value: shards}, {Path: m.Axes[1], Value: enabled}}
	}
	m.Add(results.Cell{Name: "01-shards-2-enabled-true", Settings: settings("2", "true"), Summary: judged(t, passed())})
	m.Add(results.Cell{Name: "02-shards-2-enabled-false", Settings: settings("2", "false"), Summary: throttled(t)})
	m.Add(results.Cell{Name: "03-shards-4-enabled-true", Settings: settings("4", "true"), ExitCode: 5, Error: "starting the embedded target: no such file"})
	m.Skip("04-shards-4-enabled-false", settings("4", "false"), "trips.throttled > 0 was true of 02-shards-2-enabled-false")
	search := results.NewSearch("grid", "load.trips.rate")
	search.Conclude(1980, 2010)
	m.Add(results.Cell{Name: "05-shards-8-enabled-true", Settings: settings("8", "true"), Search: search})
	var out strings.Builder
	if err := results.WriteMatrix(&out, m, results.TextOptions{Dir: "kload-results/x"}); err != nil {
		t.Fatal(err)
	}
	narrow(t, out.String())
	golden(t, "matrix.txt", out.String())
	if m.ExitCode != 3 {
		t.Errorf("exit code %d, want that of the first cell that did not pass", m.ExitCode)
	}
	if m.Interrupt(); m.ExitCode != 130 {
		t.Errorf("exit code %d after an interruption", m.ExitCode)
	}
}

// TestLoadGroupSadRows has what no kill leaves, but a disk or an editor may.
func TestLoadGroupSadRows(t *testing.T) {
	for file, text := range map[string]string{
		results.FileSearch: `{"schema":"kload/search/v1","steps":[{"dir":"01"}]}`,
		results.FileMatrix: `{"schema":"kload/matrix/v1","cells":[{"summary":{"load":{"x":null}}}]}`,
		results.FileAB:     `{`,
	} {
		dir := t.TempDir()
		must(t, os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644))
		if group, err := results.LoadGroup(dir); !errors.Is(err, results.ErrNotComparable) || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v, %v; want %v", file, group, err, results.ErrNotComparable)
		}
	}
}

func TestLabels(t *testing.T) {
	all := []results.Setting{{Path: "stream.shards"}, {Path: "a.max_bytes"}, {Path: "b.max_bytes"}, {Path: "seed"}}
	var got []string
	for _, s := range all {
		got = append(got, s.Label(all))
	}
	if d := cmp.Diff([]string{"shards", "a.max_bytes", "b.max_bytes", "seed"}, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if got := results.FileName("put=5ms, {a: b}"); got != "put-5ms-a-b-" {
		t.Errorf("file name %q", got)
	}
}
