package scenarios_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload/internal/local"
	"github.com/kload/kload/results"
	"github.com/kload/kload/scenarios"
)

// TestMain makes this binary the embedded target's process as well.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == local.ChildVerb {
		if err := local.Child(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// TestProcesses runs against the target in both its forms, over loopback and in
// real time.
func TestProcesses(t *testing.T) {
	for process, own := range map[string]bool{"own": true, "shared": false} {
		s, err := scenarios.Decode("test.yaml", []byte(scenario(events("rate: 1000/s, total: 100"), "target: {process: "+process+"}")), scenarios.OpenOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var started string
		dir := filepath.Join(t.TempDir(), "run")
		sum, err := scenarios.Run(t.Context(), s, scenarios.RunOptions{Out: dir, Started: func(dir string) { started = dir }})
		if err != nil {
			t.Fatal(err)
		}
		o := outcome{Summary: sum, dir: dir}
		o.judged(t, results.Pass, 0)
		if d := cmp.Diff(all(100), o.ledger("reader")); d != "" {
			t.Errorf("%s (-want +got)\n%s", process, d)
		}
		if has := sum.Process.Target != nil; has != own || sum.Process.Kload.Allocated == 0 {
			t.Errorf("%s: process figures %+v", process, sum.Process)
		}
		if started != dir {
			t.Errorf("started in %q", started)
		}
	}
}

// TestSeed gets the same records from the same seed, and others from another.
func TestSeed(t *testing.T) {
	stored := func(seed string) (lines []string) {
		synctest.Test(t, func(t *testing.T) {
			o := run(t.Context(), t, scenario("consumers: {reader: {sink: file}}"), scenarios.RunOptions{}, "seed="+seed)
			o.judged(t, results.Pass, 0)
			text, err := os.ReadFile(filepath.Join(o.dir, "sink", "reader.jsonl"))
			if err != nil {
				t.Fatal(err)
			}
			lines = slices.Sorted(strings.Lines(string(text)))
		})
		return lines
	}
	one := stored("1")
	if d := cmp.Diff(one, stored("1")); d != "" || len(one) != 100 {
		t.Errorf("%d lines; the same seed gave others (-want +got)\n%s", len(one), d)
	}
	if slices.Equal(one, stored("2")) {
		t.Error("another seed gave the same records")
	}
}

// TestProgress follows a run by its phases, and goes on when nobody looks.
func TestProgress(t *testing.T) {
	src := scenario(events("rate: 100/s"), "phases: [{name: warmup, for: 4s}, {name: steady, for: 8s}]")
	synctest.Test(t, func(t *testing.T) {
		var shown bytes.Buffer
		o := run(t.Context(), t, src, scenarios.RunOptions{Progress: results.NewProgress(&shown, false, 0)})
		o.judged(t, results.Pass, 0)
		for _, want := range []string{"kload: warmup 1", "kload: steady 6", "/12", " acked  "} {
			if !strings.Contains(shown.String(), want) {
				t.Errorf("no %q in\n%s", want, &shown)
			}
		}
	})
	synctest.Test(t, func(t *testing.T) {
		o := run(t.Context(), t, src, scenarios.RunOptions{Progress: results.NewProgress(gone{}, true, 80)})
		o.judged(t, results.Pass, 0)
	})
}

// gone is a terminal that was closed.
type gone struct{}

func (gone) Write([]byte) (int, error) { return 0, errors.New("gone") }
