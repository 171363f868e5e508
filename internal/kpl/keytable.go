package kpl

import "hash/maphash"

const (
	// maxRemembered is how many distinct keys of one aggregate are found again.
	// 50 KiB hold about 400 records of 100 bytes, each with a key of its own. The
	// keys after these repeat in the table unless they follow one another, which
	// the format allows and which costs nothing but their bytes.
	maxRemembered = 512
	// few is how many keys are looked at one after the other. A thousand shards that
	// share a load seldom have more of them at a time, and what is looked at lies
	// within the encoder: the first access to memory elsewhere would take longer.
	few = 32
)

// keyTable finds the index of a string among those an aggregate already holds.
//
// Beyond a few strings it is an open-addressing table with linear probing, at most
// half full: an unknown key, the normal case with many keys in use, costs about
// one and a half probes. It has room for as many keys as the aggregates at hand
// have, up to 8 KiB; clearing it for the next aggregate takes less time than one
// user record. The strings themselves are compared where they lie, in the
// encoder's buffer. A Go map would copy every new key to the heap, at two to three
// times the cost.
type keyTable struct {
	seed  maphash.Seed // zero before the first reset
	count uint32       // entries of the table in the message, remembered or not
	index uint32       // of the entry found or added last
	last  span         // that entry
	sum   uint64       // its hash

	marks [few]uint16 // of the first entries' hashes
	near  [few]span   // the first entries

	// These count once there are more than a few entries. A slot holds 1 + an index
	// into spans, with 16 bits of the string's hash above to spare most comparisons
	// and to find the slot again; 0 is vacant.
	slots []uint32 // twice the room in spans
	spans []span
}

// place says where a string is, or where it would go.
type place struct {
	index uint32 // in the aggregate's table
	slot  uint32 // to be filled, if !known and there are more than a few entries
	known bool
	sum   uint64 // the string's hash
}

// reset empties the table and leaves the room as it is: the next aggregate will
// want as much.
func (t *keyTable) reset() {
	if t.seed == (maphash.Seed{}) {
		t.seed = maphash.MakeSeed()
	}
	t.count, t.index, t.last, t.sum = 0, 0, span{}, 0
}

// hash returns what stands for a string of which nothing is known.
func (t *keyTable) hash(key []byte) uint64 { return maphash.Bytes(t.seed, key) }

// mark returns the part of a hash that slots keep.
func mark(sum uint64) uint32 { return uint32(sum>>32) & 0xFFFF_0000 }

// home returns the slot where the search for a mark begins.
func (t *keyTable) home(mark uint32) uint32 { return mark >> 16 & uint32(len(t.slots)-1) }

// find looks for a key by its hash, which must be the same whenever the key is:
// the entry repeats otherwise.
func (t *keyTable) find(buf, key []byte, sum uint64) place {
	if sum == t.sum && t.count > 0 && string(t.last.of(buf)) == string(key) {
		return place{index: t.index, known: true, sum: sum}
	}
	m := mark(sum)
	if t.count < few {
		for i := range t.count {
			if t.marks[i] == uint16(m>>16) && string(t.near[i].of(buf)) == string(key) {
				return place{index: i, known: true, sum: sum}
			}
		}
		return place{index: t.count, sum: sum}
	}
	slot := t.home(m)
	for ; t.slots[slot] != 0; slot = (slot + 1) & uint32(len(t.slots)-1) {
		s := t.slots[slot]
		if i := s&0xFFFF - 1; s&0xFFFF_0000 == m && string(t.spans[i].of(buf)) == string(key) {
			return place{index: i, known: true, sum: sum}
		}
	}
	return place{index: t.count, slot: slot, sum: sum}
}

// again makes a known entry the last one. One that is not remembered is the last
// one already: that is how it was found.
func (t *keyTable) again(p place) {
	if p.index >= maxRemembered {
		return
	}
	t.index, t.sum = p.index, p.sum
	if t.count < few {
		t.last = t.near[p.index]
		return
	}
	t.last = t.spans[p.index]
}

// add takes in an unknown string that has just been written at s.
func (t *keyTable) add(p place, s span) {
	t.index, t.last, t.sum = p.index, s, p.sum
	switch {
	case t.count < few:
		t.near[t.count], t.marks[t.count] = s, uint16(mark(p.sum)>>16)
	case t.count < maxRemembered:
		t.spans[t.count] = s
		t.slots[p.slot] = mark(p.sum) | (t.count + 1)
	}
	t.count++
	switch {
	case t.count == few:
		t.spread()
	case int(t.count) == len(t.spans) && t.count < maxRemembered:
		t.grow()
	}
}

// spread gives the first entries slots, before the next one is looked for.
func (t *keyTable) spread() {
	if t.slots == nil {
		t.resize(2 * few)
	}
	clear(t.slots)
	copy(t.spans, t.near[:])
	for i, m := range t.marks {
		t.fill(uint32(m)<<16 | uint32(i+1))
	}
}

// grow doubles the room, before the next entry is looked for.
func (t *keyTable) grow() {
	old := t.slots
	t.resize(2 * len(t.spans))
	for _, s := range old {
		if s != 0 {
			t.fill(s)
		}
	}
}

func (t *keyTable) resize(room int) {
	spans := make([]span, room)
	copy(spans, t.spans)
	t.slots, t.spans = make([]uint32, 2*room), spans
}

// fill puts what a slot holds into the first vacant one.
func (t *keyTable) fill(s uint32) {
	slot := t.home(s)
	for t.slots[slot] != 0 {
		slot = (slot + 1) & uint32(len(t.slots)-1)
	}
	t.slots[slot] = s
}
