package producer

import (
	"context"
	"fmt"
	"unicode/utf8"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/attempt"
	"github.com/kload/kload/internal/shard"
)

// Codes of records that are rejected unsent.
const (
	codeTooLarge = "RecordTooLarge"
	codeBadKey   = "InvalidPartitionKey"
)

// Put accepts one record, copying it, and returns without waiting for its
// result; see [Producer.OnResult]. A record that can never be stored is accepted,
// too, and its result says so ([Refusal]). It blocks while the byte budget is used up,
// until ctx ends. It may be called from many goroutines at once; the records that
// one goroutine puts keep their order per partition key as far as the
// configuration promises it. Records that come in numbers go cheaper through
// [Producer.PutBatch].
func (p *Producer) Put(ctx context.Context, r kload.Record) error { return p.put(ctx, &r, nil) }

// put accepts a record. decided, if any, is sent its result.
func (p *Producer) put(ctx context.Context, r *kload.Record, decided chan<- Result) error {
	size := charge(r)
	for !p.budget.reserve(size) {
		if err := p.waitForSpace(ctx); err != nil {
			return fmt.Errorf("waiting for room for a record: %w", err)
		}
	}
	defer p.budget.pass()
	if err := p.usable(); err != nil {
		p.budget.give(size)
		return err
	}
	now := p.o.Clock.Now()
	p.intake.RLock()
	defer p.intake.RUnlock()
	if p.closed {
		p.budget.give(size)
		return errClosed()
	}
	p.stats.userRecords.Add(1)
	p.stats.bytes.Add(uint64(len(r.Data)))
	if code := Refusal(r, p.o.MaxRecord); code != "" {
		rejected := p.reject(r, code, now)
		rejected.wait(0, decided)
		p.giveUp([]*streamRecord{rejected}, code)
		return nil
	}
	s := p.scatter.Get().(*scatter)
	hash := s.hashOf(r)
	p.scatter.Put(s)
	i := p.agg.shards.Locate(hash)
	l := &p.agg.lanes[i]
	l.mu.Lock()
	opened, _ := p.agg.add(i, r, hash, now)
	if decided != nil {
		rec, index := l.latest()
		rec.wait(index, decided)
	}
	p.queue.push(l.take())
	l.mu.Unlock()
	if opened {
		p.wakeLinger()
	}
	return nil
}

// wait has decided told what becomes of a user record of r.
func (r *streamRecord) wait(index int, decided chan<- Result) {
	if decided != nil {
		r.waiters = append(r.waiters, waiter{index: index, result: decided})
	}
}

// PutBatch accepts records, copying them into the aggregates of their shards.
// See [kload.Ingress]. Unlike what that asks for it may be called from many
// goroutines at once.
func (p *Producer) PutBatch(ctx context.Context, recs []kload.Record) (int, error) {
	done, err := PutWaiting(ctx, p, recs, p.waitForSpace)
	if err == nil {
		p.budget.pass()
	}
	return done, err
}

// TryPutBatch is PutBatch without waiting: it accepts the records for which the
// byte budget has room now and returns how many these are. Fewer than all of
// them is no error.
func (p *Producer) TryPutBatch(recs []kload.Record) (int, error) {
	if err := p.usable(); err != nil {
		return 0, err
	}
	n := p.budget.take(recs)
	if n == 0 {
		return 0, nil
	}
	if err := p.accept(recs[:n]); err != nil {
		return 0, err
	}
	return n, nil
}

// accept appends records whose bytes were reserved.
func (p *Producer) accept(recs []kload.Record) error {
	now := p.o.Clock.Now()
	p.intake.RLock()
	defer p.intake.RUnlock()
	if p.closed {
		for i := range recs {
			p.budget.give(charge(&recs[i]))
		}
		return errClosed()
	}
	bytes, opened := 0, false
	s := p.scatter.Get().(*scatter)
	for len(recs) > 0 {
		n := min(len(recs), scatterMost)
		bytes += s.sort(p.agg.shards, recs[:n], p.o.MaxRecord)
		opened = p.aggregate(s, recs[:n], now) || opened
		recs = recs[n:]
	}
	p.scatter.Put(s)
	p.stats.bytes.Add(uint64(bytes))
	if opened {
		p.wakeLinger()
	}
	return nil
}

// aggregate appends sorted records to the lanes of their shards, one lane after
// the other, and says whether that opened an aggregate.
func (p *Producer) aggregate(s *scatter, recs []kload.Record, now int64) (opened bool) {
	p.stats.userRecords.Add(uint64(len(recs)))
	for _, i := range s.shards {
		l := &p.agg.lanes[i]
		l.mu.Lock()
		full := false
		for at := s.first[i]; at != none; at = s.next[at] {
			o, f := p.agg.add(i, &recs[at], s.hashes[at], now)
			opened, full = opened || o, full || f
		}
		if full {
			p.queue.push(l.take())
		}
		l.mu.Unlock()
	}
	for _, at := range s.refused {
		code := Refusal(&recs[at], p.o.MaxRecord)
		p.giveUp([]*streamRecord{p.reject(&recs[at], code, now)}, code)
	}
	return opened
}

