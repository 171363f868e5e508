package producer

import (
	"github.com/kload/kload"
	"github.com/kload/kload/internal/epochs"
	"github.com/kload/kload/internal/invariants"
	"github.com/kload/kload/internal/kpl"
	"github.com/kload/kload/internal/shard"
)

// splitter moves stream records from one shard map to another. It is guarded by
// the queue's mutex.
type splitter struct {
	cfg   Aggregation
	seed  uint64
	pool  *recordPool
	books *epochs.Books
	stats *counters

	dec    kpl.Decoder
	digest kpl.Digester
	agg    *aggregator // by the map of the latest split
	parts  []*streamRecord
	one    [1]*streamRecord
}

// fit labels r for the shard of m that holds all of it. Where no shard does, it
// takes r apart and returns what becomes of it: its user records, in order,
// aggregated by shard. What had been attempted counts for each part. The result
// is valid until the next call.
func (s *splitter) fit(r *streamRecord, m *shard.Map) []*streamRecord {
	s.one[0] = r
	if r.mapEpoch == m.Epoch() {
		return s.one[:]
	}
	i := m.Locate(r.span.Start)
	if i == m.Locate(r.span.End) {
		r.shard, r.shardID, r.mapEpoch = i, m.At(i).ID, m.Epoch()
		return s.one[:]
	}
	return s.takeApart(r, m)
}

func (s *splitter) takeApart(r *streamRecord, m *shard.Map) []*streamRecord {
	if s.agg == nil || s.agg.shards != m {
		s.agg = newAggregator(s.cfg, m, s.pool, nil, s.stats, s.seed)
	}
	if r.undigested {
		s.digest.Digest([][]byte{r.data})
	}
	kind := s.dec.Reset(r.data)
	invariants.Check(kind == kpl.Aggregate && s.dec.Count() == len(r.receipts), "an aggregate of %d records is %v", len(r.receipts), kind)
	waiters := r.waiters
	for u := (kpl.User{}); s.dec.Next(&u); {
		part, index := s.move(&u, &r.receipts[u.Sub], m)
		for len(waiters) > 0 && waiters[0].index == int(u.Sub) {
			part.wait(index, waiters[0].result)
			waiters = waiters[1:]
		}
	}
	s.parts = s.parts[:0]
	for i := m.Locate(r.span.Start); i <= m.Locate(r.span.End); i++ {
		s.agg.seal(i, flushReshard)
		s.parts = append(s.parts, s.agg.lanes[i].take()...)
	}
	for _, part := range s.parts {
		part.epoch, part.tries, part.stray = r.epoch, r.tries, r.stray
	}
	s.books.More(r.epoch, len(s.parts)-1)
	s.stats.resplit.Add(1)
	s.one[0] = r
	s.pool.put(s.one[:])
	return s.parts
}

// move puts a user record into the part of its shard and returns that, and its
// index there.
func (s *splitter) move(u *kpl.User, was *kload.Receipt, m *shard.Map) (part *streamRecord, index int) {
	hash := u.Hash
	if !u.HasHash {
		hash = shard.HashOf(u.Key)
	}
	i := m.Locate(hash)
	s.agg.add(i, &kload.Record{
		Data: u.Data, Tag: u.Tag, Key: u.Key, Hash: u.Hash, HasHash: u.HasHash,
		Producer: was.Producer, Seq: was.Seq, Intended: was.Intended,
	}, hash, was.Accepted)
	return s.agg.lanes[i].latest()
}
