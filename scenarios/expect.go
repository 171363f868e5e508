package scenarios

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kload/kload/internal/pace"
	"github.com/kload/kload/internal/units"
	"github.com/kload/kload/results"
)

// Expect is an expectation on the results.
type Expect struct {
	Expr       string        `yaml:"expr" required:"true" help:"condition on the figures of the summary, such as reader.e2e.read.p99@steady < 500ms; 'kload explain' lists them"`
	AbortAfter time.Duration `yaml:"abort_after" help:"end the run early once this has not been met for so long without a break; 0s only judges at the end"`
}

// UnmarshalScalar accepts the condition alone.
func (e *Expect) UnmarshalScalar(text string) error {
	e.Expr = text
	return nil
}

// Pattern is the short form for the schema.
func (Expect) Pattern() string { return `[^0-9.]` }

// expectation is an expectation worked out.
type expectation struct {
	results.Expectation
	abortAfter time.Duration
}

// explain says in one line what is expected.
func (e *expectation) explain() string {
	if e.abortAfter == 0 {
		return e.Expr
	}
	return e.Expr + ", or the run ends after " + units.ExactDuration(e.abortAfter)
}

// expectations compiles them, each problem at its own line.
func (v *validator) expectations(p *plan) []expectation {
	var out []expectation
	for i, e := range v.spec.Expect {
		path := fmt.Sprintf("expect.%d", i)
		if !v.sound(path) {
			continue
		}
		compiled, err := results.Compile([]string{e.Expr}, p.names())
		if err != nil {
			v.problem(path, err.Error(), hintOf(err))
			continue
		}
		if late := compiled[0].OnlyAtEnd(); late != "" && e.AbortAfter > 0 {
			v.problem(path+".abort_after", late+" is known only at the end of the run", "leave out abort_after, or expect something of other figures")
		}
		out = append(out, expectation{compiled[0], e.AbortAfter})
	}
	return out
}

// errAborted is why the loads are ended when an expectation was not met for too
// long. It is no error of the run.
var errAborted = errors.New("an expectation was not met for too long")

// watch judges the expectations that may end a run while it goes on.
type watch struct {
	r     *run
	since map[int]int64 // when an expectation began to fail, by its number
	abort context.CancelCauseFunc
	why   string // what ended the run; read after the loads have ended
}

// follow looks once a second until the loads have ended.
func (w *watch) follow(ctx context.Context) {
	pacer, next := pace.NewPacer(w.r.clock), w.r.start.Load()
	for {
		next += int64(time.Second)
		now, err := pacer.Until(ctx, next)
		if err != nil {
			return
		}
		w.look(now)
	}
}

// look judges on what is known by now.
func (w *watch) look(now int64) {
	var live *results.Summary
	for i := range w.r.plan.expect {
		e := &w.r.plan.expect[i]
		if e.abortAfter == 0 || w.why != "" {
			continue
		}
		if live == nil {
			live = results.NewSummary(w.r.plan.spec.Name, w.r.id)
			w.r.fill(live, w.r.ledger.Count(), now)
			live.Process.Kload = w.r.process.since()
		}
		judged, known := e.Judge(live)
		began, failing := w.since[i]
		switch {
		case !known || judged.Passed():
			delete(w.since, i)
		case !failing:
			w.since[i] = now
		case now-began >= int64(e.abortAfter):
			w.why = fmt.Sprintf("%s was not met for %s, the last time with %s", e.Expr, units.ExactDuration(e.abortAfter), judged.Value)
			w.r.event("aborted", map[string]any{"expect": e.Expr, "value": judged.Value})
			w.r.note("ending the loads: %s", w.why)
			w.abort(errAborted)
		}
	}
}
