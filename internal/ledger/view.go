package ledger

import (
	"math"
	"math/bits"

	"github.com/kload/kload"
)

// verdict is a judgement about a sighting that is kept by identity.
type verdict uint8

const (
	duplicated verdict = iota
	redelivered
	reordered
	crossed // reordered against a record read from another partition
	misrouted
	placed // of those, sighted in the right partition too
	corrupt
	repeated  // sighted again, and no restart explains that
	uncounted // of those, the ones that repeats had no room for
	pending   // of those, the ones that had no outcome yet
	numVerdicts
)

// view is what one consumer has seen of one load. Guarded by the consumer's lock;
// join and what comes after it need the load's, too.
type view struct {
	load      *Load
	unique    uint64 // first sightings
	beyond    uint64 // of those, beyond all belief
	unordered uint64 // of those, not checked for order
	counts    [numVerdicts]uint64
	keys      keyOrder
	repeats   map[uint64]int // sequence → how often it is repeated, if over 1
	blocks    []*seen        // by sequence number / blockSize

	// As of the last join: first sightings, and records sighted in a wrong
	// partition, alone or beside the right one.
	ackedSeen, rejectedSeen uint64
	misrouted, resent       uint64
}

// seen is what one consumer has seen of one block.
type seen struct {
	first  bitset
	marks  [numVerdicts]bitset
	joined joint
}

// joint is how many records of a block are in two sets, and how large those
// were: they only grow.
type joint struct{ first, acked, rejected, ackedSeen, rejectedSeen int }

// sighting is one record on its way through the books.
type sighting struct {
	u         *kload.Delivery
	key       uint64 // hash of the key, where order is checked
	part      *partition
	reread    bool // comes again because the reader was restarted
	intact    bool
	misrouted bool
}

// see books one sighting and reports whether it is not the record's first.
func (v *view) see(s *sighting, free *freeList) (repeat bool) {
	b, i, ok := v.block(s.u.Seq)
	if !ok {
		v.unique++
		v.beyond++
		return false
	}
	if !s.intact {
		v.mark(b, corrupt, i, free)
	}
	if s.misrouted || b.marks[misrouted].n > 0 {
		v.locate(b, i, s.misrouted, free)
	}
	if b.first.add(i, free) {
		v.unique++
		if v.load.options.Ordered {
			v.order(s, b, i, free)
		}
		return false
	}
	kind := duplicated
	if s.reread || v.excused(b, i, s.u.Seq, free) {
		kind = redelivered
	}
	v.mark(b, kind, i, free)
	return true
}

// locate notes whether a record is sighted where it belongs, if it is ever
// sighted where it does not.
func (v *view) locate(b *seen, i uint16, astray bool, free *freeList) {
	known := b.marks[misrouted].has(i)
	if astray {
		b.marks[misrouted].add(i, free)
	}
	if elsewhere := b.first.has(i) && !known; astray && elsewhere || !astray && known {
		b.marks[placed].add(i, free)
	}
}

// block returns the block of a sequence number and the offset in it.
func (v *view) block(seq uint64) (b *seen, offset uint16, ok bool) {
	n := seq / blockSize
	if n >= uint64(len(v.blocks)) {
		if !v.load.plausible(seq) {
			return nil, 0, false
		}
		v.blocks = append(v.blocks, make([]*seen, n+1-uint64(len(v.blocks)))...)
	}
	if v.blocks[n] == nil {
		v.blocks[n] = &seen{}
	}
	return v.blocks[n], uint16(seq), true
}

// seen returns what was seen of a block, which may be nothing.
func (v *view) seen(n int) *seen {
	if n < len(v.blocks) && v.blocks[n] != nil {
		return v.blocks[n]
	}
	return &seen{}
}

// order checks a first sighting against its key.
func (v *view) order(s *sighting, b *seen, i uint16, free *freeList) {
	late, across, known := v.keys.advance(s.key, s.u.Seq, s.part.id)
	switch {
	case !known:
		v.unordered++
	case late:
		v.mark(b, reordered, i, free)
		if across {
			v.mark(b, crossed, i, free)
		}
	}
}

// excused counts a sighting beyond the first that no restart explains, and
// reports whether the record's retries do. Before its outcome they do not.
func (v *view) excused(b *seen, i uint16, seq uint64, free *freeList) bool {
	p := v.load
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.fates(int(seq / blockSize))
	if !f.settled(i) {
		b.marks[pending].add(i, free)
	} else {
		v.settle(f, b, i, seq, free)
		if !f.excused.has(i) {
			return false
		}
	}
	return v.repeat(b, i, seq, free) <= p.excusesFor(f, i, seq)
}

