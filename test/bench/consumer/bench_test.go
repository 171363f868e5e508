//go:build unix

package consumer_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/kload/kload/test/bench/machine"
)

// The test binary is also the server and the process of each row; these
// variables say which.
const (
	roleVar     = "KLOAD_BENCH_ROLE" // "server", or the name of a row
	megabyteVar = "KLOAD_BENCH_MB"   // payload that the row moves, twice: once to warm up
	endpointVar = "KLOAD_BENCH_ENDPOINT"
	caVar       = "KLOAD_BENCH_CA" // PEM file
)

// patience is how long a row may take.
const patience = 2 * time.Minute

// meaningful is how many MB a measurement needs at least to be compared.
const meaningful = 50

var (
	rounds    = flag.Int("rounds", 0, "repetitions of each row; 0 measures nothing")
	megabytes = flag.Int("mb", 100, "payload of one measurement, MB")
)

// env is what the process of a row knows.
type env struct {
	endpoint string
	roots    *x509.CertPool
	bytes    int // payload to move
}

func TestMain(m *testing.M) {
	role := os.Getenv(roleVar)
	if role == "" {
		flag.Parse()
		os.Exit(m.Run())
	}
	if err := act(role); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// act is what a child process does.
func act(role string) error {
	if role == "server" {
		return serve()
	}
	for _, r := range rows() {
		if r.name != role {
			continue
		}
		e, err := newEnv()
		if err != nil {
			return err
		}
		f, err := r.run(context.Background(), e)
		if err != nil {
			return fmt.Errorf("measuring %s: %w", r.name, err)
		}
		return json.NewEncoder(os.Stdout).Encode(f)
	}
	return fmt.Errorf("there is no row %q", role)
}

func newEnv() (*env, error) {
	mb, err := strconv.ParseFloat(os.Getenv(megabyteVar), 64)
	if err != nil {
		return nil, fmt.Errorf("reading the amount of payload: %w", err)
	}
	ca, err := os.ReadFile(os.Getenv(caVar))
	if err != nil {
		return nil, fmt.Errorf("reading the server's certificate: %w", err)
	}
	e := &env{endpoint: os.Getenv(endpointVar), roots: x509.NewCertPool(), bytes: int(mb * 1e6)}
	e.roots.AppendCertsFromPEM(ca)
	return e, nil
}

// TestConsumer measures the rows, -rounds times each in turn, and prints Go
// benchmark lines. With enough payload for figures that mean something it compares
// medians with what kload promises.
func TestConsumer(t *testing.T) {
	if *rounds == 0 {
		t.Skip("starts a process per row: use make bench-consumer, or -rounds 1 -mb 1 to try it out")
	}
	r := rig{dir: t.TempDir(), out: os.Stdout, taken: map[string]map[string][]float64{}}
	r.header(t.Context())
	r.serve(t)
	for range *rounds {
		for _, w := range rows() {
			r.measure(t, w)
		}
	}
	if *megabytes >= meaningful {
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

// measure runs a row in a process of its own, on one processor.
func (r *rig) measure(t *testing.T, w row) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), roleVar+"="+w.name, megabyteVar+"="+strconv.Itoa(*megabytes), "GOMAXPROCS=1",
		endpointVar+"="+r.hello.Endpoint, caVar+"="+filepath.Join(r.dir, "ca.pem"))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var f figures
	if err == nil {
		err = json.Unmarshal(out, &f)
	}
	if err != nil || f.N == 0 || len(f.Values) == 0 {
		t.Errorf("%s measured %+v: %v: %s", w.name, f, err, &stderr)
		return
	}
	line := fmt.Sprintf("Benchmark%s-1\t%d", w.name, f.N)
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
		return math.NaN()
	}
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// header says where and how the figures were taken, in the form benchstat reads.
func (r *rig) header(ctx context.Context) {
	machine.Describe(ctx, r.out, fmt.Sprintf("go test ./test/bench/consumer -count=1 -v -run TestConsumer -rounds %d -mb %d", *rounds, *megabytes))
}

// report prints the medians beside what is promised.
func (r *rig) report() {
	fmt.Fprintf(r.out, "\n# medians of this run, ns of CPU per user record; scalar MD5 takes %.2f ns/B here\n", r.median("Primitives", "md5-ns/B"))
	for _, size := range sizes() {
		at := "/size=" + strconv.Itoa(size)
		read, sdk := r.median("Read"+at+"/kload", "cpu-ns/record"), r.median("Read"+at+"/sdk+awslabs", "cpu-ns/record")
		ours, theirs := r.median("Deaggregate"+at+"/kload", "cpu-ns/record"), r.median("Deaggregate"+at+"/awslabs", "cpu-ns/record")
		fmt.Fprintf(r.out, "# %4d B: fetch to verdict %.0f, SDK + awslabs %.0f: %.2f <= 0.5 %s\n", size, read, sdk, read/sdk, verdict(read/sdk <= 0.5))
		fmt.Fprintf(r.out, "# %4d B: de-aggregation %.0f, awslabs %.0f: %.2f >= 3 %s\n", size, ours, theirs, theirs/ours, verdict(theirs/ours >= 3))
		fmt.Fprintf(r.out, "# %4d B: heap per user record, fetch to verdict %.1f B, SDK + awslabs %.0f B\n",
			size, r.median("Read"+at+"/kload", "B/record"), r.median("Read"+at+"/sdk+awslabs", "B/record"))
	}
}

func verdict(met bool) string {
	if met {
		return "met"
	}
	return "MISSED"
}
