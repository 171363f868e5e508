// Package machine says of a benchmark's result what it needs to be worth
// anything: where it was measured, on what and how.
package machine

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// Describe writes configuration lines for benchstat: the command, the machine,
// its load at the moment, Go and the commit. What cannot be found out is left
// out.
func Describe(ctx context.Context, w io.Writer, command string) {
	fmt.Fprintf(w, "goos: %s\ngoarch: %s\npkg: github.com/kload/kload/test/bench\ncpu: %s\ncpus: %d\ngo: %s\ncommand: %s\n",
		runtime.GOOS, runtime.GOARCH, cpu(), runtime.NumCPU(), runtime.Version(), command)
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		fmt.Fprintf(w, "load: %s", load)
	}
	for _, line := range []struct{ name, program, args string }{
		{"commit", "git", "describe --always --dirty"}, {"kernel", "uname", "-sr"},
	} {
		if text, err := exec.CommandContext(ctx, line.program, strings.Fields(line.args)...).Output(); err == nil {
			fmt.Fprintf(w, "%s: %s\n", line.name, strings.TrimSpace(string(text)))
		}
	}
}

// cpu returns the model of the processor.
func cpu() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	for line := range strings.Lines(string(info)) {
		if name, model, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(model)
		}
	}
	return runtime.GOARCH
}
