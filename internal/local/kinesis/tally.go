package kinesis

import (
	"slices"
	"strings"
	"time"
)

// Tally counts what went through a shard since it was opened. Records are stream
// records.
type Tally struct {
	RecordsIn       uint64 `json:"records_in"`  // acknowledged
	BytesIn         uint64 `json:"bytes_in"`    // acknowledged, data and keys
	RecordsOut      uint64 `json:"records_out"` // collected for readers
	BytesOut        uint64 `json:"bytes_out"`   // collected for readers, data and keys
	ThrottledWrites uint64 `json:"throttled_writes"`
	ThrottledReads  uint64 `json:"throttled_reads"`
	Trimmed         uint64 `json:"trimmed"` // records that made room for others
}

// Add adds o to t.
func (t *Tally) Add(o Tally) {
	t.RecordsIn += o.RecordsIn
	t.BytesIn += o.BytesIn
	t.RecordsOut += o.RecordsOut
	t.BytesOut += o.BytesOut
	t.ThrottledWrites += o.ThrottledWrites
	t.ThrottledReads += o.ThrottledReads
	t.Trimmed += o.Trimmed
}

// StreamStats is a stream at one moment.
type StreamStats struct {
	Name      string       `json:"name"`
	Status    string       `json:"status"` // such as ACTIVE
	Mode      string       `json:"mode"`   // PROVISIONED or ON_DEMAND
	Created   time.Time    `json:"created"`
	Consumers int          `json:"consumers"` // registered
	Shards    []ShardStats `json:"shards"`    // those that still exist, closed ones included
}

// ShardStats is a shard at one moment.
type ShardStats struct {
	ID            string `json:"id"`
	Open          bool   `json:"open"`
	StoredRecords uint64 `json:"stored_records"`
	StoredBytes   int64  `json:"stored_bytes"`  // data and keys
	Subscriptions int    `json:"subscriptions"` // under way
	Tally
}

// Streams returns what there is, by name. It is safe for concurrent use and
// locks each shard for a moment; the shards are not of one and the same moment.
func (s *Server) Streams(now time.Time) []StreamStats {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := make([]StreamStats, 0, len(s.streams))
	for _, st := range s.streams {
		if st.gone(now) {
			continue
		}
		stats := StreamStats{
			Name: st.name, Status: st.status(now), Mode: st.settings.Load().mode, Created: st.created, Consumers: len(st.consumers),
		}
		horizon := st.horizon(now)
		for _, sh := range st.layout.Load().shards {
			if sh.endsAfter(horizon) {
				stats.Shards = append(stats.Shards, sh.stats())
			}
		}
		out = append(out, stats)
	}
	slices.SortFunc(out, func(a, b StreamStats) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func (sh *shardLog) stats() ShardStats {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.enter(sh.clock)
	st := ShardStats{ID: sh.id, Open: sh.ended.Load() == 0, Subscriptions: len(sh.watchers), Tally: sh.tally}
	for _, sl := range sh.slabs {
		st.StoredRecords += uint64(sl.n) - uint64(len(sl.hidden))
		st.StoredBytes += int64(sl.used)
	}
	return st
}
