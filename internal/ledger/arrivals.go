package ledger

import (
	"hash/maphash"
	"math/bits"
	"sync"

	"github.com/kload/kload"
)

// Arrivals joins what the producers know of a stream record, when its
// successful attempt started (T2), with what a consumer knows, when the service
// says it arrived (T4): the hop "arrive". All loads and consumers of a run share
// one, since a consumer cannot tell whose a stream record is.
//
// It is a set-associative table with one place per stream record: a record that
// needs a place in a full set takes that of its oldest, so memory is bounded,
// and a half that waits too long for the other is dropped and counted. With more
// places than stream records between their acknowledgement and their last read
// by any consumer, drops are rare. It is safe for concurrent use.
type Arrivals struct {
	seed maphash.Seed
	mask uint64

	mu      sync.Mutex // guards the following
	sets    []arrivalSet
	dropped []uint64 // by load
}

// arrivalSet is what hashes to the same place, the newest first.
type arrivalSet [4]arrival

// arrival is 24 bytes. state says what time means.
type arrival struct {
	hash  uint64
	time  int64
	users uint32
	load  uint16 // whose it is; 0 as long as that is not known
	state arrivalState
}

type arrivalState uint8

const (
	vacant  arrivalState = iota
	sent                 // T2 is known
	arrived              // T4 is known
	joined               // done; kept so that a second consumer does not count again
)

// EmitFunc receives the index of the load that sent a stream record, T4−T2 in
// nanoseconds and the number of user records it counts for. T4 has a resolution
// of 1 ms, on the service's clock. It is called under a lock and must not block.
type EmitFunc func(load int, t4MinusT2 int64, users int)

// NewArrivals returns a table of at least the given number of places, rounded up
// to a power of two and to one set. Each takes 24 bytes.
func NewArrivals(slots int) *Arrivals {
	sets := 1 << bits.Len(uint(max(slots, 1)-1)/uint(len(arrivalSet{})))
	return &Arrivals{seed: maphash.MakeSeed(), mask: uint64(sets - 1), sets: make([]arrivalSet, sets)}
}

// Sent takes in T2 of acknowledged stream records of one load and emits for
// those that a consumer has seen already.
func (a *Arrivals) Sent(load int, outcomes []kload.Outcome, emit EmitFunc) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range outcomes {
		o := &outcomes[i]
		if o.Status != kload.Acked || o.Sequence == "" {
			continue
		}
		s, mine := a.slot(a.hash(maphash.String(a.seed, o.Shard), o.Sequence))
		switch {
		case mine && s.state == arrived:
			emit(load, s.time-o.LastAttempt, len(o.Records))
			s.state = joined
		case !mine:
			s.time, s.users, s.load, s.state = o.LastAttempt, uint32(len(o.Records)), uint16(load), sent
		}
	}
}

// Seen takes in T4 of the stream records of a batch and emits for those whose
// acknowledgement is known already. Further sightings of a record, by any
// consumer, change nothing.
func (a *Arrivals) Seen(b *kload.Batch, emit EmitFunc) {
	a.mu.Lock()
	defer a.mu.Unlock()
	partition := maphash.String(a.seed, b.Partition)
	for i := range b.Records {
		r := &b.Records[i]
		if r.Arrived == 0 || r.Sequence == "" {
			continue
		}
		s, mine := a.slot(a.hash(partition, r.Sequence))
		switch {
		case mine && s.state == sent:
			emit(int(s.load), r.Arrived-s.time, int(s.users))
			s.state = joined
		case !mine:
			s.time, s.state = r.Arrived, arrived
		}
	}
}

// Dropped returns how many halves lost their place before the other half came,
// over all loads. A record seen by a slow consumer after its place was given away
// counts too, as does one that this run did not send.
func (a *Arrivals) Dropped() uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	var n uint64
	for _, d := range a.dropped {
		n += d
	}
	return n
}

// DroppedOf returns the share of one load in Dropped. A T4 without its T2 does
// not say whose it is and is counted as of load 0.
func (a *Arrivals) DroppedOf(load int) uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	if load >= len(a.dropped) {
		return 0
	}
	return a.dropped[load]
}

func (a *Arrivals) hash(partition uint64, sequence string) uint64 {
	return bits.RotateLeft64(partition, 1) ^ maphash.String(a.seed, sequence)
}

// slot returns the place of a stream record. If it is not the record's already,
// it is a new one, for the caller to fill in, and the oldest of its set is gone.
func (a *Arrivals) slot(hash uint64) (s *arrival, mine bool) {
	set := &a.sets[hash&a.mask]
	for i := range set {
		if s := &set[i]; s.hash == hash && s.state != vacant {
			return s, true
		}
	}
	if oldest := &set[len(set)-1]; oldest.state == sent || oldest.state == arrived {
		a.drop(int(oldest.load))
	}
	copy(set[1:], set[:])
	set[0] = arrival{hash: hash}
	return &set[0], false
}

func (a *Arrivals) drop(load int) {
	for len(a.dropped) <= load {
		a.dropped = append(a.dropped, 0)
	}
	a.dropped[load]++
}
