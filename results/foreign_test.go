package results_test

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/kload/kload/internal/invariants"
	"github.com/kload/kload/results"
)

// theirs writes an interval log and a percentile file with another library's
// writers: values from 1 to n, in units of their own, one interval a second.
func theirs(t *testing.T, n int64, seconds int) (hlog, hgrm string) {
	t.Helper()
	dir := t.TempDir()
	all := hdrhistogram.New(1, 3_600_000_000, 2)
	var log bytes.Buffer
	w := hdrhistogram.NewHistogramLogWriter(&log)
	must(t, errors.Join(w.OutputLogFormatVersion(), w.OutputStartTime(1_700_000_000_000), w.OutputLegend()))
	for s := range seconds {
		h := hdrhistogram.New(1, 3_600_000_000, 2)
		for v := range n {
			must(t, errors.Join(h.RecordValue(v+1), all.RecordValue(v+1)))
		}
		h.SetStartTimeMs(1_700_000_000_000 + int64(s)*1000)
		h.SetEndTimeMs(1_700_000_000_000 + int64(s+1)*1000)
		must(t, w.OutputIntervalHistogram(h))
	}
	var percentiles bytes.Buffer
	_, err := all.PercentilesPrint(&percentiles, 5, 1000) // microseconds as milliseconds
	must(t, err)
	hlog, hgrm = filepath.Join(dir, "their.hlog"), filepath.Join(dir, "their.hgrm")
	must(t, errors.Join(os.WriteFile(hlog, log.Bytes(), 0o644), os.WriteFile(hgrm, percentiles.Bytes(), 0o644)))
	return hlog, hgrm
}

// inMicroseconds opens files whose logs hold microseconds.
func inMicroseconds(t *testing.T, paths ...string) []*results.Run {
	t.Helper()
	runs, err := results.OpenAll(paths, results.Units{Hlog: time.Microsecond, Hgrm: time.Millisecond})
	must(t, err)
	return runs
}

func TestForeignFiles(t *testing.T) {
	hlog, hgrm := theirs(t, 1000, 4)
	for _, path := range []string{hlog, hgrm} {
		runs := inMicroseconds(t, path)
		h := runs[0].Summary.Hops["latency"]
		near := func(got int64, want time.Duration) bool { return math.Abs(float64(got)/float64(want)-1) < 0.011 }
		if !runs[0].Foreign || h.Count != 4000 || !near(h.P50, 500*time.Microsecond) || !near(h.P99, 990*time.Microsecond) || !near(h.Max, time.Millisecond) || !near(int64(h.Mean), 500*time.Microsecond) {
			t.Errorf("%s: %+v, want 4,000 values up to 1 ms", path, h)
		}
	}
}

// copies makes several files of one.
func copies(t *testing.T, path string, n int) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	out := make([]string, n)
	for i := range out {
		out[i] = filepath.Join(t.TempDir(), filepath.Base(path))
		must(t, os.WriteFile(out[i], text, 0o644))
	}
	return out
}

// TestForeignComparison has logs long enough for a verdict, and percentile files,
// of which only several give one.
func TestForeignComparison(t *testing.T) {
	hlogA, hgrmA := theirs(t, 1000, 90)
	hlogB, hgrmB := theirs(t, 1500, 90)
	tests := []struct {
		name   string
		a, b   []string
		want   results.Outcome
		reason string
	}{
		{"logs", []string{hlogA}, []string{hlogB}, results.Regression, "worse: latency"},
		{"the same log", []string{hlogA}, []string{hlogA}, results.Same, ""},
		{"percentiles", []string{hgrmA}, []string{hgrmB}, results.Undecided, "says nothing about time"},
		{"many percentiles", copies(t, hgrmA, 4), copies(t, hgrmB, 4), results.Regression, "worse: latency p50"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := results.Compare(inMicroseconds(t, tt.a...), inMicroseconds(t, tt.b...), results.CompareOptions{})
			must(t, err)
			if reasons := strings.Join(c.Reasons, "\n"); c.Verdict != tt.want || !strings.Contains(reasons, tt.reason) {
				t.Errorf("%s, %q; want %s, %q", c.Verdict, reasons, tt.want, tt.reason)
			}
			if notes := strings.Join(c.Notes, "\n"); !strings.Contains(notes, "is another tool's file") {
				t.Errorf("notes %q", notes)
			}
		})
	}
}

