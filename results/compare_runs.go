package results

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/stats"
)

// maxAssignments bounds the ways to part the runs that are tried: all of them up
// to eight runs on each side, random ones beyond.
const maxAssignments = 13_000

// LeastRuns is how many runs each side needs for a verdict: of the 20 ways to
// part three and three, the clearest still comes about by chance too often.
const LeastRuns = 4

// The figures of runs beside their latencies.
const (
	statRate = "acked_per_s"
	statCost = "cpu_ns_per_record"
)

// metric is one figure of all runs, positive and on a logarithmic scale.
type metric struct {
	change      *Change
	a, b        []float64
	floor       float64
	lessIsWorse bool
}

// judgeRuns takes each run as one observation and tests all figures together,
// which needs no assumption about what happens within a run. Figures that were
// chosen are tested as one group.
func (c *Comparison) judgeRuns(a, b []*Run, selected func(name, stat string) bool, chosen bool) {
	rng := rand.New(rand.NewPCG(1, 1)) // the same runs always get the same verdict
	sets := stats.Assign(len(a), len(b), maxAssignments, rng)
	if sets.Smallest(len(a), len(b)) > alpha*primaryShare {
		c.Reasons = append(c.Reasons, fmt.Sprintf("too few runs for a verdict: %d against %d can differ like this by chance; at least %d against %[3]d are needed: use 'kload ab -n 5'", len(a), len(b), LeastRuns))
		return
	}
	c.Method.Name, c.Method.Assignments, c.Method.Exact = methodPermutation, len(sets.Sets), sets.Exact
	var metrics []metric
	for i := range c.Latencies {
		if ch := &c.Latencies[i]; selected(ch.Name, ch.Stat) {
			metrics = addIfWhole(metrics, latencyMetric(ch, a, b), len(a), len(b))
		}
	}
	for i := range c.Rates {
		if ch := &c.Rates[i]; selected(ch.Name, ch.Stat) {
			m := metric{change: ch, a: rateOf(a, ch), b: rateOf(b, ch), lessIsWorse: ch.Stat == statRate}
			metrics = addIfWhole(metrics, m, len(a), len(b))
		}
	}
	c.Method.Metrics = len(metrics)
	first, rest := metrics, []metric(nil)
	if !chosen {
		first, rest = split(metrics)
	}
	c.Method.Primary = len(first)
	switch {
	case len(rest) == 0 || len(first) == 0:
		c.testRuns(metrics, sets, 1)
	default:
		c.testRuns(first, sets, primaryShare)
		c.testRuns(rest, sets, 1-primaryShare)
	}
}

// primaryShare is the part of the error probability that goes to the figures
// users feel. The parts that those are made of, and their tails, share the rest:
// there are many, they stray more, and few runs could not tell anything about all
// of them at once.
const primaryShare = 0.8

// split parts the figures users feel, which are fixed beforehand, from the rest:
// the middle and the 99th percentile from the intended time to the
// acknowledgement, to the consumer and to the sink, and the rate.
func split(metrics []metric) (primary, rest []metric) {
	for _, m := range metrics {
		_, hop := splitHop(m.change.Name)
		felt := slices.Contains([]string{kload.HopResponse.String(), kload.HopE2ERead.String(), kload.HopE2ESink.String(), kload.HopVisible.String()}, hop)
		if stat := m.change.Stat; felt && (stat == "p50" || stat == "p99") || stat == statRate {
			primary = append(primary, m)
		} else {
			rest = append(rest, m)
		}
	}
	return primary, rest
}

// addIfWhole adds a metric that every run has.
func addIfWhole(metrics []metric, m metric, a, b int) []metric {
	if len(m.a) != a || len(m.b) != b {
		return metrics
	}
	return append(metrics, m)
}

// latencyMetric takes a quantile of the runs in which enough values lie beyond
// it. The largest value and the mean are not judged: the one is a single record,
// the other hides what users feel.
func latencyMetric(ch *Change, a, b []*Run) metric {
	m := metric{change: ch, floor: floorOf(ch.Name)}
	share, ok := quantileShare(ch.Stat)
	if !ok {
		return m
	}
	logs := func(runs []*Run) (out []float64) {
		for _, r := range runs {
			h := r.Summary.Hops[ch.Name]
			if v, _ := h.stat(ch.Stat); math.Round(float64(h.Count)*(1-share)) >= minTail {
				out = append(out, math.Log(max(v, m.floor)))
			}
		}
		return out
	}
	m.a, m.b = logs(a), logs(b)
	return m
}

// least is the smallest difference that counts: the least effect, or what the
// clocks can tell where that is more.
func (m metric) least(minEffect float64) float64 {
	level := math.Exp((stats.Mean(m.a) + stats.Mean(m.b)) / 2)
	return max(math.Log1p(minEffect), math.Log1p(m.floor/level))
}

// testRuns fills in what the permutation test and its intervals say. share is the
// part of the error probability that these metrics get.
func (c *Comparison) testRuns(metrics []metric, sets stats.Assignments, share float64) {
	a, b, least := make([][]float64, len(metrics)), make([][]float64, len(metrics)), make([]float64, len(metrics))
	for i, m := range metrics {
		a[i], b[i], least[i] = m.a, m.b, m.least(c.Method.MinEffect)
	}
	p := stats.MaxT(a, b, least, sets)
	for i, m := range metrics {
		ch := m.change
		p[i] = min(1, p[i]/share)
		ch.P = &p[i]
		low, high, ok := stats.Interval(m.a, m.b, sets, alpha)
		if low, high = math.Expm1(low), math.Expm1(high); ok {
			ch.Low, ch.High = &low, &high
		}
		relative := math.Expm1(stats.Mean(m.b) - stats.Mean(m.a))
		ch.Relative = &relative
		c.Method.decide(ch, relative, m.floor, m.lessIsWorse)
	}
}

// rates compares how many records per second were acknowledged and what one cost.
func rates(a, b []*Run) []Change {
	loads := map[string]bool{}
	for _, r := range slices.Concat(a, b) {
		for name := range r.Summary.Load {
			loads[name] = true
		}
	}
	var out []Change
	add := func(name, stat string) {
		ch := Change{Name: name, Stat: stat}
		x, y := exps(rateOf(a, &ch)), exps(rateOf(b, &ch))
		if len(x)+len(y) > 0 {
			out = append(out, change(name, stat, center(x, 0), center(y, 0)))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(loads)) {
		add(name, statRate)
	}
	add("kload", statCost)
	return out
}

// rateOf returns the logarithms of a rate in the runs that have it.
func rateOf(runs []*Run, ch *Change) []float64 {
	var out []float64
	for _, r := range runs {
		v := 0.0
		switch s := r.Summary; ch.Stat {
		case statCost:
			v = s.Process.client().CPUS * 1e9 / float64(max(1, s.acked()))
			if s.acked() == 0 {
				v = 0
			}
		default:
			if l := s.Load[ch.Name]; l != nil && s.wall() > 0 {
				v = float64(l.Acked) / s.wall()
			}
		}
		if v > 0 {
			out = append(out, math.Log(v))
		}
	}
	return out
}

func exps(logs []float64) []float64 {
	out := make([]float64, len(logs))
	for i, v := range logs {
		out[i] = math.Exp(v)
	}
	return out
}
