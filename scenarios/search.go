package scenarios

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"time"

	"github.com/kload/kload/internal/conf"
	"github.com/kload/kload/internal/local"
	"github.com/kload/kload/internal/pace"
	"github.com/kload/kload/internal/units"
	"github.com/kload/kload/results"
)

// Search looks for the highest rate of a load at which the scenario passes.
type Search struct {
	Maximize  string        `yaml:"maximize" required:"true" help:"the rate to raise: load.<name>.rate"`
	From      units.Rate    `yaml:"from" required:"true" help:"the first rate tried"`
	To        units.Rate    `yaml:"to" required:"true" help:"the highest rate of interest"`
	Hold      time.Duration `yaml:"hold" default:"10s" help:"how long each rate is held: the phase hold"`
	Settle    time.Duration `yaml:"settle" default:"1s" help:"how long each rate goes on before that without counting for latencies: the phase settle"`
	Burst     time.Duration `yaml:"burst" help:"how long twice the rate goes before that: it uses up what limits have saved, which is a second's worth in a shard, so that a rate above the limit is not taken for one below"`
	Precision units.Percent `yaml:"precision" default:"5%" help:"how far apart the highest rate that held and the lowest that did not may be"`
	Attempts  int           `yaml:"attempts" default:"1" help:"how often a rate is tried before it counts as one that does not hold"`
}

// Validate checks the range.
func (s *Search) Validate() []conf.Issue {
	var issues []conf.Issue
	switch from, to := s.From.PerSecond(), s.To.PerSecond(); {
	case from < 1:
		issues = append(issues, conf.Issue{Field: "from", Msg: "must be at least 1/s"})
	case to <= from:
		issues = append(issues, conf.Issue{Field: "to", Msg: "must be above from", Hint: "write from: 1k/s, to: 1M/s"})
	}
	if s.Hold < time.Second {
		issues = append(issues, conf.Issue{Field: "hold", Msg: "must be at least 1s"})
	}
	if p := s.Precision.Fraction(); p < 0.001 || p > 1 {
		issues = append(issues, conf.Issue{Field: "precision", Msg: "must be between 0.1% and 100%"})
	}
	if s.Attempts < 1 || s.Attempts > 100 {
		issues = append(issues, conf.Issue{Field: "attempts", Msg: "must be between 1 and 100"})
	}
	return issues
}

// load returns the name of the load whose rate is searched.
func (s *Search) load() (name string, ok bool) {
	name, ok = strings.CutPrefix(s.Maximize, "load.")
	if ok {
		name, ok = strings.CutSuffix(name, ".rate")
	}
	return name, ok
}

// search checks what a search needs of the rest of the scenario.
func (v *validator) search() bool {
	s := v.spec.Search
	if s == nil || !v.sound("search") || !v.sound("load") {
		return false
	}
	before := len(v.problems)
	name, ok := s.load()
	l, known := v.spec.Load.Get(name)
	_, timed := sourceConfig(l).(timedConfig)
	path := "load." + name
	switch {
	case !ok || !known:
		v.problem("search.maximize", fmt.Sprintf("%q is not the rate of a load", s.Maximize), "write load.<name>.rate with a load of the scenario")
	case timed:
		v.problem("search.maximize", "a recorded source brings its own times", "generate the records")
	case l.InFlight != 0:
		v.problem(path+".in_flight", "a closed loop has no rate to search for", "remove it")
	case l.Total != 0:
		v.problem(path+".total", "would end the load before search.hold", "remove it")
	}
	if len(v.spec.Phases) > 0 {
		v.problem("phases", "a search makes its own phases, settle and hold", "remove them, and set search.hold and search.settle")
	}
	if len(v.spec.Expect) == 0 {
		v.problem("search", "a search needs expectations: they say which rate holds", "write expect: [events.response.p99@hold < 200ms]")
	}
	return len(v.problems) == before
}

// atRate returns the scenario of one step of its search: without a search, at one
// rate.
func (s *Spec) atRate(perSecond float64) *Spec {
	step, search := *s, s.Search
	step.Search, step.Phases = nil, nil
	rate := units.Rate{N: int64(math.Round(perSecond)), Per: time.Second}
	var profile []Segment
	add := func(phase string, r units.Rate, span time.Duration) {
		if span > 0 {
			step.Phases = append(step.Phases, Phase{Name: phase, For: span, Measure: phase == "hold"})
			profile = append(profile, Segment{Constant: r, For: span})
		}
	}
	add("burst", units.Rate{N: 2 * rate.N, Per: rate.Per}, search.Burst)
	add("settle", rate, search.Settle)
	add("hold", rate, search.Hold)
	name, _ := search.load()
	step.Load = conf.Map[Load]{}
	for n, l := range s.Load.All() {
		if n == name {
			l.Rate.Profile, l.AllowThrottling = profile, true
		}
		step.Load.Put(n, l)
	}
	return &step
}

// bracket closes in on the highest rate that holds: doubling until one does not,
// then halving the distance between the two, as a ratio.
type bracket struct {
	from, to, precision float64
	held, failed        float64 // the highest that held and the lowest that did not, 0 for none yet
}

// next returns the rate to try next, in whole records per second; false when
// nothing is left to find out.
func (b *bracket) next() (rate float64, ok bool) {
	switch {
	case b.held == 0:
		return b.from, b.failed == 0
	case b.failed == 0:
		return min(2*b.held, b.to), b.held < b.to
	}
	rate = math.Round(math.Sqrt(b.held * b.failed))
	return rate, b.failed/b.held-1 > b.precision && rate > b.held && rate < b.failed
}

