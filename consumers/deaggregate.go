package consumers

import (
	"slices"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/kpl"
	"github.com/kload/kload/internal/shard"
)

// Range says what becomes of strays: user records of an aggregate whose hash keys
// lie outside the shard that holds it. A producer with an old shard map, or one
// that packs without any, makes them.
type Range string

// What becomes of strays. RangeKCL is what the Kinesis Client Library does: one
// stray takes the whole aggregate with it.
const (
	RangeKeep      Range = "keep"
	RangeDropStray Range = "drop_stray"
	RangeKCL       Range = "kcl"
)

// Deaggregation counts what unpacking stream records came upon.
type Deaggregation struct {
	BadAggregates   uint64 // stream records that claim to be aggregates and are not; each is one plain user record
	StrayRecords    uint64 // user records of aggregates outside their shard's range
	StrayAggregates uint64 // aggregates that held any
	StrayDropped    uint64 // user records left out for that, by Range
}

func (d Deaggregation) plus(o Deaggregation) Deaggregation {
	d.BadAggregates += o.BadAggregates
	d.StrayRecords += o.StrayRecords
	d.StrayAggregates += o.StrayAggregates
	d.StrayDropped += o.StrayDropped
	return d
}

// deaggregator unpacks stream records into user records. It is owned by one
// worker; what it yields points into the batch's memory.
type deaggregator struct {
	dec    kpl.Decoder
	digest kpl.Digester
	plain  *shard.KeyCache
	tables *shard.BatchHasher
	strays Range
	// plainByKey says that plain records were routed by their partition key. The
	// service does not give explicit hash keys back, so that where they are in use
	// a plain record's routing cannot be checked.
	plainByKey bool
	counts     Deaggregation

	packed [][]byte // of a batch: what may be aggregates
	intact []bool   // of those: whether their digests are right
	keys   [][]byte // of an aggregate: its partition keys
	hashes []kload.HashKey
}

func newDeaggregator(strays Range, plainByKey bool) *deaggregator {
	return &deaggregator{
		plain: shard.NewKeyCache(0), tables: shard.NewBatchHasher(), strays: strays, plainByKey: plainByKey,
	}
}

// fill sets b.Users from b.Records. owned is the range of the shard, nil where it
// is not known: there is no stray then.
func (d *deaggregator) fill(b *kload.Batch, owned *shard.Range) {
	d.verify(b)
	b.Users = b.Users[:0]
	aggregates := 0
	for i := range b.Records {
		r := &b.Records[i]
		if kpl.IsAggregate(r.Data) {
			kind := d.dec.ResetVerified(r.Data, d.intact[aggregates])
			aggregates++
			if kind == kpl.Aggregate {
				d.unpack(b, i, owned)
				continue
			}
			d.counts.BadAggregates++
		}
		u := kload.Delivery{Data: r.Data, Key: r.Key, Stream: i}
		if d.plainByKey {
			u.Hash, u.HasHash = d.plain.HashOf(u.Key), true
		}
		b.Users = append(b.Users, u)
	}
}

// verify computes the digests of all aggregates of a batch at once.
func (d *deaggregator) verify(b *kload.Batch) {
	d.packed = d.packed[:0]
	for i := range b.Records {
		if data := b.Records[i].Data; kpl.IsAggregate(data) {
			d.packed = append(d.packed, data)
		}
	}
	d.intact = slices.Grow(d.intact[:0], len(d.packed))[:len(d.packed)]
	d.digest.Verify(d.intact, d.packed)
	clear(d.packed)
}

// unpack appends the user records of the aggregate in the decoder.
func (d *deaggregator) unpack(b *kload.Batch, stream int, owned *shard.Range) {
	first, strays := len(b.Users), 0
	d.hashTable()
	var u kpl.User
	for d.dec.Next(&u) {
		hash := u.Hash
		if !u.HasHash {
			hash = d.hashes[d.dec.KeyIndex()]
		}
		if owned != nil && !owned.Contains(hash) {
			strays++
			if d.strays == RangeDropStray {
				continue
			}
		}
		b.Users = append(b.Users, kload.Delivery{
			Data: u.Data, Tag: u.Tag, Key: u.Key, Hash: hash, HasHash: true, Stream: stream, Sub: u.Sub,
		})
	}
	if strays == 0 {
		return
	}
	if d.strays == RangeKCL {
		b.Users = b.Users[:first]
	}
	d.counts.StrayRecords += uint64(strays)
	d.counts.StrayAggregates++
	d.counts.StrayDropped += uint64(d.dec.Count() - (len(b.Users) - first))
}

// hashTable computes the points of the partition keys of the aggregate in the
// decoder, each once, however many user records have it.
func (d *deaggregator) hashTable() {
	d.keys = d.dec.AppendKeys(d.keys[:0])
	d.hashes = slices.Grow(d.hashes[:0], len(d.keys))[:len(d.keys)]
	d.tables.HashAll(d.hashes, d.keys)
	clear(d.keys)
}
