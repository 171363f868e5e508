package direct

import (
	"cmp"
	"container/heap"
	"context"
	"fmt"
	"sync"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/epochs"
	"github.com/kload/kload/internal/pace"
	"github.com/kload/kload/producer"
)

// queue holds accepted records until a sender takes them, and keeps count of
// those without an outcome.
// Its lock is taken once per batch.
type queue struct {
	o     *Options
	wake  chan struct{} // holds a token while there may be something to take
	space chan struct{} // holds a token after bytes were given back

	mu      sync.Mutex
	fresh   chain   // never sent
	again   retries // sent before
	free    chain   // recycled
	used    int     // bytes of the budget
	peak    int
	closed  bool
	hurried uint64 // records up to this epoch wait for no others
	books   *epochs.Books
}

func newQueue(o *Options) *queue {
	return &queue{o: o, wake: make(chan struct{}, 1), space: make(chan struct{}, 1), books: epochs.New()}
}

// accept copies the records for which there is room and returns how many these
// are. Those among them that can never be stored are handed back for a verdict.
// A record above the whole budget is let through alone.
func (q *queue) accept(recs []kload.Record) (n int, refused []*Record, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return 0, nil, fmt.Errorf("putting records: %w", kload.ErrClosed)
	}
	now, epoch := q.o.Clock.Now(), q.books.Begin(0)
	for ; n < len(recs); n++ {
		size := charge(&recs[n])
		if q.used > 0 && q.used+size > q.o.Memory {
			break
		}
		q.used += size
		r := q.blank()
		r.fill(&recs[n], cmp.Or(q.o.MaxRecord, producer.DefaultMaxRecord), epoch, now)
		if r.tries.Code != "" {
			refused = append(refused, r)
			continue
		}
		q.fresh.push(r)
	}
	q.books.More(epoch, n)
	q.peak = max(q.peak, q.used)
	if n > 0 {
		signal(q.wake)
	}
	return n, refused, nil
}

func (q *queue) blank() *Record {
	if q.free.n == 0 {
		return new(Record)
	}
	return q.free.pop()
}

// room waits until bytes were given back, or ctx ends.
func (q *queue) room(ctx context.Context) error {
	select {
	case <-q.space:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// settle takes records with an outcome off the books.
func (q *queue) settle(recs []*Record) {
	q.mu.Lock()
	epochs.End(q.books, recs)
	for _, r := range recs {
		q.used -= r.charge()
		r.recycle()
		q.free.push(r)
	}
	q.mu.Unlock()
	signal(q.space)
}

// cut ends the flush epoch and lets its records go without waiting for others.
func (q *queue) cut() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.hurried = q.books.Cut()
	signal(q.wake)
	return q.hurried
}

// retry puts records back whose notBefore was set.
func (q *queue) retry(recs []*Record) {
	if len(recs) == 0 {
		return
	}
	q.mu.Lock()
	for _, r := range recs {
		heap.Push(&q.again, r)
	}
	q.mu.Unlock()
	signal(q.wake)
}

// close refuses further records.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
}

// rest empties the queue when nobody takes from it any more.
func (q *queue) rest() []*Record {
	q.mu.Lock()
	defer q.mu.Unlock()
	rest := q.again
	q.again = nil
	for q.fresh.n > 0 {
		rest = append(rest, q.fresh.pop())
	}
	return rest
}

func (q *queue) mostUsed() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return uint64(q.peak)
}

// take blocks until records may be sent or their time to live has ended, and
// appends those of one request to batch and the others to late. It returns
// neither when ctx ended.
func (q *queue) take(ctx context.Context, p *pace.Pacer, batch, late []*Record) (sent, expired []*Record) {
	for ctx.Err() == nil {
		var next int64
		batch, late, next = q.tryTake(batch[:0], late[:0])
		if len(batch)+len(late) > 0 {
			return batch, late
		}
		if p.Wait(ctx, next, q.wake) != nil {
			break
		}
	}
	return nil, nil
}

// tryTake takes without waiting. next is when something held back may go, 0 for
// none.
func (q *queue) tryTake(batch, late []*Record) (sent, expired []*Record, next int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now, bytes := q.o.Clock.Now(), 0
	ripe := q.ripe(now)
	for r := q.first(ripe, now); r != nil; r = q.first(ripe, now) {
		gone := r.expired(now, int64(q.o.TTL))
		if full := len(batch) == q.o.MaxRecords || len(batch) > 0 && bytes+r.size() > q.o.MaxBytes; full && !gone {
			signal(q.wake) // another sender may go on
			break
		}
		if q.remove(r); gone {
			late = append(late, r)
			continue
		}
		bytes += r.size()
		batch = append(batch, r)
	}
	if q.fresh.n > 0 {
		next = q.fresh.head.accepted() + int64(q.o.Linger)
	}
	if len(q.again) > 0 && (next == 0 || q.again[0].tries.NotBefore < next) {
		next = q.again[0].tries.NotBefore
	}
	return batch, late, next
}

// ripe says whether fresh records are to be sent now: they fill a request, the
// first has waited long enough, or is wanted at once. q.mu is held.
func (q *queue) ripe(now int64) bool {
	f := &q.fresh
	return f.n >= q.o.MaxRecords || f.bytes >= q.o.MaxBytes ||
		f.n > 0 && (f.head.accepted()+int64(q.o.Linger) <= now || f.head.epoch <= q.hurried)
}

// first returns the next record that may go, nil for none: retries come first.
// q.mu is held.
func (q *queue) first(ripe bool, now int64) *Record {
	switch {
	case len(q.again) > 0 && q.again[0].tries.NotBefore <= now:
		return q.again[0]
	case ripe:
		return q.fresh.head
	}
	return nil
}

// remove takes out the record that first returned. q.mu is held.
func (q *queue) remove(r *Record) {
	if len(q.again) > 0 && r == q.again[0] {
		heap.Pop(&q.again)
		return
	}
	q.fresh.pop()
}

func signal(token chan<- struct{}) {
	select {
	case token <- struct{}{}:
	default:
	}
}
