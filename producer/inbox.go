package producer

import "sync/atomic"

// inbox is a list of records that grows from any goroutine without a lock. The
// zero value is empty.
type inbox struct{ latest atomic.Pointer[streamRecord] }

// push adds records in order.
func (b *inbox) push(recs []*streamRecord) {
	for i := 1; i < len(recs); i++ {
		recs[i].next = recs[i-1]
	}
	for {
		before := b.latest.Load()
		recs[0].next = before
		if b.latest.CompareAndSwap(before, recs[len(recs)-1]) {
			return
		}
	}
}

// take empties the inbox and returns its first record, each linked to the one
// that came after it.
func (b *inbox) take() (first *streamRecord) {
	for r := b.latest.Swap(nil); r != nil; {
		r.next, r, first = first, r.next, r
	}
	return first
}
