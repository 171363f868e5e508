package kinesis

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/kload/kload/internal/local/journal"
)

// This file keeps a server's state in a directory. Records and changes are
// appended to a log in the order in which they take effect, under the locks that
// order them; an answer leaves when its part of the log is committed. Records
// can be read from that moment, so that nobody has seen what a crash undoes.
//
// Shards know which segments of the log hold what they still have. When a
// segment is full, whoever put last begins a new one (rotate), and those that no
// shard needs go.

const (
	minSegment = 1 << 20
	maxSegment = 64 << 20
)

// openLog opens the log and rebuilds what it holds.
func (s *Server) openLog() error {
	if s.cfg.Data == "" {
		return nil
	}
	policy, err := journal.ParsePolicy(s.cfg.Fsync)
	if err != nil {
		return err
	}
	log, err := journal.Open(s.cfg.Data, journal.Options{
		SegmentBytes: min(maxSegment, max(minSegment, s.cfg.StoreBytes/8)), Sync: policy,
	})
	if err != nil {
		return err
	}
	if err := s.replay(log); err != nil {
		log.Close()
		return err
	}
	s.log = log
	return s.rotate()
}

// Close commits what is logged and gives the data directory free. Without one
// it does nothing. No call may be under way.
func (s *Server) Close() error {
	if s.log == nil {
		return nil
	}
	return s.log.Close()
}

// LogError returns why nothing is stored any more, nil while it is and without
// Config.Data.
func (s *Server) LogError() error {
	if s.log == nil {
		return nil
	}
	return s.log.Err()
}

// Recovered returns what the data directory held when the server began.
func (s *Server) Recovered() journal.Recovered {
	if s.log == nil {
		return journal.Recovered{}
	}
	return s.log.Recovered()
}

// held says how far the records go that a segment has of a shard.
type held struct {
	segment uint64
	end     uint64 // counter after the last one
}

// begin opens an entry of the log for records that are about to be added. sh.mu
// is held.
func (sh *shardLog) begin(now time.Time) {
	if log := sh.server.log; log != nil {
		sh.entry = appendRecordsHead(log.Begin(), sh.stream.number, sh.index, sh.next, now.UnixMilli())
	}
}

// end completes the entry, if any record was added since begin, and returns what
// has to be committed before they are acknowledged. Without a log they can be
// read at once. sh.mu is held.
func (sh *shardLog) end(first uint64) (lsn int64) {
	log := sh.server.log
	switch {
	case log == nil:
		sh.settled = sh.next
	case sh.next == first:
		log.Cancel()
	default:
		at := log.End(sh.entry)
		lsn = at.LSN
		sh.hold(at.Segment)
	}
	sh.entry = nil
	return lsn
}

// hold notes that a segment has the shard's last record. sh.mu is held.
func (sh *shardLog) hold(segment uint64) {
	if n := len(sh.held); n > 0 && sh.held[n-1].segment == segment {
		sh.held[n-1].end = sh.next
	} else {
		sh.held = append(sh.held, held{segment, sh.next})
	}
}

// unsettled is a shard with records that wait for their commit.
type unsettled struct {
	shard *shardLog
	end   uint64
}

// settle commits what a put has logged and lets it be read. It reports whether
// the records may be acknowledged.
func (rq *request) settle() bool {
	p := &rq.put
	if p.lsn == 0 {
		return true
	}
	err := rq.server.log.Commit(p.lsn)
	for _, u := range p.unsettled {
		if err == nil {
			u.shard.publish(u.end)
		}
	}
	if err != nil {
		rq.server.counters.unlogged.Add(uint64(len(p.entries)))
	}
	clear(p.unsettled)
	p.unsettled, p.lsn = p.unsettled[:0], 0
	rq.server.rotateFull()
	return err == nil
}

// publish lets records be read that have been committed.
func (sh *shardLog) publish(end uint64) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.settled = max(sh.settled, end)
	sh.wake()
}

