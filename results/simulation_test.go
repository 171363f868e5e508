package results_test

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/kload/kload/internal/invariants"
	"github.com/kload/kload/results"
)

var trials = flag.Int("trials", 0, "how often each row of the simulations is tried (default what CI has time for)")

// tried returns how often a row is tried: seeded, so that a rate is the same each
// time.
func tried(few int) int {
	switch {
	case *trials > 0:
		return *trials
	case invariants.Enabled: // the race detector is for other tests
		return few / 20
	}
	return few
}

// The simulated machine: the logarithm of all latencies drifts from second to
// second, an AR(1) process that goes on from run to run. Within a second a
// latency is log-normal, and one in fifty is five times as large. At φ 0.95 the
// p99 of runs on a shared machine strays by 8 to 9 %. Hops that depend on chance
// more than on load, such as the generator's lag, stray by far more.
const (
	seconds    = 120 // of a run
	pause      = 20  // between runs
	perSecond  = 1000
	coarse     = 3    // seconds that share a level: a third of the time to simulate
	shared     = 0.14 // standard deviation of the drift over seconds, on a shared machine
	calm       = 0.05 // the same on one that has little else to do
	ownStray   = 0.08 // of what a hop drifts by itself, times wild
	spread     = 0.35 // of latencies within a second
	tailShare  = 0.02
	tailFactor = 5.0
)

// drift is an AR(1) process with a standard deviation of 1.
type drift struct {
	phi, x float64
	rng    *rand.Rand
}

func newDrift(phi float64, rng *rand.Rand) *drift { return &drift{phi, rng.NormFloat64(), rng} }

func (d *drift) next() float64 {
	d.x = d.phi*d.x + math.Sqrt(1-d.phi*d.phi)*d.rng.NormFloat64()
	return d.x
}

// simulatedHops are those of a load and a consumer, with their middles in
// milliseconds and whether they contain the service's time.
func simulatedHops() map[string]struct {
	ms      float64
	service bool
} {
	return map[string]struct {
		ms      float64
		service bool
	}{
		"load/gen.lag": {0.6, false}, "load/buffer": {50, false}, "load/retry": {0, false}, "load/put": {8, true}, "load/response": {60, true},
		"load/arrive": {4, true}, "reader/fetch": {100, false}, "reader/e2e.read": {160, true}, "reader/handle": {0.02, false}, "reader/e2e.sink": {165, true},
	}
}

// machine makes runs in the order they are asked for.
type machine struct {
	rng    *rand.Rand
	shared *drift
	stray  float64
	own    map[string]*drift
	names  []string
}

func newMachine(phi, stray float64, rng *rand.Rand) *machine {
	m := &machine{rng: rng, stray: stray, shared: newDrift(phi, rng), own: map[string]*drift{}}
	for name := range simulatedHops() {
		m.names = append(m.names, name)
	}
	slices.Sort(m.names)
	for _, name := range m.names {
		m.own[name] = newDrift(phi, rng)
	}
	return m
}

func wild(name string) float64 {
	switch name {
	case "load/gen.lag", "load/put":
		return 10
	case "load/arrive", "reader/handle":
		return 5
	}
	return 0.5
}

// run returns the summary of the next run, its service slower by a factor.
func (m *machine) run(factor float64) *results.Run {
	s := results.NewSummary("simulated", "simulated")
	s.Verdict = results.Pass
	levels := map[string][]float64{}
	sums := make([]float64, len(m.names))
	for second := range seconds {
		g := m.shared.next() * m.stray
		for i, name := range m.names {
			sums[i] += g + m.own[name].next()*ownStray*wild(name)
			if (second+1)%coarse == 0 {
				levels[name] = append(levels[name], sums[i]/coarse)
				sums[i] = 0
			}
		}
	}
	for range pause {
		m.shared.next()
	}
	for _, name := range m.names {
		hop := simulatedHops()[name]
		middle := hop.ms * 1e6
		if hop.service {
			middle *= factor
		}
		const n = seconds * perSecond
		at := func(p float64) int64 {
			p += m.rng.NormFloat64() * math.Sqrt(p*(1-p)/n)
			return int64(middle * math.Exp(mixtureQuantile(levels[name], p)))
		}
		s.Hops[name] = results.HopStats{Count: n, P50: at(0.5), P90: at(0.9), P99: at(0.99), P999: at(0.999), Max: at(1 - 0.5/n)}
	}
	s.Phases = []results.Phase{{Name: "steady", WallS: seconds}}
	s.Load["load"] = &results.LoadCounts{Acked: uint64(seconds*perSecond + m.rng.IntN(40))}
	s.Process.Kload.CPUS = 10 * math.Exp(levels["load/gen.lag"][0]/4)
	return results.NewRun(s)
}

