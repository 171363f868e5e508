package proc_test

import (
	"crypto/sha256"
	"runtime"
	"testing"
	"time"

	"github.com/kload/kload/internal/proc"
)

// TestCPUTime burns processor time, some of which must be seen.
func TestCPUTime(t *testing.T) {
	start, block := proc.CPUTime(), make([]byte, 1<<20)
	for range 10_000 {
		sha256.Sum256(block)
		if proc.CPUTime() >= start+10*time.Millisecond {
			return
		}
	}
	t.Errorf("10 GB were digested in %v", proc.CPUTime()-start)
}

// TestPeakMemory touches memory that must show.
func TestPeakMemory(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("is not told there")
	}
	const size = 32 << 20
	block := make([]byte, size)
	for i := 0; i < size; i += 4096 {
		block[i] = 1
	}
	if got := proc.PeakMemory(); got < size {
		t.Errorf("a peak of %d bytes with %d in use", got, size)
	}
	runtime.KeepAlive(block)
}
