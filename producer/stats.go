package producer

import (
	"maps"
	"math/bits"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/kload/kload"
)

// Stats counts what the producer did since it started.
type Stats struct {
	UserRecords   uint64 // accepted
	StreamRecords uint64 // sealed
	Bytes         uint64 // payload bytes accepted
	Requests      uint64 // PutRecords calls
	Attempts      uint64 // stream records sent, retries included
	Retries       uint64 // of those, sent again
	Throttled     uint64 // attempts refused for their rate
	Failed        uint64 // attempts failed otherwise
	Mispredicted  uint64 // acknowledged in another shard than predicted
	Expired       uint64 // user records whose time to live ended before they were acknowledged
	Refused       uint64 // user records rejected unsent: too large, or with a partition key that no service takes
	BlockedNs     uint64 // time callers waited for the byte budget
	PeakBytes     uint64 // most bytes held at once

	MapRefreshed       uint64 // shard maps put into force after the first
	MapRefreshFailed   uint64 // shard maps that could not be read; the old one served on
	Resplit            uint64 // stream records taken apart because a new shard map spreads them over several shards
	DuplicatesPossible uint64 // user records sent again because their aggregate was stored in a shard not all of it belongs to
	AggregationOff     bool   // the stream distributes records as it likes: nothing is aggregated

	Flushed     FlushReasons
	FillRatio   float64           // bytes of aggregates over what they may hold, 0 without aggregates
	Attempted   [8]uint64         // acknowledged user records by their attempts: 1, 2-3, 4-7, … 128 or more
	Errors      map[string]uint64 // failed attempts of stream records by error code
	ThrottledBy map[string]uint64 // attempts refused for their rate, by the shard they were for
}

// FlushReasons counts stream records by why they were sealed.
type FlushReasons struct {
	Size    uint64 // the next record would not have fitted
	Count   uint64 // the most records per aggregate were reached
	Linger  uint64 // the first record had waited long enough
	Manual  uint64 // Flush
	Memory  uint64 // callers waited for the byte budget and nothing else was under way
	Reshard uint64 // a new shard map came into force
	Close   uint64
}

type flushReason int

const (
	flushSize flushReason = iota
	flushCount
	flushLinger
	flushManual
	flushMemory
	flushReshard
	flushClose
	flushReasons
)

// counters is Stats under construction.
type counters struct {
	userRecords, streamRecords, bytes, requests, attempts, retries,
	throttled, failed, mispredicted, expired, refused, blockedNs,
	mapRefreshed, mapRefreshFailed, resplit, duplicatesPossible,
	fillBytes, fillRoom atomic.Uint64
	calls          calls
	aggregationOff atomic.Bool
	flushed        [flushReasons]atomic.Uint64
	maxBytes       uint64 // of an aggregate

	mu      sync.Mutex // guards what follows
	settled settled
	errors  map[string]uint64
}

// calls counts those to the service.
type calls struct{ n, ns atomic.Uint64 }

// settled counts what is known of records once they are decided.
type settled struct {
	decided, put, dataPut          uint64 // user records; payload bytes
	streamPut, streamDataPut       uint64
	attemptedRecords, userAttempts uint64 // user records sent at all; how often all in all
	bufferedNs                     uint64
	attempted                      [8]uint64
}

func newCounters(maxBytes int) *counters {
	return &counters{maxBytes: uint64(maxBytes), errors: map[string]uint64{}}
}

// sealed counts a sealed record.
func (c *counters) sealed(r *streamRecord, why flushReason) {
	c.streamRecords.Add(1)
	c.flushed[why].Add(1)
	if r.enveloped {
		c.fillBytes.Add(uint64(len(r.data)))
		c.fillRoom.Add(c.maxBytes)
	}
}

// answered counts one call to the service.
func (c *counters) answered(ns int64) {
	c.calls.ns.Add(uint64(ns))
	c.calls.n.Add(1)
}

