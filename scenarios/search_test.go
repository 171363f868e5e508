package scenarios_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/conf"
	"github.com/kload/kload/internal/invariants"
	"github.com/kload/kload/results"
	"github.com/kload/kload/scenarios"
)

// TestCapacity searches the limit of the library's scenario in virtual time: four
// shards that take 100 records a second each.
func TestCapacity(t *testing.T) {
	if testing.Short() || invariants.Enabled {
		t.Skip("takes minutes with the race detector; TestSearchOutcomes does not")
	}
	synctest.Test(t, func(t *testing.T) {
		// A tenth of what shards take, which makes it ten times as fast.
		s := open(t, "capacity", scenarios.OpenOptions{Sets: []string{"target.limits.write_records=100/s", "search.from=100/s", "search.precision=4%"}})
		net, dir := newNetwork(), filepath.Join(t.TempDir(), "search")
		got, err := scenarios.RunSearch(t.Context(), s, scenarios.RunOptions{Memory: net, Out: dir, Note: func(m string) { t.Log(m) }})
		if err != nil {
			t.Fatal(err)
		}
		if got.Outcome != results.Found || got.ExitCode != 0 || got.Held < 0.95*400 || got.Held > 1.02*400 || got.Failed/got.Held > 1.04 {
			t.Errorf("%s (%s, exit %d)", got.Conclusion(), got.Outcome, got.ExitCode)
		}
		if n := net.calls("CreateStream"); n != 1 {
			t.Errorf("%d streams were created", n)
		}
		for i, step := range got.Steps {
			c := step.Summary.Consumers["reader"]
			if c.Lost+c.Duplicates+c.Foreign > 0 || c.ReadUnique != step.Summary.Load["events"].Acked {
				t.Errorf("step %d read %+v", i+1, c)
			}
			if _, err := results.Load(filepath.Join(dir, step.Dir)); err != nil {
				t.Error(err)
			}
		}
		if s := got.Steps[0].Summary; s.Phases[1].Name != "settle" || s.Phases[2].Counts["events"]["sent"] < 490 {
			t.Errorf("the first step had the phases %+v", s.Phases)
		}
	})
}

// searched is a search between 10 and 80 records a second.
func searched(expect, more string) string {
	return scenario(events("rate: 1/s"), "expect: ["+expect+"]",
		"search: {maximize: load.events.rate, from: 10/s, to: 80/s, hold: 2s, "+more+"}")
}

func TestSearchOutcomes(t *testing.T) {
	type outcome struct {
		name, expect, more string
		cancel             time.Duration
		inject             []string
		want               results.Search
		steps              string
	}
	tests := []outcome{
		{
			name: "all hold", expect: "reader.lost == 0", steps: "10+ 20+ 40+ 80+",
			want: results.Search{Outcome: results.AboveTo, Held: 80},
		},
		{
			name: "none holds", expect: "events.response.p50 < 1us", more: "attempts: 2", steps: "10- 10-",
			want: results.Search{Outcome: results.BelowFrom, ExitCode: 3, Failed: 10},
		},
		{
			name: "between", expect: "events.scheduled@hold < 58 && events.scheduled@settle < 40", more: "precision: 10%", steps: "10+ 20+ 40- 28+ 33- 30-",
			want: results.Search{Outcome: results.Found, Held: 28, Failed: 30},
		},
		{
			name: "interrupted", expect: "reader.lost == 0", cancel: 6 * time.Second, steps: "10+ 20-",
			want: results.Search{Outcome: results.BrokenOff, ExitCode: 130, Held: 10},
		},
	}
	for _, fault := range []string{"drop=1@target", "dup=1@target", "drop=1@consumer:reader", "drop=1@sink:reader"} {
		tests = append(tests, outcome{
			name: "with " + fault, expect: "reader.ok > 0", more: "attempts: 2", inject: []string{fault}, steps: "10-",
			want: results.Search{Outcome: results.BrokenOff, ExitCode: 3},
		})
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				if tt.cancel > 0 {
					var stop context.CancelFunc
					ctx, stop = context.WithCancel(ctx)
					defer stop()
					time.AfterFunc(tt.cancel, stop)
				}
				s, err := scenarios.Decode("test.yaml", []byte(searched(tt.expect, tt.more)), scenarios.OpenOptions{})
				if err != nil {
					t.Fatal(err)
				}
				dir := filepath.Join(t.TempDir(), "search")
				got, err := scenarios.RunSearch(ctx, s, scenarios.RunOptions{Memory: newNetwork(), Out: dir, Inject: tt.inject})
				if err != nil {
					t.Fatal(err)
				}
				var steps []string
				for i := range got.Steps {
					mark := "-"
					if got.Steps[i].Holds {
						mark = "+"
					}
					steps = append(steps, fmt.Sprintf("%.0f%s", got.Steps[i].Rate, mark))
				}
				if strings.Join(steps, " ") != tt.steps {
					t.Errorf("steps %q, want %s", steps, tt.steps)
				}
				outcome := results.Search{Outcome: got.Outcome, ExitCode: got.ExitCode, Held: got.Held, Failed: got.Failed}
				if d := cmp.Diff(tt.want, outcome); d != "" {
					t.Errorf("(-want +got)\n%s", d)
				}
				var written results.Search
				data, err := os.ReadFile(filepath.Join(dir, results.FileSearch))
				if err = errors.Join(err, json.Unmarshal(data, &written)); err != nil || written.Outcome != got.Outcome || len(written.Steps) != len(got.Steps) {
					t.Errorf("search.json says %s after %d steps (%v)", written.Outcome, len(written.Steps), err)
				}
			})
		})
	}
}

