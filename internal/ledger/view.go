package ledger

import (
	"math"

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
	corrupt
	repeated  // sighted again, and no restart explains that
	uncounted // of those, the ones that repeats had no room for
	numVerdicts
)

// view is what one consumer has seen of one load. Guarded by ledger.mu.
type view struct {
	load      *Load
	unique    uint64 // first sightings
	ackedSeen uint64 // of those, acknowledged
	phantom   uint64 // of those, rejected or beyond all belief
	unordered uint64 // of those, not checked for order
	counts    [numVerdicts]uint64
	keys      keyOrder
	repeats   map[uint64]int // sequence → how often it is repeated, if over 1
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
	kind := duplicated
	if s.reread || v.excused(b, mine, i, s.u.Seq, &l.free) {
		kind = redelivered
	}
	v.mark(mine, kind, i, &l.free)
	return true
}

// excused counts a sighting beyond the first that no restart explains, and
// reports whether the record's retries do. Before its outcome they do not.
func (v *view) excused(b *block, mine *seen, i uint16, seq uint64, free *freeList) bool {
	if b.settled(i) && !b.excused.has(i) {
		return false
	}
	return v.repeat(mine, i, seq, free) <= v.load.excusesFor(b, i, seq)
}

// repeat counts a sighting and returns the how manieth it is. Without room to
// count, that is one more than any excuse.
func (v *view) repeat(mine *seen, i uint16, seq uint64, free *freeList) int {
	if v.mark(mine, repeated, i, free) {
		return 1
	}
	n := v.repeats[seq]
	if n == 0 && len(v.repeats) == maxCounts {
		v.mark(mine, uncounted, i, free)
		return math.MaxInt
	}
	if v.repeats == nil {
		v.repeats = map[uint64]int{}
	}
	v.repeats[seq] = max(1, n) + 1
	return max(1, n) + 1
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

// settle brings the outcome of a record to the books of a consumer that has
// already seen it. What was a duplicate so far may turn out to be excused.
func (v *view) settle(o *kload.Outcome, b *block, mine *seen, i uint16, seq uint64, free *freeList) {
	switch o.Status {
	case kload.Acked:
		v.ackedSeen++
	case kload.Rejected:
		v.phantom++
	}
	if !mine.marks[repeated].has(i) {
		return
	}
	n := max(1, v.repeats[seq])
	excused := min(n, v.load.excusesFor(b, i, seq))
	if excused == 0 {
		delete(v.repeats, seq)
		return
	}
	v.counts[duplicated] -= uint64(excused)
	v.counts[redelivered] += uint64(excused)
	mine.marks[redelivered].add(i, free)
	if excused == n && !mine.marks[uncounted].has(i) {
		mine.marks[duplicated].remove(i, free)
	}
}
