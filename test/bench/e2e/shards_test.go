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
	"testing/synctest"

	"github.com/kload/kload/internal/memnet"
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

// measureShards runs the scenario and prints what it took. Its arguments are the
// profile's file and settings of the scenario.
func measureShards(args []string) error {
	c, err := measure(args[0], args[1:], false, func(f func(context.Context)) { f(context.Background()) })
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(c)
}

// TestVirtualRun is measureShards in virtual time, whose result goes to a file:
// a process of TestShards, which says so by the arguments in this variable.
func TestVirtualRun(t *testing.T) {
	var args []string
	if text := os.Getenv(virtualVar); text == "" {
		t.Skip("is for TestShards")
	} else if err := json.Unmarshal([]byte(text), &args); err != nil {
		t.Fatal(err)
	}
	c, err := measure(args[0], args[1:], true, func(f func(context.Context)) {
		synctest.Test(t, func(t *testing.T) { f(t.Context()) })
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(args[0]+".json", text, 0o644); err != nil {
		t.Fatal(err)
	}
}

// virtualVar holds the arguments of a run in virtual time, as JSON.
const virtualVar = "KLOAD_BENCH_VIRTUAL"

// measure runs the scenario with settings, under the CPU profile, where within has
// it run. In virtual time the target is in this process, without sockets.
func measure(profile string, set []string, virtual bool, within func(func(context.Context))) (*costs, error) {
	s, err := scenarios.Open(manyShards, scenarios.OpenOptions{Sets: set})
	if err != nil {
		return nil, fmt.Errorf("opening the scenario: %w", err)
	}
	if !virtual { // where the target's store is not in this process
		debug.SetMemoryLimit(s.MemoryLimit()) // as kload run does
	}
	dir, err := os.MkdirTemp("", "kload-shards")
	if err != nil {
		return nil, fmt.Errorf("making a folder for the run: %w", err)
	}
	defer os.RemoveAll(dir)
	sum, err := profiled(profile, func() (sum *results.Summary, err error) { // in real time: it sleeps
		within(func(ctx context.Context) {
			o := scenarios.RunOptions{Out: filepath.Join(dir, "run")}
			if virtual {
				o.Memory = memnet.Listen()
			}
			sum, err = scenarios.Run(ctx, s, o)
		})
		return sum, err
	})
	if err != nil {
		return nil, fmt.Errorf("running: %w", err)
	}
	return costsOf(sum, profile)
}

// costsOf says what a run cost that passed.
func costsOf(sum *results.Summary, profile string) (*costs, error) {
	events, reader := sum.Load["events"], sum.Consumers["reader"]
	if sum.Verdict != results.Pass || reader.ReadUnique != events.Acked || events.Acked == 0 {
		return nil, fmt.Errorf("verdict %s: %d acknowledged, %d read", sum.Verdict, events.Acked, reader.ReadUnique)
	}
	engines, samples, err := split(profile)
	if err != nil {
		return nil, err
	}
	perRecord := func(seconds float64) float64 { return seconds / float64(events.Acked) * 1e9 }
	process := perRecord(sum.Process.Kload.CPUS)
	c := &costs{
		Records: events.Acked, Calls: events.Requests + reader.Counters["get_records"], Memory: sum.Process.Kload.MaxRSS,
		CPU: map[string]float64{},
	}
	for engine, count := range engines {
		c.CPU[engine] = process * float64(count) / float64(max(1, samples))
	}
	c.CPU["kload"] = process - c.CPU["target"] // which shares the process in virtual time
	if own := sum.Process.Target; own != nil {
		c.CPU["target"] = perRecord(own.CPUS)
	}
	return c, nil
}

// TestShards runs the scenario on ten shards and on a thousand, each in fresh
// processes, and again in virtual time, where peak memory is that of the target, too:
// a small one unless KLOAD_BENCH=full.
func TestShards(t *testing.T) {
	t.Run("real", func(t *testing.T) { compareShards(t, "real", runReal) })
	t.Run("virtual", func(t *testing.T) { compareShards(t, "virtual", runVirtual) })
}

// row is one way to run the scenario.
type row struct {
	shards int
	every  string // interval between polls of a shard
}

func (r row) String() string { return fmt.Sprintf("shards=%d/every=%s", r.shards, r.every) }

func compareShards(t *testing.T, name string, start func(t *testing.T, profile string, set []string) []byte) {
	full, out, n := os.Getenv("KLOAD_BENCH") == "full", io.Discard, 1
	rows, set := []row{{2, "200ms"}, {50, "200ms"}}, []string{"vars.rate=1k/s", "vars.span=1s"}
	if full {
		out, n, rows, set = os.Stdout, *rounds, []row{{10, "kcl3"}, {1000, "kcl3"}, {1000, "lambda"}}, nil
	}
	dir := *profiles
	if dir == "" {
		dir = t.TempDir()
	}
	machine.Describe(t.Context(), out, "make bench-e2e")
	got := make([][]costs, len(rows))
	for round := range n {
		for i, r := range rows {
			profile := filepath.Join(dir, fmt.Sprintf("shards-%s-%d-%s-%d.pprof", name, r.shards, r.every, round))
			text := start(t, profile, append([]string{"vars.shards=" + strconv.Itoa(r.shards), "vars.every=" + r.every}, set...))
			var c costs
			if err := json.Unmarshal(text, &c); err != nil {
				t.Fatalf("%v: %v: %s", r, err, text)
			}
			if c.Records == 0 || c.Calls < uint64(r.shards) || c.CPU["kload"] <= 0 || c.Memory == 0 {
				t.Errorf("%v: %+v", r, c)
			}
			got[i] = append(got[i], c)
			c.write(out, name, r)
		}
	}
	fmt.Fprintf(out, "\n# medians of %d\n", n)
	few := medians(got[0])
	few.write(out, name, rows[0])
	for i, r := range rows[1:] {
		many := medians(got[i+1])
		many.write(out, name, r)
		fmt.Fprintf(out, "# kload process, %s time, %v / %v: %.2f (bar %.1f), of the pairs", name, r, rows[0], many.CPU["kload"]/few.CPU["kload"], mostGrowth)
		for k := range n {
			fmt.Fprintf(out, " %.2f", got[i+1][k].CPU["kload"]/got[0][k].CPU["kload"])
		}
		bar := fmt.Sprintf(" (bar %d)", mostMemory>>20)
		if name == "virtual" {
			bar = ", with what the target stores"
		}
		fmt.Fprintf(out, "; peak memory %d MiB%s\n", many.Memory>>20, bar)
	}
}

// runReal measures one run in a process of its own.
func runReal(t *testing.T, profile string, set []string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], append([]string{shardsVerb, profile}, set...)...)
	cmd.Stderr = os.Stderr
	text, err := cmd.Output()
	if err != nil {
		t.Fatalf("%q: %v: %s", set, err, text)
	}
	return text
}

// runVirtual is runReal in virtual time, which is a test's.
func runVirtual(t *testing.T, profile string, set []string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestVirtualRun$", "-test.v")
	args, err := json.Marshal(append([]string{profile}, set...))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Env = append(os.Environ(), virtualVar+"="+string(args))
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%q: %v: %s", set, err, text)
	}
	text, err := os.ReadFile(profile + ".json")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// write prints lines for benchstat.
func (c *costs) write(out io.Writer, time string, r row) {
	for _, part := range []string{"kload", "producer", "consumer", "runtime", "target"} {
		fmt.Fprintf(out, "BenchmarkShards/time=%s/%v/part=%s \t%d\t%.1f cpu-ns/record\n", time, r, part, c.Records, c.CPU[part])
	}
	fmt.Fprintf(out, "# %v: peak memory %d MiB, %d calls\n", r, c.Memory>>20, c.Calls)
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
