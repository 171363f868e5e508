package producer

import (
	"encoding/hex"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/epochs"
	"github.com/kload/kload/internal/kpl"
	"github.com/kload/kload/internal/shard"
)

// aggregator packs user records into one open aggregate per shard of one shard
// map. Aggregating across shards would lose data: KCL drops the records of an
// aggregate that belong to another shard. When the shard map changes a new
// aggregator takes over.
type aggregator struct {
	cfg    Aggregation
	shards *shard.Map
	lanes  []lane // by shard index
	pool   *recordPool
	books  *epochs.Books // nil while records are only moved from one aggregate to others
	stats  *counters
}

// lane is where the records of one shard come together. Callers take its lock
// once for all the records of a batch that go there.
//
// Of a thousand lanes none is in the processor's cache when its next record comes,
// so that adding one waits for each line of memory it touches. What it needs lies
// here, together, and goes to the stream record when that is sealed.
type lane struct {
	due atomic.Int64 // when the open aggregate has lingered long enough, 0 for none open

	mu      sync.Mutex    // guards what follows
	rec     *streamRecord // nil: nothing open
	limit   int           // bytes of the open aggregate
	count   int           // its records
	span    shard.Range
	payload int
	charge  int
	opened  int64
	waited  int64
	enc     kpl.Encoder
	recent  [receiptsKept]kload.Receipt // of the records since as many were handed to rec

	hash    kload.HashKey   // of the first record, which decides where the aggregate goes
	hasHash bool            // it was explicit
	tagged  bool            // the first record has a tag, and needs the envelope even alone
	sealed  []*streamRecord // in sealing order, waiting to be queued
	rand    rand.PCG        // of aggregates' partition keys
}

// receiptsKept is how many receipts a lane keeps to itself at a time.
const receiptsKept = 16

// randomKey is the length of a random partition key.
const randomKey = 16

func newAggregator(cfg Aggregation, m *shard.Map, pool *recordPool, b *epochs.Books, stats *counters, seed uint64) *aggregator {
	if !cfg.Enabled {
		cfg.MaxCount = 1
	}
	a := &aggregator{cfg: cfg, shards: m, lanes: make([]lane, m.Len()), pool: pool, books: b, stats: stats}
	for i := range a.lanes {
		a.lanes[i].rand.Seed(seed, m.Epoch()<<32|uint64(i))
	}
	return a
}

// add puts one record into the aggregate of shard i, whose lane is locked, and
// seals what is full. It says whether it opened an aggregate, and whether it sealed
// one.
func (a *aggregator) add(i int, r *kload.Record, hash kload.HashKey, now int64) (opened, sealed bool) {
	l := &a.lanes[i]
	if l.rec != nil && !l.enc.TryAdd(l.limit, r.Key, hash, r.HasHash, r.Tag, r.Data) {
		a.seal(i, flushSize)
		sealed = true
	}
	if l.rec == nil {
		a.start(i, r, hash, now)
		opened = true
	}
	l.span.Start, l.span.End = least(l.span.Start, hash), most(l.span.End, hash)
	l.charge += charge(r)
	l.payload += len(r.Data)
	l.waited += now - l.opened
	l.recent[l.count%receiptsKept] = kload.Receipt{
		Producer: r.Producer, Seq: r.Seq, Bytes: uint32(len(r.Data)), Intended: r.Intended, Accepted: now,
	}
	if l.count++; l.count%receiptsKept == 0 {
		l.rec.receipts = append(l.rec.receipts, l.recent[:]...)
	}
	switch {
	case l.count >= a.cfg.MaxCount:
		a.seal(i, flushCount)
		sealed = true
	case opened && len(r.Data) >= int(a.cfg.MaxBytes): // nothing fits beside it
		a.seal(i, flushSize)
		sealed = true
	}
	return opened, sealed
}

