//go:build unix

package local

import (
	"os"
	"runtime"
	"syscall"
)

// maxRSS returns the peak memory of an ended process as the kernel accounts it.
// On Linux that includes the parent's memory at the time of the fork, which is
// why the child's own word is preferred.
func maxRSS(state *os.ProcessState) int64 {
	usage, ok := state.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	if runtime.GOOS == "darwin" {
		return int64(usage.Maxrss) // bytes there, KiB elsewhere
	}
	return int64(usage.Maxrss) << 10
}
