package target_test

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"testing"
	"text/tabwriter"

	"github.com/kload/kload/internal/local"
	"github.com/kload/kload/test/bench/machine"
)

func TestMain(m *testing.M) {
	verb := ""
	if len(os.Args) > 1 {
		verb = os.Args[1]
	}
	switch verb {
	case local.ChildVerb:
		exit(local.Child(os.Stdin, os.Stdout))
	case nullVerb:
		exit(nullServer())
	}
	os.Exit(m.Run())
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// rounds of a full run; medians are of as many samples.
const rounds = 5

// TestLocal measures, in tiny sizes unless KLOAD_BENCH=full.
func TestLocal(t *testing.T) {
	if _, err := cpuOf(os.Getpid()); err != nil {
		t.Skipf("the CPU time of another process cannot be read here: %v", err)
	}
	full, out := os.Getenv("KLOAD_BENCH") == "full", io.Discard
	servers := []*server{startKload(t, "kload", ""), startKload(t, "kload-data", t.TempDir()), startNull(t)}
	n := 1
	if full {
		n, out = rounds, os.Stdout
		for _, name := range []string{"kinesalite", "kinesis-local"} {
			if s := startPeer(t, name); s != nil {
				servers = append(servers, s)
			}
		}
	}
	machine.Describe(t.Context(), out, "make bench-local")
	got := samples{}
	for round := range n {
		for i, b := range benches() {
			for _, s := range servers {
				calls, ok := b.calls[s.name]
				if !ok || calls == 1 && round > 0 {
					continue
				}
				if !full {
					calls = 2
				}
				stream := fmt.Sprintf("bench-%d-%d", round, i)
				v, err := b.run(t.Context(), s, stream, calls)
				if err != nil || v <= 0 {
					t.Errorf("%s of %s: %v, %v", b.name, s.name, v, err)
					continue
				}
				remove(t, s, stream)
				got[sample{b.name, s.name}] = append(got[sample{b.name, s.name}], v)
				fmt.Fprintf(out, "Benchmark%s/server=%s-%d \t%8d\t%12.4g %s\n", b.name, s.name, runtime.GOMAXPROCS(0), calls, v, b.unit)
			}
		}
	}
	got.report(out, servers)
}

// sample names what was measured and of whom.
type sample struct{ bench, server string }

type samples map[sample][]float64

func (s samples) median(bench, server string) float64 {
	v := slices.Sorted(slices.Values(s[sample{bench, server}]))
	if len(v) == 0 {
		return 0
	}
	return v[len(v)/2]
}

// report writes the medians, and how many times kload's the others' are.
func (s samples) report(w io.Writer, servers []*server) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(tw, "\nmedian\tunit\tbar\t")
	for _, srv := range servers {
		fmt.Fprintf(tw, "\t%s", srv.name)
	}
	fmt.Fprintln(tw)
	for _, b := range benches() {
		mine := s.median(b.name, "kload")
		verdict := "missed"
		switch {
		case b.bar == 0 || mine == 0:
			verdict = ""
		case mine <= b.bar:
			verdict = "met"
		}
		fmt.Fprintf(tw, "%s\t%s\t%g\t%s", b.name, b.unit, b.bar, verdict)
		for _, srv := range servers {
			if v := s.median(b.name, srv.name); v > 0 && mine > 0 {
				fmt.Fprintf(tw, "\t%.4g (%.2fx)", v, v/mine)
			} else {
				fmt.Fprint(tw, "\t-")
			}
		}
		fmt.Fprintln(tw)
	}
	tw.Flush()
}
