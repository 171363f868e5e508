package results_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/results"
)

func TestBaselines(t *testing.T) {
	base := t.TempDir()
	store := results.Baselines{Dir: filepath.Join(base, "store")}
	one, two, killed := filepath.Join(base, "one"), filepath.Join(base, "two"), filepath.Join(base, "killed")
	writeRun(t, one, "one", 1, 1, 3, false)
	writeRun(t, two, "two", 1, 2, 3, false)
	writeRun(t, killed, "killed", 1, 3, 3, true)

	if list, err := store.List(); err != nil || len(list) != 0 {
		t.Errorf("an empty store lists %v, %v", list, err)
	}
	if _, err := store.Runs("main"); !errors.Is(err, results.ErrNotComparable) {
		t.Errorf("no baseline: %v, want %v", err, results.ErrNotComparable)
	}
	must(t, store.Set("main", open(t, one, two), false))
	must(t, os.RemoveAll(one)) // the copy is enough
	paths, err := store.Runs("main")
	must(t, err)
	runs := open(t, paths...)
	if len(runs) != 2 || runs[0].Summary.RunID != "one" || runs[1].Summary.RunID != "two" {
		t.Errorf("runs %v", runs)
	}
	c, err := results.Compare(runs[1:], open(t, two), results.CompareOptions{})
	must(t, err)
	if c.Verdict == results.Regression || len(c.Differences) > 0 {
		t.Errorf("a run compared with its copy: %s, %q", c.Verdict, c.Differences)
	}

	must(t, store.Set("main", open(t, two), false)) // replaces
	if one, err := store.Show("main"); err != nil || len(one.Runs) != 1 || one.Scenario != "pair" || one.Set.IsZero() {
		t.Errorf("after a second set: %+v, %v", one, err)
	}
	if err := store.Set("main", open(t, killed), false); !errors.Is(err, results.ErrNotComparable) {
		t.Errorf("a killed run: %v, want %v", err, results.ErrNotComparable)
	}
	must(t, store.Set("cut", open(t, killed), true))
	for _, name := range []string{"", ".", "..", "a/b", ".new-1", "a b"} {
		if err := store.Set(name, open(t, two), false); !errors.Is(err, kload.ErrInvalid) {
			t.Errorf("name %q: %v, want %v", name, err, kload.ErrInvalid)
		}
	}
	must(t, os.WriteFile(filepath.Join(store.Dir, "cut", "001", results.FileSummary), []byte("{"), 0o644))
	list, err := store.List()
	must(t, err)
	var names []string
	for _, one := range list {
		names = append(names, fmt.Sprint(one.Name, ", damaged ", one.Damaged != ""))
	}
	if d := cmp.Diff([]string{"cut, damaged true", "main, damaged false"}, names); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	must(t, store.Delete("cut"))
	if err := store.Delete("cut"); !errors.Is(err, results.ErrNotComparable) {
		t.Errorf("deleted twice: %v", err)
	}
	if entries, _ := os.ReadDir(store.Dir); len(entries) != 1 {
		t.Errorf("the store holds %v, want main alone", entries)
	}
}

// TestBaselineUnits sets files of another tool, which do not say what their values
// stand for.
func TestBaselineUnits(t *testing.T) {
	hlog, hgrm := theirs(t, 1000, 4)
	runs, err := results.OpenAll([]string{hlog, hgrm}, results.Units{Hlog: time.Microsecond, Hgrm: time.Second})
	must(t, err)
	store := results.Baselines{Dir: filepath.Join(t.TempDir(), "store")}
	must(t, store.Set("theirs", runs, true))
	kept, err := store.Open("theirs")
	must(t, err)
	for i, r := range kept {
		if d := cmp.Diff(runs[i].Summary.Hops, r.Summary.Hops); d != "" {
			t.Errorf("%s (-set +kept)\n%s", r.Path, d)
		}
	}
	if one, err := store.Show("theirs"); err != nil || len(one.Runs) != 2 {
		t.Errorf("%+v, %v; want both runs", one, err)
	}
}

func TestBaselineDir(t *testing.T) {
	t.Setenv("XDG_DATA_HOME", "/data")
	if dir, err := results.BaselineDir(); err != nil || dir != "/data/kload/baselines" {
		t.Errorf("%s, %v", dir, err)
	}
	t.Setenv("XDG_DATA_HOME", "relative") // as if it were not set
	t.Setenv("HOME", "/home/me")
	if dir, err := results.BaselineDir(); err != nil || dir != "/home/me/.local/share/kload/baselines" {
		t.Errorf("%s, %v", dir, err)
	}
}

