package producer

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/kload/kload/internal/kpl"
	"github.com/kload/kload/internal/pace"
	"github.com/kload/kload/internal/shard"
)

// queue holds sealed stream records, apart by shard, until a sender takes them.
// Senders take what is there as soon as they are free, one record of each shard
// in turn, so requests grow by themselves when the service is slow (collection)
// and stay small when it is fast. A shard whose gate is shut, or that has to keep
// order, holds back its own records only. What is looked at is proportional to
// what is taken, however much is held back.
//
// Nobody waits for the queue's lock in steady state: whoever holds it may have
// lost its processor, and would make all others wait. New records come through an
// inbox without a lock; a sender that finds the lock taken leaves word and goes
// back to wait; records that were stored are only counted.
type queue struct {
	clock *pace.Clock
	limit Collection
	mode  string // of the gates
	ttl   int64  // 0 for none
	// ordered keeps a shard's later records back while one is in flight or
	// waiting for a retry.
	ordered bool
	expired func([]*streamRecord) // takes over records whose time to live ended here
	split   *splitter
	wake    chan struct{} // holds a token while there may be something to take
	digests sync.Pool     // of *digestion
	inbox   inbox         // new records on their way into the lanes
	flying  atomic.Int64  // records out with senders
	missed  atomic.Bool   // a sender found the lock taken

	mu        sync.Mutex
	shards    *shard.Map // that the lanes are by
	lanes     []queueLane
	ready     deque[int] // lanes that may have something to take
	timers    timers     // lanes and unordered retries that wait for a time
	queued    int        // records here, without those in the inbox
	stale     int        // ordered: records out with senders that an older shard map mapped
	throttles map[string]uint64
	late      []*streamRecord // whose time to live ended, on their way to expired
	closed    bool
}

// queueLane is the queue of one shard.
type queueLane struct {
	recs  deque[*streamRecord]
	gate  gate
	ready bool // in queue.ready
	timed bool // in queue.timers
	busy  bool // ordered: a record is in flight
}

func newQueue(clock *pace.Clock, cfg *Config, m *shard.Map, split *splitter) *queue {
	q := &queue{
		clock: clock, limit: cfg.Collection, mode: cfg.Gate, ttl: int64(cfg.TTL), ordered: cfg.Ordered, split: split,
		wake: make(chan struct{}, 1), shards: m, lanes: make([]queueLane, m.Len()), throttles: map[string]uint64{},
	}
	q.digests.New = func() any { return new(digestion) }
	return q
}

// push appends new records.
func (q *queue) push(recs []*streamRecord) {
	if len(recs) == 0 {
		return
	}
	q.inbox.push(recs)
	q.signal()
}

// lock takes the lock and sorts in what is new.
func (q *queue) lock() {
	q.mu.Lock()
	q.sortIn()
}

// tryLock is lock without waiting. Where it fails, whoever has the lock will wake a
// sender when it lets go.
func (q *queue) tryLock() bool {
	if !q.mu.TryLock() {
		q.missed.Store(true)
		if !q.mu.TryLock() { // it is still taken, by one who will look at missed
			return false
		}
	}
	q.sortIn()
	return true
}

func (q *queue) unlock() {
	q.mu.Unlock()
	if q.missed.Load() && q.missed.Swap(false) {
		q.signal()
	}
}

// sortIn moves what is in the inbox to the lanes. q.mu is held.
func (q *queue) sortIn() {
	for r := q.inbox.take(); r != nil; {
		next := r.next
		r.next = nil
		q.lanes[r.shard].recs.pushBack(r)
		q.enlist(r.shard)
		q.queued++
		r = next
	}
}

// retry puts records back whose notBefore was set.
func (q *queue) retry(recs []*streamRecord) {
	if len(recs) == 0 {
		return
	}
	q.lock()
	now := q.clock.Now()
	q.flying.Add(-int64(len(recs)))
	for _, r := range recs {
		q.landed(r, now)
		for _, part := range q.split.fit(r, q.shards) {
			q.putBack(part)
		}
	}
	q.unlock()
	q.signal()
}

