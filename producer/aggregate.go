package producer

import (
	"math"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/kpl"
	"github.com/kload/kload/internal/shard"
)

// aggregator packs user records into one open aggregate per shard. Aggregating
// across shards would lose data: KCL drops an aggregate that holds a record of
// another shard. It is guarded by the producer's mutex.
type aggregator struct {
	cfg    Aggregation
	shards *shard.Map
	keys   *shard.KeyCache
	open   []openAggregate // by shard index
	pool   recordPool
	sealed []*streamRecord // in sealing order, waiting to be queued
}

// openAggregate is the aggregate under way for one shard. A first record is
// kept aside: should it stay alone it is sent plain, without an envelope, as
// the KPL does. A record with a tag needs the envelope even alone.
type openAggregate struct {
	enc       kpl.Encoder
	rec       *streamRecord // nil: nothing open
	enveloped bool
	tagged    bool
	key, data []byte // the first record, while it may stay alone
	hash      kload.HashKey
	hasHash   bool
}

func newAggregator(cfg Aggregation, m *shard.Map) *aggregator {
	if !cfg.Enabled {
		cfg.MaxCount = 1
	}
	return &aggregator{cfg: cfg, shards: m, keys: shard.NewKeyCache(0), open: make([]openAggregate, m.Len())}
}

// add puts one record into its shard's aggregate, sealing what is full.
func (a *aggregator) add(r *kload.Record, now int64, charge int, epoch uint64) {
	hash := r.Hash
	if !r.HasHash {
		hash = a.keys.HashOf(r.Key)
	}
	i := a.shards.Locate(hash)
	o := &a.open[i]
	if o.rec != nil && !o.tryAdd(r, min(int(a.cfg.MaxBytes), maxRecordBytes-len(o.rec.key))) {
		a.seal(i)
	}
	if o.rec == nil {
		a.start(i, r, hash, now, epoch)
	}
	o.rec.charge += charge
	o.rec.receipts = append(o.rec.receipts, kload.Receipt{
		Producer: r.Producer, Seq: r.Seq, Bytes: uint32(len(r.Data)), Intended: r.Intended, Accepted: now,
	})
	if len(o.rec.receipts) >= a.cfg.MaxCount {
		a.seal(i)
	}
}

// start opens an aggregate with its first record.
func (a *aggregator) start(i int, r *kload.Record, hash kload.HashKey, now int64, epoch uint64) {
	o := &a.open[i]
	o.rec = a.pool.get()
	o.rec.opened, o.rec.epoch = now, epoch
	o.rec.shard, o.rec.shardID, o.rec.mapEpoch = i, a.shards.At(i).ID, a.shards.Epoch()
	o.rec.key = string(r.Key)
	o.key = append(o.key[:0], r.Key...)
	o.data = append(o.data[:0], r.Data...)
	o.hash, o.hasHash = hash, r.HasHash
	o.enveloped, o.tagged = false, r.Tag != nil
	if o.tagged {
		o.enc.Reset(o.rec.buf[:0])
		o.enc.Add(r.Key, r.Hash, r.HasHash, r.Tag, r.Data)
		o.enveloped = true
	}
}

// tryAdd adds r unless the aggregate would grow beyond limit. It puts the first
// record into its envelope, which seal drops again for a lone record.
func (o *openAggregate) tryAdd(r *kload.Record, limit int) bool {
	if !o.enveloped {
		o.enc.Reset(o.rec.buf[:0])
		o.enc.Add(o.key, o.hash, o.hasHash, nil, o.data)
		o.enveloped = true
	}
	return o.enc.TryAdd(limit, r.Key, r.Hash, r.HasHash, r.Tag, r.Data)
}

// seal closes a shard's aggregate and appends it to a.sealed.
func (a *aggregator) seal(i int) {
	o := &a.open[i]
	rec := o.rec
	if rec == nil {
		return
	}
	o.rec = nil
	if len(rec.receipts) == 1 && !o.tagged {
		rec.buf = append(rec.buf[:0], o.data...)
		rec.data = rec.buf
		if o.hasHash {
			rec.hashKey = shard.FormatHash(o.hash)
		}
	} else {
		rec.data = o.enc.Seal()
		rec.buf = rec.data
		rec.hashKey = shard.FormatHash(o.hash)
	}
	a.sealed = append(a.sealed, rec)
}

// sealDue seals what has lingered long enough and returns when the next
// aggregate will have, or 0 when none is open.
func (a *aggregator) sealDue(now int64) (next int64) {
	next = math.MaxInt64
	for i := range a.open {
		if a.open[i].rec == nil {
			continue
		}
		due := a.open[i].rec.opened + int64(a.cfg.Linger)
		if due <= now {
			a.seal(i)
			continue
		}
		next = min(next, due)
	}
	if next == math.MaxInt64 {
		return 0
	}
	return next
}

// pending returns how many records are in open aggregates.
func (a *aggregator) pending() int {
	n := 0
	for i := range a.open {
		if rec := a.open[i].rec; rec != nil {
			n += len(rec.receipts)
		}
	}
	return n
}

// sealAll seals everything open.
func (a *aggregator) sealAll() {
	for i := range a.open {
		a.seal(i)
	}
}

// setMap replaces the shard map; open aggregates are sealed under the old one.
func (a *aggregator) setMap(m *shard.Map) {
	a.sealAll()
	a.shards = m
	a.open = make([]openAggregate, m.Len())
}
