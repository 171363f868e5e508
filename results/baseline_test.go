package results_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

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
