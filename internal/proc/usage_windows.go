package proc

import (
	"syscall"
	"time"
)

// CPUTime returns the user and system time of this process so far.
func CPUTime() time.Duration {
	self, err := syscall.GetCurrentProcess()
	if err != nil {
		return 0
	}
	var created, exited, kernel, user syscall.Filetime
	if syscall.GetProcessTimes(self, &created, &exited, &kernel, &user) != nil {
		return 0
	}
	return span(kernel) + span(user)
}

// span reads a length of time, which comes in units of 100 ns.
func span(t syscall.Filetime) time.Duration {
	return 100 * time.Duration(int64(t.HighDateTime)<<32|int64(t.LowDateTime))
}

// maxRSS is not told without another library.
func maxRSS() int64 { return 0 }
