package e2e_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"runtime/pprof"
	"strconv"
	"strings"
	"testing"

	"github.com/kload/kload/internal/local"
	"github.com/kload/kload/results"
	"github.com/kload/kload/scenarios"
	"github.com/kload/kload/test/bench/machine"
)

// TestMain makes this binary the embedded target's process as well, and one that
// measures a run by itself.
func TestMain(m *testing.M) {
	var err error
	switch verb := append(os.Args, "")[1]; verb {
	case local.ChildVerb:
		err = local.Child(os.Stdin, os.Stdout)
	case shardsVerb:
		err = measureShards(os.Args[2:])
	default:
		os.Exit(m.Run())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// The bars: of a machine with two cores.
const (
	leastRate  = 300e3     // user records a second, acknowledged and read
	mostMemory = 256 << 20 // of the kload process
)

// TestEndToEnd runs a small load unless KLOAD_BENCH=full.
func TestEndToEnd(t *testing.T) {
	full, out := os.Getenv("KLOAD_BENCH") == "full", io.Discard
	set := []string{"load.events.total=20000", "phases=[{name: steady, for: 1s}]"}
	if full {
		set, out = nil, os.Stdout
	}
	machine.Describe(t.Context(), out, "make bench-e2e")
	s, err := scenarios.Open("max-throughput", scenarios.OpenOptions{Sets: set})
	if err != nil {
		t.Fatal(err)
	}
	debug.SetMemoryLimit(s.MemoryLimit()) // as kload run does
	profile := filepath.Join(t.TempDir(), "cpu.pprof")
	sum, err := profiled(profile, func() (*results.Summary, error) {
		return scenarios.Run(t.Context(), s, scenarios.RunOptions{Out: filepath.Join(t.TempDir(), "run")})
	})
	if err != nil {
		t.Fatal(err)
	}
	events, reader := sum.Load["events"], sum.Consumers["reader"]
	if sum.Verdict != results.Pass || reader.ReadUnique != events.Acked || events.Acked == 0 {
		t.Errorf("verdict %s: %d acknowledged, %d read", sum.Verdict, events.Acked, reader.ReadUnique)
	}
	engines, samples, err := split(profile)
	if err != nil {
		t.Fatal(err)
	}
	if full && (engines["producer"] == 0 || engines["consumer"] == 0) {
		t.Errorf("the profile knows %v", engines)
	}
	report(out, sum, engines, samples)
}

// profiled runs f under the CPU profile.
func profiled(file string, f func() (*results.Summary, error)) (*results.Summary, error) {
	out, err := os.Create(file)
	if err != nil {
		return nil, fmt.Errorf("creating the profile: %w", err)
	}
	defer out.Close()
	if err := pprof.StartCPUProfile(out); err != nil {
		return nil, fmt.Errorf("profiling: %w", err)
	}
	defer pprof.StopCPUProfile()
	return f()
}

// Lines of pprof's report on labels: "engine: Total 90 of 100 (90.0%)", and below
// it one for each value: "60 (66.7%): producer".
var (
	totalLine = regexp.MustCompile(`^\s*engine: Total (\d+)(?: of (\d+))?`)
	valueLine = regexp.MustCompile(`^\s*(\d+) \([^)]*\): (\w+)$`)
)

// split counts the samples of each engine; those without one are the runtime's.
func split(profile string) (engines map[string]int, all int, err error) {
	text, err := exec.Command("go", "tool", "pprof", "-tags", "-sample_index=samples", profile).CombinedOutput()
	if err != nil {
		return nil, 0, fmt.Errorf("reading the profile: %w: %s", err, text)
	}
	engines = map[string]int{}
	labelled := 0
	for line := range strings.Lines(string(text)) {
		if m := totalLine.FindStringSubmatch(line); m != nil {
			labelled, _ = strconv.Atoi(m[1])
			all = labelled
			if m[2] != "" {
				all, _ = strconv.Atoi(m[2])
			}
		} else if m := valueLine.FindStringSubmatch(strings.TrimRight(line, "\n")); m != nil && all > 0 {
			engines[m[2]], _ = strconv.Atoi(m[1])
		}
	}
	engines["runtime"] = all - labelled
	return engines, all, nil
}

// report writes what a record cost.
func report(out io.Writer, sum *results.Summary, engines map[string]int, samples int) {
	wall := 0.0
	for _, p := range sum.Phases {
		wall += p.WallS
	}
	acked := float64(sum.Load["events"].Acked)
	kload := sum.Process.Kload
	fmt.Fprintf(out, "\n# %.0f user records acknowledged in %.1f s: %.0f/s (bar %.0f); lost %d\n",
		acked, wall, acked/wall, leastRate, sum.Consumers["reader"].Lost)
	fmt.Fprintf(out, "# kload process: peak memory %d MiB (bar %d)\n", kload.MaxRSS>>20, mostMemory>>20)
	line := func(name string, cpu float64) {
		fmt.Fprintf(out, "BenchmarkEndToEnd/part=%s \t%d\t%.1f cpu-ns/record\n", name, int(acked), cpu/acked*1e9)
	}
	line("target", sum.Process.Target.CPUS)
	line("kload", kload.CPUS)
	for _, engine := range []string{"producer", "consumer", "runtime"} {
		if samples > 0 {
			fmt.Fprintf(out, "# %d of %d samples:\n", engines[engine], samples)
			line(engine, kload.CPUS*float64(engines[engine])/float64(samples))
		}
	}
}

// mostReplay is the most of kload's CPU time, in percent, that reading recorded
// data ahead may take.
const mostReplay = 10

// TestEndToEndReplay replays the built-in trips as fast as possible, aggregated, a
// hundred times if KLOAD_BENCH=full and else once.
func TestEndToEndReplay(t *testing.T) {
	full, out, loop := os.Getenv("KLOAD_BENCH") == "full", io.Discard, "1"
	if full {
		out, loop = os.Stdout, "100"
	}
	s, _, err := scenarios.OpenReplay(scenarios.ReplayOptions{Source: map[string]string{"rate": "asap", "loop": loop}}, scenarios.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	profile := filepath.Join(t.TempDir(), "cpu.pprof")
	sum, err := profiled(profile, func() (*results.Summary, error) {
		return scenarios.Run(t.Context(), s, scenarios.RunOptions{Out: filepath.Join(t.TempDir(), "run")})
	})
	if err != nil {
		t.Fatal(err)
	}
	trips := sum.Load["trips"].Acked
	if reader := sum.Consumers["reader"]; sum.Verdict != results.Pass || trips == 0 || reader.ReadUnique != trips {
		t.Errorf("verdict %s: %d acknowledged, %d read", sum.Verdict, trips, reader.ReadUnique)
	}
	engines, samples, err := split(profile)
	if err != nil {
		t.Fatal(err)
	}
	if !full {
		return
	}
	share := 100 * float64(engines["replay"]) / float64(samples)
	if share == 0 || share > mostReplay {
		t.Errorf("reading ahead took %.1f %% of %v, above %d %%", share, engines, mostReplay)
	}
	fmt.Fprintf(out, "BenchmarkEndToEndReplay \t%d\t%.1f reader-cpu-%%\n", trips, share)
}
