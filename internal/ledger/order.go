package ledger

import "hash/maphash"

// maxKeys bounds the partition keys whose order is checked, per load and
// consumer: 32 MiB of table. Records of further keys are counted as unchecked.
const maxKeys = 1 << 20

// keyOrder remembers for each partition key the highest sequence number seen. It
// is an open-addressing hash table with linear probing. Keys are stood for by
// their 64-bit hash; two of a full table share one with a chance of 2^-24.
type keyOrder struct {
	slots []keySlot
	keys  int
}

// keySlot is vacant when hash is 0. The last place is that of the highest
// sequence number: the number, then 16 bits for the partition it was read from.
type keySlot struct {
	hash uint64
	last uint64
}

const partBits = 16

// hashOf returns what stands for a key, never 0.
func hashOf(seed maphash.Seed, key []byte) uint64 { return maphash.Bytes(seed, key) | 1<<63 }

// touch reads the slot where a hash is looked for first.
func (o *keyOrder) touch(hash uint64) uint64 {
	if len(o.slots) == 0 {
		return 0
	}
	return o.slots[hash&uint64(len(o.slots)-1)].hash
}

// advance notes a first sighting. late says that a higher sequence number of the
// same key was seen before, and across that this was in another partition. known
// is false when the table has no room for the key.
func (o *keyOrder) advance(hash, seq uint64, part uint32) (late, across, known bool) {
	if o.keys >= len(o.slots)/4*3 && len(o.slots) < 2*maxKeys {
		o.grow()
	}
	last := seq<<partBits | uint64(min(part, 1<<partBits-1))
	s := o.find(hash)
	if s.hash == 0 {
		if o.keys == maxKeys {
			return false, false, false
		}
		o.keys++
		*s = keySlot{hash: hash, last: last}
		return false, false, true
	}
	if seq < s.last>>partBits {
		return true, uint16(last) != uint16(s.last), true
	}
	s.last = last
	return false, false, true
}

// find returns the slot of a hash, or the vacant one where it belongs.
func (o *keyOrder) find(hash uint64) *keySlot {
	mask := uint64(len(o.slots) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		if s := &o.slots[i]; s.hash == hash || s.hash == 0 {
			return s
		}
	}
}

// look returns the slot of a hash, nil if it has none.
func (o *keyOrder) look(hash uint64) *keySlot {
	if len(o.slots) == 0 {
		return nil
	}
	if s := o.find(hash); s.hash != 0 {
		return s
	}
	return nil
}

func (o *keyOrder) grow() {
	old := o.slots
	o.slots = make([]keySlot, max(64, 2*len(old)))
	for _, s := range old {
		if s.hash != 0 {
			*o.find(s.hash) = s
		}
	}
}
