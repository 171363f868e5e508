package kinesis

import (
	"sync/atomic"

	"github.com/kload/kload/internal/local/faults"
	"github.com/kload/kload/internal/local/journal"
)

// Stats is what a server counted since it started. Records are stream records.
type Stats struct {
	RecordsIn       uint64            `json:"records_in"`       // acknowledged
	BytesIn         uint64            `json:"bytes_in"`         // acknowledged, data and keys
	RecordsOut      uint64            `json:"records_out"`      // returned by GetRecords or pushed
	BytesOut        uint64            `json:"bytes_out"`        // returned by GetRecords or pushed, data and keys
	ThrottledWrites uint64            `json:"throttled_writes"` // records
	ThrottledReads  uint64            `json:"throttled_reads"`  // GetRecords calls
	Trimmed         uint64            `json:"trimmed"`          // records that made room for others
	TrimmedUnread   uint64            `json:"trimmed_unread"`   // of these, never returned by a GetRecords or pushed
	StoredBytesHigh int64             `json:"stored_bytes_high"`
	Dropped         uint64            `json:"dropped"`            // user records acknowledged but not stored, on purpose
	Duplicated      uint64            `json:"duplicated"`         // user records stored twice, on purpose
	Unlogged        uint64            `json:"unlogged,omitempty"` // records refused because the data directory could not be written
	Log             *journal.Stats    `json:"log,omitempty"`      // of the data directory
	Requests        map[string]uint64 `json:"requests"`           // by operation, refused ones included
	Errors          map[string]uint64 `json:"errors"`             // by operation: of Requests, those answered with an error
	Faults          []faults.Effect   `json:"faults,omitempty"`
}

type counters struct {
	recordsIn, bytesIn, recordsOut, bytesOut atomic.Uint64
	throttledWrites, throttledReads          atomic.Uint64
	unlogged                                 atomic.Uint64
	trimmed, trimmedUnread                   atomic.Uint64
}

// Stats returns the counters so far. It is safe for concurrent use; counters of
// calls under way may or may not be in it.
func (s *Server) Stats() Stats {
	s.settle()
	c := &s.counters
	st := Stats{
		RecordsIn: c.recordsIn.Load(), BytesIn: c.bytesIn.Load(),
		RecordsOut: c.recordsOut.Load(), BytesOut: c.bytesOut.Load(),
		ThrottledWrites: c.throttledWrites.Load(), ThrottledReads: c.throttledReads.Load(),
		Trimmed: c.trimmed.Load(), TrimmedUnread: c.trimmedUnread.Load(),
		StoredBytesHigh: s.arena.highWater(),
		Dropped:         s.mutation.drop.done(), Duplicated: s.mutation.dup.done(),
		Requests: map[string]uint64{}, Errors: map[string]uint64{}, Faults: s.faults.Effects(),
	}
	if s.log != nil {
		log := s.log.Stats()
		st.Log, st.Unlogged = &log, c.unlogged.Load()
	}
	for name, a := range s.actions {
		if n := a.count.Load(); n > 0 {
			st.Requests[name] = n
		}
		if n := a.errors.Load(); n > 0 {
			st.Errors[name] = n
		}
	}
	return st
}

// settle lets every shard count what was trimmed from it.
func (s *Server) settle() {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, st := range s.streams {
		for _, sh := range st.layout.Load().shards {
			sh.mu.Lock()
			sh.enter(sh.clock)
			sh.mu.Unlock()
		}
	}
}
