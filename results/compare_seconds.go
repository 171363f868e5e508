package results

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"

	"github.com/kload/kload/internal/stats"
)

const (
	resamples = 600
	// minBlock is the least length of a block, in intervals of the log.
	minBlock = 10
	// minBlocks is how many blocks a run must hold: fewer say too little about
	// how much they differ.
	minBlocks = 8
)

// shiftQuantiles are where the shift function is evaluated. Those without a field
// in the summary are computed from the log alone.
func shiftQuantiles() []shiftQuantile {
	return []shiftQuantile{
		{"p10", 0.1}, {"p25", 0.25}, {"p50", 0.5}, {"p75", 0.75}, {"p90", 0.9}, {"p95", 0.95}, {"p99", 0.99}, {"p999", 0.999},
	}
}

type shiftQuantile struct {
	stat  string
	share float64
}

// quantileShare returns the share that a statistic's name stands for.
func quantileShare(stat string) (share float64, ok bool) {
	for _, q := range shiftQuantiles() {
		if q.stat == stat {
			return q.share, true
		}
	}
	return 0, false
}

// judgeSeconds judges two single runs by how they went: the seconds of each are
// drawn again, in blocks as long as they resemble each other, and the quantiles
// compared anew, to see how far they might have been apart by chance.
func (c *Comparison) judgeSeconds(a, b *Run, selected func(name, stat string) bool) error {
	for _, r := range []*Run{a, b} {
		if !r.hasLog() {
			c.Reasons = append(c.Reasons, r.Path+" says nothing about time: several such files on each side are needed for a verdict")
			return nil
		}
	}
	la, err := a.timeline()
	if err != nil {
		return err
	}
	lb, err := b.timeline()
	if err != nil {
		return err
	}
	for i, t := range []*timeline{la, lb} {
		if r := []*Run{a, b}[i]; t.torn && r.Partial == "" {
			c.Notes = append(c.Notes, labels([]*Run{a}, []*Run{b})[i]+" is judged by a part of it: "+FileHlog+" ends inside a line")
		}
	}
	s := newShift(la, lb)
	c.Method.Intervals, c.Method.Block = s.intervals, s.block*s.width
	if s.slots/s.block < minBlocks {
		c.Reasons = append(c.Reasons, fmt.Sprintf("too short for a verdict: the shorter run has %d intervals, and %d blocks of %d, in which latencies resemble each other, are needed; use 'kload ab'",
			s.intervals, minBlocks, c.Method.Block))
		return nil
	}
	c.Method.Name, c.Method.Resamples = methodBootstrap, resamples
	c.testSeconds(s, selected)
	c.Notes = append(c.Notes, "two single runs: that the next pair shows the same, only repeated runs can say ('kload ab')")
	return nil
}

// shift compares two time lines slot by slot.
type shift struct {
	a, b      *timeline
	hops      []string
	slots     int // of the shorter run
	width     int // intervals in a slot
	intervals int
	block     int     // in slots
	time      float64 // for how many slots latencies resemble each other
}

func newShift(a, b *timeline) *shift {
	s := &shift{a: a, b: b}
	for a.width < b.width {
		a.halve()
	}
	for b.width < a.width {
		b.halve()
	}
	for hop := range a.hops {
		if _, ok := b.hops[hop]; ok {
			s.hops = append(s.hops, hop)
		}
	}
	slices.Sort(s.hops)
	s.slots, s.width = min(a.slots, b.slots), a.width
	s.intervals = s.slots * s.width
	for _, t := range []*timeline{a, b} {
		for _, hop := range s.hops {
			s.time = max(s.time, t.correlationTime(hop))
		}
	}
	s.block = max((minBlock+s.width-1)/s.width, int(math.Ceil(2*s.time)))
	return s
}

