package kpl

import (
	"hash/maphash"
	"slices"
)

const (
	// maxRemembered is how many distinct keys of one aggregate are found again.
	// 50 KiB hold about 400 records of 100 bytes, each with a key of its own. The
	// keys after these repeat in the table unless they follow one another, which
	// the format allows and which costs nothing but their bytes.
	maxRemembered = 512
	// leastRemembered is how many a table has room for at the least.
	leastRemembered = 16
)

// keyTable finds the index of a string among those an aggregate already holds.
//
// It is an open-addressing table with linear probing, at most half full: an
// unknown key, the normal case with many keys in use, costs one hash and about one
// and a half probes. It has room for as many keys as the aggregates at hand have,
// 256 bytes to 8 KiB, so that the tables of a thousand shards stay in cache and
// that clearing one for the next aggregate takes less time than one user record.
// The strings themselves are compared where they lie, in the encoder's buffer. A
// Go map would copy every new key to the heap, at two to three times the cost.
type keyTable struct {
	seed  maphash.Seed
	count uint32 // entries of the table in the message, remembered or not
	last  span   // the entry found or added last
	index uint32 // its index
	sum   uint64 // its hash

	// A slot holds 1 + an index into spans, with 16 bits of the string's hash above
	// to spare most comparisons and to find the slot again; 0 is vacant.
	slots []uint32 // twice the room in spans
	spans []span
}

// place says where a string is, or where it would go.
type place struct {
	index uint32 // in the aggregate's table
	slot  uint32 // to be filled, if !known
	known bool
	sum   uint64 // the string's hash
}

func newKeyTable() *keyTable {
	t := &keyTable{seed: maphash.MakeSeed()}
	t.resize(leastRemembered)
	return t
}

func (t *keyTable) resize(room int) {
	t.slots, t.spans = make([]uint32, 2*room), slices.Grow(t.spans, room-len(t.spans))[:room]
}

// reset empties the table and leaves the room as it is: the next aggregate will
// want as much.
func (t *keyTable) reset() {
	t.count, t.index, t.last, t.sum = 0, 0, span{}, 0
	clear(t.slots)
}

// mark returns the part of a hash that slots keep.
func mark(sum uint64) uint32 { return uint32(sum>>32) & 0xFFFF_0000 }

// home returns the slot where the search for a mark begins.
func (t *keyTable) home(mark uint32) uint32 { return mark >> 16 & uint32(len(t.slots)-1) }

func (t *keyTable) find(buf, key []byte) place {
	sum := maphash.Bytes(t.seed, key)
	if sum == t.sum && t.count > 0 && string(t.last.of(buf)) == string(key) {
		return place{index: t.index, known: true, sum: sum}
	}
	m := mark(sum)
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
	if p.index < maxRemembered {
		t.index, t.last, t.sum = p.index, t.spans[p.index], p.sum
	}
}

// add takes in an unknown string that has just been written at s.
func (t *keyTable) add(p place, s span) {
	t.index, t.last, t.sum = p.index, s, p.sum
	if t.count < maxRemembered {
		t.spans[t.count] = s
		t.slots[p.slot] = mark(p.sum) | (t.count + 1)
	}
	t.count++
	if int(t.count) == len(t.spans) && t.count < maxRemembered {
		t.grow()
	}
}

// grow doubles the room, before the next entry is looked for.
func (t *keyTable) grow() {
	old := t.slots
	t.resize(2 * len(t.spans))
	for _, s := range old {
		if s == 0 {
			continue
		}
		slot := t.home(s)
		for t.slots[slot] != 0 {
			slot = (slot + 1) & uint32(len(t.slots)-1)
		}
		t.slots[slot] = s
	}
}