// TestForeignIntervals counts intervals, not lines: tools that write several tags
// look at the clock for each, or write one tag after the other.
func TestForeignIntervals(t *testing.T) {
	hlog, _ := theirs(t, 1000, 45)
	text, err := os.ReadFile(hlog)
	must(t, err)
	var each, after, plain strings.Builder
	for _, line := range strings.SplitAfter(string(text), "\n") {
		start, rest, found := strings.Cut(line, ".000000,")
		if !found || strings.HasPrefix(line, "#") {
			continue
		}
		each.WriteString("Tag=read," + line + "Tag=write," + start + ".003000," + rest)
		plain.WriteString("Tag=read," + line)
		after.WriteString("Tag=write," + line)
	}
	for name, tt := range map[string]struct{ text, reason string }{
		"at slightly other times": {each.String(), "the shorter run has 45 intervals"},
		"one after the other":     {plain.String() + after.String(), "says nothing about time"},
	} {
		path := filepath.Join(t.TempDir(), "two.hlog")
		must(t, os.WriteFile(path, []byte(tt.text), 0o644))
		c, err := results.Compare(inMicroseconds(t, path), inMicroseconds(t, path), results.CompareOptions{})
		must(t, err)
		if reasons := strings.Join(c.Reasons, "\n"); c.Verdict != results.Undecided || !strings.Contains(reasons, tt.reason) {
			t.Errorf("two tags %s: %s, %q; want %q", name, c.Verdict, reasons, tt.reason)
		}
	}
}

// TestLongLogs puts neighbours together, so that an hour costs no more than eight
// minutes.
func TestLongLogs(t *testing.T) {
	if invariants.Enabled {
		t.Skip("decoding takes twenty times as long under the race detector, which has nothing to find here")
	}
	hlogA, _ := theirs(t, 200, 1000)
	hlogB, _ := theirs(t, 300, 700)
	c, err := results.Compare(inMicroseconds(t, hlogA), inMicroseconds(t, hlogB), results.CompareOptions{})
	must(t, err)
	if c.Verdict != results.Regression || c.Method.Intervals < 690 || c.Method.Intervals > 704 || c.Method.Block < 10 || c.Method.Block > 16 {
		t.Errorf("%s by %+v; want a regression from about 700 intervals in blocks of little more than ten", c.Verdict, c.Method)
	}
}

func TestForeignSadRows(t *testing.T) {
	const head = "       Value     Percentile TotalCount 1/(1-Percentile)\n\n"
	tests := []struct{ name, file, text, wantErr string }{
		{"another file", "notes.txt", "", "not a run directory, an .hlog or an .hgrm file"},
		{"empty log", "a.hlog", "", "it holds no values"},
		{"no log", "a.hlog", "hello\n", "expected start, length"},
		{"empty percentiles", "a.hgrm", head, "it holds no values"},
		{"no number", "a.hgrm", head + "x 0.5 10 2.00\n", "line 3: parsing the value"},
		{"no percentile", "a.hgrm", "1 x 10\n", "parsing the percentile"},
		{"no count", "a.hgrm", "1 0.5 1.5\n", "parsing the count"},
		{"beyond everything", "a.hgrm", "1e300 0.5 10\n", "out of range"},
		{"more than all", "a.hgrm", "1 1.5 10\n", "out of range"},
		{"cut off", "a.hgrm", head + "1 0.25 10\n2 0.5 20\n", "it was cut off at 50 % of the values"},
		{"falling", "a.hgrm", "1 0.5 10\n2 1 5\n", "counts must not fall"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), tt.file)
			must(t, os.WriteFile(path, []byte(tt.text), 0o644))
			_, err := results.Open(path, results.DefaultUnits())
			if !errors.Is(err, results.ErrNotComparable) || !strings.Contains(err.Error(), tt.wantErr) {
				t.Errorf("error %v, want %q", err, tt.wantErr)
			}
		})
	}
}

func FuzzDistribution(f *testing.F) {
	f.Add([]byte("Value Percentile TotalCount 1/(1-Percentile)\n\n1.5 0.5 10 2.00\n2.5 1.0 20\n#[Mean = 2]\n"))
	f.Add([]byte("1 1 1"))
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "x.hgrm")
		must(t, os.WriteFile(path, text, 0o644))
		runs, err := results.Open(path, results.DefaultUnits())
		if err != nil {
			return
		}
		if h := runs[0].Summary.Hops["latency"]; h.Count <= 0 || h.P50 < 0 || h.Max < 0 || math.IsNaN(h.Mean) {
			t.Errorf("%+v", h)
		}
	})
}