// failure counts n attempts that ended with an error code.
func (c *counters) failure(code string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.errors[code] += uint64(n)
}

// settle counts decided records.
func (c *counters) settle(out []kload.Outcome, recs []*streamRecord) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := &c.settled
	for i, r := range recs {
		n := uint64(len(r.receipts))
		s.decided += n
		if r.tries.Made > 0 {
			s.attemptedRecords += n
			s.userAttempts += n * uint64(r.tries.Made)
			s.bufferedNs += n*uint64(r.tries.First-r.opened) - uint64(r.waited)
		}
		if out[i].Status != kload.Acked {
			continue
		}
		s.put += n
		s.streamPut++
		s.streamDataPut += uint64(len(r.data))
		s.dataPut += uint64(r.payload)
		s.attempted[min(bits.Len(uint(r.tries.Made)), len(s.attempted))-1] += n
	}
}

func (c *counters) snapshot(peak int64) Stats {
	fill := 0.0
	if room := c.fillRoom.Load(); room > 0 {
		fill = float64(c.fillBytes.Load()) / float64(room)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return Stats{
		UserRecords: c.userRecords.Load(), StreamRecords: c.streamRecords.Load(), Bytes: c.bytes.Load(),
		Requests: c.requests.Load(), Attempts: c.attempts.Load(), Retries: c.retries.Load(),
		Throttled: c.throttled.Load(), Failed: c.failed.Load(), Mispredicted: c.mispredicted.Load(),
		Expired: c.expired.Load(), Refused: c.refused.Load(), BlockedNs: c.blockedNs.Load(), PeakBytes: uint64(peak),
		MapRefreshed: c.mapRefreshed.Load(), MapRefreshFailed: c.mapRefreshFailed.Load(), Resplit: c.resplit.Load(),
		DuplicatesPossible: c.duplicatesPossible.Load(), AggregationOff: c.aggregationOff.Load(),
		Flushed: FlushReasons{
			Size: c.flushed[flushSize].Load(), Count: c.flushed[flushCount].Load(), Linger: c.flushed[flushLinger].Load(),
			Manual: c.flushed[flushManual].Load(), Memory: c.flushed[flushMemory].Load(),
			Reshard: c.flushed[flushReshard].Load(), Close: c.flushed[flushClose].Load(),
		},
		FillRatio: fill, Attempted: c.settled.attempted, Errors: maps.Clone(c.errors),
	}
}

// counterNames lists what counterMap counts.
func counterNames() []string { return slices.Sorted(maps.Keys((&Stats{}).counterMap())) }

// counterMap returns the counters that have no place of their own in a summary.
func (s *Stats) counterMap() map[string]uint64 {
	m := map[string]uint64{
		"retries": s.Retries, "failed": s.Failed, "mispredicted": s.Mispredicted, "expired": s.Expired, "refused": s.Refused,
		"blocked_ns": s.BlockedNs, "peak_bytes": s.PeakBytes, "map_refreshed": s.MapRefreshed, "map_refresh_failed": s.MapRefreshFailed,
		"resplit": s.Resplit, "duplicates_possible": s.DuplicatesPossible, "aggregation_off": 0,
	}
	if s.AggregationOff {
		m["aggregation_off"] = 1
	}
	return m
}

// FlushedBy returns the reasons of flushes under their names in results.
func (s *Stats) FlushedBy() map[string]uint64 {
	f := &s.Flushed
	return map[string]uint64{
		"size": f.Size, "count": f.Count, "linger": f.Linger, "manual": f.Manual, "memory": f.Memory, "reshard": f.Reshard, "close": f.Close,
	}
}

// AttemptedBy returns the histogram of attempts: acknowledged user records by the
// least number of attempts of their bucket.
func (s *Stats) AttemptedBy() map[string]uint64 {
	m := map[string]uint64{}
	for i, n := range s.Attempted {
		if n > 0 {
			m[strconv.Itoa(1<<i)] = n
		}
	}
	return m
}
