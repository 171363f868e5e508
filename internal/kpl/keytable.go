package kpl

import "hash/maphash"

const (
	// maxRemembered is how many distinct keys of one aggregate are found again.
	// 50 KiB hold about 400 records of 100 bytes, each with a key of its own. The
	// keys after these repeat in the table unless they follow one another, which
	// the format allows and which costs nothing but their bytes.
	maxRemembered = 512
	// slotCount keeps the table at most half full: an unknown key, the normal case
	// with many keys in use, costs one hash and about one and a half probes.
	slotCount = 2 * maxRemembered
)

// keyTable finds the index of a string among those an aggregate already holds.
//
// It is an open-addressing table with linear probing, small enough (8 KiB) that
// the tables of many shards stay in cache and that clearing it for the next
// aggregate takes less time than one user record. The strings themselves are
// compared where they lie, in the encoder's buffer. A Go map would copy every new
// key to the heap, at two to three times the cost.
type keyTable struct {
	seed  maphash.Seed
	count uint32 // entries of the table in the message, remembered or not
	last  span   // the entry found or added last
	index uint32 // its index

	// A slot holds 1 + an index into spans, with 16 bits of the string's hash above
	// to spare most comparisons; 0 is vacant.
	slots [slotCount]uint32
	spans [maxRemembered]span
}

// place says where a string is, or where it would go.
type place struct {
	index uint32 // in the aggregate's table
	slot  uint32 // to be filled, if !known
	mark  uint32 // the slot's future upper half
	known bool
}

func newKeyTable() *keyTable { return &keyTable{seed: maphash.MakeSeed()} }

func (t *keyTable) reset() {
	t.count, t.index, t.last = 0, 0, span{}
	clear(t.slots[:])
}

func (t *keyTable) find(buf, key []byte) place {
	if t.count > 0 && string(t.last.of(buf)) == string(key) {
		return place{index: t.index, known: true}
	}
	sum := maphash.Bytes(t.seed, key)
	mark := uint32(sum>>32) & 0xFFFF_0000
	slot := uint32(sum) % slotCount
	for ; t.slots[slot] != 0; slot = (slot + 1) % slotCount {
		s := t.slots[slot]
		if i := s&0xFFFF - 1; s&0xFFFF_0000 == mark && string(t.spans[i].of(buf)) == string(key) {
			return place{index: i, known: true}
		}
	}
	return place{index: t.count, slot: slot, mark: mark}
}

// again makes a known entry the last one. One that is not remembered is the last
// one already: that is how it was found.
func (t *keyTable) again(p place) {
	if p.index < maxRemembered {
		t.index, t.last = p.index, t.spans[p.index]
	}
}

// add takes in an unknown string that has just been written at s.
func (t *keyTable) add(p place, s span) {
	t.index, t.last = p.index, s
	if t.count < maxRemembered {
		t.spans[t.count] = s
		t.slots[p.slot] = p.mark | (t.count + 1)
	}
	t.count++
}