// Refusal returns the code of the result with which a record is rejected that can
// never be stored, as one without a partition key or of more than maxRecord bytes;
// "" if it can.
func Refusal(r *kload.Record, maxRecord int) string {
	n := len(r.Data) + len(r.Key)
	if r.Tag != nil { // forces the envelope on it, which repeats the key
		n += len(r.Key) + len(r.Tag) + envelopeBytes
	}
	switch {
	case n > maxRecord:
		return codeTooLarge
	case len(r.Key) == 0, len(r.Key) > maxKey && utf8.RuneCount(r.Key) > maxKey:
		return codeBadKey
	}
	return ""
}

// maxKey is the most characters in a partition key.
const maxKey = 256

// reject books a record that is not to be sent, without its bytes.
func (p *Producer) reject(r *kload.Record, code string, now int64) *streamRecord {
	p.stats.refused.Add(1)
	return &streamRecord{
		receipts: []kload.Receipt{{
			Producer: r.Producer, Seq: r.Seq, Bytes: uint32(len(r.Data)), Intended: r.Intended, Accepted: now,
		}},
		charge: charge(r), opened: now, epoch: p.books.Begin(1), tries: attempt.History{Code: code},
	}
}

// waitForSpace waits until some records are decided. What is buffered is left
// to linger, so that a slow target does not cause small aggregates, unless there
// is nothing else to wait for.
func (p *Producer) waitForSpace(ctx context.Context) error {
	from := p.o.Clock.Now()
	if p.queue.idle() {
		p.sealAll(flushMemory)
	}
	err := p.budget.wait(ctx)
	p.stats.blockedNs.Add(uint64(p.o.Clock.Now() - from))
	return err
}

// scatterMost is how many records are sorted by shard at once.
const scatterMost = 512

// none ends a chain of records.
const none = -1

// scatter sorts records by shard, so that a batch takes each lane's lock once.
// Callers take one from a pool: its memory and its cache of key hashes are
// theirs for the call.
type scatter struct {
	cache   *shard.KeyCache // for records that come one by one
	hasher  *shard.BatchHasher
	keys    [][]byte                   // to be hashed
	hashed  [scatterMost]kload.HashKey // keys' points
	hashes  [scatterMost]kload.HashKey // by record
	next    [scatterMost]int16         // the next record of the same shard, none after the last
	first   []int16                    // by shard
	shards  []int                      // that have records
	refused []int                      // records that can never be stored
}

func newScatter() any {
	return &scatter{cache: shard.NewKeyCache(singleKeys), hasher: shard.NewBatchHasher()}
}

// singleKeys is for how many keys the points of records put one by one are
// remembered; 88 KiB per goroutine that does it at once.
const singleKeys = 1024

func (s *scatter) hashOf(r *kload.Record) kload.HashKey {
	if r.HasHash {
		return r.Hash
	}
	return s.cache.HashOf(r.Key)
}

// sort chains the records of each shard in order and returns their payload
// bytes.
func (s *scatter) sort(m *shard.Map, recs []kload.Record, maxRecord int) (bytes int) {
	bytes = s.hash(recs)
	for _, i := range s.shards {
		s.first[i] = none
	}
	s.shards, s.refused = s.shards[:0], s.refused[:0]
	for len(s.first) < m.Len() {
		s.first = append(s.first, none)
	}
	for at := len(recs) - 1; at >= 0; at-- {
		if Refusal(&recs[at], maxRecord) != "" {
			s.refused = append(s.refused, at)
			continue
		}
		i := m.Locate(s.hashes[at])
		if s.first[i] == none {
			s.shards = append(s.shards, i)
		}
		s.next[at], s.first[i] = s.first[i], int16(at)
	}
	return bytes
}

// hash fills in where each record belongs and returns the payload bytes.
func (s *scatter) hash(recs []kload.Record) (bytes int) {
	s.keys = s.keys[:0]
	for i := range recs {
		if bytes += len(recs[i].Data); !recs[i].HasHash {
			s.keys = append(s.keys, recs[i].Key)
		}
	}
	s.hasher.HashAll(s.hashed[:], s.keys)
	n := 0
	for i := range recs {
		if recs[i].HasHash {
			s.hashes[i] = recs[i].Hash
			continue
		}
		s.hashes[i] = s.hashed[n]
		n++
	}
	clear(s.keys)
	return bytes
}
