package producer

import (
	"sync"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/attempt"
	"github.com/kload/kload/internal/invariants"
	"github.com/kload/kload/internal/shard"
)

// streamRecord is one Kinesis record on its way: an aggregate, or a single user
// record sent as it is. It belongs to whoever holds it: the aggregator, then
// the queue, then one sender, then the pool.
type streamRecord struct {
	data       []byte
	undigested bool        // an aggregate whose digest is to be filled in yet
	enveloped  bool        // an aggregate, not a user record as it is
	span       shard.Range // of the hash keys in it
	key        string
	hashKey    string // decimal explicit hash key, "" for none
	shard      int    // predicted, index into the shard map
	shardID    string // predicted
	mapEpoch   uint64 // of the shard map that predicted
	receipts   []kload.Receipt
	waiters    []waiter
	payload    int    // bytes of its user records' data
	charge     int    // bytes it holds of the byte budget
	epoch      uint64 // flush epoch it was accepted in

	opened int64 // T1 of its first record; linger and TTL count from it
	waited int64 // sum over its user records of T1 - opened
	tries  attempt.History
	stray  bool // an attempt stored it in a shard that not all of it belongs to

	next *streamRecord // in the inbox

	buf []byte // memory of the aggregate, recycled with the record
}

// Epoch returns the flush epoch that the record belongs to.
func (r *streamRecord) Epoch() uint64 { return r.epoch }

// bytes is what the limits of the service count.
func (r *streamRecord) bytes() int { return len(r.data) + len(r.key) }

// expired reports whether the time to live has ended; 0 means never.
func (r *streamRecord) expired(now, ttl int64) bool { return ttl > 0 && now > r.opened+ttl }

func (r *streamRecord) outcome(status kload.Status) kload.Outcome {
	o := r.tries.Outcome(status, r.receipts)
	o.Shard = r.shardID
	return o
}

// recordPool recycles stream records with their buffers. Those of large records are
// for large records only: in time, every small aggregate would have one.
type recordPool struct {
	limit int // bytes kept at most
	usual int // bytes of a buffer that is for all
	mu    sync.Mutex
	held  int
	free  []*streamRecord
	large []*streamRecord
}

// size is about what a record of the pool takes.
func (r *streamRecord) size() int { return cap(r.buf) + recordBytes + receiptBytes*cap(r.receipts) }

const recordBytes, receiptBytes = 320, 40

func newRecordPool(cfg *Config) *recordPool {
	return &recordPool{limit: int(cfg.Memory) / 4 * 5, usual: max(64<<10, 2*int(cfg.Aggregation.MaxBytes))}
}

// get returns a record for so many bytes.
func (p *recordPool) get(bytes int) *streamRecord {
	p.mu.Lock()
	defer p.mu.Unlock()
	free := p.list(bytes)
	if n := len(*free); n > 0 {
		r := (*free)[n-1]
		*free = (*free)[:n-1]
		p.held -= r.size()
		return r
	}
	return new(streamRecord)
}

func (p *recordPool) list(bytes int) *[]*streamRecord {
	if bytes > p.usual {
		return &p.large
	}
	return &p.free
}

func (p *recordPool) put(recs []*streamRecord) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range recs {
		size := r.size()
		for ; p.held+size > p.limit && len(p.large) > 0; p.large = p.large[:len(p.large)-1] {
			p.held -= p.large[len(p.large)-1].size()
			p.large[len(p.large)-1] = nil
		}
		if p.held+size > p.limit {
			continue
		}
		invariants.Poison(r.buf[:cap(r.buf)])
		clear(r.waiters)
		*r = streamRecord{buf: r.buf[:0], receipts: r.receipts[:0], waiters: r.waiters[:0]}
		p.held += size
		free := p.list(cap(r.buf))
		*free = append(*free, r)
	}
}
