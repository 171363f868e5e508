package scenarios

import (
	"sync"

	"github.com/kload/kload"
)

// heatWindow is how far back, at least, hottest and coldest look, ns.
const heatWindow = 5e9

// heat counts the user records acknowledged of late, by shard. A nil one counts
// nothing. It is safe for concurrent use.
type heat struct {
	mu        sync.Mutex
	now, last map[string]uint64 // in this window and in the one before
	since     int64             // when this window began
}

func newHeat() *heat { return &heat{now: map[string]uint64{}} }

// add counts outcomes.
func (h *heat) add(out []kload.Outcome) {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range out {
		o := &out[i]
		if o.Status != kload.Acked {
			continue
		}
		if o.Acked-h.since >= heatWindow {
			h.last, h.now, h.since = h.now, map[string]uint64{}, o.Acked
		}
		h.now[o.Shard] += uint64(len(o.Records))
	}
}

// of returns how many records a shard took of late.
func (h *heat) of(shard string) uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now[shard] + h.last[shard]
}
