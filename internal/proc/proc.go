// Package proc tells what a process knows of itself.
package proc

import (
	"bufio"
	"bytes"
	"os"
	"strconv"
)

// PeakMemory returns the peak resident memory of this process in bytes, 0 where
// the platform does not tell. On Linux it is the high-water mark that, unlike
// getrusage's, starts anew when a process executes.
func PeakMemory() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return maxRSS()
	}
	for lines := bufio.NewScanner(bytes.NewReader(status)); lines.Scan(); {
		if rest, ok := bytes.CutPrefix(lines.Bytes(), []byte("VmHWM:")); ok {
			kib, err := strconv.ParseInt(string(bytes.TrimSuffix(bytes.TrimSpace(rest), []byte(" kB"))), 10, 64)
			if err == nil {
				return kib << 10
			}
		}
	}
	return maxRSS()
}
