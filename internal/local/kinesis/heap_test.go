package kinesis_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/kload/kload/internal/invariants"
	"github.com/kload/kload/internal/local/kinesis"
)

// TestLiveHeap stores records of several sizes and looks at what the collector
// leaves: at most a quarter more than data and keys.
func TestLiveHeap(t *testing.T) {
	if invariants.Enabled {
		t.Skip("the race detector has memory of its own")
	}
	for _, size := range []int{100, 1 << 10, 50 << 10} {
		for name, data := range map[string]string{"memory": "", "log": t.TempDir()} {
			t.Run(fmt.Sprintf("size=%d/%s", size, name), func(t *testing.T) {
				before := liveHeap()
				s, err := kinesis.New(kinesis.Config{Limits: kinesis.Limits{Off: true}, Data: data})
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				c := callerOf(s)
				c.must(t, "CreateStream", `{"StreamName":"s","ShardCount":4}`, nil)
				body := putRecordsBody(min(500, 5<<20/size), size)
				work := make([]byte, len(body))
				c.w.borrow = true
				for s.Stats().BytesIn < 64<<20 {
					copy(work, body)
					if status, answer := c.call("PutRecords", work); status != 200 {
						t.Fatalf("%d %.300s", status, answer)
					}
				}
				stored, heap := s.Stats().BytesIn, liveHeap()-before
				t.Logf("%d bytes stored, %d live, %.3f", stored, heap, float64(heap)/float64(stored))
				if s.Stats().Trimmed != 0 || float64(heap) > 1.25*float64(stored) {
					t.Errorf("%d live bytes for %d stored", heap, stored)
				}
			})
		}
	}
}

func liveHeap() uint64 {
	var m runtime.MemStats
	for range 3 { // pools let go of what they hold in the second one
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
