package hdr_test

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/hdr"
	"github.com/kload/kload/internal/invariants"
)

// TestHourKeepsMemoryFlat records for an hour of virtual time with four workers,
// writing the log, and compares what is in use after ten minutes with what is at the end.
func TestHourKeepsMemoryFlat(t *testing.T) {
	if invariants.Enabled {
		t.Skip("the race detector keeps books that grow")
	}
	synctest.Test(t, func(t *testing.T) {
		set := hdr.NewSet("trips", kload.HopPut, kload.HopResponse)
		var size counting
		log, err := hdr.NewLogWriter(&size, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		done := make(chan struct{})
		const workers = 4
		for w := range workers {
			r := set.NewRecorder()
			go func() {
				for i := 0; time.Since(began) < time.Hour; i++ {
					r.Lock()
					r.RecordN(kload.HopPut, int64(i%1000+w+1)*int64(time.Millisecond), 50)
					r.Record(kload.HopResponse, int64(i)*int64(time.Millisecond))
					r.Unlock()
					<-time.After(500 * time.Millisecond)
				}
				done <- struct{}{}
			}()
		}
		early := uint64(0)
		for second := range 3600 {
			<-time.After(time.Second)
			for _, iv := range set.Rotate() {
				if err := log.Write(set.Owner(), iv, time.Now().Add(-time.Second), time.Now()); err != nil {
					t.Fatal(err)
				}
			}
			if second == 600 {
				early = inUse()
			}
		}
		late := inUse()
		for range workers {
			<-done
		}
		set.Rotate()
		total := set.Totals()[0]
		if want := int64(workers * 50 * 2 * 3600); total.Count != want {
			t.Errorf("%d values, want %d", total.Count, want)
		}
		if late > early+512<<10 {
			t.Errorf("%d KiB in use after an hour, %d KiB after ten minutes", late>>10, early>>10)
		}
		if size < 1<<19 {
			t.Errorf("%d bytes of log for an hour", size)
		}
	})
}

// inUse returns the bytes of live objects.
func inUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// counting counts the bytes of a log.
type counting int

func (c *counting) Write(b []byte) (int, error) {
	*c += counting(len(b))
	return len(b), nil
}