func least(a, b kload.HashKey) kload.HashKey {
	if b.Hi < a.Hi || b.Hi == a.Hi && b.Lo < a.Lo {
		return b
	}
	return a
}

func most(a, b kload.HashKey) kload.HashKey {
	if b.Hi > a.Hi || b.Hi == a.Hi && b.Lo > a.Lo {
		return b
	}
	return a
}

// start opens an aggregate with its first record.
func (a *aggregator) start(i int, r *kload.Record, hash kload.HashKey, now int64) {
	l := &a.lanes[i]
	rec := a.pool.get(len(r.Data))
	if a.books != nil {
		rec.epoch = a.books.Begin(1)
	}
	rec.shard, rec.shardID, rec.mapEpoch = i, a.shards.At(i).ID, a.shards.Epoch()
	rec.key = string(r.Key)
	l.rec, l.count = rec, 0
	l.limit = min(int(a.cfg.MaxBytes), maxAggregate-max(len(r.Key), randomKey))
	l.span, l.payload, l.charge = shard.Range{Start: hash, End: hash}, 0, 0
	l.opened, l.waited = now, 0
	l.hash, l.hasHash, l.tagged = hash, r.HasHash, r.Tag != nil
	l.enc.Reset(rec.buf)
	l.enc.Add(r.Key, hash, r.HasHash, r.Tag, r.Data)
	l.due.Store(max(1, now+int64(a.cfg.Linger)))
}

// seal closes the aggregate of a lane that is locked, if one is open, and
// appends it to the lane's sealed ones. A record that stayed alone is sent plain,
// without an envelope, as the KPL does.
func (a *aggregator) seal(i int, why flushReason) {
	l := &a.lanes[i]
	rec := l.rec
	if rec == nil {
		return
	}
	l.rec = nil
	l.due.Store(0)
	rec.receipts = append(rec.receipts, l.recent[:l.count%receiptsKept]...)
	rec.span, rec.payload, rec.charge = l.span, l.payload, l.charge
	rec.opened, rec.waited = l.opened, l.waited
	if rec.enveloped = l.count > 1 || l.tagged; rec.enveloped {
		rec.buf = l.enc.SealUndigested()
		rec.data, rec.undigested = rec.buf, true
		rec.key = l.partitionKey(a.cfg.PartitionKey, rec.key)
	} else {
		rec.buf, rec.data = l.enc.SealAlone()
	}
	if rec.enveloped || l.hasHash {
		rec.hashKey = shard.FormatHash(l.hash)
	}
	l.sealed = append(l.sealed, rec)
	a.stats.sealed(rec, why)
}

// latest returns the stream record that the record added last went to, and its
// index there.
func (l *lane) latest() (rec *streamRecord, index int) {
	if l.rec != nil {
		return l.rec, l.count - 1
	}
	rec = l.sealed[len(l.sealed)-1]
	return rec, len(rec.receipts) - 1
}

// partitionKey chooses the key of an aggregate, which decides nothing, since its
// explicit hash key does.
func (l *lane) partitionKey(choice, first string) string {
	switch choice {
	case keyLetter:
		return keyLetter
	case keyRandom:
		var b [randomKey / 2]byte
		for i, v := 0, l.rand.Uint64(); i < len(b); i, v = i+1, v>>8 {
			b[i] = byte(v)
		}
		return hex.EncodeToString(b[:])
	}
	return first
}

// take returns what was sealed in a locked lane. The slice is valid until the
// lane is unlocked.
func (l *lane) take() []*streamRecord {
	sealed := l.sealed
	l.sealed = l.sealed[:0]
	return sealed
}

// lingering returns when the next open aggregate will have lingered long enough,
// 0 when none is open.
func (a *aggregator) lingering() int64 {
	next := int64(math.MaxInt64)
	for i := range a.lanes {
		if due := a.lanes[i].due.Load(); due != 0 {
			next = min(next, due)
		}
	}
	if next == math.MaxInt64 {
		return 0
	}
	return next
}
