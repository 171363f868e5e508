package pace

import (
	"math"
	"math/bits"
	"math/rand/v2"
)

// leafRecords is how many records of a Poisson schedule are drawn at once.
const leafRecords = 2048

// Poisson makes the arrivals of a schedule random and independent of each other:
// a Poisson process whose rate follows the base schedule, conditioned on its
// total number of records, so that a seed changes when records come, never how
// many. Gaps at a constant rate are exponential; the number of records in any
// stretch varies as it does with independent senders.
//
// The process is drawn by halving: given how many records an interval holds,
// the number in its first half is binomial; within the smallest intervals they
// lie uniformly. Any part can therefore be drawn without those before it. The
// last parts drawn are kept, so the schedule belongs to one goroutine (but for
// Total and Span).
func Poisson(base Schedule, seed uint64) Schedule {
	p := &poisson{Schedule: base, seed: seed, total: base.Total()}
	p.depth = bits.Len64(p.total / leafRecords)
	p.rand = rand.New(&p.pcg)
	return p
}

type poisson struct {
	Schedule // the base

	seed  uint64
	total uint64
	depth int // how often the whole is halved
	pcg   rand.PCG
	rand  *rand.Rand
	leaf  [2]leaf // the last two drawn: reading ahead and what is due
	older int     // which of them was drawn first
}

// leaf is one of 2^depth equal parts of the base schedule's records.
type leaf struct {
	part  uint64
	first uint64  // number of its first record
	at    []int64 // intended offsets
	drawn bool
}

func (p *poisson) At(n uint64) int64 {
	if n >= p.total {
		return p.Span()
	}
	for i := range p.leaf {
		if l := &p.leaf[i]; l.drawn && n-l.first < uint64(len(l.at)) {
			return l.at[n-l.first]
		}
	}
	l := p.draw(func(_, boundary uint64) bool { return n >= boundary })
	return l.at[n-l.first]
}

func (p *poisson) Due(elapsed int64) uint64 {
	if elapsed < 0 {
		return 0
	}
	if elapsed >= p.Span() {
		return p.total
	}
	// Between two records of the base lies the point that elapsed stands for; it
	// may belong to the part before that of the later one.
	for x := p.Schedule.Due(elapsed); ; x-- {
		l := p.leafOf(p.partOf(x))
		due := 0
		for due < len(l.at) && l.at[due] <= elapsed {
			due++
		}
		if due > 0 || l.part == 0 {
			return l.first + uint64(due)
		}
		x = min(x, mulDivCeil(l.part, p.total, 1<<p.depth))
	}
}

// partOf returns the part that holds a place among the base's records.
func (p *poisson) partOf(x uint64) uint64 {
	return min(mulDiv(x, 1<<p.depth, p.total), 1<<p.depth-1)
}

func (p *poisson) leafOf(part uint64) *leaf {
	for i := range p.leaf {
		if l := &p.leaf[i]; l.drawn && l.part == part {
			return l
		}
	}
	return p.draw(func(middle, _ uint64) bool { return part >= middle })
}

// draw walks down the halves to a part and draws its records. right chooses the
// later half, given the first part in it and the number of its first record.
func (p *poisson) draw(right func(middle, boundary uint64) bool) *leaf {
	count, first, part := p.total, uint64(0), uint64(0)
	for d := range p.depth {
		p.pcg.Seed(p.seed+uint64(d)<<56, part)
		early := p.binomial(count)
		middle := (2*part + 1) << (p.depth - d - 1)
		if right(middle, first+early) {
			first, count, part = first+early, count-early, 2*part+1
		} else {
			count, part = early, 2*part
		}
	}
	l := &p.leaf[p.older]
	p.older = 1 - p.older
	l.part, l.first, l.drawn = part, first, true
	l.at = p.place(l.at[:0], part, count)
	return l
}

// binomial draws how many of n records fall into the first half. Above 4,096
// the normal distribution is indistinguishable from it.
func (p *poisson) binomial(n uint64) uint64 {
	if n > 4096 {
		half := float64(n) / 2
		return uint64(min(max(0, math.Round(half+math.Sqrt(half/2)*p.rand.NormFloat64())), float64(n)))
	}
	var k uint64
	for ; n >= 64; n -= 64 {
		k += uint64(bits.OnesCount64(p.rand.Uint64()))
	}
	return k + uint64(bits.OnesCount64(p.rand.Uint64()&(1<<n-1)))
}

// place draws the offsets of a part's records in ascending order: cumulated
// exponential gaps, scaled to the part, are sorted uniform values.
func (p *poisson) place(at []int64, part, count uint64) []int64 {
	p.pcg.Seed(p.seed^math.MaxUint64, part)
	sum := 0.0
	for range count + 1 {
		sum += p.rand.ExpFloat64()
	}
	width := float64(p.total) / float64(uint64(1)<<p.depth)
	start := float64(part) * width
	p.pcg.Seed(p.seed^math.MaxUint64, part) // the same gaps again
	gaps := 0.0
	for range count {
		gaps += p.rand.ExpFloat64()
		at = append(at, p.timeOf(start+width*gaps/sum))
	}
	return at
}

// timeOf returns the base's time at a place between two of its records.
func (p *poisson) timeOf(x float64) int64 {
	n := min(uint64(x), p.total-1)
	from, to := p.Schedule.At(n), p.Span()
	if n+1 < p.total {
		to = p.Schedule.At(n + 1)
	}
	return from + int64((x-float64(n))*float64(to-from))
}
