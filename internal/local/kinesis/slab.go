package kinesis

import (
	"encoding/binary"
	"math"
	"sync/atomic"
)

// A slab is one buffer that holds consecutive records of a shard. Records (key,
// then data) fill it from the front, their index entries of fixed size from the
// back; neither holds a pointer, so the collector has nothing to look at however
// many records there are, and records and index are covered by one budget.
//
//	[key data][key data][key data] … free … [entry 2][entry 1][entry 0]
//
// A slab belongs to a shard, which writes it under its lock. What was written
// never changes, so readers that retained the slab read it without the lock.
// Trimming marks a slab dead without asking its shard, which notices when it
// next looks.
type slab struct {
	buf    []byte
	first  uint64   // counter of the first record
	n      uint32   // records
	used   uint32   // bytes of keys and data
	base   int64    // arrival of the first record, ms since 1970
	last   int64    // arrival of the last record
	hidden []uint64 // counters of records that were dropped on purpose

	arena *arena
	owner *shardLog
	dead  atomic.Bool
	refs  atomic.Int32
}

// entrySize is the size of an index entry: offset u32, data size u32, arrival
// after base in ms u32, key size u16, flags u16.
const entrySize = 16

// The flags of a record.
const (
	flagHidden = 1 << iota // dropped on purpose
	flagKMS                // put while the stream was encrypted
)

// entry is a decoded index entry.
type entry struct {
	off, size uint32
	arrived   int64
	key       uint16
	flags     uint16
}

func (e entry) hidden() bool { return e.flags&flagHidden != 0 }

// fits reports whether a record of that many bytes can be added.
func (s *slab) fits(bytes int, arrived int64) bool {
	return int(s.used)+bytes+int(s.n+1)*entrySize <= len(s.buf) &&
		(s.n == 0 || arrived-s.base <= math.MaxUint32)
}

// add appends a record that fits. A hidden record keeps its number but has no
// bytes.
func (s *slab) add(key, data []byte, arrived int64, flags uint16) {
	if s.n == 0 {
		s.base = arrived
	}
	if flags&flagHidden != 0 {
		key, data = nil, nil
		s.hidden = append(s.hidden, s.first+uint64(s.n))
	}
	e := s.index(s.n)
	binary.LittleEndian.PutUint32(e, s.used)
	binary.LittleEndian.PutUint32(e[4:], uint32(len(data)))
	binary.LittleEndian.PutUint32(e[8:], uint32(arrived-s.base))
	binary.LittleEndian.PutUint16(e[12:], uint16(len(key)))
	binary.LittleEndian.PutUint16(e[14:], flags)
	s.used += uint32(copy(s.buf[s.used:], key))
	s.used += uint32(copy(s.buf[s.used:], data))
	s.last = arrived
	s.n++
}

func (s *slab) index(i uint32) []byte {
	at := len(s.buf) - int(i+1)*entrySize
	return s.buf[at : at+entrySize]
}

func (s *slab) entry(i uint32) entry {
	e := s.index(i)
	return entry{
		off:     binary.LittleEndian.Uint32(e),
		size:    binary.LittleEndian.Uint32(e[4:]),
		arrived: s.base + int64(binary.LittleEndian.Uint32(e[8:])),
		key:     binary.LittleEndian.Uint16(e[12:]),
		flags:   binary.LittleEndian.Uint16(e[14:]),
	}
}

func (s *slab) keyOf(e entry) []byte { return s.buf[e.off : e.off+uint32(e.key)] }

func (s *slab) dataOf(e entry) []byte {
	from := e.off + uint32(e.key)
	return s.buf[from : from+e.size]
}

// end returns the counter after the last record.
func (s *slab) end() uint64 { return s.first + uint64(s.n) }

// retain keeps the buffer from being recycled. It fails if that has happened.
func (s *slab) retain() bool {
	for {
		refs := s.refs.Load()
		if refs == 0 {
			return false
		}
		if s.refs.CompareAndSwap(refs, refs+1) {
			return true
		}
	}
}

// release drops a reference; the last one recycles the buffer.
func (s *slab) release() {
	if s.refs.Add(-1) == 0 {
		s.arena.recycle(s.buf)
	}
}