// mixtureQuantile inverts the distribution of logarithms over all seconds.
func mixtureQuantile(levels []float64, p float64) float64 {
	low, high := -4.0, 6.0
	x := 0.0
	for range 60 {
		var f, density float64
		for _, level := range levels {
			z := (x - level) / spread
			y := z - math.Log(tailFactor)/spread
			f += (1-tailShare)*math.Erfc(-z/math.Sqrt2)/2 + tailShare*math.Erfc(-y/math.Sqrt2)/2
			density += (1-tailShare)*math.Exp(-z*z/2) + tailShare*math.Exp(-y*y/2)
		}
		f = f/float64(len(levels)) - p
		density /= float64(len(levels)) * spread * math.Sqrt(2*math.Pi)
		if f > 0 {
			high = x
		} else {
			low = x
		}
		step := f / density
		if next := x - step; next > low && next < high {
			x = next
		} else {
			x, step = (low+high)/2, 1
		}
		if math.Abs(step) < 1e-7 {
			break
		}
	}
	return x
}

// TestSimulatedRuns counts how often five runs against five, in turn as kload ab
// runs them, are found to differ.
func TestSimulatedRuns(t *testing.T) {
	tests := []struct {
		phi, stray, factor float64
		n                  int
		least, most        float64 // share of trials with a verdict of difference
	}{
		{0, shared, 1, 5, 0, 0.06},
		{0.8, shared, 1, 5, 0, 0.06},
		{0.95, shared, 1, 5, 0, 0.06},
		{0.999, shared, 1, 5, 0, 0.06}, // the machine changes from run to run
		{0.95, calm, 1, 5, 0, 0.06},
		{0.95, shared, 1, 4, 0, 0.06},
		{0.95, shared, 1.2, 5, 0.8, 1},
		{0.95, shared, 1.2, 4, 0.4, 1},
		{0.95, shared, 1.1, 5, 0.2, 1},
		{0.95, calm, 1.1, 5, 0.8, 1},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("phi=%v,stray=%v,factor=%v,n=%d", tt.phi, tt.stray, tt.factor, tt.n), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(uint64(tt.phi*1000), uint64(tt.factor*100)))
			found, alone, n := 0, 0, tried(100)
			var method results.Method
			for range n {
				m := newMachine(tt.phi, tt.stray, rng)
				sides := [2][]*results.Run{}
				for i := range 2 * tt.n {
					side := (i + 1) / 2 % 2 // A B B A A B B A …
					sides[side] = append(sides[side], m.run([]float64{1, tt.factor}[side]))
				}
				c := compared(t, sides[0], sides[1])
				method = c.Method
				found += differs(c)
				alone += differs(compared(t, sides[0], sides[1], "reader.e2e.read.p99"))
			}
			check(t, found, n, tt.least, tt.most)
			t.Logf("%d figures, %d of them first; e2e.read p99 alone: %.1f %%", method.Metrics, method.Primary, percent(alone, n))
		})
	}
}

