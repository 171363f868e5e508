package producer

import (
	"container/heap"
	"context"
	"sync"

	"github.com/kload/kload/internal/pace"
)

// queue holds sealed stream records until a sender takes them: new ones in
// order, retries by the time of their next attempt. Senders take what is there
// as soon as they are free, so requests grow by themselves when the service is
// slow (collection) and stay small when it is fast.
type queue struct {
	clock *pace.Clock
	limit Collection
	// ordered keeps a shard's later records back while one is in flight or
	// waiting for a retry.
	ordered bool
	wake    chan struct{} // holds a token while there may be something to take

	mu      sync.Mutex
	fifo    []*streamRecord
	retries retryHeap
	busy    map[int]bool // ordered: shards with a record in flight or retrying
	epoch   uint64       // ordered: the shard map that busy counts by
	closed  bool
}

func newQueue(clock *pace.Clock, limit Collection, ordered bool) *queue {
	return &queue{clock: clock, limit: limit, ordered: ordered, wake: make(chan struct{}, 1), busy: map[int]bool{}}
}

// push appends new records.
func (q *queue) push(recs []*streamRecord) {
	if len(recs) == 0 {
		return
	}
	q.mu.Lock()
	q.fifo = append(q.fifo, recs...)
	q.mu.Unlock()
	q.signal()
}

// retry puts records back whose notBefore was set.
func (q *queue) retry(recs []*streamRecord) {
	if len(recs) == 0 {
		return
	}
	q.mu.Lock()
	for _, r := range recs {
		heap.Push(&q.retries, r)
	}
	q.mu.Unlock()
	q.signal()
}

// done lets the next records of these shards go, when the queue is ordered.
func (q *queue) done(recs []*streamRecord) {
	if !q.ordered || len(recs) == 0 {
		return
	}
	q.mu.Lock()
	for _, r := range recs {
		delete(q.busy, r.shard)
	}
	q.mu.Unlock()
	q.signal()
}

// close makes take return nothing once the queue is empty.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.signal()
}

// rest empties the queue when nobody takes from it any more.
func (q *queue) rest() []*streamRecord {
	q.mu.Lock()
	defer q.mu.Unlock()
	rest := append(q.fifo, q.retries...)
	q.fifo, q.retries = nil, nil
	return rest
}

// take blocks until records may be sent and fills dst with as many as one
// request holds. It returns nothing when the queue is closed and empty or ctx
// ended.
func (q *queue) take(ctx context.Context, p *pace.Pacer, dst []*streamRecord) []*streamRecord {
	for ctx.Err() == nil {
		recs, next, end := q.tryTake(dst[:0])
		if end {
			q.signal() // the other senders may leave too
		}
		if len(recs) > 0 || end {
			return recs
		}
		if p.Wait(ctx, next, q.wake) != nil {
			break
		}
	}
	return nil
}

// tryTake takes without waiting. next is when the earliest retry is due, 0 for
// none; end says that nothing will come any more.
func (q *queue) tryTake(dst []*streamRecord) (recs []*streamRecord, next int64, end bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.clock.Now()
	req := request{recs: dst, limit: q.limit}
	for len(q.retries) > 0 && q.retries[0].notBefore <= now && req.add(q.retries[0]) {
		heap.Pop(&q.retries)
	}
	if q.ordered {
		q.takeOrdered(&req)
	} else {
		q.takeNew(&req)
	}
	if len(q.retries) > 0 {
		next = q.retries[0].notBefore
	}
	if len(req.recs) > 0 && len(q.fifo)+len(q.retries) > 0 {
		q.signal() // another sender may go on
	}
	// Once closed, a sender that finds nothing may leave: whoever still holds a
	// record in flight is itself a sender and will take its retry.
	return req.recs, next, q.closed && len(q.fifo) == 0 && len(q.retries) == 0
}

// takeNew moves new records to req.
func (q *queue) takeNew(req *request) {
	n := 0
	for n < len(q.fifo) && req.add(q.fifo[n]) {
		n++
	}
	clear(q.fifo[:n])
	q.fifo = q.fifo[n:]
}

// takeOrdered moves new records to req whose shards are not busy, and keeps the
// others in order. Under a new shard map a key may be in another shard: its
// records wait until all that were mapped before are decided.
func (q *queue) takeOrdered(req *request) {
	kept := q.fifo[:0]
	for i, r := range q.fifo {
		if q.busy[r.shard] && q.epoch == r.mapEpoch {
			kept = append(kept, r)
			continue
		}
		if len(q.busy) > 0 && q.epoch != r.mapEpoch || !req.add(r) {
			kept = append(kept, q.fifo[i:]...)
			break
		}
		q.epoch = r.mapEpoch
		q.busy[r.shard] = true
	}
	clear(q.fifo[len(kept):])
	q.fifo = kept
}

// request collects what one PutRecords call carries.
type request struct {
	recs  []*streamRecord
	bytes int
	limit Collection
}

// add takes r in unless the request is full. A first record always fits.
func (req *request) add(r *streamRecord) bool {
	size := len(r.data) + len(r.key)
	if n := len(req.recs); n >= req.limit.MaxRecords || n > 0 && req.bytes+size > int(req.limit.MaxBytes) {
		return false
	}
	req.recs = append(req.recs, r)
	req.bytes += size
	return true
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// retryHeap orders records by the time of their next attempt.
type retryHeap []*streamRecord

func (h retryHeap) Len() int           { return len(h) }
func (h retryHeap) Less(i, j int) bool { return h[i].notBefore < h[j].notBefore }
func (h retryHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *retryHeap) Push(x any)        { *h = append(*h, x.(*streamRecord)) }

func (h *retryHeap) Pop() any {
	old := *h
	r := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return r
}
