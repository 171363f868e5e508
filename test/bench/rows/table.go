//go:build unix

package rows

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/kload/kload/test/bench/machine"
)

// patience is how long a row may take; a peer that hangs is ended then.
const patience = 2 * time.Minute

// meaningful is how many MB a measurement needs at least to be compared.
const meaningful = 50

// Plan says how much is measured.
type Plan struct {
	Command   string // as a user would give it, less -rounds and -mb
	Rounds    int    // repetitions of each row
	Megabytes int    // payload of one measurement
	Only      string // measure only rows whose names contain this
}

// Meaningful reports whether the figures can be held against what is promised.
func (p Plan) Meaningful() bool { return p.Megabytes >= meaningful && p.Only == "" }

// Table is what rows measured.
type Table struct {
	Out   io.Writer
	dir   string
	hello Hello
	taken map[string]map[string][]float64 // by row and unit
}

// Measure goes through the rows, Rounds times, and prints Go benchmark lines for
// benchstat, with the machine, the commit and the command before them.
func (s Suite) Measure(t *testing.T, p Plan) *Table {
	t.Helper()
	table := &Table{Out: os.Stdout, dir: t.TempDir(), taken: map[string]map[string][]float64{}}
	machine.Describe(t.Context(), table.Out, fmt.Sprintf("%s -rounds %d -mb %d", p.Command, p.Rounds, p.Megabytes))
	table.serve(t)
	list := table.prepare(t, s.Rows, p.Only)
	for range p.Rounds {
		for _, r := range list {
			table.measure(t, r, float64(p.Megabytes*cmp.Or(r.Share, 100))/100)
		}
	}
	return table
}

// prepared is a row with what it needs.
type prepared struct {
	Row
	env []string
}

// prepare returns the rows that are asked for and can be measured here.
func (tb *Table) prepare(t *testing.T, all []Row, only string) (list []prepared) {
	t.Helper()
	for _, r := range all {
		if !strings.Contains(r.Name, only) {
			continue
		}
		var env []string
		if r.Prepare != nil {
			var err error
			if env, err = r.Prepare(t); err != nil {
				why, _, _ := strings.Cut(err.Error(), "\n")
				fmt.Fprintf(tb.Out, "# %s was not measured: %s\n", r.Name, why)
				continue
			}
		}
		list = append(list, prepared{r, env})
	}
	return list
}

// serve starts the server, which ends with its standard input.
func (tb *Table) serve(t *testing.T) {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), os.Args[0])
	cmd.Env = append(os.Environ(), roleVar+"=server")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the server: %v", err)
		}
	})
	if err := json.NewDecoder(out).Decode(&tb.hello); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(tb.dir, "ca.pem"), []byte(tb.hello.CA), 0o600); err != nil {
		t.Fatal(err)
	}
}

// measure runs a row in a process of its own.
func (tb *Table) measure(t *testing.T, r prepared, mb float64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	procs := strconv.Itoa(cmp.Or(r.Procs, 1))
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(append(os.Environ(), r.env...),
		roleVar+"="+r.Name, megabyteVar+"="+strconv.FormatFloat(mb, 'f', -1, 64), "GOMAXPROCS="+procs,
		endpointVar+"="+tb.hello.Endpoint, sinkVar+"="+tb.hello.Sink, caVar+"="+filepath.Join(tb.dir, "ca.pem"))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var f Figures
	if err == nil {
		err = json.Unmarshal(out, &f)
	}
	if err != nil {
		all := strings.TrimSpace(stderr.String())
		said, _, _ := strings.Cut(all, "\n")
		if !r.Fragile {
			t.Errorf("%s: %v: %s", r.Name, err, all[max(0, len(all)-4<<10):])
		}
		fmt.Fprintf(tb.Out, "# %s did not survive: %v: %s\n", r.Name, errors.Join(err, ctx.Err()), said)
		return
	}
	if f.N == 0 || len(f.Values) == 0 {
		t.Errorf("%s measured nothing", r.Name)
	}
	line := fmt.Appendf(nil, "Benchmark%s-%s\t%d", r.Name, procs, f.N)
	if tb.taken[r.Name] == nil {
		tb.taken[r.Name] = map[string][]float64{}
	}
	for _, unit := range slices.Sorted(maps.Keys(f.Values)) {
		line = fmt.Appendf(line, "\t%.6g %s", f.Values[unit], unit)
		tb.taken[r.Name][unit] = append(tb.taken[r.Name][unit], f.Values[unit])
	}
	fmt.Fprintf(tb.Out, "%s\n", line)
}

// Median returns the middle of what a row measured, NaN for nothing.
func (tb *Table) Median(name, unit string) float64 {
	v := slices.Sorted(slices.Values(tb.taken[name][unit]))
	if len(v) == 0 {
		return math.NaN()
	}
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}
