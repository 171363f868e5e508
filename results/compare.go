package results

import (
	"fmt"
	"maps"
	"math"
	"path"
	"slices"
	"strings"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/hdr"
)

// CompareSchema identifies the format of kload compare --json.
const CompareSchema = "kload/compare/v1"

// DefaultMinEffect is the least relative change that can be a regression.
const DefaultMinEffect = 0.05

// exitRegression is the exit code of a significant regression.
const exitRegression = 7

// alpha is the probability to find a difference, in any of the judged figures,
// between runs that do not differ.
const alpha = 0.05

// minTail is how many values of a run must lie beyond a quantile for it to be
// judged: fewer make it a matter of chance.
const minTail = 100

// Outcome is what a comparison comes to, in one figure or in all.
type Outcome string

// The outcomes.
const (
	Regression  Outcome = "regression"  // B is worse; exit 7
	Improvement Outcome = "improvement" // B is better
	Same        Outcome = "same"        // no change as large as the least effect
	Undecided   Outcome = "undecided"   // not enough was measured to say
)

// CompareOptions says how runs are compared. Zero values stand for defaults.
type CompareOptions struct {
	MinEffect float64 // least relative change that counts, 0 for [DefaultMinEffect]
	// Force compares runs that should not be; Varied says that the settings of
	// the two sides are meant to differ.
	Force, Varied bool
	// Metrics are patterns, as of path.Match, of the figures to be judged, written
	// owner.hop.statistic as in expectations. None judges all.
	Metrics []string
}

// Comparison sets two groups of runs side by side and judges the difference.
type Comparison struct {
	Schema   string   `json:"schema"`
	Verdict  Outcome  `json:"verdict"`
	ExitCode int      `json:"exit_code"`
	Reasons  []string `json:"reasons"` // what speaks for the verdict
	Method   Method   `json:"method"`
	A        []RunRef `json:"a"`
	B        []RunRef `json:"b"`
	// Differences make the runs not comparable; there are some only under Force.
	Differences []string `json:"differences"`
	Notes       []string `json:"notes"` // what else differs besides the results
	Latencies   []Change `json:"latencies"`
	Rates       []Change `json:"rates"`    // what a record costs and how many there were
	Counters    []Change `json:"counters"` // named by owner; means over the runs
	Process     []Change `json:"process"`  // named kload, driver, kload+driver or target; means over the runs
}

// Method says how the figures were judged.
type Method struct {
	Name        string  `json:"name"` // permutation, block_bootstrap or none
	Alpha       float64 `json:"alpha"`
	MinEffect   float64 `json:"min_effect"`
	Metrics     int     `json:"metrics"`               // judged together
	Primary     int     `json:"primary,omitempty"`     // of those, judged first
	Assignments int     `json:"assignments,omitempty"` // of runs to sides
	Exact       bool    `json:"exact,omitempty"`       // whether those were all
	Intervals   int     `json:"intervals,omitempty"`   // of the shorter run
	Block       int     `json:"block,omitempty"`       // in intervals
	Resamples   int     `json:"resamples,omitempty"`
}

// The methods.
const (
	methodNone        = "none"
	methodPermutation = "permutation"
	methodBootstrap   = "block_bootstrap"
)

// RunRef names a compared run.
type RunRef struct {
	RunID    string  `json:"run_id"`
	Path     string  `json:"path"`
	Scenario string  `json:"scenario"`
	Target   Target  `json:"target"`
	Seed     uint64  `json:"seed"`
	Verdict  Verdict `json:"verdict,omitempty"`
	Partial  string  `json:"partial,omitempty"`
}

// Change is one figure of both sides: of several runs the geometric mean, for
// counters the arithmetic one. A figure that one side does not have is nil, and
// so is then the change. Relative is (B−A)/A, nil for A = 0; what is below the
// clocks' resolution counts as that where several runs are judged. Low and High bound
// Relative with 95 % confidence; P is the probability of such a difference, in
// any of the judged figures, between runs that do not differ. All three are nil
// for a figure that was not judged, whose verdict is empty.
type Change struct {
	Name     string   `json:"name"`
	Stat     string   `json:"stat"`
	A        *float64 `json:"a"`
	B        *float64 `json:"b"`
	Absolute *float64 `json:"absolute"`
	Relative *float64 `json:"relative"`
	Low      *float64 `json:"low,omitempty"`
	High     *float64 `json:"high,omitempty"`
	P        *float64 `json:"p,omitempty"`
	Verdict  Outcome  `json:"verdict,omitempty"`
}