// putBack queues a record that was out before. q.mu is held. Where order is kept
// it goes first and keeps its shard's later ones waiting; else only it waits.
func (q *queue) putBack(r *streamRecord) {
	q.queued++
	if !q.ordered {
		q.timers.push(timer{at: r.tries.NotBefore, rec: r})
		return
	}
	q.lanes[r.shard].recs.pushFront(r)
	q.enlist(r.shard)
}

// done takes records off that are decided.
func (q *queue) done(recs []*streamRecord) {
	q.flying.Add(-int64(len(recs)))
	if !q.ordered && !slices.ContainsFunc(recs, func(r *streamRecord) bool { return r.tries.Throttled() }) {
		return // nobody has to know
	}
	q.lock()
	now := q.clock.Now()
	for _, r := range recs {
		q.landed(r, now)
	}
	wake := q.ordered && q.queued > 0
	q.unlock()
	if wake {
		q.signal()
	}
}

// landed tells the gate of a record's shard how its attempt went, and its lane
// that it is back. q.mu is held.
func (q *queue) landed(r *streamRecord, now int64) {
	throttled := r.tries.Throttled()
	if throttled {
		q.throttles[r.shardID]++
	}
	if r.mapEpoch != q.shards.Epoch() {
		q.stale--
		return
	}
	l := &q.lanes[r.shard]
	if throttled {
		l.gate.throttled(q.mode, r.bytes(), now)
	}
	if q.ordered {
		l.busy = false
		q.enlist(r.shard)
	}
}

// enlist makes a lane with records one that take looks at. q.mu is held.
func (q *queue) enlist(i int) {
	l := &q.lanes[i]
	if !l.ready && !l.timed && !l.busy && l.recs.len() > 0 {
		l.ready = true
		q.ready.pushBack(i)
	}
}

// remap sorts everything by a new shard map. Records that no longer fit one
// shard are taken apart and aggregated anew.
func (q *queue) remap(m *shard.Map) {
	q.lock()
	old, timed, before := q.lanes, q.timers, q.shards
	q.shards, q.lanes = m, make([]queueLane, m.Len())
	q.ready, q.timers = deque[int]{}, timers{}
	q.queued, q.stale = 0, int(q.flying.Load())
	for i := range q.lanes { // a shard that stays keeps its gate
		if at, ok := before.Find(m.At(i).ID); ok {
			q.lanes[i].gate = old[at].gate
		}
	}
	for i := range old {
		for recs := &old[i].recs; recs.len() > 0; {
			for _, part := range q.split.fit(recs.popFront(), m) {
				q.lanes[part.shard].recs.pushBack(part)
				q.enlist(part.shard)
				q.queued++
			}
		}
	}
	for _, t := range timed {
		if t.rec != nil {
			for _, part := range q.split.fit(t.rec, m) {
				q.putBack(part)
			}
		}
	}
	q.unlock()
	q.signal()
}

// idle reports whether no sealed record is queued or in flight.
func (q *queue) idle() bool {
	q.lock()
	defer q.unlock()
	return q.queued == 0 && q.flying.Load() == 0
}

// close makes take return nothing once the queue is empty.
func (q *queue) close() {
	q.lock()
	q.closed = true
	q.unlock()
	q.signal()
}

// rest empties the queue when nobody takes from it any more.
func (q *queue) rest() []*streamRecord {
	q.lock()
	defer q.unlock()
	var rest []*streamRecord
	for i := range q.lanes {
		for recs := &q.lanes[i].recs; recs.len() > 0; {
			rest = append(rest, recs.popFront())
		}
	}
	for _, t := range q.timers {
		if t.rec != nil {
			rest = append(rest, t.rec)
		}
	}
	q.timers, q.queued = nil, 0
	return rest
}

