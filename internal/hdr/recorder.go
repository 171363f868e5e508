package hdr

import (
	"sync"

	"github.com/kload/kload"
)

// cells holds one worker's or one total's histograms by hop.
type cells [kload.NumHops]*cell

// at returns the cell of a hop, made on first use.
func (c *cells) at(h kload.Hop) *cell {
	if c[h] == nil {
		c[h] = newCell()
	}
	return c[h]
}

// Recorder takes the values of one worker. Lock it around each batch of
// records; the per-second swap takes the same lock.
type Recorder struct {
	set *Set
	mu  sync.Mutex
	// Guarded by mu. Slot 0 holds what belongs to no phase, slot i+1 phase i; nil
	// where nothing was recorded lately.
	bySlot []*cells
	now    *cells
}

// Lock admits the caller to Record until Unlock.
func (r *Recorder) Lock() {
	r.mu.Lock()
	r.now = nil
}

// Unlock ends a batch.
func (r *Recorder) Unlock() { r.mu.Unlock() }

// In makes what is recorded until the next In or Unlock count for one phase,
// given by its index, besides the whole; -1, as after Lock, for the whole only.
// The recorder must be locked.
func (r *Recorder) In(phase int) { r.now = r.slot(phase + 1) }

// Record records one value in nanoseconds. The recorder must be locked.
func (r *Recorder) Record(h kload.Hop, v int64) { r.RecordN(h, v, 1) }

// RecordN records n occurrences of a value in nanoseconds; n below 1 records
// nothing. The recorder must be locked.
func (r *Recorder) RecordN(h kload.Hop, v, n int64) {
	if n <= 0 {
		return
	}
	if r.now == nil {
		r.now = r.slot(0)
	}
	r.now.at(h).record(v, n, h.CrossClock())
}

// slot returns the cells of a slot, filling it if it is empty.
func (r *Recorder) slot(i int) *cells {
	for len(r.bySlot) <= i {
		r.bySlot = append(r.bySlot, nil)
	}
	if r.bySlot[i] == nil {
		r.bySlot[i] = r.set.take()
	}
	return r.bySlot[i]
}

// slots returns how many slots were ever in use.
func (r *Recorder) slots() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.bySlot)
}

// swap exchanges what a slot recorded for empty cells and returns it as full. Of
// a slot without values it returns the cells as idle, and the empty ones are not
// used.
func (r *Recorder) swap(slot int, empty *cells) (full, idle *cells) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch c := r.bySlot[slot]; {
	case c == nil:
		return nil, nil
	case c.empty():
		r.bySlot[slot] = nil
		return nil, c
	default:
		r.bySlot[slot] = empty
		return c, nil
	}
}
