package results_test

import (
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/hdr"
	"github.com/kload/kload/internal/invariants"
	"github.com/kload/kload/results"
)

// pairSeconds is long enough for a verdict on single runs.
const pairSeconds = 100

// shortSeconds is long enough for everything else.
const shortSeconds = 25

// writeRun writes a run directory as a run does, with latencies that follow from
// the seed. A run that is killed stops before the final files.
func writeRun(t *testing.T, dir, id string, factor float64, seed uint64, length int, killed bool) {
	t.Helper()
	d, err := results.Create(dir)
	must(t, err)
	defer d.Release()
	must(t, d.WriteJSON(results.FileRun, map[string]any{
		"schema": "kload/run/v1", "kload": "v0.1.0", "run_id": id, "scenario": "pair", "seed": seed, "started": began.Add(time.Duration(seed) * time.Hour),
		"host":   map[string]any{"name": "vm", "os": "linux", "arch": "amd64", "cpus": 2, "gomaxprocs": 2},
		"target": results.Target{Kind: "local", Detail: "local(limits=off, seed=1)"},
	}))
	scenario := []byte("apiVersion: kload/v1\nname: pair\nload:\n  trips:\n    rate: 40/s\n")
	must(t, errors.Join(d.WriteFile(results.FileScenario, scenario), d.WriteFile(results.FileResolved, scenario)))
	trips, fares := hdr.NewSet("trips", kload.HopPut), hdr.NewSet("fares", kload.HopE2ERead)
	acked := uint64(0)
	c, err := results.NewCollector(d, began, func() map[string]any { return pairSample(acked) }, trips, fares)
	must(t, err)
	must(t, c.Event(began, "start", nil))
	put, read := trips.NewRecorder(), fares.NewRecorder()
	rng := rand.New(rand.NewPCG(seed, 1))
	for second := range length {
		for range 40 {
			acked++
			v := int64(factor * 5e6 * math.Exp(0.3*rng.NormFloat64()))
			recordOne(put, kload.HopPut, v)
			recordOne(read, kload.HopE2ERead, v+int64(rng.IntN(200_000_000)))
		}
		switch second {
		case 10:
			recordOne(put, kload.HopPut, 2*int64(time.Hour))
		case 20:
			recordOne(read, kload.HopE2ERead, -5)
		}
		must(t, c.Tick(began.Add(time.Duration(second+1)*time.Second)))
	}
	if killed {
		return
	}
	must(t, c.Close(began.Add(time.Duration(length)*time.Second)))
	must(t, c.WriteHgrm())
	s := results.NewSummary("pair", id)
	s.Target, s.Seed = results.Target{Kind: "local", Detail: "local(limits=off, seed=1)"}, seed
	s.Phases = []results.Phase{{Name: "steady", WallS: pairSeconds}}
	s.Load["trips"] = &results.LoadCounts{Scheduled: acked, Sent: acked, Acked: acked, DeliveredRatio: 1, Bytes: 100 * acked, StreamRecords: acked, Requests: acked, Attempts: acked}
	s.Consumers["fares"] = &results.ConsumerCounts{Read: acked, ReadUnique: acked, OK: acked, Sunk: acked}
	s.Process.Kload = results.ProcessStats{CPUS: 2.5, MaxRSS: 60_000_000, Allocated: 90_000_000, WallS: pairSeconds}
	c.Fill(s)
	s.Judge(results.DefaultDeliveredRatio)
	must(t, errors.Join(d.WriteJSON(results.FileVerify, map[string]any{}), d.WriteSummary(s)))
}

func pairSample(acked uint64) map[string]any {
	return map[string]any{
		"load":      map[string]any{"trips": map[string]uint64{"scheduled": acked + 10, "sent": acked, "acked": acked, "bytes": 100 * acked}},
		"consumers": map[string]any{"fares": map[string]uint64{"read": acked, "read_unique": acked, "ok": acked, "sunk": acked}},
		"process":   map[string]any{"cpu_s": float64(acked) / 1600, "rss_bytes": 60_000_000, "allocated_bytes": 90_000_000},
	}
}