// repeat counts a sighting and returns the how manieth it is. Without room to
// count, that is one more than any excuse.
func (v *view) repeat(b *seen, i uint16, seq uint64, free *freeList) int {
	if v.mark(b, repeated, i, free) {
		return 1
	}
	n := v.repeats[seq]
	if n == 0 && len(v.repeats) == maxCounts {
		v.mark(b, uncounted, i, free)
		return math.MaxInt
	}
	if v.repeats == nil {
		v.repeats = map[uint64]int{}
	}
	v.repeats[seq] = max(1, n) + 1
	return max(1, n) + 1
}

// mark counts a verdict about a record and reports whether it is the first of
// its kind for that record.
func (v *view) mark(b *seen, kind verdict, i uint16, free *freeList) bool {
	v.counts[kind]++
	return b.marks[kind].add(i, free)
}

// settle judges the repeats of a record that came before its outcome. What was a
// duplicate so far may turn out to be excused.
func (v *view) settle(f *fates, b *seen, i uint16, seq uint64, free *freeList) {
	if !b.marks[pending].remove(i, free) {
		return
	}
	n := max(1, v.repeats[seq])
	excused := min(n, v.load.excusesFor(f, i, seq))
	if excused == 0 {
		delete(v.repeats, seq)
		return
	}
	v.counts[duplicated] -= uint64(excused)
	v.counts[redelivered] += uint64(excused)
	b.marks[redelivered].add(i, free)
	if excused == n && !b.marks[uncounted].has(i) {
		b.marks[duplicated].remove(i, free)
	}
}

// join brings the outcomes of records to the books of a consumer that has seen
// them.
func (v *view) join(free *freeList) {
	v.ackedSeen, v.rejectedSeen, v.misrouted, v.resent = 0, 0, 0, 0
	for n, b := range v.blocks {
		if b == nil {
			continue
		}
		f := v.load.fates(n)
		if b.marks[pending].n > 0 {
			v.settleAll(f, b, uint64(n)*blockSize, free)
		}
		if j := &b.joined; j.first != b.first.n || j.acked != f.acked.n || j.rejected != f.rejected.n {
			*j = joint{b.first.n, f.acked.n, f.rejected.n, common(&b.first, &f.acked), common(&b.first, &f.rejected)}
		}
		v.ackedSeen += uint64(b.joined.ackedSeen)
		v.rejectedSeen += uint64(b.joined.rejectedSeen)
		if b.marks[misrouted].n > 0 {
			v.judgeRoutes(f, b)
		}
	}
}

// judgeRoutes counts the records of a block that were sighted in a wrong partition.
func (v *view) judgeRoutes(f *fates, b *seen) {
	for w := range words {
		resent := b.resent(f, w)
		v.resent += uint64(bits.OnesCount64(resent))
		v.misrouted += uint64(bits.OnesCount64(b.marks[misrouted].word(w) &^ resent))
	}
}

// resent returns which of 64 records were sighted in a wrong partition because an
// attempt stored them there, and in the right one because another did.
func (b *seen) resent(f *fates, w int) uint64 {
	return b.marks[placed].word(w) & f.excused.word(w)
}

// settleAll settles the records of a block that now have an outcome.
func (v *view) settleAll(f *fates, b *seen, base uint64, free *freeList) {
	for w := range words {
		for set := b.marks[pending].word(w) & f.settledWord(w); set != 0; set &= set - 1 {
			i := uint16(w*64 + bits.TrailingZeros64(set))
			v.settle(f, b, i, base+uint64(i), free)
		}
	}
}

// lost returns how many acknowledged records had not been seen at the last join.
func (v *view) lost() uint64 {
	if v.load.options.Counted {
		return 0
	}
	return v.load.acked - v.ackedSeen
}

// phantoms counts the records seen that were not stored. Those whose sequence
// numbers were not reached are known only now: sightings may overtake Sent.
func (v *view) phantoms() uint64 {
	n := v.beyond + v.rejectedSeen
	sent := v.load.sent.Load()
	for at := sent / blockSize; at < uint64(len(v.blocks)); at++ {
		f, b := v.load.fates(int(at)), v.seen(int(at))
		for w := range words {
			n += uint64(bits.OnesCount64(b.first.word(w) &^ f.settledWord(w) & beyond(sent, at, w)))
		}
	}
	return n
}
