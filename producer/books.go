package producer

import (
	"context"
	"sync"
)

// books keeps count of the stream records that have no outcome yet, apart by
// flush epoch: a flush ends an epoch and waits for all up to it.
type books struct {
	mu      sync.Mutex
	epoch   uint64
	open    map[uint64]int
	waiting int
	settled chan struct{} // closed and replaced when an epoch has none left and somebody waits
}

func newBooks() *books { return &books{open: map[uint64]int{}, settled: make(chan struct{})} }

// begin books a stream record and returns the epoch it belongs to.
func (b *books) begin() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open[b.epoch]++
	return b.epoch
}

// more books n further stream records of an epoch that has one open.
func (b *books) more(epoch uint64, n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open[epoch] += n
}

// end takes stream records off the books.
func (b *books) end(recs []*streamRecord) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range recs {
		b.open[r.epoch]--
		if b.open[r.epoch] > 0 {
			continue
		}
		delete(b.open, r.epoch)
		if b.waiting > 0 {
			close(b.settled)
			b.settled = make(chan struct{})
		}
	}
}

// cut ends the epoch and returns its number.
func (b *books) cut() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.epoch++
	return b.epoch - 1
}

// await waits until no record of an epoch up to upTo is open.
func (b *books) await(ctx context.Context, upTo uint64) error {
	b.mu.Lock()
	b.waiting++
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		b.waiting--
		b.mu.Unlock()
	}()
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

// upTo counts the open records of epochs up to the given one. The channel is
// closed when that may have become fewer.
func (b *books) upTo(epoch uint64) (int, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for e, open := range b.open {
		if e <= epoch {
			n += open
		}
	}
	return n, b.settled
}
