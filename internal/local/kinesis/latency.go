package kinesis

import (
	"context"
	"sort"
	"time"
)

// hold waits until an answer is due and reports whether its client is still
// there. A server that shuts down holds nothing back.
func (s *Server) hold(ctx context.Context, due time.Time) bool {
	wait := time.Until(due)
	if wait <= 0 {
		return true
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.leaving:
	case <-ctx.Done():
		return false
	}
	return true
}

// stamp returns the arrival time of what is stored now: that of the target's
// clock, which may be off but never makes a shard's arrivals decrease. sh.mu is
// held.
func (sh *shardLog) stamp(now time.Time) time.Time {
	at := now.Add(sh.server.faults.Offset())
	if n := len(sh.slabs); n > 0 && sh.slabs[n-1].last > at.UnixMilli() {
		return time.UnixMilli(sh.slabs[n-1].last)
	}
	return at
}

// tip returns the position after the last record that readers may see: what
// arrived less than the propagation delay ago is still hidden from them. Arrivals
// are kept in whole milliseconds; none is seen too early. sh.mu is held.
func (sh *shardLog) tip(now time.Time) uint64 {
	delay := sh.server.cfg.Latency.Propagation
	if delay == 0 {
		return sh.settled
	}
	return sh.since(sh.stamp(now).Add(-delay).UnixMilli())
}

// unseen returns how long the record at a position is still hidden, 0 if it is
// not. sh.mu is held.
func (sh *shardLog) unseen(counter uint64, now time.Time) time.Duration {
	ms, ok := sh.arrival(counter)
	if !ok {
		return 0
	}
	seen := time.UnixMilli(ms + 1).Add(sh.server.cfg.Latency.Propagation)
	return max(0, seen.Sub(sh.stamp(now)))
}

// arrival returns when a record arrived, ms since 1970. It returns false if the
// record is gone or not there yet. sh.mu is held.
func (sh *shardLog) arrival(counter uint64) (ms int64, ok bool) {
	i := sort.Search(len(sh.slabs), func(i int) bool { return sh.slabs[i].end() > counter })
	if i == len(sh.slabs) || sh.slabs[i].first > counter || !sh.slabs[i].retain() {
		return 0, false
	}
	defer sh.slabs[i].release()
	return sh.slabs[i].entry(uint32(counter - sh.slabs[i].first)).arrived, true
}
