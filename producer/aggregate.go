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
type lane struct {
	due atomic.Int64 // when the open aggregate has lingered long enough, 0 for none open

	mu     sync.Mutex // guards what follows
	enc    kpl.Encoder
	rec    *streamRecord // nil: nothing open
	tagged bool
	sealed []*streamRecord // in sealing order, waiting to be queued
	rand   rand.PCG        // of aggregates' partition keys

	// The first record is kept aside: should it stay alone it is sent plain,
	// without an envelope, as the KPL does. A record with a tag needs the envelope
	// even alone.
	key, data []byte
	hash      kload.HashKey
	hasHash   bool
}

// laneKeeps is how much memory a lane keeps at least, if it once needed it: there
// may be thousands.
const laneKeeps = 64 << 10

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
// seals what is full. It says whether it opened an aggregate.
func (a *aggregator) add(i int, r *kload.Record, hash kload.HashKey, now int64) (opened bool) {
	l := &a.lanes[i]
	if l.rec != nil && !l.tryAdd(r, min(int(a.cfg.MaxBytes), maxAggregate-max(len(l.rec.key), randomKey))) {
		a.seal(i, flushSize)
	}
	if l.rec == nil {
		a.start(i, r, hash, now)
		opened = true
	}
	rec := l.rec
	rec.span.Start, rec.span.End = least(rec.span.Start, hash), most(rec.span.End, hash)
	rec.charge += charge(r)
	rec.payload += len(r.Data)
	rec.waited += now - rec.opened
	rec.receipts = append(rec.receipts, kload.Receipt{
		Producer: r.Producer, Seq: r.Seq, Bytes: uint32(len(r.Data)), Intended: r.Intended, Accepted: now,
	})
	switch {
	case len(rec.receipts) >= a.cfg.MaxCount:
		a.seal(i, flushCount)
	case opened && len(r.Data) >= int(a.cfg.MaxBytes): // nothing fits beside it
		a.seal(i, flushSize)
	}
	return opened
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
	l.rec = a.pool.get()
	rec := l.rec
	rec.opened = now
	if a.books != nil {
		rec.epoch = a.books.Begin(1)
	}
	rec.shard, rec.shardID, rec.mapEpoch = i, a.shards.At(i).ID, a.shards.Epoch()
	rec.span = shard.Range{Start: hash, End: hash}
	rec.key = string(r.Key)
	l.hash, l.hasHash = hash, r.HasHash
	l.tagged = r.Tag != nil
	if l.tagged {
		l.enc.Reset(rec.buf[:0])
		l.enc.Add(r.Key, r.Hash, r.HasHash, r.Tag, r.Data)
		rec.enveloped = true
	} else {
		l.key = append(l.key[:0], r.Key...)
		l.data = append(l.data[:0], r.Data...)
	}
	l.due.Store(max(1, now+int64(a.cfg.Linger)))
}

// tryAdd adds r unless the aggregate would grow beyond limit. It puts the first
// record into its envelope, which seal drops again for a lone record.
func (l *lane) tryAdd(r *kload.Record, limit int) bool {
	if !l.rec.enveloped {
		l.enc.Reset(l.rec.buf[:0])
		l.enc.Add(l.key, l.hash, l.hasHash, nil, l.data)
		l.rec.enveloped = true
	}
	return l.enc.TryAdd(limit, r.Key, r.Hash, r.HasHash, r.Tag, r.Data)
}

// seal closes the aggregate of a lane that is locked, if one is open, and
// appends it to the lane's sealed ones.
func (a *aggregator) seal(i int, why flushReason) {
	l := &a.lanes[i]
	rec := l.rec
	if rec == nil {
		return
	}
	l.rec = nil
	l.due.Store(0)
	if rec.enveloped = len(rec.receipts) > 1 || l.tagged; rec.enveloped {
		rec.data = l.enc.SealUndigested()
		rec.buf, rec.undigested = rec.data, true
		rec.hashKey = shard.FormatHash(l.hash)
		rec.key = l.partitionKey(a.cfg.PartitionKey, rec.key)
	} else {
		rec.buf, l.data = l.data, rec.buf[:0]
		rec.data = rec.buf
		if cap(l.data) > max(laneKeeps, 2*int(a.cfg.MaxBytes)) {
			l.data = nil // of a large record
		}
		if l.hasHash {
			rec.hashKey = shard.FormatHash(l.hash)
		}
	}
	l.sealed = append(l.sealed, rec)
	a.stats.sealed(rec, why)
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
