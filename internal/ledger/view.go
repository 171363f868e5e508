package ledger

import "github.com/kload/kload"

// verdict is a judgement about a sighting that is kept by identity.
type verdict uint8

const (
	duplicated verdict = iota
	redelivered
	reordered
	crossed // reordered against a record read from another partition
	misrouted
	corrupt
	numVerdicts
)

// maxRepeats bounds the records whose number of unexplained sightings beyond
// the second is remembered until their outcome is known.
const maxRepeats = 1 << 16

// view is what one consumer has seen of one load. Guarded by ledger.mu.
type view struct {
	load      *Load
	unique    uint64 // first sightings
	ackedSeen uint64 // of those, acknowledged
	phantom   uint64 // of those, rejected or beyond all belief
	unordered uint64 // of those, not checked for order
	counts    [numVerdicts]uint64
	keys      keyOrder
	repeats   map[uint64]uint64 // sequence → unexplained sightings beyond the second
}

// seen is what one consumer has seen of one block.
type seen struct {
	first bitset
	marks [numVerdicts]bitset
}

// sighting is one record on its way through the books.
type sighting struct {
	u         *kload.Delivery
	part      *partition
	reread    bool // comes again because the reader was restarted
	intact    bool
	misrouted bool
}

// see books one sighting and reports whether it is not the record's first.
func (v *view) see(s *sighting, l *Ledger) (repeat bool) {
	b, i, ok := v.load.block(s.u.Seq)
	if !ok {
		v.unique++
		v.phantom++
		return false
	}
	mine := &b.views[s.part.consumer]
	if !s.intact {
		v.mark(mine, corrupt, i, &l.free)
	}
	if s.misrouted {
		v.mark(mine, misrouted, i, &l.free)
	}
	if mine.first.add(i, &l.free) {
		v.firstSight(s, b, mine, i, l)
		return false
	}
	if s.reread || b.ambiguous.has(i) {
		v.mark(mine, redelivered, i, &l.free)
		return true
	}
	if !v.mark(mine, duplicated, i, &l.free) && !b.settled(i) {
		v.repeat(s.u.Seq)
	}
	return true
}

func (v *view) firstSight(s *sighting, b *block, mine *seen, i uint16, l *Ledger) {
	v.unique++
	switch {
	case b.acked.has(i):
		v.ackedSeen++
	case b.rejected.has(i):
		v.phantom++
	}
	if !v.load.options.Ordered {
		return
	}
	late, across, known := v.keys.advance(l.seed, s.u.Key, s.u.Seq, s.part.id)
	switch {
	case !known:
		v.unordered++
	case late:
		v.mark(mine, reordered, i, &l.free)
		if across {
			v.mark(mine, crossed, i, &l.free)
		}
	}
}

// mark counts a verdict about a record and reports whether it is the first of
// its kind for that record.
func (v *view) mark(mine *seen, kind verdict, i uint16, free *freeList) bool {
	v.counts[kind]++
	return mine.marks[kind].add(i, free)
}

func (v *view) repeat(seq uint64) {
	if v.repeats == nil {
		v.repeats = map[uint64]uint64{}
	}
	if _, known := v.repeats[seq]; known || len(v.repeats) < maxRepeats {
		v.repeats[seq]++
	}
}

// settle brings the outcome of a record to the books of a consumer that has
// already seen it. An ambiguous outcome explains after the fact why the record
// came more than once.
func (v *view) settle(o *kload.Outcome, mine *seen, i uint16, seq uint64, free *freeList) {
	switch o.Status {
	case kload.Acked:
		v.ackedSeen++
	case kload.Rejected:
		v.phantom++
	}
	extra := v.repeats[seq]
	delete(v.repeats, seq)
	if o.Ambiguous && mine.marks[duplicated].remove(i, free) {
		v.counts[duplicated] -= 1 + extra
		v.counts[redelivered] += 1 + extra
		mine.marks[redelivered].add(i, free)
	}
}
