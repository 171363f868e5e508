package producer

import (
	"context"
	"sync/atomic"

	"github.com/kload/kload"
)

// budget bounds the bytes of records accepted but not yet decided. It has no
// lock: many goroutines put at once.
type budget struct {
	limit   int64
	used    atomic.Int64
	peak    atomic.Int64
	waiting atomic.Int64
	space   chan struct{} // holds a token after bytes were given back
}

func newBudget(limit int) *budget {
	return &budget{limit: int64(limit), space: make(chan struct{}, 1)}
}

// recordOverhead stands for what a record costs beside its bytes: its receipt,
// its share of the tables.
const recordOverhead = 64

func charge(r *kload.Record) int { return len(r.Data) + len(r.Key) + len(r.Tag) + recordOverhead }

// take reserves room for a prefix of recs and returns its length; 0 when not
// even the first fits. A record above the whole limit is let through alone.
func (b *budget) take(recs []kload.Record) int {
	all := 0
	for i := range recs {
		all += charge(&recs[i])
	}
	if int64(all) <= b.limit && b.reserve(all) {
		return len(recs)
	}
	for i := range recs {
		if !b.reserve(charge(&recs[i])) {
			return i
		}
	}
	return len(recs)
}

// reserve takes n bytes if there is room.
func (b *budget) reserve(n int) bool {
	for {
		used := b.used.Load()
		after := used + int64(n)
		if used > 0 && after > b.limit {
			return false
		}
		if b.used.CompareAndSwap(used, after) {
			b.raise(after)
			return true
		}
	}
}

func (b *budget) raise(used int64) {
	for {
		peak := b.peak.Load()
		if used <= peak || b.peak.CompareAndSwap(peak, used) {
			return
		}
	}
}

// give returns bytes.
func (b *budget) give(n int) {
	b.used.Add(int64(-n))
	b.wake()
}

func (b *budget) wake() {
	select {
	case b.space <- struct{}{}:
	default:
	}
}

// wait blocks until bytes were given back, or ctx ends.
func (b *budget) wait(ctx context.Context) error {
	b.waiting.Add(1)
	defer b.waiting.Add(-1)
	select {
	case <-b.space:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// pass wakes the next of those who wait: one token may stand for room for many.
func (b *budget) pass() {
	if b.waiting.Load() > 0 {
		b.wake()
	}
}
