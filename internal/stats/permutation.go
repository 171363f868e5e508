package stats

import (
	"cmp"
	"math"
	"slices"
)

// tie is how close two statistics are that differ by rounding only.
const tie = 1e-9

// MaxT tests each metric for a difference between two groups of runs and returns
// the p-values, two-sided and adjusted for all metrics together: if no metric
// differs, the probability that any of them is at most α is at most α. a[m] and
// b[m] are the values of metric m, one per run, runs in the same order for every
// metric.
//
// A difference of means below least[m] counts as none, in what was observed as in
// every other assignment: metrics that cannot differ by as much as matters then
// take no power from the others. Such a metric has p = 1.
func MaxT(a, b [][]float64, least []float64, sets Assignments) []float64 {
	columns := make([]column, len(a))
	observed := make([]float64, len(a))
	for m := range a {
		columns[m] = newColumn(a[m], b[m], least[m])
		observed[m] = columns[m].statistic(sets.Sets[0])
	}
	order := make([]int, len(a)) // the largest first
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(x, y int) int { return cmp.Compare(observed[y], observed[x]) })
	reached := make([]int, len(a))
	for _, set := range sets.Sets {
		largest := 0.0 // of this metric and those below it
		for _, m := range slices.Backward(order) {
			largest = max(largest, columns[m].statistic(set))
			if largest >= observed[m]-tie {
				reached[m]++
			}
		}
	}
	out := make([]float64, len(a))
	smallest := 0.0
	for _, m := range order {
		smallest = max(smallest, float64(reached[m])/float64(len(sets.Sets)))
		out[m] = smallest
	}
	return out
}

// column is one metric of all runs, with mean 0 and mean square 1, or all 0 when
// the values do not differ. For groups of given sizes the sum over one is then
// the correlation with belonging to it, times a constant.
type column struct {
	values []float64
	least  float64 // sum over a group that a difference of means takes to count
}

func newColumn(a, b []float64, least float64) column {
	all := slices.Concat(a, b)
	mean := Mean(all)
	var squares float64
	for i := range all {
		all[i] -= mean
		squares += all[i] * all[i]
	}
	scale := math.Sqrt(squares / float64(len(all)))
	if scale <= tie*max(1, math.Abs(mean)) {
		clear(all)
		return column{all, 0}
	}
	for i := range all {
		all[i] /= scale
	}
	perSum := scale * (1/float64(len(a)) + 1/float64(len(b)))
	return column{all, least / perSum}
}

// statistic returns how far the values of a set are from 0 together, and 0 when
// that is less than counts.
func (c column) statistic(set []int) float64 {
	var sum float64
	for _, i := range set {
		sum += c.values[i]
	}
	if sum = math.Abs(sum); sum < c.least-tie {
		return 0
	}
	return sum
}

// Mean returns the arithmetic mean; NaN without values.
func Mean(values []float64) float64 {
	var sum float64
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

// Interval returns the confidence interval of the difference of the means of b
// and a: all differences that a two-sided permutation test of this one metric
// does not reject at alpha. ok is false when there are too few runs to reject any.
func Interval(a, b []float64, sets Assignments, alpha float64) (low, high float64, ok bool) {
	if sets.Smallest(len(a), len(b)) > alpha {
		return 0, 0, false
	}
	rejected := int(alpha*float64(len(sets.Sets)) + tie)
	lows, highs := make([]float64, len(sets.Sets)), make([]float64, len(sets.Sets))
	d := Mean(b) - Mean(a)
	for i, set := range sets.Sets {
		weight, swapped := exchange(a, b, set)
		lows[i] = admits(d, weight, swapped)
		highs[i] = -admits(-d, weight, -swapped)
	}
	slices.Sort(lows)
	slices.Sort(highs)
	return lows[rejected], highs[len(highs)-1-rejected], true
}

// exchange returns, for a set that takes the place of a, the mean difference of
// the values of b in it and those of a that are not, and how much of it a change
// of places takes from the difference of the groups.
func exchange(a, b []float64, set []int) (weight, difference float64) {
	n := 0
	var fromA, fromB float64
	for _, v := range a {
		fromA += v
	}
	for _, i := range set {
		if i < len(a) {
			fromA -= a[i] // it stays
			continue
		}
		fromB += b[i-len(a)]
		n++
	}
	if n == 0 {
		return 0, 0
	}
	return float64(n) * (1/float64(len(a)) + 1/float64(len(b))), (fromB - fromA) / float64(n)
}

// admits returns from which shift on, coming from below the observed difference
// d, the exchange makes the groups as different as they are. Taking δ from all of
// b leaves a difference of d−δ, and of d−δ − weight·(m−δ) with places changed.
func admits(d, weight, m float64) float64 {
	const always = 2 - tie // no exchange at all, or that of all for all
	if weight == 0 || weight >= always {
		return math.Inf(-1)
	}
	return min(m, (2*d-weight*m)/(2-weight), d)
}
