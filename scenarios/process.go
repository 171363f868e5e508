package scenarios

import (
	"runtime/metrics"
	"time"

	"github.com/kload/kload/internal/proc"
	"github.com/kload/kload/results"
)

// processMark is what this process had used at some moment.
type processMark struct {
	at        time.Time
	cpu, gc   float64 // seconds
	maxRSS    uint64
	allocated uint64
}

// markProcess reads the counters of this process.
func markProcess() processMark {
	m := currentProcess()
	m.at = time.Now()
	return m
}

func currentProcess() processMark {
	m := processMark{cpu: proc.CPUTime().Seconds(), maxRSS: uint64(proc.PeakMemory())}
	samples := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/cpu/classes/gc/total:cpu-seconds"}}
	metrics.Read(samples)
	m.allocated = samples[0].Value.Uint64()
	m.gc = samples[1].Value.Float64()
	return m
}

// since returns what was used after the mark. Peak memory is of the process as a
// whole.
func (m processMark) since() results.ProcessStats {
	now := currentProcess()
	return results.ProcessStats{
		CPUS: now.cpu - m.cpu, MaxRSS: now.maxRSS, Allocated: now.allocated - m.allocated,
		GCS: now.gc - m.gc, WallS: time.Since(m.at).Seconds(),
	}
}
