package producer

import (
	"context"
	"sync"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/pace"
)

// budget bounds the bytes of records accepted but not yet decided.
type budget struct {
	limit int
	space chan struct{} // holds a token after bytes were given back

	mu   sync.Mutex
	used int
	peak int
}

func newBudget(limit int) *budget { return &budget{limit: limit, space: make(chan struct{}, 1)} }

// recordOverhead stands for what a record costs beside its bytes: its receipt,
// its share of the tables.
const recordOverhead = 64

func charge(r *kload.Record) int { return len(r.Data) + len(r.Key) + len(r.Tag) + recordOverhead }

// take reserves room for a prefix of recs and returns its length; 0 when not
// even the first fits. A record above the whole limit is let through alone.
func (b *budget) take(recs []kload.Record) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range recs {
		c := charge(&recs[i])
		if b.used > 0 && b.used+c > b.limit {
			return i
		}
		b.used += c
		b.peak = max(b.peak, b.used)
	}
	return len(recs)
}

// give returns bytes.
func (b *budget) give(n int) {
	b.mu.Lock()
	b.used -= n
	b.mu.Unlock()
	select {
	case b.space <- struct{}{}:
	default:
	}
}

// wait blocks until bytes were given back.
func (b *budget) wait(ctx context.Context, p *pace.Pacer) error { return p.Wait(ctx, 0, b.space) }

// high returns the most bytes ever held.
func (b *budget) high() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.peak
}