// throttlesByShard returns how many stream records each shard refused for their
// rate.
func (q *queue) throttlesByShard() map[string]uint64 {
	q.lock()
	defer q.unlock()
	return maps.Clone(q.throttles)
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
			q.digest(recs)
			return recs
		}
		if p.Wait(ctx, next, q.wake) != nil {
			break
		}
	}
	return nil
}

// tryTake takes without waiting. next is when something held back may go, 0 for
// none; end says that nothing will come any more.
func (q *queue) tryTake(dst []*streamRecord) (recs []*streamRecord, next int64, end bool) {
	if !q.tryLock() {
		return dst, 0, false
	}
	now := q.clock.Now()
	q.fire(now)
	req := request{recs: dst, limit: q.limit}
	// Under a new shard map a key may be in another shard: its records wait until
	// all that were mapped before have landed.
	if !q.ordered || q.stale == 0 {
		for room := true; room && q.ready.len() > 0; {
			room = q.takeOne(&req, now)
		}
	}
	if len(q.timers) > 0 {
		next = q.timers[0].at
	}
	q.flying.Add(int64(len(req.recs)))
	if len(req.recs) > 0 && q.queued > 0 {
		q.signal() // another sender may go on
	}
	// Once closed, a sender that finds nothing may leave: whoever still holds a
	// record in flight is itself a sender and will take its retry.
	end = q.closed && q.queued == 0 && len(req.recs) == 0
	late := q.late
	q.late = nil
	q.unlock()
	if len(late) > 0 {
		q.expired(late)
	}
	return req.recs, next, end
}

// fire lets go what waited for this time. q.mu is held.
func (q *queue) fire(now int64) {
	for len(q.timers) > 0 && q.timers[0].at <= now {
		t := q.timers.pop()
		if t.rec != nil {
			q.lanes[t.rec.shard].recs.pushFront(t.rec)
			q.enlist(t.rec.shard)
			continue
		}
		q.lanes[t.lane].timed = false
		q.enlist(t.lane)
	}
}

// takeOne moves the first record of the next ready lane to req. It returns false
// when the request is full. q.mu is held.
func (q *queue) takeOne(req *request, now int64) bool {
	i := q.ready.front()
	l := &q.lanes[i]
	for l.recs.len() > 0 && l.recs.front().expired(now, q.ttl) {
		q.late = append(q.late, l.recs.popFront())
		q.queued--
	}
	if l.recs.len() == 0 {
		q.ready.popFront()
		l.ready = false
		return true
	}
	r := l.recs.front()
	if at := max(r.tries.NotBefore, l.gate.ready(q.mode, now)); at > now {
		q.ready.popFront()
		l.ready, l.timed = false, true
		q.timers.push(timer{at: at, lane: i})
		return true
	}
	if !req.add(r) {
		return false
	}
	q.ready.popFront()
	l.ready = false
	l.recs.popFront()
	q.queued--
	l.gate.spend(r.bytes())
	l.busy = q.ordered
	q.enlist(i)
	return true
}

// digestion is what digesting takes.
type digestion struct {
	kpl.Digester
	open [][]byte
}

// digest completes the aggregates that go out for the first time: as many at
// once as fit a request, and outside every lock.
func (q *queue) digest(recs []*streamRecord) {
	d := q.digests.Get().(*digestion)
	for _, r := range recs {
		if r.undigested {
			d.open = append(d.open, r.data)
			r.undigested = false
		}
	}
	d.Digest(d.open)
	clear(d.open)
	d.open = d.open[:0]
	q.digests.Put(d)
}

// request collects what one PutRecords call carries.
type request struct {
	recs  []*streamRecord
	bytes int
	limit Collection
}

// add takes r in unless the request is full. A first record always fits.
func (req *request) add(r *streamRecord) bool {
	size := r.bytes()
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
