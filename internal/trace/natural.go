package trace

import (
	"errors"
	"fmt"
	"hash/crc32"
	"hash/maphash"
	"math/bits"
	"sync"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/jsonfield"
)

// DefaultIndexEntries holds the records of two seconds at 100 k/s.
const DefaultIndexEntries = 1 << 18

// maxReaders is how many consumers an index tells apart; further ones share the
// last place.
const maxReaders = 32

// ErrNoID says that a record of a load with the [Natural] carrier has no id.
var ErrNoID = errors.New("the record has no natural id")

// Index is what stands for the stamps of a load whose records carry none: it
// knows them by their natural id, a top-level attribute that tells each record
// from all others.
//
// Its memory is bounded, 40 bytes an entry. It is a set-associative table: a
// record that finds its set full takes the place of one that all consumers have
// read, and if there is none, that of the oldest, which is then forgotten: read
// later, it looks like a record without a trace. Forgotten counts those.
//
// It is safe for concurrent use. Its lock is taken once per few hundred records.
type Index struct {
	field  string
	finder jsonfield.Finder
	seed   maphash.Seed
	mask   uint64
	unread uint32 // by all consumers: a bit for each

	mu        sync.Mutex // guards what follows
	sets      []indexSet
	forgotten uint64
}

// indexSet is what hashes to the same place, the newest first.
type indexSet [4]indexEntry

// indexEntry is vacant when hash is 0.
type indexEntry struct {
	hash     uint64
	seq      uint64
	t0       int64
	crc      uint32
	producer uint32
	unread   uint32 // bits of the consumers that have not read it
}

// NewIndex returns an index of the records of a load by the named attribute, for
// so many consumers. Entries are rounded up to a power of two; 0 or less means
// [DefaultIndexEntries].
func NewIndex(field string, entries, consumers int) *Index {
	if entries <= 0 {
		entries = DefaultIndexEntries
	}
	sets := 1 << bits.Len(uint(entries-1)/uint(len(indexSet{})))
	return &Index{
		field: field, finder: jsonfield.NewFinder(field), seed: maphash.MakeSeed(), mask: uint64(sets - 1),
		unread: uint32(1<<min(consumers, maxReaders) - 1), sets: make([]indexSet, sets),
	}
}

// Note takes in records that are about to be sent; they have their identities. A
// record without an id gives [ErrNoID].
func (x *Index) Note(recs []kload.Record) error {
	var notes [indexChunk]indexEntry
	for len(recs) > 0 {
		n := min(len(recs), len(notes))
		for i := range recs[:n] {
			r := &recs[i]
			hash, ok := x.hash(r.Data)
			if !ok {
				return kload.WithHint(fmt.Errorf("record %d: %w: it is no JSON object with an attribute %q: %.40q", r.Seq, ErrNoID, x.field, r.Data),
					"name an attribute that every record has, or use trace: tag or prefix")
			}
			notes[i] = indexEntry{hash, r.Seq, r.Intended, crc32.Checksum(r.Data, castagnoli), r.Producer, x.unread}
		}
		x.put(notes[:n])
		recs = recs[n:]
	}
	return nil
}

// indexChunk is how many records are looked up under one lock.
const indexChunk = 256

// hash returns what stands for a record's id, never 0.
func (x *Index) hash(data []byte) (hash uint64, ok bool) {
	id, isString, ok := x.finder.Lookup(data)
	if !ok || len(id) == 0 {
		return 0, false
	}
	hash = maphash.Bytes(x.seed, id)
	if isString { // 5 and "5" are two ids
		hash = bits.RotateLeft64(hash, 1)
	}
	return max(hash, 1), true
}

func (x *Index) put(notes []indexEntry) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for i := range notes {
		set := &x.sets[notes[i].hash&x.mask]
		at := set.victim(notes[i].hash)
		if v := &set[at]; v.hash != 0 && v.unread != 0 {
			x.forgotten++
		}
		copy(set[1:at+1], set[:at])
		set[0] = notes[i]
	}
}

// victim returns the place that a new entry takes: that of the same id, else a
// vacant one, else the oldest that all have read, else the oldest.
func (s *indexSet) victim(hash uint64) int {
	for i := range s {
		if s[i].hash == hash {
			return i
		}
	}
	for i := len(s) - 1; i > 0; i-- {
		if s[i].unread == 0 {
			return i
		}
	}
	return len(s) - 1
}

// Find fills in the traces of user records that have none, as far as the index
// knows them. intact has one entry per user record and says whether its payload
// is the one that was sent. consumer is the number of the one that read them,
// from 0.
func (x *Index) Find(users []kload.Delivery, intact []bool, consumer int) {
	var hashes [indexChunk]uint64
	for len(users) > 0 {
		n := min(len(users), len(hashes))
		for i := range users[:n] {
			hashes[i] = 0
			if u := &users[i]; !u.Traced {
				hashes[i], _ = x.hash(u.Data)
			}
		}
		x.find(users[:n], intact[:n], hashes[:n], 1<<min(consumer, maxReaders-1))
		users, intact = users[n:], intact[n:]
	}
}

func (x *Index) find(users []kload.Delivery, intact []bool, hashes []uint64, reader uint32) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for i, hash := range hashes {
		set := &x.sets[hash&x.mask]
		for j := range set {
			if e := &set[j]; e.hash == hash && hash != 0 {
				u := &users[i]
				u.Traced, u.Producer, u.Seq, u.Intended = true, e.producer, e.seq, e.t0
				intact[i] = crc32.Checksum(u.Data, castagnoli) == e.crc
				e.unread &^= reader
				break
			}
		}
	}
}

// Forgotten returns how many records gave their places away before all consumers
// had read them, because there was no room or another one had the same id. What
// the ledger says of a load with such records proves nothing.
func (x *Index) Forgotten() uint64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.forgotten
}
