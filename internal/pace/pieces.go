package pace

import (
	"math"
	"sort"
	"time"
)

// Piece is a stretch of a schedule with one rate: Count records spread evenly
// over Span. A count of 0 is a pause.
type Piece struct {
	Count uint64
	Span  time.Duration
}

// Pieces plays stretches one after the other: a curve drawn in steps, such as a
// recorded trace. Spans must be positive. The arithmetic is exact.
func Pieces(list []Piece) Schedule {
	p := pieces{firstN: make([]uint64, 1, len(list)+1), startAt: make([]int64, 1, len(list)+1)}
	for i, piece := range list {
		p.firstN = append(p.firstN, p.firstN[i]+piece.Count)
		p.startAt = append(p.startAt, p.startAt[i]+int64(piece.Span))
	}
	return p
}

type pieces struct {
	firstN  []uint64 // number of the first record of each piece, and the total
	startAt []int64  // offset at which each piece starts, and the span
}

func (p pieces) At(n uint64) int64 {
	last := len(p.firstN) - 2
	i := sort.Search(last, func(i int) bool { return p.firstN[i+1] > n })
	count, span := p.firstN[i+1]-p.firstN[i], p.startAt[i+1]-p.startAt[i]
	if count == 0 { // past the end
		return p.Span()
	}
	return p.startAt[i] + int64(mulDiv(n-p.firstN[i], uint64(span), count))
}

func (p pieces) Due(elapsed int64) uint64 {
	if elapsed < 0 {
		return 0
	}
	if elapsed >= p.Span() {
		return p.Total()
	}
	i := sort.Search(len(p.startAt), func(i int) bool { return p.startAt[i] > elapsed }) - 1
	count, span := p.firstN[i+1]-p.firstN[i], p.startAt[i+1]-p.startAt[i]
	return p.firstN[i] + min(count, mulDivCeil(uint64(elapsed-p.startAt[i])+1, count, uint64(span)))
}

func (p pieces) Total() uint64 { return p.firstN[len(p.firstN)-1] }
func (p pieces) Span() int64   { return p.startAt[len(p.startAt)-1] }

// SinePieces is how many pieces of constant rate stand for one period of a sine:
// the rate is off by at most 5 % of the amplitude.
const SinePieces = 64

// Sine swings the rate around a mean, both in records per second, starting at
// the mean and rising. The amplitude must not exceed the mean. The curve is
// drawn in [SinePieces] steps per period; the number of records up to each step
// is that of the true sine.
func Sine(mean, amplitude float64, period, span time.Duration) Schedule {
	mean, amplitude = mean/1e9, amplitude/1e9
	omega := 2 * math.Pi / float64(period)
	count := func(t float64) uint64 {
		return uint64(math.Max(0, math.Round(mean*t+amplitude/omega*(1-math.Cos(omega*t)))))
	}
	var list []Piece
	var at time.Duration
	var n uint64
	for i := int64(1); at < span; i++ {
		end := min(span, time.Duration(mulDiv(uint64(i), uint64(period), SinePieces)))
		if end == at {
			continue
		}
		upTo := max(n, count(float64(end)))
		list = append(list, Piece{Count: upTo - n, Span: end - at})
		at, n = end, upTo
	}
	return Pieces(list)
}
