package ledger

import "math/bits"

const (
	blockSize = 1 << 16 // sequence numbers in a block
	words     = blockSize / 64
)

type bitmap [words]uint64

// bitset is a set of offsets in a block. It holds memory only while it is
// neither empty nor full.
type bitset struct {
	bits *bitmap
	n    int
}

func (s *bitset) full() bool { return s.n == blockSize }

func (s *bitset) has(i uint16) bool {
	if s.bits == nil {
		return s.full()
	}
	return s.bits[i>>6]&(1<<(i&63)) != 0
}

// add reports whether i is new in the set.
func (s *bitset) add(i uint16, free *freeList) bool {
	if s.bits == nil {
		if s.full() {
			return false
		}
		s.bits = free.get()
	}
	word, bit := &s.bits[i>>6], uint64(1)<<(i&63)
	if *word&bit != 0 {
		return false
	}
	*word |= bit
	if s.n++; s.full() {
		s.bits = free.put(s.bits)
	}
	return true
}

// remove reports whether i was in the set.
func (s *bitset) remove(i uint16, free *freeList) bool {
	if !s.has(i) {
		return false
	}
	if s.full() {
		s.bits = free.get()
		for w := range s.bits {
			s.bits[w] = ^uint64(0)
		}
	}
	s.bits[i>>6] &^= 1 << (i & 63)
	if s.n--; s.n == 0 {
		s.bits = free.put(s.bits)
	}
	return true
}

// word returns members 64w to 64w+63.
func (s *bitset) word(w int) uint64 {
	switch {
	case s.bits != nil:
		return s.bits[w]
	case s.full():
		return ^uint64(0)
	}
	return 0
}

// common counts the members of both sets.
func common(a, b *bitset) (n int) {
	switch {
	case a.n == 0 || b.full():
		return a.n
	case b.n == 0 || a.full():
		return b.n
	}
	for w := range words {
		n += bits.OnesCount64(a.bits[w] & b.bits[w])
	}
	return n
}

// freeList keeps bitmaps for reuse: in steady state as many come back as go
// out. What piled up during a backlog stays for the next one.
type freeList struct{ list []*bitmap }

func (f *freeList) get() *bitmap {
	n := len(f.list) - 1
	if n < 0 {
		return new(bitmap)
	}
	m := f.list[n]
	f.list = f.list[:n]
	*m = bitmap{}
	return m
}

// put takes m back and returns nil, to overwrite the reference to it.
func (f *freeList) put(m *bitmap) *bitmap {
	f.list = append(f.list, m)
	return nil
}
