package direct

import (
	"github.com/kload/kload"
	"github.com/kload/kload/internal/attempt"
	"github.com/kload/kload/internal/invariants"
	"github.com/kload/kload/internal/shard"
	"github.com/kload/kload/producer"
)

// Record is one user record on its way, as the service takes it.
type Record struct {
	Data    []byte
	Key     string
	HashKey string // decimal explicit hash key, "" for none

	next    *Record          // in its chain
	receipt [1]kload.Receipt // an outcome lists it
	epoch   uint64           // flush epoch it was accepted in
	tries   attempt.History
}

// Epoch returns the flush epoch that the record belongs to.
func (r *Record) Epoch() uint64 { return r.epoch }

// recordOverhead stands for what a record costs beside its bytes.
const recordOverhead = 256

func charge(r *kload.Record) int { return len(r.Data) + len(r.Key) + recordOverhead }

func (r *Record) charge() int { return int(r.receipt[0].Bytes) + len(r.Key) + recordOverhead }

// size is what counts against the limits of a request.
func (r *Record) size() int { return len(r.Data) + len(r.Key) }

// fill makes r a copy of rec, accepted now. One that can never be stored keeps
// the reason as its code.
func (r *Record) fill(rec *kload.Record, maxRecord int, epoch uint64, now int64) {
	r.Data = append(r.Data[:0], rec.Data...)
	if r.Key != string(rec.Key) {
		r.Key = string(rec.Key)
	}
	if rec.HasHash {
		r.HashKey = shard.FormatHash(rec.Hash)
	}
	r.receipt[0] = kload.Receipt{
		Producer: rec.Producer, Seq: rec.Seq, Bytes: uint32(len(rec.Data)), Intended: rec.Intended, Accepted: now,
	}
	r.epoch = epoch
	if r.tries.Code = producer.Refusal(rec, maxRecord); rec.Tag != nil {
		r.tries.Code = "TagNotCarried" // only an aggregate has room for it
	}
}

// recycle makes r ready for another record. Its memory, and its key, which the
// next one may share, stay.
func (r *Record) recycle() {
	invariants.Poison(r.Data[:cap(r.Data)])
	*r = Record{Data: r.Data[:0], Key: r.Key}
}

func (r *Record) accepted() int64 { return r.receipt[0].Accepted }

// expired reports whether the time to live ends before the given time; 0 means
// never.
func (r *Record) expired(at, ttl int64) bool { return ttl > 0 && at > r.accepted()+ttl }

func (r *Record) outcome(status kload.Status) kload.Outcome {
	return r.tries.Outcome(status, r.receipt[:])
}

// chain is a first-in, first-out list through its records.
type chain struct {
	head, tail *Record
	n, bytes   int
}

func (c *chain) push(r *Record) {
	r.next = nil
	if c.tail == nil {
		c.head = r
	} else {
		c.tail.next = r
	}
	c.tail = r
	c.n++
	c.bytes += r.size()
}

// pop takes the first record out of a chain that has one.
func (c *chain) pop() *Record {
	r := c.head
	if c.head = r.next; c.head == nil {
		c.tail = nil
	}
	r.next = nil
	c.n--
	c.bytes -= r.size()
	return r
}

// retries is a heap of records that wait for their next attempt, the earliest
// first.
type retries []*Record

// Len, Less, Swap, Push and Pop implement heap.Interface.
func (h retries) Len() int           { return len(h) }
func (h retries) Less(i, j int) bool { return h[i].tries.NotBefore < h[j].tries.NotBefore }
func (h retries) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *retries) Push(x any)        { *h = append(*h, x.(*Record)) }

func (h *retries) Pop() any {
	old := *h
	r := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return r
}
