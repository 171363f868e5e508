package consumers

import (
	"github.com/kload/kload"
	"github.com/kload/kload/internal/kpl"
	"github.com/kload/kload/internal/shard"
)

// deaggregator unpacks stream records into user records. It is owned by one
// worker; what it yields points into the batch's memory.
type deaggregator struct {
	dec  kpl.Decoder
	keys *shard.KeyCache
	// plainByKey says that plain records were routed by their partition key. The
	// service does not give explicit hash keys back, so that where they are in use
	// a plain record's routing cannot be checked.
	plainByKey bool
	bad        uint64 // stream records that claim to be aggregates and are not
}

func newDeaggregator(plainByKey bool) *deaggregator {
	return &deaggregator{keys: shard.NewKeyCache(0), plainByKey: plainByKey}
}

// fill sets b.Users from b.Records.
func (d *deaggregator) fill(b *kload.Batch) {
	b.Users = b.Users[:0]
	for i := range b.Records {
		r := &b.Records[i]
		switch d.dec.Reset(r.Data) {
		case kpl.Aggregate:
			d.unpack(b, i)
			continue
		case kpl.BadAggregate:
			d.bad++
		case kpl.Plain:
		}
		u := kload.Delivery{Data: r.Data, Key: r.Key, Stream: i}
		if d.plainByKey {
			u.Hash, u.HasHash = d.keys.HashOf(u.Key), true
		}
		b.Users = append(b.Users, u)
	}
}

// unpack appends the user records of the aggregate in the decoder.
func (d *deaggregator) unpack(b *kload.Batch, stream int) {
	var u kpl.User
	for d.dec.Next(&u) {
		hash := u.Hash
		if !u.HasHash {
			hash = d.keys.HashOf(u.Key)
		}
		b.Users = append(b.Users, kload.Delivery{
			Data: u.Data, Tag: u.Tag, Key: u.Key, Hash: hash, HasHash: true, Stream: stream, Sub: u.Sub,
		})
	}
}
