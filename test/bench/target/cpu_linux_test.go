package target_test

import (
	"syscall"
	"time"
	"unsafe"
)

// cpuOf returns the CPU time of a process so far, user and system, from the
// kernel's clock of that process.
func cpuOf(pid int) (time.Duration, error) {
	const schedClock = 2
	var ts syscall.Timespec
	clock := uintptr(^pid<<3 | schedClock)
	if _, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clock, uintptr(unsafe.Pointer(&ts)), 0); errno != 0 {
		return 0, errno
	}
	return time.Duration(ts.Nano()), nil
}
