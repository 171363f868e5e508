// Package epochs counts records without an outcome apart by flush epoch: a flush
// ends an epoch and waits for all records up to it, while later ones come and go.
package epochs

import (
	"context"
	"sync"
)

// Books keep count of open records. They are safe for concurrent use.
type Books struct {
	mu      sync.Mutex
	epoch   uint64
	open    map[uint64]int
	waiting int
	settled chan struct{} // closed and replaced when an epoch has none left and somebody waits
}

// New returns books without an open record, in epoch 1.
func New() *Books {
	return &Books{epoch: 1, open: map[uint64]int{}, settled: make(chan struct{})}
}

// Begin books n records and returns the epoch they belong to.
func (b *Books) Begin(n int) uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n > 0 {
		b.open[b.epoch] += n
	}
	return b.epoch
}

// More books n further records of an epoch that has one open, or that has not
// been cut.
func (b *Books) More(epoch uint64, n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n > 0 {
		b.open[epoch] += n
	}
}

// End takes records off the books, of which each knows its epoch.
func End[R interface{ Epoch() uint64 }](b *Books, recs []R) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range recs {
		e := r.Epoch()
		b.open[e]--
		if b.open[e] > 0 {
			continue
		}
		delete(b.open, e)
		if b.waiting > 0 {
			close(b.settled)
			b.settled = make(chan struct{})
		}
	}
}

// Cut ends the epoch and returns its number.
func (b *Books) Cut() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.epoch++
	return b.epoch - 1
}

// Await waits until no record of an epoch up to upTo is open, or ctx ends.
func (b *Books) Await(ctx context.Context, upTo uint64) error {
	b.count(+1)
	defer b.count(-1)
	for {
		open, changed := b.upTo(upTo)
		if open == 0 {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (b *Books) count(waiting int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting += waiting
}

// upTo counts the open records of epochs up to the given one. The channel is
// closed when that may have become fewer.
func (b *Books) upTo(epoch uint64) (n int, changed <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for e, open := range b.open {
		if e <= epoch {
			n += open
		}
	}
	return n, b.settled
}
