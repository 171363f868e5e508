// Package ledger accounts for every record of a run: what became of it on the
// way in, which consumer read it how often, and what that says about loss,
// duplication and order.
//
// A [Load] reports what was scheduled, sent and acknowledged; a [Consumer]
// reports what it sighted. The two meet by identity, the pair of producer and
// sequence number that a record carries in its trace, never by comparing sums:
// one lost record and one record stored although its fate was unknown do not
// cancel out.
//
//	l := ledger.New(run)
//	events := l.AddLoad("events", ledger.LoadOptions{Ordered: true})
//	reader := l.AddConsumer("reader")
//	…                                // events.Sent, events.Outcomes; reader.Sight
//	for !l.Settled() || l.Missing() > 0 { … }   // drain
//	report := l.Verify()
//
// # Verdicts
//
// Of a load: scheduled = sent + shed + unsent, and sent = acked + rejected +
// unknown once the ingress is closed. Of a consumer:
//
//   - lost: acknowledged and never sighted.
//   - phantom: sighted, but rejected or never sent. A record still waiting for
//     its outcome is none: consumers may be faster than acknowledgements.
//   - redelivered: further sightings with an explanation on record, which is a
//     retry after an attempt whose fate was unknown, or a reader restart. Each
//     such attempt explains one sighting, for each consumer.
//   - duplicates: further sightings without one. A record sighted three times
//     counts twice.
//   - reordered: first sighted after a record of the same partition key with a
//     higher sequence number.
//   - misrouted: read from a shard whose range does not hold the record's hash. A
//     record is not, whose retries explain several copies and of which another
//     copy was read from the right shard: a producer that finds an aggregate in a
//     wrong shard, as after a reshard, sends it again. A record counts once.
//   - corrupt: the payload does not have the checksum in its trace.
//
// A sighting can count under several of these, except that it is either the
// first, a duplicate or redelivered.
//
// # Memory and time
//
// Records are kept as bits in blocks of 65,536 sequence numbers. A bitmap exists
// only between its first and its last bit: what is acknowledged and read by all
// costs nothing, what is open costs two bits and one per consumer, and what is
// irregular one more for each verdict about it. A sighting long after is still
// recognised. Nothing is allocated per record.
//
// Each load and each consumer has a lock of its own, so that none waits for
// another's batch; a consumer's is let go of every few hundred records. What both
// sides must know to judge, such as what is lost, is worked out when it is asked
// for: by Missing, Count and Verify. Locks are taken in the order ledger,
// consumers, loads.
package ledger

import (
	"hash/maphash"
	"sync"
	"sync/atomic"

	"github.com/kload/kload/internal/invariants"
)

// Foreign is the producer number of a record whose trace belongs to another
// run: the tap sets it, because a [kload.Delivery] does not hold the run.
// Producers of this run count from 1.
const Foreign uint32 = 0

// Ledger is the book of one run. It is safe for concurrent use.
type Ledger struct {
	run  uint32
	seed maphash.Seed

	started atomic.Bool // an outcome or a sighting came in

	mu        sync.Mutex // guards what follows
	loads     []*Load
	consumers []*Consumer
	invalid   []string
}

// New returns the ledger of the run with the given number.
func New(run uint32) *Ledger {
	return &Ledger{run: run, seed: maphash.MakeSeed()}
}

// Run returns the run number, with which traces of this run are told from
// [Foreign] ones.
func (l *Ledger) Run() uint32 { return l.run }

// AddLoad opens the account of a load. Producer numbers are given from 1 in the
// order of the calls.
func (l *Ledger) AddLoad(name string, o LoadOptions) *Load {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := &Load{ledger: l, name: name, options: o, producer: uint32(len(l.loads) + 1)}
	for _, c := range l.consumers {
		c.owe(p)
	}
	l.loads = append(l.loads, p)
	return p
}

// AddConsumer opens the account of a consumer, which owes every record that any
// load gets acknowledged. All consumers are added before the first record is
// sent.
func (l *Ledger) AddConsumer(name string) *Consumer {
	l.mu.Lock()
	defer l.mu.Unlock()
	invariants.Check(!l.started.Load(), "consumer %s was added after the first record", name)
	c := &Consumer{ledger: l, name: name, byKey: true, partitions: map[string]*partition{}}
	for _, p := range l.loads {
		c.owe(p)
	}
	l.consumers = append(l.consumers, c)
	return c
}

// Missing returns how many records are acknowledged but not yet sighted, summed
// over all consumers. It takes microseconds.
func (l *Ledger) Missing() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	var n uint64
	for _, c := range l.consumers {
		n += c.Missing()
	}
	return n
}

// Settled reports whether every record sent so far has its outcome.
func (l *Ledger) Settled() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.loads {
		if !p.allSettled() {
			return false
		}
	}
	return true
}

// Invalidate notes why the run proves nothing about loss, for example because
// the stream trimmed records that nobody had read. The ledger cannot see such
// causes; whoever does calls this, and the reasons come back in [Report].
func (l *Ledger) Invalidate(reason string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.invalid = append(l.invalid, reason)
}
