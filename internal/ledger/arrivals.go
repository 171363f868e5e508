package ledger

import (
	"hash/maphash"
	"math/bits"
	"sync"

	"github.com/kload/kload"
)

// Arrivals joins what the producer knows of a stream record, when its
// successful attempt started (T2), with what a consumer knows, when the service
// says it arrived (T4): the hop "arrive".
//
// It is a direct-mapped table with one place per stream record: a record that
// needs a place takes it from whichever held it, so memory is bounded, and a
// half that waits too long for the other is dropped and counted. With many more
// places than stream records between their acknowledgement and their last read
// by any consumer, drops are rare. It is safe for concurrent use.
type Arrivals struct {
	seed maphash.Seed
	mask uint64

	mu      sync.Mutex // guards the following
	slots   []arrival
	dropped uint64
}

// arrival is 24 bytes. state says what time means.
type arrival struct {
	hash  uint64
	time  int64
	users uint32
	state arrivalState
}

type arrivalState uint8

const (
	vacant  arrivalState = iota
	sent                 // T2 is known
	arrived              // T4 is known
	joined               // done; kept so that a second consumer does not count again
)

// EmitFunc receives T4−T2 in nanoseconds and the number of user records it
// counts for. T4 has a resolution of 1 ms, on the service's clock. It is called
// under a lock and must not block.
type EmitFunc func(t4MinusT2 int64, users int)

// NewArrivals returns a table of at least the given number of places, rounded up
// to a power of two. Each takes 24 bytes.
func NewArrivals(slots int) *Arrivals {
	size := 1 << bits.Len(uint(max(slots, 1)-1))
	return &Arrivals{seed: maphash.MakeSeed(), mask: uint64(size - 1), slots: make([]arrival, size)}
}

// Sent takes in T2 of acknowledged stream records and emits for those that a
// consumer has seen already.
func (a *Arrivals) Sent(outcomes []kload.Outcome, emit EmitFunc) {
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
			emit(s.time-o.LastAttempt, len(o.Records))
			s.state = joined
		case !mine:
			s.time, s.users, s.state = o.LastAttempt, uint32(len(o.Records)), sent
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
			emit(r.Arrived-s.time, int(s.users))
			s.state = joined
		case !mine:
			s.time, s.state = r.Arrived, arrived
		}
	}
}

// Dropped returns how many halves lost their place before the other half came.
// A record seen by a slow consumer after its place was given away counts too,
// as does one that this run did not send.
func (a *Arrivals) Dropped() uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.dropped
}

func (a *Arrivals) hash(partition uint64, sequence string) uint64 {
	return bits.RotateLeft64(partition, 1) ^ maphash.String(a.seed, sequence)
}

// slot returns the place of a stream record. If it is not the record's already,
// its former holder is gone and the caller fills it in.
func (a *Arrivals) slot(hash uint64) (s *arrival, mine bool) {
	s = &a.slots[hash&a.mask]
	if s.state != vacant && s.hash == hash {
		return s, true
	}
	if s.state == sent || s.state == arrived {
		a.dropped++
	}
	s.hash = hash
	return s, false
}
