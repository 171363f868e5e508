//go:build unix

package rows

import (
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
)

// profileVar, if set, is the file for the CPU profile of a row that is run alone.
// What it allocated, and who kept it waiting, goes to the same name with .allocs,
// .mutex and .block.
const profileVar = "KLOAD_BENCH_PROFILE"

// profile starts the profile that was asked for, if any.
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