// inflate is how much larger the spread is than resamples show. Blocks of length
// b miss what crosses their ends, a share τ/2b of the variance for a correlation
// that fades exponentially (Flegal and Jones, 2010); n of them have n−1 degrees of
// freedom on each side, for which the normal distribution's 97.5 % point grows like
// Student's.
func (s *shift) inflate() float64 {
	n, b := float64(s.slots/s.block), float64(s.block)
	return math.Sqrt(n/(n-1)/(1-s.time/(2*b))) * (1 + 1.21/(2*(n-1)))
}

// correlationTime says for how many slots the latencies of a hop resemble each
// other: by their middle or by their tail, whichever takes longer.
func (t *timeline) correlationTime(hop string) float64 {
	row := t.hops[hop]
	all := newResampler(row, t.slots, 1)
	tail := uint16(0)
	if total := all.total(); total > 0 {
		tail = bucketOf(int64(quantile(all.buckets, all.sum, total, 0.99)))
	}
	var middle, beyond []float64
	for _, slot := range row {
		var n, over int64
		var logs float64
		for _, bk := range slot {
			low, high := edges(bk.at)
			logs += float64(bk.n) * math.Log(max(1, (low+high)/2))
			n += bk.n
			if bk.at > tail {
				over += bk.n
			}
		}
		if n > 0 {
			middle = append(middle, logs/float64(n))
			beyond = append(beyond, float64(over)/float64(n))
		}
	}
	return max(stats.CorrelationTime(middle), stats.CorrelationTime(beyond))
}

// resampler draws the slots of one hop of one run again, block by block.
type resampler struct {
	buckets []uint16
	blocks  [][]int64 // by first slot: the sums over a block
	sum     []int64
	counts  []int64 // of the last draw
}

func newResampler(row [][]bucket, slots, block int) *resampler {
	seen := map[uint16]bool{}
	for _, slot := range row {
		for _, bk := range slot {
			seen[bk.at] = true
		}
	}
	r := &resampler{buckets: slices.Sorted(maps.Keys(seen))}
	place := make(map[uint16]int, len(r.buckets))
	for i, at := range r.buckets {
		place[at] = i
	}
	r.sum, r.counts = make([]int64, len(r.buckets)), make([]int64, len(r.buckets))
	add := func(to []int64, slot int, sign int64) {
		if slot %= slots; slot < len(row) {
			for _, bk := range row[slot] {
				to[place[bk.at]] += sign * bk.n
			}
		}
	}
	running := make([]int64, len(r.buckets))
	for slot := range block {
		add(running, slot, 1)
	}
	for first := range slots {
		add(r.sum, first, 1)
		r.blocks = append(r.blocks, slices.Clone(running))
		add(running, first, -1)
		add(running, first+block, 1)
	}
	return r
}

func (r *resampler) total() int64 { return sumOf(r.sum) }

func sumOf(counts []int64) int64 {
	var n int64
	for _, c := range counts {
		n += c
	}
	return n
}

// draw adds up the blocks that begin at the given slots.
func (r *resampler) draw(starts []int) {
	clear(r.counts)
	for _, first := range starts {
		for i, n := range r.blocks[first] {
			r.counts[i] += n
		}
	}
}

// shiftMetric is one quantile of one hop: its shift and those of the resamples.
type shiftMetric struct {
	hop string
	shiftQuantile
	a, b           *resampler
	shift          float64   // logarithm of the ratio
	draws          []float64 // the same, of each resample
	deviation      float64
	floor          float64
	valueA, valueB float64
}

func (m *shiftMetric) logRatio(x, y float64) float64 {
	return math.Log(max(y, m.floor)) - math.Log(max(x, m.floor))
}

// metrics lists the quantiles beyond which, on either side of them, both runs
// have values enough.
func (s *shift) metrics() []*shiftMetric {
	var out []*shiftMetric
	for _, hop := range s.hops {
		a, b := newResampler(s.a.hops[hop], s.a.slots, s.block), newResampler(s.b.hops[hop], s.b.slots, s.block)
		n := min(a.total(), b.total())
		for _, q := range shiftQuantiles() {
			if math.Round(float64(n)*min(q.share, 1-q.share)) < minTail {
				continue
			}
			m := &shiftMetric{hop: hop, shiftQuantile: q, a: a, b: b, floor: floorOf(hop)}
			m.valueA, m.valueB = quantile(a.buckets, a.sum, a.total(), q.share), quantile(b.buckets, b.sum, b.total(), q.share)
			m.shift = m.logRatio(m.valueA, m.valueB)
			out = append(out, m)
		}
	}
	return out
}

