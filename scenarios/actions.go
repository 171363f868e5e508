package scenarios

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kload/kload/internal/conf"
	"github.com/kload/kload/internal/local"
	"github.com/kload/kload/internal/pace"
	"github.com/kload/kload/internal/units"
)

// Action is something that happens while the loads run, at a time of its own.
type Action struct {
	At Moment      `yaml:"at" required:"true" help:"when: 10s after the first record is due, or steady+10s after a phase has begun"`
	Do conf.Choice `yaml:"do" choice:"action" required:"true" help:"what happens"`
}

// Moment is a time of the run, from its start or from that of a phase.
type Moment struct {
	Phase string // "" for the start of the run
	After time.Duration
}

// String returns the written form.
func (m Moment) String() string {
	switch {
	case m.Phase == "":
		return units.ExactDuration(m.After)
	case m.After == 0:
		return m.Phase
	}
	return m.Phase + "+" + units.ExactDuration(m.After)
}

// MarshalText returns String's form.
func (m Moment) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads "10s", "steady" or "steady+10s".
func (m *Moment) UnmarshalText(text []byte) error {
	*m = Moment{}
	s := string(text)
	var err error
	if m.After, err = units.ParseDuration(s); err == nil {
		return nil
	}
	phase, after, found := cutLast(s, "+")
	if !found && (s == "" || s[0] >= '0' && s[0] <= '9' || s[0] == '-') {
		return fmt.Errorf("bad time %q: write 10s, or the name of a phase as in steady+10s", s)
	}
	if found {
		m.After, err = units.ParseDuration(after)
	} else {
		err = nil
	}
	m.Phase = phase
	return err
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// actionConfig is implemented by the configuration of every action.
type actionConfig interface {
	// describe says in a few words what happens.
	describe() string
	// localOnly says that only the embedded target can be made to do it.
	localOnly() bool
}

// action is one action of a run. What it returns beside an error is its effect,
// for the log of events.
type action interface {
	carryOut(ctx context.Context) (effect map[string]any, err error)
}

// actionPlan is one action worked out.
type actionPlan struct {
	at     time.Duration // after the start of the run
	spec   Action
	config actionConfig
}

// explain says in one line when what happens.
func (a *actionPlan) explain(kind string) string {
	line := fmt.Sprintf("at %s: %s %s", units.ExactDuration(a.at), a.spec.Do.Kind, a.config.describe())
	if kind != "local" && a.config.localOnly() {
		line += "; SKIP(aws)"
	}
	return line
}

// actions works out the actions and checks that each can happen.
func (v *validator) actions(p *plan) {
	end, known := p.span()
	for i, a := range v.spec.Actions {
		path := fmt.Sprintf("actions.%d", i)
		config, ok := a.Do.Config.(actionConfig)
		if !v.sound(path) || !ok {
			continue
		}
		at, found := p.offset(a.At)
		switch {
		case !found:
			v.problem(path+".at", fmt.Sprintf("there is no phase %q", a.At.Phase), "write a time such as 10s, or name a phase of the scenario")
		case known && at >= end:
			v.problem(path+".at", fmt.Sprintf("%s is never reached: the loads end %s after the start", a.At, units.ExactDuration(end)),
				"choose an earlier time, or make the loads longer")
		}
		if c, ok := a.Do.Config.(interface{ consumer() *string }); ok && v.sound("consumers") {
			v.oneConsumer(path+".do."+a.Do.Kind+".consumer", c.consumer())
		}
		if c, ok := a.Do.Config.(*killConfig); ok && v.sound("consumers") {
			v.killable(path+".do.kill_member", c)
		}
		p.actions = append(p.actions, actionPlan{at: at, spec: a, config: config})
	}
}

// oneConsumer checks the name of a consumer, and fills it in where there is only
// one.
func (v *validator) oneConsumer(path string, name *string) {
	names := v.spec.Consumers.Names()
	switch {
	case *name == "" && len(names) == 1:
		*name = names[0]
	case len(names) == 0:
		v.problem(path, "there is no consumer", "name one: consumers: {reader: {}}")
	case *name == "":
		v.problem(path, "there are several consumers", "say which: "+strings.Join(names, ", "))
	case !slices.Contains(names, *name):
		v.problem(path, fmt.Sprintf("there is no consumer %q", *name), "there are: "+strings.Join(names, ", "))
	}
}

// span returns how long the loads send, if that is known beforehand.
func (p *plan) span() (d time.Duration, known bool) {
	for _, l := range p.loads {
		if l.schedule == nil {
			return 0, false
		}
		d = max(d, time.Duration(l.schedule.Span()))
	}
	return d, true
}

// offset returns a moment as a time after the start of the run.
func (p *plan) offset(m Moment) (time.Duration, bool) {
	if m.Phase == "" {
		return m.After, true
	}
	var begin time.Duration
	for _, phase := range p.phases {
		if phase.Name == m.Phase {
			return begin + m.After, true
		}
		begin += phase.For
	}
	return 0, false
}

// actionEnv is what actions are given beside their configuration.
type actionEnv struct {
	endpoint  *endpoint
	target    local.Target // nil for AWS
	clock     *pace.Clock
	heat      *heat
	consumers []*consumerRun
	turn      chan struct{}   // holds a token while nobody changes the stream's shards
	ended     <-chan struct{} // closed when the loads have ended
	note      func(format string, args ...any)
}

// consumer returns the consumer of a name that has been checked.
func (e *actionEnv) consumer(name string) *consumerRun {
	i := slices.IndexFunc(e.consumers, func(c *consumerRun) bool { return c.name == name })
	return e.consumers[i]
}

// catchUp waits until a consumer has processed everything that is stored now, and
// returns how many seconds that took. It does nothing after an error.
func (e *actionEnv) catchUp(ctx context.Context, c *consumerRun, err error) (float64, error) {
	since := e.clock.Now()
	pacer := pace.NewPacer(e.clock)
	for err == nil && !c.caughtUp(since) {
		err = pacer.Sleep(ctx, drainPoll)
	}
	return float64(e.clock.Now()-since) / 1e9, err
}

// acting is the actions of a run under way.
type acting struct {
	r      *run
	heat   *heat // nil where no action asks for it
	ended  chan struct{}
	cancel context.CancelFunc
	group  sync.WaitGroup

	mu   sync.Mutex
	errs []error
}

func newActing(r *run) *acting {
	a := &acting{r: r, ended: make(chan struct{}), cancel: func() {}}
	for _, p := range r.plan.actions {
		if h, ok := p.config.(interface{ needsHeat() bool }); ok && h.needsHeat() {
			a.heat = newHeat()
		}
	}
	return a
}

// begin has all actions wait for their times. Those that have not come when the
// loads end do not happen.
func (a *acting) begin(ctx context.Context, start int64) {
	ctx, a.cancel = context.WithCancel(ctx)
	waiting, stopWaiting := context.WithCancel(ctx)
	a.group.Go(func() {
		defer stopWaiting()
		select {
		case <-a.ended:
		case <-ctx.Done():
		}
	})
	env := actionEnv{
		endpoint: a.r.endpoint, target: a.r.endpoint.local, clock: a.r.clock, heat: a.heat,
		consumers: a.r.consumers, turn: make(chan struct{}, 1), ended: a.ended, note: a.r.note,
	}
	env.turn <- struct{}{}
	for i := range a.r.plan.actions {
		p := &a.r.plan.actions[i]
		a.group.Go(func() {
			_, err := pace.NewPacer(a.r.clock).Until(waiting, start+int64(p.at))
			if err := a.happen(ctx, p, env, err != nil); err != nil {
				a.mu.Lock()
				a.errs = append(a.errs, err)
				a.mu.Unlock()
			}
		})
	}
}

// happen carries an action out and logs it, unless it is too late.
func (a *acting) happen(ctx context.Context, p *actionPlan, env actionEnv, late bool) error {
	kind, what := p.spec.Do.Kind, p.config.describe()
	log := func(state string, more map[string]any) {
		fields := map[string]any{"action": kind, "what": what, "state": state}
		maps.Copy(fields, more)
		a.r.event("action", fields)
	}
	switch {
	case late:
		log("skipped", map[string]any{"reason": "the loads had ended"})
		return nil
	case env.target == nil && p.config.localOnly():
		a.r.note("SKIP(aws) action at %s: %s: only the embedded target can be made to do that", p.spec.At, kind)
		log("skipped", map[string]any{"reason": "SKIP(aws)"})
		return nil
	}
	log("begun", nil)
	act, err := build(newRegistry().actions, p.spec.Do, env)
	var effect map[string]any
	if err == nil {
		effect, err = act.carryOut(ctx)
	}
	switch {
	case err == nil:
		log("ended", effect)
		return nil
	case ctx.Err() != nil, a.r.endpoint.gone():
		log("broken_off", effect)
		return nil // with the run, which says why
	}
	log("failed", map[string]any{"error": err.Error()})
	return fmt.Errorf("action at %s: %s %s: %w", p.spec.At, kind, what, err)
}

// loadsEnded tells the actions that the loads have ended.
func (a *acting) loadsEnded() { close(a.ended) }

// finish ends what is still going on and returns what went wrong.
func (a *acting) finish() error {
	a.cancel()
	a.group.Wait()
	return errors.Join(a.errs...)
}