// TestSetKilled holds that a set of a baseline that was killed at any point leaves
// the old one or the new one, and that the next makes good what it left behind.
func TestSetKilled(t *testing.T) {
	base := t.TempDir()
	one, two := filepath.Join(base, "one"), filepath.Join(base, "two")
	writeRun(t, one, "one", 1, 1, 3, false)
	writeRun(t, two, "two", 1, 2, 3, false)
	tests := []struct {
		name   string
		killed func(dir string) error
	}{
		{"copying", func(dir string) error { return os.MkdirAll(filepath.Join(dir, ".new-main", "001"), 0o755) }},
		{"between the renames", func(dir string) error {
			return errors.Join(os.Rename(filepath.Join(dir, "main"), filepath.Join(dir, ".old-main")), os.MkdirAll(filepath.Join(dir, ".new-main"), 0o755))
		}},
		{"removing the old one", func(dir string) error { return os.MkdirAll(filepath.Join(dir, ".old-main", "001"), 0o755) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			store := results.Baselines{Dir: t.TempDir()}
			must(t, store.Set("main", open(t, one), false))
			must(t, tt.killed(store.Dir))
			list, err := store.List()
			must(t, err)
			if len(list) != 1 || list[0].Name != "main" || len(list[0].Runs) != 1 || list[0].Runs[0].RunID != "one" {
				t.Errorf("left are %+v", list)
			}
			must(t, store.Set("main", open(t, two), false))
			if now, err := store.Show("main"); err != nil || now.Runs[0].RunID != "two" {
				t.Errorf("set again: %+v, %v", now, err)
			}
			if entries, _ := os.ReadDir(store.Dir); len(entries) != 1 {
				t.Errorf("the store holds %v, want main alone", entries)
			}
			must(t, tt.killed(store.Dir))
			must(t, store.Delete("main"))
			if list, err := store.List(); err != nil || len(list) != 0 {
				t.Errorf("deleted, but left are %+v, %v", list, err)
			}
		})
	}
}

// TestOtherVersion holds what is said of runs that another kload has measured.
func TestOtherVersion(t *testing.T) {
	base := t.TempDir()
	now, then, older := filepath.Join(base, "now"), filepath.Join(base, "then"), filepath.Join(base, "older")
	for i, dir := range []string{now, then, older} {
		writeRun(t, dir, filepath.Base(dir), 1, uint64(i), 3, false)
	}
	edit := func(dir, file, from, to string) {
		path := filepath.Join(dir, file)
		text, err := os.ReadFile(path)
		must(t, err)
		if !strings.Contains(string(text), from) {
			t.Fatalf("%s does not hold %s: %s", path, from, text)
		}
		must(t, os.WriteFile(path, []byte(strings.Replace(string(text), from, to, 1)), 0o644))
	}
	edit(then, results.FileRun, `"kload": "v0.1.0"`, `"kload": "v0.0.9"`)
	c, err := results.Compare(open(t, then), open(t, now), results.CompareOptions{})
	must(t, err)
	if notes := strings.Join(c.Notes, "\n"); !strings.Contains(notes, "kload version differs: v0.0.9 (A), v0.1.0 (B)") {
		t.Errorf("notes %q", notes)
	}
	edit(now, results.FileResolved, "name: pair", "name: pair\nnew_setting: 5")
	_, err = results.Compare(open(t, then), open(t, now), results.CompareOptions{})
	if err == nil || !strings.Contains(err.Error(), "new_setting differs: none (A), 5 (B)") || !strings.Contains(err.Error(), "kload version differs: v0.0.9 (A), v0.1.0 (B); a setting that is new") {
		t.Errorf("a new setting: %v", err)
	}
	edit(older, results.FileRun, `"kload": "v0.1.0"`, `"kload": "v0.0.1"`)
	edit(older, results.FileSummary, results.Schema, "kload/summary/v0")
	hint := (*kload.HintError)(nil)
	if _, err := results.Load(older); !errors.Is(err, results.ErrNotComparable) || !errors.As(err, &hint) || !strings.Contains(hint.Hint, "use kload v0.0.1") {
		t.Errorf("another format: %v", err)
	}
}
