//go:build unix

package producer_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"testing"
)

// The test binary is also the server and the process of each row; these
// variables say which.
const (
	roleVar     = "KLOAD_BENCH_ROLE" // "server", or the name of a row
	megabyteVar = "KLOAD_BENCH_MB"   // payload that the row moves
	endpointVar = "KLOAD_BENCH_ENDPOINT"
	sinkVar     = "KLOAD_BENCH_SINK" // TCP address that drops what it is sent
	caVar       = "KLOAD_BENCH_CA"   // PEM file

	// profileVar, if set, is the file for the CPU profile of a row that is run
	// alone, with -rows. What it allocated, and who kept it waiting, goes to the
	// same name with .allocs, .mutex and .block.
	profileVar = "KLOAD_BENCH_PROFILE"
)

var (
	rounds    = flag.Int("rounds", 0, "repetitions of each row; 0 measures nothing")
	megabytes = flag.Int("mb", 150, "payload of one measurement, MB")
	only      = flag.String("rows", "", "measure only rows whose names contain this")
)

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
		stop, err := profile()
		if err != nil {
			return err
		}
		f, err := r.run(context.Background(), e)
		stop()
		if err != nil {
			return fmt.Errorf("measuring %s: %w", r.name, err)
		}
		return json.NewEncoder(os.Stdout).Encode(f)
	}
	return fmt.Errorf("there is no row %q", role)
}

// profile starts the CPU profile that was asked for, if any.
func profile() (stop func(), err error) {
	name := os.Getenv(profileVar)
	if name == "" {
		return func() {}, nil
	}
	f, err := os.Create(name)
	if err != nil {
		return nil, fmt.Errorf("creating the profile: %w", err)
	}
	runtime.SetMutexProfileFraction(1)
	runtime.SetBlockProfileRate(1)
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, fmt.Errorf("profiling: %w", err)
	}
	return func() {
		pprof.StopCPUProfile()
		_ = f.Close()
		for _, kind := range []string{"allocs", "mutex", "block"} {
			if f, err := os.Create(name + "." + kind); err == nil {
				_ = pprof.Lookup(kind).WriteTo(f, 0)
				_ = f.Close()
			}
		}
	}, nil
}
