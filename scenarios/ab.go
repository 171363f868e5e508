package scenarios

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/pace"
	"github.com/kload/kload/results"
)

// ABOptions says how two scenarios are set against each other.
type ABOptions struct {
	Runs     int           // of each
	CoolDown time.Duration // between two runs
}

// RunAB runs two scenarios in turn, A B B A and so on, so that what drifts with
// time falls on both alike. Each run has a directory of its own below that of the
// whole. One that fails an expectation counts like any other; one that breaks off
// ends it, as ctx does: the runs up to then are returned. A nil result means that
// nothing was started.
func RunAB(ctx context.Context, a, b *Scenario, ab ABOptions, o RunOptions) (*results.AB, error) {
	if ab.Runs < 1 {
		return nil, fmt.Errorf("%w: each side needs at least one run, not %d", kload.ErrInvalid, ab.Runs)
	}
	for _, s := range []*Scenario{a, b} {
		if s.Spec.Search != nil || len(s.cells) > 0 {
			return nil, kload.WithHint(fmt.Errorf("%w: %s is not one run: it has a search or a matrix", kload.ErrInvalid, s.File),
				"remove search and matrix to compare single runs")
		}
	}
	if err := affordable(slices.Repeat([]*plan{a.plan, b.plan}, ab.Runs)...); err != nil {
		return nil, err
	}
	dir, err := createGroup(a, o, results.FileAB)
	if err != nil {
		return nil, err
	}
	defer dir.Release()
	t := &turns{scenarios: map[string]*Scenario{"a": a, "b": b}, dir: dir, o: o, result: results.NewAB(a.Spec.Name, b.Spec.Name, ab.Runs)}
	err = t.play(ctx, ab)
	if len(t.result.Runs) == 0 {
		return nil, errors.Join(err, dir.Discard())
	}
	t.result.Interrupted = ctx.Err() != nil
	if t.result.Interrupted {
		err = nil
	}
	return t.result, errors.Join(err, dir.WriteJSON(results.FileAB, t.result))
}

// turns is two scenarios being run in turn.
type turns struct {
	scenarios map[string]*Scenario // by side
	dir       *results.Dir
	o         RunOptions
	result    *results.AB
}

// play runs all turns, until one breaks off.
func (t *turns) play(ctx context.Context, ab ABOptions) error {
	pacer := pace.NewPacer(pace.NewClock())
	for n := range 2 * ab.Runs {
		if n > 0 && ab.CoolDown > 0 {
			if err := pacer.Sleep(ctx, ab.CoolDown); err != nil {
				return err
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		side := "a"
		if n%4 == 1 || n%4 == 2 {
			side = "b"
		}
		if t.o.Note != nil {
			t.o.Note(fmt.Sprintf("run %d of %d: %s", n+1, 2*ab.Runs, side))
		}
		if err := t.turn(ctx, fmt.Sprintf("%02d-%s", n+1, side), side); err != nil {
			return err
		}
	}
	return nil
}

// turn carries out one run.
func (t *turns) turn(ctx context.Context, name, side string) error {
	o := t.o
	o.Out, o.Started = filepath.Join(t.dir.Path(), name), nil
	if o.Memories != nil {
		o.Memory = o.Memories()
	}
	s, err := Run(ctx, t.scenarios[side], o)
	if s == nil {
		return err
	}
	t.result.Runs = append(t.result.Runs, results.ABRun{Side: side, Dir: name, Verdict: s.Verdict, ExitCode: s.ExitCode, Reasons: s.Reasons})
	if err == nil && (s.Verdict == results.Errored || s.Verdict == results.Unreachable) {
		err = fmt.Errorf("run %s ended as %s", name, s.Verdict)
	}
	return errors.Join(err, t.dir.WriteJSON(results.FileAB, t.result))
}
