package results

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/kload/kload"
)

// ErrNotComparable says that a run has no usable results, or that two runs have
// nothing in common. The command line exits with 6.
var ErrNotComparable = errors.New("runs not comparable")

// Load reads the summary of a run directory.
func Load(dir string) (*Summary, error) {
	path := filepath.Join(dir, FileSummary)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, missingSummary(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the results of a run: %w", err)
	}
	s := NewSummary("", "")
	s.Schema = ""
	if err := json.Unmarshal(data, s); err != nil {
		return nil, fmt.Errorf("decoding %s: %w: %w", path, ErrNotComparable, err)
	}
	if s.Schema != Schema {
		err := fmt.Errorf("decoding %s: %w: schema %q, expected %q", path, ErrNotComparable, s.Schema, Schema)
		return nil, kload.WithHint(err, "use the kload version that wrote it, or run the scenario again")
	}
	return s, nil
}

func missingSummary(dir string) error {
	err := fmt.Errorf("reading the results of a run: %w: %s has no %s", ErrNotComparable, dir, FileSummary)
	switch _, statErr := os.Stat(dir); {
	case statErr != nil:
		return kload.WithHint(err, "there is no such directory: give the directory that kload run printed or that --out named")
	case exists(filepath.Join(dir, FileRun)):
		return kload.WithHint(err, "the run was killed before it ended: run it again")
	}
	return kload.WithHint(err, "this is not a run directory: give the one that kload run printed or that --out named")
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Comparison sets two runs side by side. It states differences and draws no
// conclusions: whether a difference means anything takes repeated runs.
type Comparison struct {
	A         RunRef   `json:"a"`
	B         RunRef   `json:"b"`
	Notes     []string `json:"notes"`     // what differs besides the results
	Latencies []Change `json:"latencies"` // named owner/hop, with the statistic; nanoseconds
	Counters  []Change `json:"counters"`  // named by owner
	Process   []Change `json:"process"`   // named kload, driver, kload+driver or target
}

// RunRef names a compared run.
type RunRef struct {
	RunID    string  `json:"run_id"`
	Scenario string  `json:"scenario"`
	Target   Target  `json:"target"`
	Seed     uint64  `json:"seed"`
	Verdict  Verdict `json:"verdict"`
}

// Change is one figure of both runs. A figure that one run does not have is
// nil, and so is then the change. Relative is (B−A)/A, nil for A = 0.
type Change struct {
	Name     string   `json:"name"`
	Stat     string   `json:"stat"`
	A        *float64 `json:"a"`
	B        *float64 `json:"b"`
	Absolute *float64 `json:"absolute"`
	Relative *float64 `json:"relative"`
}

// Compare compares run b with run a. Runs without a single load, consumer or hop
// in common are [ErrNotComparable].
func Compare(a, b *Summary) (*Comparison, error) {
	if !common(a.Hops, b.Hops) && !common(a.Load, b.Load) && !common(a.Consumers, b.Consumers) {
		err := fmt.Errorf("comparing %s with %s: %w: they have no load, consumer or hop in common", a.RunID, b.RunID, ErrNotComparable)
		return nil, kload.WithHint(err, "compare runs of the same scenario")
	}
	c := &Comparison{A: reference(a), B: reference(b), Notes: notes(a, b)}
	for _, key := range sortedHops(union(a.Hops, b.Hops), union(a.Load, b.Load)) {
		c.Latencies = append(c.Latencies, hopChanges(key, a.Hops[key], b.Hops[key])...)
	}
	c.Counters = append(ledgerChanges(a.Load, b.Load), ledgerChanges(a.Consumers, b.Consumers)...)
	c.Process = slices.Concat(figures("kload", &a.Process.Kload, &b.Process.Kload),
		figures("driver", a.Process.Driver, b.Process.Driver), together(&a.Process, &b.Process),
		figures("target", a.Process.Target, b.Process.Target))
	return c, nil
}

// together compares kload with its driver where one of the runs has that in a
// process apart: only the sums say the same of both.
func together(a, b *Processes) []Change {
	if a.Driver == nil && b.Driver == nil {
		return nil
	}
	x, y := *a, *b
	for _, p := range []*Processes{&x, &y} {
		if p.Driver == nil {
			p.Driver = new(TargetStats)
		}
	}
	return figures("kload+driver", x.client(), y.client())
}

func common[V any](a, b map[string]V) bool {
	for k := range a {
		if _, ok := b[k]; ok {
			return true
		}
	}
	return false
}

func union[V any](a, b map[string]V) map[string]V {
	u := maps.Clone(a)
	if u == nil {
		u = map[string]V{}
	}
	maps.Copy(u, b)
	return u
}

func reference(s *Summary) RunRef {
	return RunRef{RunID: s.RunID, Scenario: s.Scenario, Target: s.Target, Seed: s.Seed, Verdict: s.Verdict}
}

// notes lists what makes the runs different besides their results.
func notes(a, b *Summary) []string {
	out := []string{}
	differ := func(what string, x, y any) {
		if x != y {
			out = append(out, fmt.Sprintf("%s differs: %v and %v", what, x, y))
		}
	}
	differ("scenario", a.Scenario, b.Scenario)
	differ("target kind", a.Target.Kind, b.Target.Kind)
	differ("target", a.Target.Detail, b.Target.Detail)
	differ("seed", a.Seed, b.Seed)
	for i, s := range []*Summary{a, b} {
		name := string(rune('A' + i))
		if s.Verdict != Pass {
			out = append(out, fmt.Sprintf("run %s did not pass: %s", name, s.Verdict))
		}
		if len(s.Incomplete) > 0 {
			out = append(out, fmt.Sprintf("results of run %s are incomplete", name))
		}
	}
	return out
}

// hopChanges compares one hop; a run without samples has no figures for it.
func hopChanges(key string, a, b HopStats) []Change {
	var out []Change
	for _, stat := range []string{"p50", "p90", "p99", "p999", "max", "mean", "count"} {
		var x, y *float64
		if v, _ := a.stat(stat); a.Count > 0 {
			x = &v
		}
		if v, _ := b.stat(stat); b.Count > 0 {
			y = &v
		}
		if x != nil || y != nil {
			out = append(out, change(key, stat, x, y))
		}
	}
	return out
}

// ledgerChanges compares the counters of the owners of both runs.
func ledgerChanges[V any](a, b map[string]*V) []Change {
	var out []Change
	for _, owner := range slices.Sorted(maps.Keys(union(a, b))) {
		out = append(out, figures(owner, a[owner], b[owner])...)
	}
	return out
}

// figures compares the numeric fields of two structs, either of which may be nil.
func figures[V any](name string, a, b *V) []Change {
	type pair struct{ a, b *float64 }
	var order []string
	pairs := map[string]*pair{}
	at := func(c counter) *pair {
		if pairs[c.name] == nil {
			pairs[c.name] = &pair{}
			order = append(order, c.name)
		}
		return pairs[c.name]
	}
	if a != nil {
		for _, c := range counters(a) {
			at(c).a = &c.value
		}
	}
	if b != nil {
		for _, c := range counters(b) {
			at(c).b = &c.value
		}
	}
	var out []Change
	for _, n := range order {
		out = append(out, change(name, n, pairs[n].a, pairs[n].b))
	}
	return out
}

func change(name, stat string, a, b *float64) Change {
	c := Change{Name: name, Stat: stat, A: a, B: b}
	if a == nil || b == nil {
		return c
	}
	d := *b - *a
	c.Absolute = &d
	if *a != 0 {
		r := d / *a
		c.Relative = &r
	}
	return c
}