// Compare compares the runs of b with those of a. With runs enough on both sides
// it judges whole runs against each other; of two single ones it judges how they
// went, second by second, if they were long enough for that. Runs that cannot be
// compared are [ErrNotComparable].
func Compare(a, b []*Run, o CompareOptions) (*Comparison, error) {
	if o.MinEffect == 0 {
		o.MinEffect = DefaultMinEffect
	}
	if err := haveInCommon(a, b); err != nil {
		return nil, err
	}
	differences, notes := differences(a, b, o.Varied)
	if len(differences) > 0 && !o.Force {
		err := fmt.Errorf("%w:\n%s", ErrNotComparable, strings.Join(differences, "\n"))
		return nil, kload.WithHint(err, "compare runs that differ in nothing but what is compared, or use --force if these differences are meant")
	}
	c := &Comparison{
		Schema: CompareSchema, Verdict: Undecided, A: references(a), B: references(b),
		Differences: differences, Notes: notes, Reasons: []string{},
		Method: Method{Name: methodNone, Alpha: alpha, MinEffect: o.MinEffect},
	}
	c.Latencies, c.Rates = latencies(a, b), rates(a, b)
	c.Counters = append(means(a, b, loadCounters), means(a, b, consumerCounters)...)
	c.Process = means(a, b, processCounters(slices.ContainsFunc(slices.Concat(a, b), (*Run).driven)))
	if err := c.judge(a, b, o); err != nil {
		return nil, err
	}
	c.conclude()
	c.sayUnjudged(o)
	return c, nil
}

func haveInCommon(a, b []*Run) error {
	if len(a) == 0 || len(b) == 0 {
		return fmt.Errorf("comparing: %w: a side without runs", ErrNotComparable)
	}
	for _, run := range slices.Concat(a[1:], b) {
		x, y := a[0].Summary, run.Summary
		if !common(x.Hops, y.Hops) && !common(x.Load, y.Load) && !common(x.Consumers, y.Consumers) {
			err := fmt.Errorf("comparing %s with %s: %w: they have no load, consumer or hop in common", a[0].Path, run.Path, ErrNotComparable)
			return kload.WithHint(err, "compare runs of the same scenario")
		}
	}
	return nil
}

func common[V any](a, b map[string]V) bool {
	for k := range a {
		if _, ok := b[k]; ok {
			return true
		}
	}
	return false
}

func references(runs []*Run) []RunRef {
	var out []RunRef
	for _, r := range runs {
		s := r.Summary
		out = append(out, RunRef{RunID: s.RunID, Path: r.Path, Scenario: s.Scenario, Target: s.Target, Seed: s.Seed, Verdict: s.Verdict, Partial: r.Partial})
	}
	return out
}

// judge picks the method that the number of runs allows.
func (c *Comparison) judge(a, b []*Run, o CompareOptions) error {
	selected, err := o.selection(c)
	if err != nil {
		return err
	}
	if len(a) == 1 && len(b) == 1 {
		return c.judgeSeconds(a[0], b[0], selected)
	}
	c.judgeRuns(a, b, selected, len(o.Metrics) > 0)
	return nil
}

// selection returns which figures the options want to be judged.
func (o CompareOptions) selection(c *Comparison) (func(name, stat string) bool, error) {
	matches := func(pattern, name, stat string) bool {
		ok, _ := path.Match(pattern, strings.ReplaceAll(name, "/", ".")+"."+stat)
		return ok
	}
	for _, pattern := range o.Metrics {
		known := func(ch Change) bool { return matches(pattern, ch.Name, ch.Stat) }
		if !slices.ContainsFunc(slices.Concat(c.Latencies, c.Rates), known) {
			err := fmt.Errorf("choosing what to judge: %w: no figure matches %q", kload.ErrInvalid, pattern)
			return nil, kload.WithHint(err, "write owner.hop.statistic as in expectations; * stands for anything: '*.e2e.read.p99'")
		}
	}
	return func(name, stat string) bool {
		return len(o.Metrics) == 0 || slices.ContainsFunc(o.Metrics, func(p string) bool { return matches(p, name, stat) })
	}, nil
}

// decide states the outcome of one judged figure, given its relative change. A
// significant change counts when it is as large as the least effect and larger
// than what the clocks can tell; that there is none is said only where the
// interval rules out a larger one.
func (m Method) decide(ch *Change, relative, floor float64, lessIsWorse bool) {
	large := math.Abs(relative) >= m.MinEffect && math.Abs(*ch.Absolute) > floor
	switch {
	case *ch.P <= m.Alpha && large && (relative > 0) != lessIsWorse:
		ch.Verdict = Regression
	case *ch.P <= m.Alpha && large:
		ch.Verdict = Improvement
	case m.negligible(ch, floor):
		ch.Verdict = Same
	default:
		ch.Verdict = Undecided
	}
}

func (m Method) negligible(ch *Change, floor float64) bool {
	if ch.Low == nil {
		return false
	}
	most := max(m.MinEffect, floor/max(*ch.A, floor, 1e-9))
	return *ch.Low > -most && *ch.High < most
}

