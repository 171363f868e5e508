package ledger

import (
	"github.com/kload/kload"
	"github.com/kload/kload/internal/invariants"
	"github.com/kload/kload/internal/shard"
)

// Consumer is the account of one consumer. It is safe for concurrent use;
// batches of one partition come one after the other, in the order read.
type Consumer struct {
	ledger *Ledger
	name   string
	index  int

	// Guarded by ledger.mu from here.
	partitions map[string]*partition
	foreign    uint64
	untraced   uint64
	strangers  uint64 // this run's trace, but of no known producer
	astray     uint64 // untraced records that were misrouted
	handled    [3]uint64
	sunk       uint64
}

// SetRange states the hash keys that belong to a partition. Misrouting is
// checked in partitions whose range is known.
func (c *Consumer) SetRange(partition string, r shard.Range) {
	c.ledger.mu.Lock()
	defer c.ledger.mu.Unlock()
	p := c.partition(partition)
	p.hashes, p.ranged = r, true
}

// Restarted notes that a partition is read again from a checkpoint, by a
// restarted reader or another worker: the records between the checkpoint and
// the furthest one sighted may each come once more and then count as
// redelivered. Records are placed by the sequence number of their stream record
// and their sub-sequence number; in partitions that have none, a restart
// explains nothing.
func (c *Consumer) Restarted(partition string) {
	c.ledger.mu.Lock()
	defer c.ledger.mu.Unlock()
	c.partition(partition).restart()
}

// Sight takes in a batch after its traces were read. intact has one entry per
// element of b.Users, which says whether the payload has the checksum in its
// trace; nil means that all have. Sight sets Extra of every user record and
// keeps nothing of b.
func (c *Consumer) Sight(b *kload.Batch, intact []bool) {
	invariants.Check(intact == nil || len(intact) == len(b.Users), "there is not one checksum verdict per record")
	l := c.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	l.started = true
	part := c.partition(b.Partition)
	rereading := !part.mark.unset()
	s := sighting{part: part, intact: true}
	for i := range b.Users {
		s.u = &b.Users[i]
		s.reread = rereading && part.reread(b, s.u)
		if intact != nil {
			s.intact = intact[i]
		}
		s.u.Extra = c.see(&s)
	}
	part.reached(b)
}

// see books one sighting and reports whether it is anything but the first one of
// a record of this run.
func (c *Consumer) see(s *sighting) (extra bool) {
	l := c.ledger
	switch {
	case !s.u.Traced:
		c.untraced++
		counted, byKey := l.counted()
		if counted && s.part.strays(s.u, byKey) {
			c.astray++
		}
		return !counted
	case s.u.Producer == Foreign:
		c.foreign++
		return true
	case s.u.Producer > uint32(len(l.loads)):
		c.strangers++
	default:
		p := l.loads[s.u.Producer-1]
		s.misrouted = s.part.strays(s.u, p.options.ByKey)
		return p.views[c.index].see(s, l)
	}
	return false
}

// counted reports whether untraced records may belong to loads of this run, and
// whether all of those are routed by key.
func (l *Ledger) counted() (some, byKey bool) {
	byKey = true
	for _, p := range l.loads {
		if p.options.Counted {
			some, byKey = true, byKey && p.options.ByKey
		}
	}
	return some, some && byKey
}

// Handled adds to the counts of what the handler made of records.
func (c *Consumer) Handled(ok, filtered, deadLettered uint64) {
	c.ledger.mu.Lock()
	defer c.ledger.mu.Unlock()
	c.handled[kload.OK] += ok
	c.handled[kload.Filtered] += filtered
	c.handled[kload.DeadLettered] += deadLettered
}

// Sunk adds to the count of records the sink made durable.
func (c *Consumer) Sunk(n uint64) {
	c.ledger.mu.Lock()
	defer c.ledger.mu.Unlock()
	c.sunk += n
}

// Missing returns how many records are acknowledged but not yet sighted by this
// consumer. It costs nanoseconds.
func (c *Consumer) Missing() uint64 {
	c.ledger.mu.Lock()
	defer c.ledger.mu.Unlock()
	return c.missing()
}

func (c *Consumer) missing() (n uint64) {
	var counted uint64
	for _, p := range c.ledger.loads {
		if p.options.Counted {
			counted += p.acked
			continue
		}
		n += p.acked - p.views[c.index].ackedSeen
	}
	return n + counted - min(counted, c.untraced)
}

func (c *Consumer) partition(name string) *partition {
	p := c.partitions[name]
	if p == nil {
		p = &partition{consumer: c.index, id: uint32(len(c.partitions))}
		c.partitions[name] = p
	}
	return p
}
