//go:build unix

package proc

import (
	"runtime"
	"syscall"
	"time"
)

// CPUTime returns the user and system time of this process so far.
func CPUTime() time.Duration {
	u := usage()
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// maxRSS is the peak memory that the system counts, which may be that of the
// process that executed this one.
func maxRSS() int64 {
	rss := int64(usage().Maxrss)
	if runtime.GOOS != "darwin" {
		rss <<= 10 // kilobytes everywhere but there
	}
	return rss
}

func usage() (u syscall.Rusage) {
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // cannot fail
	return u
}