// touch marks a stream as changed: its state is logged when the server's lock is
// let go of by unlock. The server's lock is held.
func (st *stream) touch() {
	if s := st.server; s != nil && s.log != nil && !slices.Contains(s.touched, st) {
		s.touched = append(s.touched, st)
	}
}

// unlock logs what the request has changed and lets go of the server's lock.
func (s *Server) unlock(rq *request) {
	defer s.mu.Unlock()
	if len(s.touched) > 0 {
		rq.lsn = s.logChange(savedStreams(s.touched))
		s.touched = s.touched[:0]
	}
}

// logChange appends a change of streams or of the account.
func (s *Server) logChange(streams []savedStream) (lsn int64) {
	if s.log == nil {
		return 0
	}
	return s.log.End(appendChange(s.log.Begin(), s.account(streams))).LSN
}

// confirm keeps the answer of a control-plane call back until what it says is
// committed. Only a call that changed something fails with the log; what others
// describe holds in this process.
func (s *Server) confirm(rq *request) error {
	if s.log == nil {
		return nil
	}
	err := s.log.Commit(s.log.Appended())
	if rq.lsn == 0 {
		return nil
	}
	s.rotateFull()
	return err
}

// confirmed waits until a reshard that a reader is about to hear of is
// committed.
func (s *Server) confirmed(heirs []*shardLog) {
	if s.log != nil && heirs != nil {
		_ = s.log.Commit(s.log.Appended()) // should it fail, the children are there until the end of the process
	}
}

// rotateFull is rotate when it is due and nobody else does it.
func (s *Server) rotateFull() {
	if !s.log.Full() || !s.rotating.CompareAndSwap(false, true) {
		return
	}
	defer s.rotating.Store(false)
	if s.log.Full() {
		_ = s.rotate() // the log keeps its error for the next commit
	}
}

// loggable refuses puts once the log has failed: reads are served on, of what
// was stored until then. It counts the records refused.
func (rq *request) loggable() error {
	if log := rq.server.log; log != nil {
		if err := log.Err(); err != nil {
			rq.server.counters.unlogged.Add(uint64(len(rq.put.entries)))
			return err
		}
	}
	return nil
}

// rotate begins a segment of the log and gives up those that nothing is wanted
// of. Others may append meanwhile: to the old segment before the cut, to the new
// one behind it.
func (s *Server) rotate() error {
	s.mu.RLock()
	now := time.Now()
	wanted := map[uint64]bool{}
	var streams []*stream
	for _, st := range s.streams {
		if !st.gone(now) {
			streams = append(streams, st)
		}
	}
	state := s.account(savedStreams(streams))
	state.Key = s.key
	for i, st := range streams {
		st.markHeld(&state.Streams[i], wanted, now)
	}
	dead := slices.DeleteFunc(s.log.Segments(), func(n uint64) bool { return wanted[n] })
	text, err := json.Marshal(state)
	if err != nil {
		s.mu.RUnlock()
		return fmt.Errorf("encoding the state of the embedded Kinesis: %w", err)
	}
	at := s.log.Cut(dead, text)
	s.mu.RUnlock()
	return s.log.Commit(at.LSN)
}

// markHeld adds to a saved stream what its shards hold, and the segments that
// they hold it in. The server's lock is held.
func (st *stream) markHeld(saved *savedStream, wanted map[uint64]bool, now time.Time) {
	for i, sh := range st.layout.Load().shards {
		sh.mu.Lock()
		now := sh.enter(now)
		oldest := sh.next
		if len(sh.slabs) > 0 {
			oldest = min(sh.next, max(sh.slabs[0].first, sh.search(st.horizon(now).UnixMilli())))
		}
		sh.held = slices.DeleteFunc(sh.held, func(h held) bool { return h.end <= oldest })
		for _, h := range sh.held {
			wanted[h.segment] = true
		}
		saved.Shards[i].First, saved.Shards[i].Next = oldest, sh.next
		sh.mu.Unlock()
	}
}