// resample draws both runs again and returns, for each time, how far the
// quantile that strayed most did, in its own standard deviations.
func (s *shift) resample(metrics []*shiftMetric) (farthest []float64) {
	rng := rand.New(rand.NewPCG(1, 2)) // the same runs always get the same verdict
	for range resamples {
		startsA, startsB := stats.Blocks(s.a.slots, s.block, rng), stats.Blocks(s.b.slots, s.block, rng)
		var drawn *resampler
		var totalA, totalB int64
		for _, m := range metrics {
			if m.a != drawn { // the quantiles of a hop stand together
				m.a.draw(startsA)
				m.b.draw(startsB)
				drawn, totalA, totalB = m.a, sumOf(m.a.counts), sumOf(m.b.counts)
			}
			x, y := quantile(m.a.buckets, m.a.counts, totalA, m.share), quantile(m.b.buckets, m.b.counts, totalB, m.share)
			m.draws = append(m.draws, m.logRatio(x, y)-m.shift)
		}
	}
	for _, m := range metrics {
		var squares float64
		for _, d := range m.draws {
			squares += d * d
		}
		m.deviation = math.Sqrt(squares / resamples)
	}
	for i := range resamples {
		far := 0.0
		for _, m := range metrics {
			if m.deviation > 0 {
				far = max(far, math.Abs(m.draws[i])/m.deviation)
			}
		}
		farthest = append(farthest, far)
	}
	slices.Sort(farthest)
	return farthest
}

// testSeconds fills in what the resamples say about each quantile.
func (c *Comparison) testSeconds(s *shift, selected func(name, stat string) bool) {
	metrics := slices.DeleteFunc(s.metrics(), func(m *shiftMetric) bool { return !selected(m.hop, m.stat) })
	c.Method.Metrics = len(metrics)
	farthest := s.resample(metrics)
	reach := farthest[int(math.Ceil((1-alpha)*resamples))-1]
	inflate := s.inflate()
	for _, m := range metrics {
		ch := c.latency(m)
		shift := m.logRatio(*ch.A, *ch.B)
		low, high := math.Expm1(shift-reach*inflate*m.deviation), math.Expm1(shift+reach*inflate*m.deviation)
		far := len(farthest) // seconds that are all alike leave nothing to chance
		if m.deviation > 0 {
			far, _ = slices.BinarySearch(farthest, math.Abs(shift)/(m.deviation*inflate))
		} else if shift == 0 {
			far = 0
		}
		p := float64(resamples-far+1) / (resamples + 1)
		ch.P, ch.Low, ch.High = &p, &low, &high
		c.Method.decide(ch, math.Expm1(shift), m.floor, false)
	}
}

// latency returns the figure of a quantile, which is added where the summary has
// none.
func (c *Comparison) latency(m *shiftMetric) *Change {
	last := len(c.Latencies)
	for i := range c.Latencies {
		ch := &c.Latencies[i]
		switch share, ok := quantileShare(ch.Stat); {
		case ch.Name != m.hop:
			continue
		case ch.Stat == m.stat:
			return ch
		case ok && share < m.share:
			last = i + 1
		case ok:
			last = min(last, i)
		}
	}
	c.Latencies = slices.Insert(c.Latencies, last, change(m.hop, m.stat, &m.valueA, &m.valueB))
	return &c.Latencies[last]
}

// hasLog reports whether the run says when its latencies were.
func (r *Run) hasLog() bool {
	return r.lines != nil || !r.Foreign && exists(filepath.Join(r.Path, FileHlog))
}