func recordOne(r *hdr.Recorder, hop kload.Hop, v int64) {
	r.Lock()
	defer r.Unlock()
	r.Record(hop, v)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// pair returns the golden run directories, b 30 % slower at the target than a.
// Under -update they are written anew; else what is written now must be the same,
// but for the compression of the log.
func pair(t *testing.T) (a, b string) {
	t.Helper()
	base := filepath.Join("testdata", "runs")
	fresh := base
	if *update {
		must(t, os.RemoveAll(base))
	} else {
		fresh = t.TempDir()
	}
	for name, factor := range map[string]float64{"a": 1, "b": 1.3} {
		writeRun(t, filepath.Join(fresh, name), name, factor, uint64(name[0]-'a'+1), pairSeconds, false)
		want, got := tree(t, filepath.Join(base, name)), tree(t, filepath.Join(fresh, name))
		delete(want, results.FileHlog)
		delete(got, results.FileHlog)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("run %s (-golden +written now)\n%s", name, d)
		}
	}
	return filepath.Join(base, "a"), filepath.Join(base, "b")
}

func open(t *testing.T, paths ...string) []*results.Run {
	t.Helper()
	runs, err := results.OpenAll(paths, results.DefaultUnits())
	must(t, err)
	return runs
}

// TestGoldenPair compares two run directories in every format.
func TestGoldenPair(t *testing.T) {
	a, b := pair(t)
	c, err := results.Compare(open(t, a), open(t, b), results.CompareOptions{})
	must(t, err)
	goldenComparison(t, "compare_pair", c)
	if c.Verdict != results.Regression || c.ExitCode != 7 || c.Method.Name != "block_bootstrap" {
		t.Errorf("%s, exit %d, by %s; want a regression by block_bootstrap", c.Verdict, c.ExitCode, c.Method.Name)
	}
	for _, ch := range c.Latencies {
		want := results.Outcome("")
		if ch.Name == "trips/put" && ch.P != nil {
			want = results.Regression
		}
		if want == results.Regression && (ch.Verdict != want || *ch.Low > 0.3 || *ch.High < 0.3) {
			t.Errorf("%s %s: %s, [%v, %v]; want worse by 30 %%", ch.Name, ch.Stat, ch.Verdict, *ch.Low, *ch.High)
		}
	}
	same, err := results.Compare(open(t, a), open(t, a), results.CompareOptions{})
	must(t, err)
	if same.ExitCode != 0 || same.Verdict == results.Regression || same.Verdict == results.Improvement {
		t.Errorf("a run compared with itself: %s", same.Verdict)
	}
}

// goldenComparison holds a comparison as text, JSON and Markdown against files.
func goldenComparison(t *testing.T, name string, c *results.Comparison) {
	t.Helper()
	for ext, write := range map[string]func(*strings.Builder) error{
		".txt": func(w *strings.Builder) error { return results.WriteCompare(w, c, false) },
		".md":  func(w *strings.Builder) error { return results.WriteCompareMarkdown(w, c) },
		".json": func(w *strings.Builder) error {
			enc := json.NewEncoder(w)
			enc.SetIndent("", "  ")
			return enc.Encode(c)
		},
	} {
		var out strings.Builder
		must(t, write(&out))
		if ext == ".txt" {
			narrow(t, out.String())
		}
		golden(t, name+ext, filepath.ToSlash(out.String()))
	}
}

// TestOddValuesAreSeen looks for what a histogram cannot show, in every place
// that shows latencies.
func TestOddValuesAreSeen(t *testing.T) {
	s, err := results.Load(filepath.Join("testdata", "runs", "a"))
	must(t, err)
	if put, read := s.Hops["trips/put"], s.Hops["fares/e2e.read"]; put.OverRange != 1 || put.Max != 2*int64(time.Hour) || read.Negative != 1 {
		t.Errorf("put %+v, read %+v; want one over range, exact, and one negative", put, read)
	}
	var text strings.Builder
	must(t, results.WriteText(&text, s, results.TextOptions{}))
	for _, want := range []string{"trips/put: 1 over an hour", "fares/e2e.read: 1 negative, left out"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the text does not say %q:\n%s", want, &text)
		}
	}
}

