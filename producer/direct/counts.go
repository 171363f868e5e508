package direct

import (
	"maps"
	"slices"
	"sync/atomic"

	"github.com/kload/kload/producer"
)

// counts is what the senders did.
type counts struct {
	requests, attempts, retries, throttled, failed, expired, refused, blockedNs atomic.Uint64
}

// Stats returns the counters so far, of those of a producer that apply.
func (g *Ingress) Stats() producer.Stats {
	c := &g.counts
	return producer.Stats{
		Requests: c.requests.Load(), Attempts: c.attempts.Load(), Retries: c.retries.Load(), Throttled: c.throttled.Load(),
		Failed: c.failed.Load(), Expired: c.expired.Load(), Refused: c.refused.Load(),
		BlockedNs: c.blockedNs.Load(), PeakBytes: g.queue.mostUsed(),
	}
}

// Counters returns the counters that have no place of their own in a summary.
// See [kload.Counted].
func (g *Ingress) Counters() map[string]uint64 { return counterMap(g.Stats()) }

// CounterNames lists what [Ingress.Counters] counts.
func CounterNames() []string { return slices.Sorted(maps.Keys(counterMap(producer.Stats{}))) }

func counterMap(s producer.Stats) map[string]uint64 {
	return map[string]uint64{
		"retries": s.Retries, "failed": s.Failed, "expired": s.Expired, "refused": s.Refused,
		"blocked_ns": s.BlockedNs, "peak_bytes": s.PeakBytes,
	}
}
