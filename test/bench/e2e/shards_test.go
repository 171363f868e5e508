package e2e_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"testing"

	"github.com/kload/kload/results"
	"github.com/kload/kload/scenarios"
	"github.com/kload/kload/test/bench/machine"
)

// rounds are how often a full run repeats each row of TestShards.
var rounds = flag.Int("rounds", 5, "repetitions of each row of TestShards")

// profiles is where the CPU profiles of TestShards stay.
var profiles = flag.String("profiles", "", "folder for the CPU profiles of TestShards; empty removes them")

// manyShards is the scenario that TestShards runs.
const manyShards = "testdata/many-shards.yaml"

// The bar: CPU time per record on the most shards, divided by that on the fewest.
const mostGrowth = 1.5

// shardsVerb makes this binary run manyShards and print its costs.
const shardsVerb = "bench-shards"

// costs is what the process of one run took.
type costs struct {
	Records uint64             // acknowledged and read
	Calls   uint64             // of GetRecords and PutRecords
	CPU     map[string]float64 // ns per record: of kload in all, of its engines, of the target
	Memory  uint64             // peak of kload, bytes
}

// measureShards runs the scenario under the CPU profile. Its arguments are the
// profile's file and settings of the scenario.
func measureShards(args []string) error {
	s, err := scenarios.Open(manyShards, scenarios.OpenOptions{Sets: args[1:]})
	if err != nil {
		return fmt.Errorf("opening the scenario: %w", err)
	}
	debug.SetMemoryLimit(s.MemoryLimit()) // as kload run does
	dir, err := os.MkdirTemp("", "kload-shards")
	if err != nil {
		return fmt.Errorf("making a folder for the run: %w", err)
	}
	defer os.RemoveAll(dir)
	sum, err := profiled(args[0], func() (*results.Summary, error) {
		return scenarios.Run(context.Background(), s, scenarios.RunOptions{Out: filepath.Join(dir, "run")})
	})
	if err != nil {
		return fmt.Errorf("running: %w", err)
	}
	events, reader := sum.Load["events"], sum.Consumers["reader"]
	if sum.Verdict != results.Pass || reader.ReadUnique != events.Acked || events.Acked == 0 {
		return fmt.Errorf("verdict %s: %d acknowledged, %d read", sum.Verdict, events.Acked, reader.ReadUnique)
	}
	engines, samples, err := split(args[0])
	if err != nil {
		return err
	}
	kload, n := sum.Process.Kload, float64(events.Acked)
	c := costs{
		Records: events.Acked, Calls: events.Requests + reader.Counters["get_records"], Memory: kload.MaxRSS,
		CPU: map[string]float64{"kload": kload.CPUS / n * 1e9, "target": sum.Process.Target.CPUS / n * 1e9},
	}
	for engine, count := range engines {
		c.CPU[engine] = kload.CPUS / n * 1e9 * float64(count) / float64(max(1, samples))
	}
	return json.NewEncoder(os.Stdout).Encode(c)
}

// TestShards runs the scenario on ten shards and on a thousand, each in fresh
// processes: a small one unless KLOAD_BENCH=full.
func TestShards(t *testing.T) {
	full, out, n := os.Getenv("KLOAD_BENCH") == "full", io.Discard, 1
	rows, set := []int{2, 50}, []string{"vars.rate=1k/s", "vars.span=1s", "consumers.reader.read.polling.every=200ms"}
	if full {
		out, n, rows, set = os.Stdout, *rounds, []int{10, 1000}, nil
	}
	machine.Describe(t.Context(), out, "make bench-e2e")
	got := make([][]costs, len(rows))
	for round := range n {
		for i, shards := range rows {
			c := runShards(t, shards, round, set)
			got[i] = append(got[i], c)
			c.write(out, shards)
		}
	}
	fmt.Fprintf(out, "\n# medians of %d\n", n)
	mid := make([]costs, len(rows))
	for i, shards := range rows {
		mid[i] = medians(got[i])
		mid[i].write(out, shards)
	}
	few, many := mid[0].CPU["kload"], mid[1].CPU["kload"]
	fmt.Fprintf(out, "# kload process: %d shards / %d shards: %.2f (bar %.1f), of the pairs", rows[1], rows[0], many/few, mostGrowth)
	for i := range n {
		fmt.Fprintf(out, " %.2f", got[1][i].CPU["kload"]/got[0][i].CPU["kload"])
	}
	fmt.Fprintf(out, "; peak memory %d MiB (bar %d)\n", mid[1].Memory>>20, mostMemory>>20)
}

// runShards measures one run in a process of its own.
func runShards(t *testing.T, shards, round int, set []string) costs {
	t.Helper()
	dir := *profiles
	if dir == "" {
		dir = t.TempDir()
	}
	profile := filepath.Join(dir, fmt.Sprintf("shards-%d-%d.pprof", shards, round))
	args := append([]string{shardsVerb, profile, "vars.shards=" + strconv.Itoa(shards)}, set...)
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Stderr = os.Stderr
	text, err := cmd.Output()
	if err != nil {
		t.Fatalf("%d shards: %v: %s", shards, err, text)
	}
	var c costs
	if err := json.Unmarshal(text, &c); err != nil {
		t.Fatalf("%d shards: %v: %s", shards, err, text)
	}
	if c.Records == 0 || c.Calls < uint64(shards) || c.CPU["kload"] <= 0 || c.Memory == 0 {
		t.Errorf("%d shards: %+v", shards, c)
	}
	return c
}

// write prints lines for benchstat.
func (c *costs) write(out io.Writer, shards int) {
	for _, part := range []string{"kload", "producer", "consumer", "runtime", "target"} {
		fmt.Fprintf(out, "BenchmarkShards/shards=%d/part=%s \t%d\t%.1f cpu-ns/record\n", shards, part, c.Records, c.CPU[part])
	}
	fmt.Fprintf(out, "# %d shards: peak memory %d MiB, %d calls\n", shards, c.Memory>>20, c.Calls)
}

// medians returns the median of each figure.
func medians(all []costs) costs {
	m := costs{Records: all[0].Records, CPU: map[string]float64{}}
	for part := range all[0].CPU {
		m.CPU[part] = middle(all, func(c costs) float64 { return c.CPU[part] })
	}
	m.Memory = middle(all, func(c costs) uint64 { return c.Memory })
	m.Calls = middle(all, func(c costs) uint64 { return c.Calls })
	return m
}

func middle[T float64 | uint64](all []costs, of func(costs) T) T {
	var v []T
	for _, c := range all {
		v = append(v, of(c))
	}
	slices.Sort(v)
	return v[len(v)/2]
}