// conclude draws the verdict from those of the figures.
func (c *Comparison) conclude() {
	byOutcome := map[Outcome][]string{}
	for _, ch := range slices.Concat(c.Latencies, c.Rates) {
		if ch.Verdict != "" {
			byOutcome[ch.Verdict] = append(byOutcome[ch.Verdict], fmt.Sprintf("%s %s %s", ch.Name, ch.Stat, ch.percent()))
		}
	}
	worse, better := byOutcome[Regression], byOutcome[Improvement]
	switch {
	case len(worse) > 0:
		c.Verdict, c.ExitCode = Regression, exitRegression
	case len(better) > 0:
		c.Verdict = Improvement
	case len(byOutcome[Same]) > 0 && len(byOutcome[Undecided]) == 0:
		c.Verdict = Same
	}
	if len(worse) > 0 {
		c.Reasons = append(c.Reasons, "worse: "+listed(worse))
	}
	if len(better) > 0 {
		c.Reasons = append(c.Reasons, "better: "+listed(better))
	}
	if n := len(byOutcome[Undecided]); c.Verdict == Undecided && n > 0 {
		c.Reasons = append(c.Reasons, fmt.Sprintf("%d of %d figures may have changed by %.3g %% or not: the runs do not say", n, c.Method.Metrics, c.Method.MinEffect*100))
	}
}

// sayUnjudged says which of the chosen figures were not judged, and why nothing
// was where that is so: neither may look like a verdict.
func (c *Comparison) sayUnjudged(o CompareOptions) {
	if c.Method.Name == methodNone {
		return
	}
	if c.Method.Metrics == 0 {
		c.Reasons = append(c.Reasons, fmt.Sprintf("no figure can be judged: a quantile needs %d values beyond it in each run, a rate several runs on each side, and maximum, mean and count never are", minTail))
		return
	}
	chosen, _ := o.selection(c) // which was fine before
	var missing []string
	for _, ch := range slices.Concat(c.Latencies, c.Rates) {
		_, isQuantile := quantileShare(ch.Stat)
		if len(o.Metrics) > 0 && ch.Verdict == "" && chosen(ch.Name, ch.Stat) && (isQuantile || ch.Stat == statRate || ch.Stat == statCost) {
			missing = append(missing, ch.Name+" "+ch.Stat)
		}
	}
	if len(missing) > 0 {
		c.Notes = append(c.Notes, "chosen, but not judged, for too few values or runs: "+listed(missing))
	}
}

// listed shows the first of many.
func listed(names []string) string {
	const few = 5
	if len(names) > few {
		return strings.Join(names[:few], ", ") + fmt.Sprintf(" and %d more", len(names)-few)
	}
	return strings.Join(names, ", ")
}

// floorOf is the least difference that a hop's clocks can tell, in nanoseconds.
func floorOf(key string) float64 {
	_, name := splitHop(key)
	if hop, ok := kload.ParseHop(name); ok && hop.CrossClock() {
		return float64(hdr.Resolution)
	}
	return float64(hdr.Lowest)
}

// latencies compares every statistic of the hops of both sides.
func latencies(a, b []*Run) []Change {
	hops, loads := map[string]HopStats{}, map[string]*LoadCounts{}
	for _, r := range slices.Concat(a, b) {
		maps.Copy(hops, r.Summary.Hops)
		maps.Copy(loads, r.Summary.Load)
	}
	var out []Change
	for _, key := range sortedHops(hops, loads) {
		for _, stat := range []string{"p50", "p90", "p99", "p999", "max", "mean", "count"} {
			x, y := statOf(a, key, stat), statOf(b, key, stat)
			if len(x)+len(y) > 0 {
				out = append(out, change(key, stat, center(x, floorOf(key)), center(y, floorOf(key))))
			}
		}
	}
	return out
}

// statOf returns a statistic of the runs that have values for the hop.
func statOf(runs []*Run, key, stat string) []float64 {
	var out []float64
	for _, r := range runs {
		if h := r.Summary.Hops[key]; h.Count > 0 {
			v, _ := h.stat(stat)
			out = append(out, v)
		}
	}
	return out
}

// center is the geometric mean, or the arithmetic one where a value is too small
// for that; nil without values.
func center(values []float64, floor float64) *float64 {
	if len(values) == 0 {
		return nil
	}
	var sum, logs float64
	for _, v := range values {
		sum += v
		logs += math.Log(max(v, floor))
	}
	mean := sum / float64(len(values))
	switch low := slices.Min(values); {
	case low == slices.Max(values):
		mean = low // as it is, without rounding
	case low > floor:
		mean = math.Exp(logs / float64(len(values)))
	}
	return &mean
}

// change compares one figure.
func change(name, stat string, a, b *float64) Change {
	c := Change{Name: name, Stat: stat, A: a, B: b}
	if a == nil || b == nil {
		return c
	}
	d := *b - *a
	c.Absolute = &d
	if *a != 0 {
		r := d / *a
		c.Relative = &r
	}
	return c
}
