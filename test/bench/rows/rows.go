//go:build unix

// Package rows measures things beside each other, each in a process of its own
// that talks to a server in another one. A test binary plays all of these parts:
// see [Suite.Main].
package rows

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strconv"
	"testing"
)

// Suite is what is measured, and against what.
type Suite struct {
	Rows []Row
	// Serve says [Hello] on standard output and answers until standard input ends.
	Serve func() error
}

// Row is one thing that is measured.
type Row struct {
	Name  string // of the benchmark
	Procs int    // GOMAXPROCS; 0 is 1
	Share int    // of the payload that other rows move, percent; 0 is 100
	// Fragile rows may crash or hang: that is their figure.
	Fragile bool
	// Prepare, if set, gets what the row needs beyond kload, however long that takes,
	// and returns additions to its environment. Its error is why the row is left out.
	Prepare func(*testing.T) (env []string, err error)
	Run     func(context.Context, *Env) (*Figures, error)
}

// Env is what the process of a row knows.
type Env struct {
	Endpoint, Sink string
	CAFile         string // the server's certificate, PEM
	Roots          *x509.CertPool
	Bytes          int // payload to move
}

// Hello is what a server says about itself: its URL, a TCP address that drops
// what it is sent (optional), and its certificate as PEM.
type Hello struct{ Endpoint, Sink, CA string }

// These variables say which part a process plays.
const (
	roleVar     = "KLOAD_BENCH_ROLE" // "server", or the name of a row
	megabyteVar = "KLOAD_BENCH_MB"   // payload that the row moves
	endpointVar = "KLOAD_BENCH_ENDPOINT"
	sinkVar     = "KLOAD_BENCH_SINK"
	caVar       = "KLOAD_BENCH_CA" // PEM file
)

// Main plays the part that the environment names, or runs the tests. It returns
// the exit code.
func (s Suite) Main(m *testing.M) int {
	role := os.Getenv(roleVar)
	if role == "" {
		flag.Parse()
		return m.Run()
	}
	if err := s.act(role); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	return 0
}

// act is what a child process does.
func (s Suite) act(role string) error {
	if role == "server" {
		return s.Serve()
	}
	for _, r := range s.Rows {
		if r.Name != role {
			continue
		}
		e, err := newEnv()
		if err != nil {
			return err
		}
		stop, err := profile()
		if err != nil {
			return err
		}
		f, err := r.Run(context.Background(), e)
		stop()
		if err != nil {
			return fmt.Errorf("measuring %s: %w", r.Name, err)
		}
		return json.NewEncoder(os.Stdout).Encode(f)
	}
	return fmt.Errorf("there is no row %q", role)
}

func newEnv() (*Env, error) {
	mb, err := strconv.ParseFloat(os.Getenv(megabyteVar), 64)
	if err != nil {
		return nil, fmt.Errorf("reading the amount of payload: %w", err)
	}
	file := os.Getenv(caVar)
	ca, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the server's certificate: %w", err)
	}
	e := &Env{
		Endpoint: os.Getenv(endpointVar), Sink: os.Getenv(sinkVar),
		CAFile: file, Roots: x509.NewCertPool(), Bytes: int(mb * 1e6),
	}
	e.Roots.AppendCertsFromPEM(ca)
	return e, nil
}
