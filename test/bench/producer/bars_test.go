//go:build unix

package producer_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
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

// TestProducer measures the rows, -rounds times each in turn, and prints Go
// benchmark lines. With enough payload for figures that mean something it compares
// medians with what kload promises.
func TestProducer(t *testing.T) {
	if *rounds == 0 {
		t.Skip("starts a process per row: use make bench-producer, or -rounds 1 -mb 1 to try it out")
	}
	r := rig{dir: t.TempDir(), out: os.Stdout, taken: map[string]map[string][]float64{}}
	r.header(t.Context())
	r.serve(t)
	for range *rounds {
		for _, w := range rows() {
			if strings.Contains(w.name, *only) {
				r.measure(t, w, float64(*megabytes*w.share)/100)
			}
		}
	}
	if *megabytes >= meaningful && *only == "" {
		r.report()
	}
}

// rig runs rows and keeps what they measured.
type rig struct {
	dir   string
	out   io.Writer
	hello hello
	taken map[string]map[string][]float64 // by row and unit
}

// serve starts the server, which ends with its standard input.
func (r *rig) serve(t *testing.T) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
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
	if err := json.NewDecoder(out).Decode(&r.hello); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(r.dir, "ca.pem"), []byte(r.hello.CA), 0o600); err != nil {
		t.Fatal(err)
	}
}

// measure runs a row in a process of its own.
func (r *rig) measure(t *testing.T, w row, mb float64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(),
		roleVar+"="+w.name, megabyteVar+"="+strconv.FormatFloat(mb, 'f', -1, 64), "GOMAXPROCS="+strconv.Itoa(w.procs),
		endpointVar+"="+r.hello.Endpoint, sinkVar+"="+r.hello.Sink, caVar+"="+filepath.Join(r.dir, "ca.pem"))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var f figures
	if err == nil {
		err = json.Unmarshal(out, &f)
	}
	if err != nil {
		said, _, _ := strings.Cut(strings.TrimSpace(stderr.String()), "\n")
		if !w.fragile {
			t.Errorf("%s: %v: %s", w.name, err, said)
		}
		fmt.Fprintf(r.out, "# %s did not survive: %v: %s\n", w.name, errors.Join(err, ctx.Err()), said)
		return
	}
	if f.N == 0 || len(f.Values) == 0 {
		t.Errorf("%s measured nothing", w.name)
	}
	line := fmt.Sprintf("Benchmark%s-%d\t%d", w.name, w.procs, f.N)
	if r.taken[w.name] == nil {
		r.taken[w.name] = map[string][]float64{}
	}
	for _, unit := range slices.Sorted(maps.Keys(f.Values)) {
		line += fmt.Sprintf("\t%.6g %s", f.Values[unit], unit)
		r.taken[w.name][unit] = append(r.taken[w.name][unit], f.Values[unit])
	}
	fmt.Fprintln(r.out, line)
}

// median returns the middle of what a row measured, NaN for nothing.
func (r *rig) median(name, unit string) float64 {
	v := slices.Sorted(slices.Values(r.taken[name][unit]))
	if len(v) == 0 {
		return nan()
	}
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// header says where and how the figures were taken, in the form benchstat reads.
func (r *rig) header(ctx context.Context) {
	machine.Describe(ctx, r.out, fmt.Sprintf("go test ./test/bench/producer -count=1 -v -run TestProducer -rounds %d -mb %d", *rounds, *megabytes))
}
