package results

import "time"

// SimulatedRun returns a run that went as the values say: by hop and second, in
// nanoseconds.
func SimulatedRun(hops map[string][][]float64) *Run {
	r := NewRun(NewSummary("simulated", "simulated"))
	r.Summary.Verdict = Pass
	r.lines = newTimeline()
	for second := range len(hops["load/put"]) {
		for hop, seconds := range hops {
			counts := map[uint16]int64{}
			for _, v := range seconds[second] {
				counts[bucketOf(int64(v))]++
			}
			r.lines.addCounts(hop, time.Unix(int64(second), 0), counts)
		}
	}
	for hop, row := range r.lines.hops {
		all := newResampler(row, r.lines.slots, 1)
		n := all.total()
		at := func(share float64) int64 { return int64(quantile(all.buckets, all.sum, n, share)) }
		r.Summary.Hops[hop] = HopStats{Count: n, P50: at(0.5), P90: at(0.9), P99: at(0.99), P999: at(0.999), Max: at(1)}
	}
	return r
}

// BucketOf and Edges are the buckets of time lines.
func BucketOf(v int64) uint16             { return bucketOf(v) }
func Edges(at uint16) (low, high float64) { return edges(at) }