func (b *bracket) learn(rate float64, holds bool) {
	if holds {
		b.held = rate
	} else {
		b.failed = rate
	}
}

// searching is a search under way.
type searching struct {
	scenario *Scenario
	o        RunOptions
	dir      *results.Dir
	endpoint *endpoint
	result   *results.Search
	done     []*plan // of the steps so far
}

// RunSearch carries out the search of a scenario. Every step is a run with a
// directory of its own below that of the search; target, stream and connections
// stay from one to the next. When ctx ends or a step cannot be judged, the steps up
// to then are returned; a nil result means that nothing was started.
func RunSearch(ctx context.Context, s *Scenario, o RunOptions) (*results.Search, error) {
	g := &searching{scenario: s, o: o, result: results.NewSearch(s.Spec.Name, s.Spec.Search.Maximize)}
	if err := affordable(s.plan); err != nil {
		return nil, err
	}
	g.result.Seed, g.result.Precision = s.Spec.Seed, s.Spec.Search.Precision.Fraction()
	var err error
	if g.dir, err = createGroup(s, o, results.FileSearch); err != nil {
		return nil, err
	}
	defer g.dir.Release()
	clock := pace.NewClock()
	sleep := func(ctx context.Context, d time.Duration) error { return pace.NewPacer(clock).Sleep(ctx, d) }
	if g.endpoint, err = g.prepare(ctx, sleep); err != nil {
		return nil, errors.Join(err, g.dir.Discard())
	}
	g.result.Target = g.endpoint.describe()
	err = g.steps(ctx)
	report, closeErr := g.endpoint.close(ctx)
	g.result.Process = targetStats(report)
	return g.result, errors.Join(err, closeErr, g.dir.WriteJSON(results.FileSearch, g.result))
}

// prepare starts the target and makes the stream.
func (g *searching) prepare(ctx context.Context, sleep sleeper) (*endpoint, error) {
	inj, err := parseInjections(g.o.Inject, &g.scenario.Spec)
	if err != nil {
		return nil, err
	}
	e, err := connect(ctx, g.scenario.plan.spec, inj, g.o.Memory)
	if err != nil {
		return nil, err
	}
	if err := e.prepare(ctx, sleep); err != nil {
		_, closeErr := e.close(ctx)
		return nil, errors.Join(err, closeErr)
	}
	return e, nil
}

// steps tries rates until the limit is known, or a step gives no answer.
func (g *searching) steps(ctx context.Context) error {
	search := g.scenario.Spec.Search
	b := bracket{from: search.From.PerSecond(), to: search.To.PerSecond(), precision: search.Precision.Fraction()}
	for {
		rate, more := b.next()
		if !more {
			g.result.Conclude(b.held, b.failed)
			return nil
		}
		holds := false
		for attempt := 0; attempt < search.Attempts && !holds; attempt++ {
			s, err := g.step(ctx, rate)
			if s == nil || !s.Judged() {
				g.result.BreakOff(s, b.held, b.failed, ctx.Err() != nil)
				return err
			}
			holds = s.Verdict == results.Pass
		}
		b.learn(rate, holds)
		g.result.Narrow(b.held, b.failed)
		if err := g.dir.WriteJSON(results.FileSearch, g.result); err != nil {
			return err
		}
	}
}

// step holds one rate.
func (g *searching) step(ctx context.Context, rate float64) (*results.Summary, error) {
	n := len(g.result.Steps)
	spec := g.scenario.Spec.atRate(rate)
	p, err := g.scenario.replan(spec)
	if err != nil {
		return nil, fmt.Errorf("planning the step at %s records/s: %w", human(rate), err)
	}
	p.resumes = n > 0
	if err := affordable(append(g.done, p)...); err != nil {
		return nil, err
	}
	g.done = append(g.done, p)
	s := *g.scenario
	s.Spec, s.plan = *spec, p
	o := g.o
	o.Out, o.Started = filepath.Join(g.dir.Path(), fmt.Sprintf("%02d-%.0f", n+1, rate)), nil
	e := *g.endpoint
	e.kept, e.created = true, e.created && n == 0
	o.endpoint = &e
	summary, err := Run(ctx, &s, o)
	if summary == nil {
		return nil, err
	}
	step := g.result.Add(rate, filepath.Base(o.Out), summary)
	if o.Note != nil {
		o.Note(step.String())
	}
	if werr := g.dir.WriteJSON(results.FileSearch, g.result); werr != nil {
		return nil, errors.Join(err, werr)
	}
	return summary, err
}

// createGroup makes the directory of several runs of a scenario.
func createGroup(s *Scenario, o RunOptions, file string) (*results.Dir, error) {
	out := o.Out
	if out == "" {
		n, err := runNumber()
		if err != nil {
			return nil, err
		}
		out = results.DefaultPath(time.Now(), s.Spec.Name, fmt.Sprintf("%08x", n))
	}
	dir, err := results.CreateGroup(out, file)
	if err == nil && o.Started != nil {
		o.Started(out)
	}
	return dir, err
}

// targetStats is what the target's own process used, nil where that is not known.
func targetStats(r local.Report) *results.TargetStats {
	if r.CPUSeconds == 0 {
		return nil
	}
	return &results.TargetStats{CPUS: r.CPUSeconds, MaxRSS: uint64(r.MaxRSSBytes)}
}
