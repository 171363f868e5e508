//go:build unix

package rows

import (
	"runtime/metrics"
	"time"

	"github.com/kload/kload/internal/proc"
)

// Figures are one measurement: values by unit, of N operations.
type Figures struct {
	N      int
	Values map[string]float64
}

// Mark is what this process has used at some moment.
type Mark struct {
	at        time.Time
	cpu       time.Duration
	allocated uint64
	mutex     float64 // seconds that goroutines waited for mutexes
}

// Now returns what this process has used so far.
func Now() Mark {
	samples := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/sync/mutex/wait/total:seconds"}}
	metrics.Read(samples)
	return Mark{at: time.Now(), cpu: proc.CPUTime(), allocated: samples[0].Value.Uint64(), mutex: samples[1].Value.Float64()}
}

// Since returns the figures of n records of the given payload each since then.
func (m Mark) Since(n, size int) *Figures {
	end := Now()
	f := Of(end.cpu-m.cpu, n, size)
	f.Values["B/record"] = float64(end.allocated-m.allocated) / float64(n)
	// of the time of the goroutines that put and send: one and eight
	f.Values["%mutex-waits"] = 100 * (end.mutex - m.mutex) / end.at.Sub(m.at).Seconds() / 9
	return f
}

// Of returns the figures of n records of the given payload each that took so much
// processor time.
func Of(cpu time.Duration, n, size int) *Figures {
	return &Figures{N: n, Values: map[string]float64{
		"cpu-ns/record":  float64(cpu) / float64(n),
		"records/core-s": float64(n) / cpu.Seconds(),
		"cpu-s/GB":       cpu.Seconds() / float64(n) / float64(size) * 1e9,
	}}
}
