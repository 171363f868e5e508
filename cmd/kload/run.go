package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/pflag"

	"github.com/kload/kload/results"
	"github.com/kload/kload/scenarios"
)

// runFlags are the flags shared by the verbs that run a scenario.
type runFlags struct {
	open        scenarios.OpenOptions
	seed        uint64
	out         string
	inject      []string
	json, quiet bool
}

func (r *runFlags) register(f *pflag.FlagSet) {
	openFlags(f, &r.open)
	f.StringVar(&r.out, "out", "", "run `directory`, new or empty (default kload-results/<utc>-<name>-<id>)")
	f.Uint64Var(&r.seed, "seed", 0, "`number` that everything random follows from (default the scenario's)")
	f.StringArrayVar(&r.inject, "inject", nil, "inject a `fault`, such as drop=1@target: the run must then fail (repeatable)")
	f.BoolVar(&r.json, "json", false, "print the summary as JSON")
	f.BoolVar(&r.quiet, "quiet", false, "print nothing but errors and the JSON of --json")
}

// openFlags are the flags of every verb that opens a scenario.
func openFlags(f *pflag.FlagSet, o *scenarios.OpenOptions) {
	f.StringArrayVar(&o.Sets, "set", nil, "change a setting by `path=value`, such as stream.shards=4; null removes it (repeatable)")
	f.StringVar(&o.Target, "target", "", "`kind` of target, local or aws; also applies the scenario's profile of that name")
}

func (r *runFlags) seedFrom(f *pflag.FlagSet) {
	if f.Changed("seed") {
		r.open.Seed = &r.seed
	}
}

func runVerb(u *ui, args []string) error {
	var r runFlags
	f := u.flags()
	r.register(f)
	args, err := u.parse(f, args)
	if err != nil {
		return err
	}
	r.seedFrom(f)
	s, err := scenarios.Open(args[0], r.open)
	if err != nil {
		return err
	}
	return u.execute(s, &r)
}

// execute runs a scenario and prints its summary.
func (u *ui) execute(s *scenarios.Scenario, r *runFlags) error {
	limitMemory(s.MemoryLimit())
	var dir string
	ctx, o, stop := u.runOptions(r, &dir)
	defer stop()
	p, err := carryOut(ctx, s, o)
	if p == nil {
		if err != nil && ctx.Err() != nil {
			u.code = exitInterrupted
		}
		return err
	}
	u.code = p.code
	if perr := u.printResult(p, dir, r); err == nil {
		err = perr
	}
	return err
}

// runOptions returns the options of what is run, with a context that ends with
// Ctrl-C. dir is set to where the results go.
func (u *ui) runOptions(r *runFlags, dir *string) (context.Context, scenarios.RunOptions, context.CancelFunc) {
	o := scenarios.RunOptions{Out: r.out, Inject: r.inject, Version: version(), Note: func(string) {}}
	o.Started = func(d string) { *dir = d }
	if !r.quiet {
		tty, width := terminal(u.err)
		u.redrawn = tty
		o.Progress, o.Note = results.NewProgress(u.err, tty, width), u.note
	}
	ctx, stop := interruptible(func() {
		o.Note("interrupted: winding up; press Ctrl-C again to stop at once")
	})
	return ctx, o, stop
}

// printed is a result that is about to be printed.
type printed struct {
	code   int
	result any
	text   func(io.Writer, results.TextOptions) error
}

// carryOut runs a scenario as what it asks for: one run, or several. Without a
// result nothing was started.
func carryOut(ctx context.Context, s *scenarios.Scenario, o scenarios.RunOptions) (*printed, error) {
	if s.Spec.Matrix.Len() > 0 {
		r, err := scenarios.RunMatrix(ctx, s, o)
		if r == nil {
			return nil, err
		}
		return matrixResult(r), err
	}
	if s.Spec.Search != nil {
		r, err := scenarios.RunSearch(ctx, s, o)
		if r == nil {
			return nil, err
		}
		return searchResult(r), err
	}
	r, err := scenarios.Run(ctx, s, o)
	if r == nil {
		return nil, err
	}
	return summaryResult(r), err
}

func summaryResult(s *results.Summary) *printed {
	return &printed{s.ExitCode, s, func(w io.Writer, t results.TextOptions) error { return results.WriteText(w, s, t) }}
}

func matrixResult(m *results.Matrix) *printed {
	return &printed{m.ExitCode, m, func(w io.Writer, t results.TextOptions) error { return results.WriteMatrix(w, m, t) }}
}

func searchResult(s *results.Search) *printed {
	return &printed{s.ExitCode, s, func(w io.Writer, t results.TextOptions) error { return results.WriteSearch(w, s, t) }}
}

func (u *ui) printResult(p *printed, dir string, r *runFlags) error {
	switch {
	case r.json:
		return u.printJSON(p.result)
	case r.quiet:
		return nil
	}
	tty, _ := terminal(u.out)
	color := tty && os.Getenv("NO_COLOR") == ""
	if err := p.text(u.out, results.TextOptions{Dir: dir, Color: color}); err != nil {
		return fmt.Errorf("printing the results: %w", err)
	}
	return nil
}