func TestSearchProblems(t *testing.T) {
	for _, tt := range []struct {
		want  string
		lines []string
	}{
		{`"load.others.rate" is not the rate of a load`, []string{"search: {maximize: load.others.rate, from: 1/s, to: 2/s}", "expect: [reader.lost == 0]"}},
		{`"events" is not the rate of a load`, []string{"search: {maximize: events, from: 1/s, to: 2/s}", "expect: [reader.lost == 0]"}},
		{"must be above from", []string{"search: {maximize: load.events.rate, from: 2/s, to: 2/s}", "expect: [reader.lost == 0]"}},
		{"must be at least 1/s", []string{"search: {maximize: load.events.rate, from: 0/s, to: 2/s}", "expect: [reader.lost == 0]"}},
		{"must be at least 1s", []string{"search: {maximize: load.events.rate, from: 1/s, to: 2/s, hold: 1ms}", "expect: [reader.lost == 0]"}},
		{"must be between 0.1% and 100%", []string{"search: {maximize: load.events.rate, from: 1/s, to: 2/s, precision: 0%}", "expect: [reader.lost == 0]"}},
		{"must be between 1 and 100", []string{"search: {maximize: load.events.rate, from: 1/s, to: 2/s, attempts: 0}", "expect: [reader.lost == 0]"}},
		{"a search needs expectations", []string{"search: {maximize: load.events.rate, from: 1/s, to: 2/s}"}},
		{"a search makes its own phases", []string{"search: {maximize: load.events.rate, from: 1/s, to: 2/s}", "expect: [reader.lost == 0]", "phases: [{name: a, for: 1s}]"}},
		{"would end the load before search.hold", []string{events("rate: 1/s, total: 5"), "search: {maximize: load.events.rate, from: 1/s, to: 2/s}", "expect: [reader.lost == 0]"}},
		{"a closed loop has no rate", []string{events("in_flight: 5, total: 5"), "search: {maximize: load.events.rate, from: 1/s, to: 2/s}", "expect: [reader.lost == 0]"}},
		{"a recorded source brings its own times", []string{"load: {events: {source: {replay: {}}}}", "search: {maximize: load.events.rate, from: 1/s, to: 2/s}", "expect: [reader.lost == 0]"}},
		{`there is no phase "late" (there are: settle, hold)`, []string{"search: {maximize: load.events.rate, from: 1/s, to: 2/s}", "expect: [events.acked@late > 0]"}},
	} {
		_, err := scenarios.Decode("test.yaml", []byte(scenario(tt.lines...)), scenarios.OpenOptions{})
		var problems conf.Problems
		if !errors.As(err, &problems) || !strings.Contains(problems[0].Error(), tt.want) {
			t.Errorf("%q: %v, want %s", tt.lines, err, tt.want)
		}
	}
}

// TestBudgetOfSeveral holds what several runs on AWS would cost against a budget
// that each of them would keep.
func TestBudgetOfSeveral(t *testing.T) {
	lines := []string{"target: {kind: aws, endpoint: 'http://127.0.0.1:1'}", "budget: {max_cost: 0.05 USD}", "stream: {shards: 1}", "expect: [reader.ok > 0]"}
	open := func(more ...string) *scenarios.Scenario {
		s, err := scenarios.Decode("test.yaml", []byte(scenario(append(lines, more...)...)), scenarios.OpenOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	o := scenarios.RunOptions{Out: filepath.Join(t.TempDir(), "never")}
	_, ab := scenarios.RunAB(t.Context(), open(), open(), scenarios.ABOptions{Runs: 3}, o)
	_, matrix := scenarios.RunMatrix(t.Context(), open("matrix: {seed: [1, 2, 3, 4, 5]}"), o)
	_, search := scenarios.RunSearch(t.Context(), open("search: {maximize: load.events.rate, from: 1M/s, to: 2M/s, hold: 1h}"), o)
	for what, err := range map[string]error{"6 runs would cost": ab, "5 runs would cost": matrix, "the run would cost": search} {
		if !errors.Is(err, kload.ErrInvalid) || !strings.Contains(err.Error(), what) {
			t.Errorf("%v, want: %s", err, what)
		}
	}
	if _, err := os.Stat(o.Out); err == nil {
		t.Error("a directory was made")
	}
}
