package kinesis

import (
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kload/kload/internal/shard"
)

// shardLog is one shard: its records in order, its budgets and its clock.
//
// Every record has a counter, without gaps within the shard. It is part of the
// sequence number, and a position is the counter of the next record to read:
// finding a record is arithmetic, not a search.
type shardLog struct {
	server *Server
	stream *stream
	index  uint32
	id     string // "shardId-000000000000"
	hashes shard.Range
	epoch  int64     // the shard's creation in its sequence numbers, s since 1970
	opened time.Time // when it began to take records

	parents []*shardLog  // one after a split, two after a merge
	ended   atomic.Int64 // when a reshard closed it, ns since 1970; 0 while open

	mu       sync.Mutex
	heirs    []*shardLog // what follows a closed shard
	budget   budget
	slabs    []*slab // in order; the last one is being written and retained
	started  int     // slabs begun
	next     uint64  // counter of the next record
	settled  uint64  // counter after the last record that may be read: next, but for what is not yet on disk
	read     uint64  // counter after the last record that a GetRecords returned
	clock    time.Time
	watchers map[*subscription]struct{}
	closed   bool   // together with its stream
	held     []held // where the log has what the shard holds
	entry    []byte // of the log, being written by put
}

// budget is what a shard may take and give per second.
type budget struct {
	writeBytes, writeRecords, readBytes, readCalls *bucket
	pausedUntil                                    time.Time // after a full answer
}

func newBudget(l Limits) budget {
	return budget{
		writeBytes: newBucket(l.WriteBytes, l.Off), writeRecords: newBucket(l.WriteRecords, l.Off),
		readBytes: newBucket(l.ReadBytes, l.Off), readCalls: newBucket(l.ReadCalls, l.Off),
	}
}

func newShardLog(st *stream, index int, r shard.Range, epoch int64, opened time.Time) *shardLog {
	return &shardLog{
		server: st.server, stream: st, index: uint32(index), id: shardID(uint32(index)), hashes: r,
		epoch: epoch, opened: opened,
		budget: newBudget(st.server.cfg.Limits), next: 1, settled: 1, read: 1, clock: opened,
	}
}

// sequence returns the sequence number of the record with that counter. The
// shard's own first number has counter 0.
func (sh *shardLog) sequence(counter uint64, arrived time.Time) sequence {
	return sequence{created: sh.epoch, counter: counter, arrived: arrived.Unix(), shard: sh.index}
}

// lastCounter is in the ending sequence number of a closed shard.
const lastCounter = 1<<63 - 1

// firstNumber and lastNumber are the ends of a closed shard's sequence numbers.
func (sh *shardLog) firstNumber() string {
	return string(sh.sequence(0, time.Unix(sh.epoch, 0)).append(nil))
}

func (sh *shardLog) lastNumber() string {
	return string(sh.sequence(lastCounter, sh.ending()).append(nil))
}

// enter moves the shard's clock on, so that arrival times never decrease and no
// budget is refilled twice, and forgets slabs that were trimmed. It returns the
// shard's time. sh.mu is held.
func (sh *shardLog) enter(now time.Time) time.Time {
	if now.After(sh.clock) {
		sh.clock = now
	}
	for len(sh.slabs) > 0 && sh.slabs[0].dead.Load() {
		sh.forget(&sh.server.counters)
	}
	return sh.clock
}

// forget drops the oldest slab and counts what was in it.
func (sh *shardLog) forget(c *counters) {
	s := sh.slabs[0]
	sh.slabs[0] = nil
	sh.slabs = sh.slabs[1:]
	records, unread := uint64(s.n)-uint64(len(s.hidden)), s.end()-max(s.first, min(sh.read, s.end()))
	for _, counter := range s.hidden {
		if counter >= sh.read {
			unread--
		}
	}
	c.trimmed.Add(records)
	c.trimmedUnread.Add(unread)
	if len(sh.slabs) == 0 { // it was the one being written
		s.release()
	}
}

// wake tells who waits for records that there is something to look at. sh.mu is
// held.
func (sh *shardLog) wake() {
	for sub := range sh.watchers {
		select {
		case sub.wake <- struct{}{}:
		default: // it has been told
		}
	}
}

// close ends the shard together with its stream.
func (sh *shardLog) close() {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.closed = true
	sh.wake()
	if n := len(sh.slabs); n > 0 {
		sh.slabs[n-1].release()
	}
	sh.slabs = nil
}

// writing returns a slab with room for a record, nil if the store is too small
// for it. sh.mu is held.
func (sh *shardLog) writing(bytes int, arrived int64) *slab {
	last := len(sh.slabs) - 1
	if last >= 0 && !sh.slabs[last].dead.Load() && sh.slabs[last].fits(bytes, arrived) {
		return sh.slabs[last]
	}
	s := sh.server.arena.alloc(sh, bytes, firstSlab<<min(sh.started, 16))
	if s == nil {
		return nil
	}
	if last >= 0 {
		sh.slabs[last].release()
	}
	s.first = sh.next
	sh.started++
	sh.slabs = append(sh.slabs, s)
	return s
}

// add stores a record and returns its counter. sh.mu is held.
func (sh *shardLog) add(key, data []byte, arrived time.Time, flags uint16) (uint64, bool) {
	if sh.closed {
		return 0, false
	}
	ms := arrived.UnixMilli()
	s := sh.writing(len(key)+len(data), ms)
	if s == nil {
		return 0, false
	}
	s.add(key, data, ms, flags)
	if sh.entry != nil {
		sh.entry = appendRecord(sh.entry, key, data, flags)
	}
	sh.next++
	return sh.next - 1, true
}

// oldest returns the position of the trim horizon. sh.mu is held.
func (sh *shardLog) oldest(now time.Time) uint64 {
	return sh.since(sh.stream.horizon(now).UnixMilli())
}

// since returns the position of the first record that arrived at or after a
// time, or the tip. sh.mu is held.
func (sh *shardLog) since(ms int64) uint64 { return min(sh.settled, sh.search(ms)) }

func (sh *shardLog) search(ms int64) uint64 {
	i := sort.Search(len(sh.slabs), func(i int) bool { return sh.slabs[i].last >= ms })
	if i == len(sh.slabs) {
		return sh.next
	}
	s := sh.slabs[i]
	if s.base >= ms {
		return s.first
	}
	if !s.retain() { // trimmed this moment
		return s.end()
	}
	defer s.release()
	return s.first + uint64(sort.Search(int(s.n), func(k int) bool { return s.entry(uint32(k)).arrived >= ms }))
}
