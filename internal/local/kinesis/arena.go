package kinesis

import (
	"sync"

	"github.com/kload/kload/internal/invariants"
)

// arena hands out slabs under one byte budget. When the budget is used up it
// takes back the oldest slab of the server, whichever shard that belongs to.
// Buffers of the standard size are recycled.
//
// A dead slab may still be read by answers under way. It no longer counts, so
// memory can exceed the budget for a moment by what those answers hold.
type arena struct {
	budget int64
	size   int // of a standard slab

	mu   sync.Mutex
	used int64    // bytes of live slabs
	high int64    // largest used
	free [][]byte // recycled standard buffers; used + free stay within the budget
	live []*slab  // oldest first
}

// firstSlab is the size of a shard's first slab. Each further one doubles, up to
// the standard size, so that thousands of quiet shards do not eat the budget.
const firstSlab = 64 << 10

func newArena(budget int64) *arena {
	return &arena{budget: budget, size: int(min(1<<20, max(firstSlab, budget/64)))}
}

// alloc returns an empty slab for at least need bytes, of about the wished size.
// The slab has two references: the arena's and the caller's. It returns nil if
// the whole budget is too small.
func (a *arena) alloc(owner *shardLog, need, wish int) *slab {
	size := max(min(wish, a.size), need+entrySize)
	a.mu.Lock()
	defer a.mu.Unlock()
	if int64(size) > a.budget {
		return nil
	}
	for a.used+int64(size) > a.budget {
		a.kill(a.live[0])
		a.live = a.live[1:]
	}
	s := &slab{arena: a, owner: owner, buf: a.buffer(size)}
	s.refs.Store(2)
	a.live = append(a.live, s)
	a.used += int64(size)
	a.high = max(a.high, a.used)
	return s
}

// buffer returns a recycled or a new buffer, and drops recycled ones that the
// budget no longer has room for.
func (a *arena) buffer(size int) []byte {
	if n := len(a.free); n > 0 && size == a.size {
		buf := a.free[n-1]
		a.free = a.free[:n-1]
		return buf
	}
	room := a.budget - a.used - int64(size)
	keep := min(len(a.free), int(room/int64(a.size)))
	clear(a.free[keep:])
	a.free = a.free[:keep]
	return make([]byte, size)
}

// kill marks a live slab dead and drops the arena's reference. a.mu is held.
func (a *arena) kill(s *slab) {
	s.dead.Store(true)
	a.used -= int64(len(s.buf))
	if s.refs.Add(-1) == 0 {
		a.keep(s.buf)
	}
}

// drop takes back slabs that are no longer wanted.
func (a *arena) drop(gone func(*slab) bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	kept := a.live[:0]
	for _, s := range a.live {
		if gone(s) {
			a.kill(s)
		} else {
			kept = append(kept, s)
		}
	}
	clear(a.live[len(kept):])
	a.live = kept
}

func (a *arena) recycle(buf []byte) {
	a.mu.Lock()
	a.keep(buf)
	a.mu.Unlock()
}

func (a *arena) keep(buf []byte) {
	invariants.Poison(buf)
	if len(buf) == a.size && a.used+int64(len(a.free)+1)*int64(a.size) <= a.budget {
		a.free = append(a.free, buf)
	}
}

func (a *arena) highWater() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.high
}
