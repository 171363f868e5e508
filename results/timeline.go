package results

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
	"time"

	"github.com/kload/kload/internal/hdr"
)

// maxSlots bounds the memory and the time that a comparison of two long runs
// takes: beyond twice as many intervals, neighbours are put together.
const maxSlots = 240

// timeline is one run's latencies over time: for each hop and slot of time a
// histogram with buckets at most 1.6 % wide. A slot holds one interval of the
// log, or several of a long run.
type timeline struct {
	hops  map[string][][]bucket // by slot
	slots int
	width int // intervals a slot holds
	last  time.Time
	inner int  // intervals the last slot holds so far
	torn  bool // the log ends inside a line
}

// bucket counts the values of one bucket.
type bucket struct {
	at uint16
	n  int64
}

func newTimeline() *timeline { return &timeline{hops: map[string][][]bucket{}, width: 1} }

// add puts an interval's histogram, its values multiplied by scale, into the
// slot of its start. Intervals come in the order of their starts.
func (t *timeline) add(hop string, start time.Time, h *hdr.Histogram, scale float64) {
	counts := map[uint16]int64{}
	for v, n := range hdr.Values(h) {
		counts[bucketOf(int64(float64(v)*scale))] += n
	}
	t.addCounts(hop, start, counts)
}

func (t *timeline) addCounts(hop string, start time.Time, counts map[uint16]int64) {
	t.advance(start)
	row := t.hops[hop]
	for len(row) < t.slots {
		row = append(row, nil)
	}
	added := make([]bucket, 0, len(counts))
	for at, n := range counts {
		added = append(added, bucket{at, n})
	}
	slices.SortFunc(added, func(x, y bucket) int { return cmp.Compare(x.at, y.at) })
	row[t.slots-1] = merged(row[t.slots-1], added)
	t.hops[hop] = row
}

// advance opens a slot when a start is new and the last slot is full.
func (t *timeline) advance(start time.Time) {
	if t.slots > 0 && start.Equal(t.last) {
		return
	}
	t.last = start
	if t.slots > 0 && t.inner < t.width {
		t.inner++
		return
	}
	if t.slots == 2*maxSlots {
		t.halve()
	}
	t.slots++
	t.inner = 1
}

// halve puts pairs of neighbours together.
func (t *timeline) halve() {
	for hop, row := range t.hops {
		for i := range row {
			if i%2 == 0 {
				row[i/2] = row[i]
			} else {
				row[i/2] = merged(row[i/2], row[i])
			}
		}
		t.hops[hop] = slices.Clip(row[:(len(row)+1)/2])
	}
	t.slots, t.width = t.slots/2, t.width*2
}

// merged adds up two lists in the order of their buckets.
func merged(a, b []bucket) []bucket {
	if len(a) == 0 {
		return b
	}
	out := make([]bucket, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0].at < b[0].at:
			out, a = append(out, a[0]), a[1:]
		case a[0].at > b[0].at:
			out, b = append(out, b[0]), b[1:]
		default:
			out, a, b = append(out, bucket{a[0].at, a[0].n + b[0].n}), a[1:], b[1:]
		}
	}
	return append(append(out, a...), b...)
}

// subBuckets is how many buckets the values up to the next power of two share.
const subBuckets = 64

// bucketOf returns a value's bucket. Buckets grow with the value: below 128 ns
// each value has its own.
func bucketOf(v int64) uint16 {
	v = max(0, v)
	shift := max(0, bits.Len64(uint64(v))-7)
	return uint16(shift*subBuckets + int(v>>shift))
}

// edges returns the least value of a bucket and that of the next.
func edges(at uint16) (low, high float64) {
	shift := max(0, int(at)/subBuckets-1)
	width := math.Ldexp(1, shift)
	low = float64(int(at)-shift*subBuckets) * width
	return low, low + width
}

// quantile returns the value below which a share of the counted values lies,
// interpolated within its bucket, and 0 without values. counts[i] belongs to
// buckets[i]; total is their sum.
func quantile(buckets []uint16, counts []int64, total int64, share float64) float64 {
	rank, below := share*float64(total), int64(0)
	for i, n := range counts {
		if n > 0 && float64(below+n) >= rank {
			low, high := edges(buckets[i])
			return low + (high-low)*(rank-float64(below))/float64(n)
		}
		below += n
	}
	return 0
}
