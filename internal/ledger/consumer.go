package ledger

import (
	"sync"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/invariants"
	"github.com/kload/kload/internal/shard"
)

// atOnce is how many records of a batch are taken in before others get a turn.
const atOnce = 256

// Consumer is the account of one consumer. It is safe for concurrent use;
// batches of one partition come one after the other, in the order read.
type Consumer struct {
	ledger *Ledger
	name   string

	mu         sync.Mutex // guards what follows
	views      []*view    // by load
	counted    bool       // some load has no trace
	byKey      bool       // and all of those are routed by key
	partitions map[string]*partition
	free       freeList
	hashes     [atOnce]uint64 // of the keys being looked up
	touched    uint64         // keeps those reads from being left out
	foreign    uint64
	untraced   uint64
	strangers  uint64 // this run's trace, but of no known producer
	astray     uint64 // untraced records that were misrouted
	handled    [3]uint64
	sunk       uint64
	upserts    *upserts // nil but for a sink that keeps one row per key
}

// owe adds a load to those whose records the consumer must see.
func (c *Consumer) owe(p *Load) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.views = append(c.views, &view{load: p})
	if p.options.Counted {
		c.counted, c.byKey = true, c.byKey && p.options.ByKey
	}
}

// SetRange states the hash keys that belong to a partition. Misrouting is
// checked in partitions whose range is known.
func (c *Consumer) SetRange(partition string, r shard.Range) {
	c.mu.Lock()
	defer c.mu.Unlock()
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
	c.mu.Lock()
	defer c.mu.Unlock()
	c.partition(partition).restart()
}

// Sight takes in a batch after its traces were read. intact has one entry per
// element of b.Users, which says whether the payload has the checksum in its
// trace; nil means that all have. Sight sets Extra of every user record and
// keeps nothing of b.
func (c *Consumer) Sight(b *kload.Batch, intact []bool) {
	invariants.Check(intact == nil || len(intact) == len(b.Users), "there is not one checksum verdict per record")
	c.ledger.started.Store(true)
	for from := 0; from < len(b.Users); from += atOnce {
		c.sight(b, intact, from, min(from+atOnce, len(b.Users)))
	}
}

// sight takes in some records of a batch.
func (c *Consumer) sight(b *kload.Batch, intact []bool, from, to int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lookUp(b.Users[from:to])
	part := c.partition(b.Partition)
	rereading := !part.mark.unset()
	s := sighting{part: part, intact: true}
	for i := from; i < to; i++ {
		s.u, s.key = &b.Users[i], c.hashes[i-from]
		s.reread = rereading && part.reread(b, s.u)
		if intact != nil {
			s.intact = intact[i]
		}
		s.u.Extra = c.see(&s)
	}
	if to == len(b.Users) {
		part.reached(b)
	}
}

// lookUp hashes the keys whose order is checked, and then reads the places where
// they are remembered: many reads in a row, without anything between them, wait
// for memory at the same time. With a million keys that is most of the cost.
func (c *Consumer) lookUp(users []kload.Delivery) {
	for i := range users {
		c.hashes[i] = 0
		if v := c.viewOf(&users[i]); v != nil && v.load.options.Ordered {
			c.hashes[i] = hashOf(c.ledger.seed, users[i].Key)
		}
	}
	touched := c.touched
	for i := range users {
		if h := c.hashes[i]; h != 0 {
			touched ^= c.views[users[i].Producer-1].keys.touch(h)
		}
	}
	c.touched = touched
}

// viewOf returns the view of the load that sent a record, nil if none of this run
// did.
func (c *Consumer) viewOf(u *kload.Delivery) *view {
	if !u.Traced || u.Producer == Foreign || u.Producer > uint32(len(c.views)) {
		return nil
	}
	return c.views[u.Producer-1]
}

// see books one sighting and reports whether it is anything but the first one of
// a record of this run.
func (c *Consumer) see(s *sighting) (extra bool) {
	v := c.viewOf(s.u)
	switch {
	case v != nil:
		s.misrouted = s.part.strays(s.u, v.load.options.ByKey)
		return v.see(s, &c.free)
	case !s.u.Traced:
		c.untraced++
		if c.counted && s.part.strays(s.u, c.byKey) {
			c.astray++
		}
		return !c.counted
	case s.u.Producer == Foreign:
		c.foreign++
		return true
	}
	c.strangers++
	return false
}

// Handled adds to the counts of what the handler made of records.
func (c *Consumer) Handled(ok, filtered, deadLettered uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.handled[kload.OK] += ok
	c.handled[kload.Filtered] += filtered
	c.handled[kload.DeadLettered] += deadLettered
}

// Sunk adds to the count of records the sink made durable.
func (c *Consumer) Sunk(n uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sunk += n
}

// Missing returns how many records are acknowledged but not yet sighted by this
// consumer. It takes microseconds.
func (c *Consumer) Missing() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	var n, counted uint64
	for _, v := range c.views {
		v.load.mu.Lock()
		v.join(&c.free)
		if v.load.options.Counted {
			counted += v.load.acked
		}
		n += v.lost()
		v.load.mu.Unlock()
	}
	return n + counted - min(counted, c.untraced)
}

func (c *Consumer) partition(name string) *partition {
	p := c.partitions[name]
	if p == nil {
		p = &partition{id: uint32(len(c.partitions))}
		c.partitions[name] = p
	}
	return p
}
