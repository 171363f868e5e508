package scenarios_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/results"
	"github.com/kload/kload/scenarios"
)

// decodeBoth decodes the two sides, of which B takes 20 ms longer.
func decodeBoth(t *testing.T, lines ...string) (a, b *scenarios.Scenario) {
	t.Helper()
	for _, side := range []struct {
		s    **scenarios.Scenario
		sets []string
	}{{&a, nil}, {&b, []string{"target.latency=put=20ms"}}} {
		var err error
		if *side.s, err = scenarios.Decode("test.yaml", []byte(scenario(lines...)), scenarios.OpenOptions{Sets: side.sets}); err != nil {
			t.Fatal(err)
		}
	}
	return a, b
}

func abOptions(dir string) scenarios.RunOptions {
	return scenarios.RunOptions{Out: dir, Memories: func() scenarios.Network { return newNetwork() }}
}

func TestAB(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := decodeBoth(t, "expect: [events.put.p50 < 10ms]")
		dir, began := filepath.Join(t.TempDir(), "ab"), time.Now()
		r, err := scenarios.RunAB(t.Context(), a, b, scenarios.ABOptions{Runs: 3, CoolDown: time.Minute}, abOptions(dir))
		if err != nil {
			t.Fatal(err)
		}
		pass, fail := results.Pass, results.Fail
		type row struct {
			Side, Dir string
			Verdict   results.Verdict
		}
		var got []row
		for _, run := range r.Runs {
			got = append(got, row{run.Side, run.Dir, run.Verdict})
		}
		want := []row{
			{"a", "01-a", pass}, {"b", "02-b", fail}, {"b", "03-b", fail}, {"a", "04-a", pass}, {"a", "05-a", pass}, {"b", "06-b", fail},
		}
		if d := cmp.Diff(want, got); d != "" || r.Interrupted {
			t.Errorf("(-want +got)\n%s", d)
		}
		if took := time.Since(began); took < 5*time.Minute || took > 6*time.Minute {
			t.Errorf("six runs with a minute between them took %s", took)
		}
		if failed := r.Failed(); failed == nil || failed.Dir != "02-b" || failed.ExitCode != 3 {
			t.Errorf("the first that did not pass is %+v", failed)
		}
		for side, least := range map[string]float64{"a": 0, "b": 20e6} {
			dirs := r.Dirs(side, dir)
			for _, d := range dirs {
				s, err := results.Load(d)
				if err != nil {
					t.Error(err)
				} else if put := float64(s.Hops["events/put"].P50); put < 0.9*least || put > least+10e6 {
					t.Errorf("%s took %v ns", d, put)
				}
			}
			if len(dirs) != 3 {
				t.Errorf("side %s has the runs %q", side, dirs)
			}
		}
	})
}

// TestABEndsEarly interrupts a series in its third run, between runs, and before
// the first record.
func TestABEndsEarly(t *testing.T) {
	for after, want := range map[time.Duration][]results.Verdict{
		150 * time.Second: {results.Pass, results.Pass, results.Interrupted},
		52 * time.Second:  {results.Pass},
		0:                 nil,
	} {
		t.Run(after.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := decodeBoth(t, events("rate: {profile: [{constant: 10/s, for: 40s}]}"), "stream: {shards: 1}")
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				if after == 0 {
					stop()
				} else {
					time.AfterFunc(after, stop)
				}
				dir := filepath.Join(t.TempDir(), "ab")
				r, err := scenarios.RunAB(ctx, a, b, scenarios.ABOptions{Runs: 5, CoolDown: 20 * time.Second}, abOptions(dir))
				if want == nil {
					if r != nil || err == nil {
						t.Errorf("%+v, %v", r, err)
					}
					return
				}
				if err != nil || !r.Interrupted {
					t.Fatalf("%+v, %v", r, err)
				}
				var got []results.Verdict
				for _, run := range r.Runs {
					got = append(got, run.Verdict)
				}
				if d := cmp.Diff(want, got); d != "" {
					t.Errorf("(-want +got)\n%s", d)
				}
				if n := len(r.Dirs("a", dir)) + len(r.Dirs("b", dir)); n != min(2, len(want)) {
					t.Errorf("%d runs are complete", n)
				}
			})
		})
	}
}

func TestABProblems(t *testing.T) {
	a, b := decodeBoth(t, "matrix: {stream.shards: [1, 2]}")
	if _, err := scenarios.RunAB(t.Context(), a, b, scenarios.ABOptions{Runs: 1}, scenarios.RunOptions{}); !errors.Is(err, kload.ErrInvalid) {
		t.Errorf("a matrix: %v", err)
	}
	a, b = decodeBoth(t)
	if _, err := scenarios.RunAB(t.Context(), a, b, scenarios.ABOptions{}, scenarios.RunOptions{}); !errors.Is(err, kload.ErrInvalid) {
		t.Errorf("no runs: %v", err)
	}
}