// TestKilledAnywhere cuts a killed run's files off at many bytes. What is left is
// a result that says that it is partial, or nothing was measured.
func TestKilledAnywhere(t *testing.T) {
	whole := filepath.Join(t.TempDir(), "run")
	writeRun(t, whole, "whole", 1, 1, shortSeconds, true)
	files := tree(t, whole)
	full, err := results.Load(whole)
	must(t, err)
	other := filepath.Join(t.TempDir(), "other")
	writeRun(t, other, "other", 1, 1, shortSeconds, false)
	tests := []struct {
		file    string
		missing string // what the reasons must say when the file is cut within a line
	}{
		{results.FileHlog, "latency.hlog ends inside a line"},
		{results.FileSeries, "series.ndjson ends inside a line"},
		{results.FileRun, "run.json is not whole"},
		{results.FileEvents, ""},
		{results.FileResolved, ""},
	}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			text := files[tt.file]
			last := int64(0)
			for i, cut := range cuts(text) {
				if invariants.Enabled && i%15 != 0 {
					continue // decoding takes twenty times as long under the race detector
				}
				dir := copyRun(t, files)
				must(t, os.WriteFile(filepath.Join(dir, tt.file), []byte(text[:cut]), 0o644))
				runs, err := results.OpenAll([]string{dir}, results.DefaultUnits())
				if err != nil {
					t.Fatalf("cut at %d of %d: %v", cut, len(text), err)
				}
				s := runs[0].Summary
				count := s.Hops["trips/put"].Count
				if s.Verdict != results.Partial || s.ExitCode == 0 || runs[0].Partial == "" || count < last {
					t.Fatalf("cut at %d: verdict %s, exit %d, %d values after %d, partial %q", cut, s.Verdict, s.ExitCode, count, last, runs[0].Partial)
				}
				last = count
				within := cut > 0 && text[cut-1] != '\n' && !json.Valid([]byte(text[:cut]))
				if reasons := strings.Join(s.Reasons, "\n"); within && !strings.Contains(reasons, tt.missing) {
					t.Fatalf("cut at %d: reasons %q, want %q", cut, reasons, tt.missing)
				}
				if i%20 == 0 {
					checkPartialComparison(t, open(t, other), runs)
				}
			}
			if tt.file == results.FileHlog && !invariants.Enabled && last != full.Hops["trips/put"].Count {
				t.Errorf("%d values in the whole log, want %d", last, full.Hops["trips/put"].Count)
			}
		})
	}
}

// cuts returns where to cut a text: its ends, around some of its line ends, and
// between.
func cuts(text string) []int {
	out := []int{0, 1, len(text) - 1, len(text)}
	for i := range text {
		if text[i] == '\n' && (i < 600 || i%17 == 0) {
			out = append(out, i-1, i, i+1, i+2)
		}
	}
	for i := 0; i < len(text); i += 1 + len(text)/20 {
		out = append(out, i)
	}
	out = slices.DeleteFunc(out, func(i int) bool { return i < 0 || i > len(text) })
	slices.Sort(out)
	return slices.Compact(out)
}

func copyRun(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if text != "directory" {
			must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
		}
	}
	return dir
}

// checkPartialComparison compares a cut run with a whole one.
func checkPartialComparison(t *testing.T, whole, runs []*results.Run) {
	t.Helper()
	c, err := results.Compare(whole, runs, results.CompareOptions{Force: true})
	if err != nil {
		t.Fatal(err)
	}
	if notes := strings.Join(c.Notes, "\n"); !strings.Contains(notes, "B is partial: killed") {
		t.Fatalf("notes %q do not say that B is partial", notes)
	}
}

