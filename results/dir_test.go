package results_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/hdr"
	"github.com/kload/kload/results"
)

func TestDefaultPath(t *testing.T) {
	at := time.Date(2026, 11, 23, 7, 12, 56, 0, time.FixedZone("CET", 3600))
	want := filepath.Join("kload-results", "20261123T061256Z-hot-shard-my-x-7f3a")
	if got := results.DefaultPath(at, "hot-shard/my x", "7f3a"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// checkDiscard puts a file of somebody else's beside the run's own.
func checkDiscard(t *testing.T, d *results.Dir) {
	t.Helper()
	theirs := filepath.Join(d.Path(), "precious.txt")
	if err := errors.Join(os.WriteFile(theirs, nil, 0o600), d.WriteFile(results.FileScenario, nil), d.Discard()); err != nil {
		t.Fatal(err)
	}
	if entries, _ := os.ReadDir(d.Path()); len(entries) != 1 || entries[0].Name() != "precious.txt" {
		t.Errorf("Discard left %v", entries)
	}
	if err := errors.Join(os.Remove(theirs), d.Discard()); err != nil {
		t.Fatal(err)
	}
}

func TestCreate(t *testing.T) {
	base := t.TempDir()
	full := filepath.Join(base, "full")
	file := filepath.Join(base, "file")
	for path, mode := range map[string]os.FileMode{full: 0o755, filepath.Join(base, "readonly"): 0o555} {
		if err := os.Mkdir(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{filepath.Join(full, "x"), file} {
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name, path, wantErr, hint string
		unprivileged              bool // root may write anywhere
	}{
		{name: "new with parents", path: filepath.Join(base, "a", "b")},
		{name: "existing and empty", path: t.TempDir()},
		{name: "not empty", path: full, wantErr: "invalid: it is not empty", hint: "choose another --out or empty it"},
		{name: "a file", path: file, wantErr: "creating run directory", hint: "a file of that name is in the way"},
		{name: "below a file", path: filepath.Join(file, "x"), wantErr: "creating run directory", hint: "a file of that name is in the way"},
		{name: "read-only parent", path: filepath.Join(base, "readonly", "x"), wantErr: "permission denied", hint: "you may write to", unprivileged: true},
		{name: "read-only and existing", path: filepath.Join(base, "readonly"), wantErr: "permission denied", hint: "you may write to", unprivileged: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.unprivileged && os.Geteuid() == 0 {
				t.Skip("root may write anywhere")
			}
			d, err := results.Create(tt.path)
			if tt.wantErr == "" {
				if err != nil || d.Path() != tt.path {
					t.Fatalf("%v, %v", d, err)
				}
				if entries, _ := os.ReadDir(tt.path); len(entries) != 1 || entries[0].Name() != results.FileRun {
					t.Errorf("the new directory holds %v", entries)
				}
				if _, err := results.Create(tt.path); !errors.Is(err, kload.ErrInvalid) {
					t.Errorf("a second run got the same directory: %v", err)
				}
				checkDiscard(t, d)
				return
			}
			var hint *kload.HintError
			if !errors.As(err, &hint) || !strings.Contains(err.Error(), tt.wantErr) || !strings.Contains(hint.Hint, tt.hint) {
				t.Errorf("error %v, hint %v; want %q, %q", err, hint, tt.wantErr, tt.hint)
			}
		})
	}
}

func TestWriteFileIsWholeOrNotAtAll(t *testing.T) {
	dir := t.TempDir()
	d, err := results.Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.WriteJSON("verify.json", map[string]int{"lost": 1}); err != nil {
		t.Fatal(err)
	}
	if err := d.WriteFile("run.json", []byte("new")); err != nil {
		t.Fatal(err)
	}
	if err := d.WriteFile("run.json", []byte("newer")); err != nil {
		t.Fatal(err)
	}
	if err := d.WriteJSON("bad.json", func() {}); err == nil {
		t.Error("a function was encoded")
	}
	if sink, err := d.SinkPath(); err != nil || sink != filepath.Join(dir, "sink") {
		t.Errorf("sink %s, %v", sink, err)
	}
	want := map[string]string{"verify.json": "{\n  \"lost\": 1\n}\n", "run.json": "newer", "sink": "directory"}
	if d := cmp.Diff(want, tree(t, dir)); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if got := d.Incomplete(); len(got) != 1 || !strings.HasPrefix(got[0], "bad.json: ") {
		t.Errorf("incomplete %q", got)
	}
}

// tree returns the files of a directory with their content.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		out[e.Name()] = "directory"
		if !e.IsDir() {
			data, err := os.ReadFile(filepath.Join(dir, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			out[e.Name()] = string(data)
		}
	}
	return out
}

var began = time.Date(2026, 11, 23, 6, 12, 56, 0, time.UTC)

// record records n values of 2 ms for put.
func record(r *hdr.Recorder, n int64) {
	r.Lock()
	defer r.Unlock()
	r.RecordN(kload.HopPut, 2_000_000, n)
}

func TestCollectorWritesAsItGoes(t *testing.T) {
	dir := t.TempDir()
	d, err := results.Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	trips, fares := hdr.NewSet("trips", kload.HopPut), hdr.NewSet("fares")
	a, b := trips.NewRecorder(), fares.NewRecorder()
	acked := 0
	c, err := results.NewCollector(d, began, func() map[string]any { acked += 10; return map[string]any{"trips.acked": acked} }, trips)
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(c.Event(began, "phase", map[string]any{"name": "steady", "event": "shadowed"}))
	record(a, 3)
	must(c.Tick(began.Add(time.Second)))
	c.Add(fares)
	must(c.Tick(began.Add(2 * time.Second)))
	record(a, 4)
	record(b, 5)
	for range 2 { // the second call does nothing
		must(c.Close(began.Add(2500 * time.Millisecond)))
	}
	got := tree(t, dir)
	if d := cmp.Diff(`{"hops":{"trips/put":{"count":3,"p50_ns":2000000,"p99_ns":2000000,"max_ns":2000000}},"t":"2026-11-23T06:12:57Z","t_s":1,"trips.acked":10}
{"t":"2026-11-23T06:12:58Z","t_s":2,"trips.acked":20}
{"hops":{"fares/put":{"count":5,"p50_ns":2000000,"p99_ns":2000000,"max_ns":2000000},"trips/put":{"count":4,"p50_ns":2000000,"p99_ns":2000000,"max_ns":2000000}},"t":"2026-11-23T06:12:58.5Z","t_s":2.5,"trips.acked":30}
`, got["series.ndjson"]); d != "" {
		t.Errorf("series (-want +got)\n%s", d)
	}
	if d := cmp.Diff(`{"event":"phase","name":"steady","t":"2026-11-23T06:12:56Z","t_s":0}
`, got["events.ndjson"]); d != "" {
		t.Errorf("events (-want +got)\n%s", d)
	}
	type row struct {
		Tag           string
		Start, Length time.Duration
		Count         int64
	}
	var rows []row
	_, err = hdr.ReadLog(strings.NewReader(got["latency.hlog"]), func(e hdr.LogEntry) error {
		rows = append(rows, row{e.Tag, e.Start.Sub(began), e.End.Sub(e.Start), e.Histogram.TotalCount()})
		return nil
	})
	must(err)
	want := []row{
		{"trips/put", 0, time.Second, 3},
		{"trips/put", 2 * time.Second, time.Second / 2, 4},
		{"fares/put", 2 * time.Second, time.Second / 2, 5},
	}
	if d := cmp.Diff(want, rows); d != "" {
		t.Errorf("log (-want +got)\n%s", d)
	}
	s := results.NewSummary("x", "y")
	c.Fill(s)
	if s.Hops["trips/put"].Count != 7 || s.Hops["fares/put"].Count != 5 || len(s.Hops) != 2 || s.Incomplete != nil {
		t.Errorf("summary %+v, incomplete %v", s.Hops, s.Incomplete)
	}
	must(c.WriteHgrm())
	hgrm := tree(t, filepath.Join(dir, "hgrm"))
	if len(hgrm) != 2 {
		t.Fatalf("hgrm holds %d files, want 2", len(hgrm))
	}
	golden(t, "trips-put.hgrm", hgrm["trips-put.hgrm"])
}

func TestNewCollectorNeedsItsFiles(t *testing.T) {
	dir := t.TempDir()
	d, err := results.Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "latency.hlog"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := results.NewCollector(d, began, nil); err == nil || !strings.Contains(err.Error(), "latency.hlog") {
		t.Errorf("error %v, want the file named", err)
	}
}

func TestCollectorReportsBadOwner(t *testing.T) {
	d, err := results.Create(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	set := hdr.NewSet("a,b")
	r := set.NewRecorder()
	c, err := results.NewCollector(d, began, nil, set)
	if err != nil {
		t.Fatal(err)
	}
	record(r, 1)
	if err := c.Tick(began.Add(time.Second)); err == nil || !strings.Contains(err.Error(), `"a,b/put"`) {
		t.Errorf("error %v, want the tag named", err)
	}
	record(r, 1)
	if err := c.Tick(began.Add(2 * time.Second)); err != nil {
		t.Errorf("the same problem was reported twice: %v", err)
	}
	if err := c.Close(began.Add(3 * time.Second)); err != nil {
		t.Error(err)
	}
	s := results.NewSummary("x", "y")
	c.Fill(s)
	if s.Hops["a,b/put"].Count != 2 || len(s.Incomplete) != 1 || !strings.HasSuffix(s.Incomplete[0], "(2 writes failed)") {
		t.Errorf("hops %v, incomplete %q", s.Hops, s.Incomplete)
	}
}

// TestSummaryContract pins the JSON that other tools parse.
func TestSummaryContract(t *testing.T) {
	s := judged(t, passed(), "fares.lost == 0")
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "summary.json", string(data)+"\n")

	dir := t.TempDir()
	d, err := results.Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.WriteSummary(s); err != nil {
		t.Fatal(err)
	}
	back, err := results.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(s, back); d != "" {
		t.Errorf("read back (-want +got)\n%s", d)
	}
	golden(t, "bench.txt", tree(t, dir)["bench.txt"])
}

func TestAddTotalsLeavesOutEmptyHops(t *testing.T) {
	s := results.NewSummary("x", "y")
	s.AddTotals("trips", []hdr.HopTotal{
		{Hop: kload.HopPut}, {Hop: kload.HopRetry, Odd: hdr.Odd{Negative: 1}}, {Hop: kload.HopBuffer, Count: 1},
	})
	want := map[string]results.HopStats{"trips/retry": {Negative: 1}, "trips/buffer": {Count: 1}}
	if d := cmp.Diff(want, s.Hops); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}