// compared compares through the shipped code.
func compared(t *testing.T, a, b []*results.Run, metrics ...string) *results.Comparison {
	t.Helper()
	c, err := results.Compare(a, b, results.CompareOptions{Metrics: metrics})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func differs(c *results.Comparison) int {
	if c.Verdict == results.Regression || c.Verdict == results.Improvement {
		return 1
	}
	return 0
}

func percent(n, of int) float64 { return 100 * float64(n) / float64(of) }

// check holds a share of trials against its bounds, where there were enough.
func check(t *testing.T, found, n int, least, most float64) {
	t.Helper()
	share := float64(found) / float64(n)
	t.Logf("a difference in %.1f %% of %d trials", percent(found, n), n)
	if n >= 10 && (share < least || share > most) {
		t.Errorf("found in %.1f %%, want %.0f to %.0f %%", 100*share, 100*least, 100*most)
	}
}

// samples draws one hop's latencies of a run, second by second.
func samples(d *drift, length int, factor float64) [][]float64 {
	const perSecond = 300
	out := make([][]float64, length)
	for i := range out {
		level := 10e6 * factor * math.Exp(d.next()*shared)
		for range perSecond {
			v := level * math.Exp(spread*d.rng.NormFloat64())
			if d.rng.Float64() < tailShare {
				v *= tailFactor
			}
			out[i] = append(out[i], v)
		}
	}
	return out
}

// TestSimulatedSeconds counts how often two single runs are found to differ, by
// the shipped code and by the tests that take every latency for an observation of
// its own.
func TestSimulatedSeconds(t *testing.T) {
	tests := []struct {
		phi, factor float64
		length      int
		least, most float64
	}{
		{0, 1, 120, 0, 0.06},
		{0.8, 1, 120, 0, 0.06},
		{0.95, 1, 120, 0, 0.06},
		{0.8, 1, 600, 0, 0.06},
		{0, 1.2, 120, 0.8, 1},
		{0.8, 1.2, 600, 0.8, 1},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("phi=%v,factor=%v,length=%d", tt.phi, tt.factor, tt.length), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(uint64(tt.phi*1000), uint64(tt.factor*100)))
			found, short, ks, ranks, n := 0, 0, 0, 0, tried(60*120/tt.length)
			for range n {
				var runs [2]*results.Run
				var pooled [2][]float64
				for i := range runs {
					d := newDrift(tt.phi, rng)
					put := samples(d, tt.length, []float64{1, tt.factor}[i])
					d.x = rng.NormFloat64()
					runs[i] = results.SimulatedRun(map[string][][]float64{"load/put": put, "reader/e2e.read": samples(d, tt.length, []float64{10, 10 * tt.factor}[i])})
					pooled[i] = slices.Concat(put...)
				}
				c := compared(t, runs[:1], runs[1:])
				found += differs(c)
				if c.Method.Name == "none" {
					short++
				}
				d, z := naive(pooled[0][:120*300], pooled[1][:120*300])
				if d > 1.358 { // both at 5 %
					ks++
				}
				if z > 1.96 {
					ranks++
				}
			}
			t.Logf("too short in %.1f %%; naive: Kolmogorov–Smirnov %.1f %%, Mann–Whitney %.1f %%", percent(short, n), percent(ks, n), percent(ranks, n))
			check(t, found, n, tt.least, tt.most)
		})
	}
}

// naive returns the statistics of the Kolmogorov–Smirnov and the Mann–Whitney
// tests, scaled so that 1.358 and 1.96 are their bounds at 5 %.
func naive(a, b []float64) (ks, z float64) {
	slices.Sort(a)
	slices.Sort(b)
	na, nb := float64(len(a)), float64(len(b))
	var d, above float64
	i, j := 0, 0
	for i < len(a) && j < len(b) {
		if a[i] <= b[j] {
			i++
			above += nb - float64(j) // values of b above this one of a
		} else {
			j++
		}
		d = max(d, math.Abs(float64(i)/na-float64(j)/nb))
	}
	z = math.Abs(above-na*nb/2) / math.Sqrt(na*nb*(na+nb+1)/12)
	return d * math.Sqrt(na*nb/(na+nb)), z
}
