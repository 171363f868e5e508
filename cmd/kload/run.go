package main

import (
	"context"
	"encoding/json"
	"fmt"
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
	f.StringArrayVar(&r.open.Sets, "set", nil, "change one setting, as in --set stream.shards=4 (repeatable)")
	f.StringVar(&r.open.Target, "target", "", "local or aws; also applies the scenario's profile of that name")
	f.StringVar(&r.out, "out", "", "run directory, new or empty (default kload-results/<utc>-<name>-<id>)")
	f.Uint64Var(&r.seed, "seed", 0, "seed of everything random (default the scenario's)")
	f.StringArrayVar(&r.inject, "inject", nil, "inject a fault, such as drop=1@target: the run must then fail (repeatable)")
	f.BoolVar(&r.json, "json", false, "print the summary as JSON")
	f.BoolVar(&r.quiet, "quiet", false, "print nothing but errors, and the JSON of --json")
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
	args, err := u.parse(f, args, 1)
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
	limitMemory()
	ctx, stop := u.interruptible()
	defer stop()
	o := scenarios.RunOptions{Out: r.out, Inject: r.inject, Version: version(), Note: u.note}
	if !r.quiet {
		tty, width := terminal(u.err)
		o.Progress = results.NewProgress(u.err, tty, width)
		quiet := context.AfterFunc(ctx, func() {
			u.note("interrupted: draining and writing results; press Ctrl-C again to stop at once")
		})
		defer quiet()
	}
	summary, dir, err := u.carryOut(ctx, s, o)
	if summary == nil {
		return err
	}
	u.code = summary.ExitCode
	if perr := u.printSummary(summary, dir, r); err == nil {
		err = perr
	}
	return err
}

func (u *ui) carryOut(ctx context.Context, s *scenarios.Scenario, o scenarios.RunOptions) (*results.Summary, string, error) {
	var dir string
	o.Started = func(d string) { dir = d }
	summary, err := scenarios.Run(ctx, s, o)
	return summary, dir, err
}

func (u *ui) printSummary(s *results.Summary, dir string, r *runFlags) error {
	switch {
	case r.json:
		enc := json.NewEncoder(u.out)
		if err := enc.Encode(s); err != nil {
			return fmt.Errorf("printing the summary: %w", err)
		}
	case !r.quiet:
		tty, _ := terminal(u.out)
		color := tty && os.Getenv("NO_COLOR") == ""
		if err := results.WriteText(u.out, s, results.TextOptions{Dir: dir, Color: color}); err != nil {
			return fmt.Errorf("printing the summary: %w", err)
		}
	}
	return nil
}
