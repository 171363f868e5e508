package stats

import "math/rand/v2"

// Assignments are ways to choose which runs belong to the first group. The first
// is the one that was observed.
type Assignments struct {
	Sets  [][]int // indexes into the runs of both groups, one after the other
	Exact bool    // whether Sets holds every way there is
}

// Assign lists the ways to choose a of a+b runs: all of them when there are at
// most limit, else the observed one and limit-1 random ones.
func Assign(a, b, limit int, rng *rand.Rand) Assignments {
	if choose(a+b, a, limit) <= limit {
		return Assignments{combinations(a, b), true}
	}
	sets := make([][]int, limit)
	sets[0] = identity(a)
	for i := range sets[1:] {
		sets[i+1] = rng.Perm(a + b)[:a]
	}
	return Assignments{sets, false}
}

// Smallest returns the smallest two-sided p-value the assignments allow: groups
// of one size can also change places.
func (s Assignments) Smallest(a, b int) float64 {
	n := 1.0
	if a == b && s.Exact {
		n = 2
	}
	return n / float64(len(s.Sets))
}

// choose returns n over k, or limit+1 when it is more than limit.
func choose(n, k, limit int) int {
	out := 1
	for i := range min(k, n-k) {
		out = out * (n - i) / (i + 1)
		if out > limit {
			return limit + 1
		}
	}
	return out
}

func identity(n int) []int {
	set := make([]int, n)
	for i := range set {
		set[i] = i
	}
	return set
}

// combinations lists all choices of a from a+b in lexical order, which begins
// with the first a.
func combinations(a, b int) [][]int {
	set := identity(a)
	var out [][]int
	for {
		out = append(out, append([]int(nil), set...))
		i := a - 1
		for i >= 0 && set[i] == b+i {
			i--
		}
		if i < 0 {
			return out
		}
		set[i]++
		for j := i + 1; j < a; j++ {
			set[j] = set[j-1] + 1
		}
	}
}