// TestPartialSummary holds what is drawn up from the logs of a killed run against
// the summary that it would have had.
func TestPartialSummary(t *testing.T) {
	base := t.TempDir()
	writeRun(t, filepath.Join(base, "killed"), "x", 1, 1, shortSeconds, true)
	writeRun(t, filepath.Join(base, "ended"), "x", 1, 1, shortSeconds, false)
	killed, err := results.Load(filepath.Join(base, "killed"))
	must(t, err)
	ended, err := results.Load(filepath.Join(base, "ended"))
	must(t, err)
	if d := cmp.Diff(ended.Hops, killed.Hops); d != "" {
		t.Errorf("latencies (-of the run that ended +of the killed one)\n%s", d)
	}
	if l := killed.Load["trips"]; l.Acked != 1000 || l.Scheduled != 1010 || l.DeliveredRatio >= 1 || killed.Consumers["fares"].Read != 1000 {
		t.Errorf("load %+v, consumer %+v", l, killed.Consumers["fares"])
	}
	if killed.Scenario != "pair" || killed.Target.Kind != "local" || killed.Process.Kload.CPUS != 1000.0/1600 {
		t.Errorf("scenario %s, target %v, process %+v", killed.Scenario, killed.Target, killed.Process)
	}
	var text strings.Builder
	must(t, results.WriteText(&text, killed, results.TextOptions{}))
	golden(t, "text_partial.txt", text.String())
}

// TestStillRunning holds that a run at work is not taken for one that was killed.
func TestStillRunning(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	d, err := results.Create(dir)
	must(t, err)
	acked := uint64(10)
	c, err := results.NewCollector(d, began, func() map[string]any { return pairSample(acked) })
	must(t, err)
	said := func() string {
		s, err := results.Load(dir)
		if err != nil {
			return err.Error()
		}
		return s.Reasons[0]
	}
	check := func(want string) {
		t.Helper()
		if got := said(); !strings.Contains(got, want) {
			t.Errorf("said: %s, want %s", got, want)
		}
	}
	check("is still running and has not measured anything")
	must(t, c.Tick(began.Add(time.Second)))
	check("still running after 1.00s")
	d.Release()
	check("killed after 1.00s")
}

// TestDamaged has files that no kill leaves, but a disk may.
func TestDamaged(t *testing.T) {
	whole := filepath.Join(t.TempDir(), "run")
	writeRun(t, whole, "whole", 1, 1, shortSeconds, true)
	files := tree(t, whole)
	half := func(name, garbage string) string {
		lines := strings.SplitAfter(files[name], "\n")
		return strings.Join(lines[:len(lines)/2], "") + garbage + strings.Join(lines[len(lines)/2:], "")
	}
	tests := []struct {
		name, file, text string
		reason           string
	}{
		{"log", results.FileHlog, half(results.FileHlog, "Tag=trips/put,1,1,1,%%%\n"), "latency.hlog is damaged: reading line"},
		{"series", results.FileSeries, half(results.FileSeries, "{]\n"), "series.ndjson is damaged"},
		{"empty run.json", results.FileRun, "", "run.json is not whole"},
	}
	t.Run("of a whole run", func(t *testing.T) {
		ended := filepath.Join(t.TempDir(), "run")
		writeRun(t, ended, "ended", 1, 1, shortSeconds, false)
		dir := copyRun(t, tree(t, ended))
		must(t, errors.Join(os.Truncate(filepath.Join(dir, results.FileHlog), 20_000),
			os.Remove(filepath.Join(dir, results.FileRun)), os.Truncate(filepath.Join(dir, results.FileResolved), 0)))
		c, err := results.Compare(open(t, ended), open(t, dir), results.CompareOptions{})
		must(t, err)
		for _, want := range []string{"B may have had other settings", "B may be of another machine", "B is judged by a part of it"} {
			if notes := strings.Join(c.Notes, "\n"); !strings.Contains(notes, want) {
				t.Errorf("notes %q, want %q", notes, want)
			}
		}
	})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := copyRun(t, files)
			must(t, os.WriteFile(filepath.Join(dir, tt.file), []byte(tt.text), 0o644))
			s, err := results.Load(dir)
			must(t, err)
			if reasons := strings.Join(s.Reasons, "\n"); !strings.Contains(reasons, tt.reason) || s.Hops["trips/put"].Count < 300 {
				t.Errorf("%d values, reasons %q, want %q", s.Hops["trips/put"].Count, reasons, tt.reason)
			}
			checkPartialComparison(t, open(t, dir), open(t, dir))
		})
	}
}
