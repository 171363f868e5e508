package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/results"
	"github.com/kload/kload/scenarios"
)

// abVerb runs two scenarios in turn and compares them.
func abVerb(u *ui, args []string) error {
	var r runFlags
	var ab scenarios.ABOptions
	var setsA, setsB []string
	f := u.flags()
	f.IntVarP(&ab.Runs, "runs", "n", 5, "`number` of runs of each; fewer than four cannot be judged")
	f.StringArrayVar(&setsA, "a-set", nil, "like --set, for A only (repeatable)")
	f.StringArrayVar(&setsB, "b-set", nil, "like --set, for B only (repeatable)")
	f.DurationVar(&ab.CoolDown, "cool-down", 2*time.Second, "`time` between two runs")
	r.register(f)
	args, err := u.parse(f, args)
	if err != nil {
		return err
	}
	r.seedFrom(f)
	switch {
	case ab.Runs < 1:
		return u.usageError("--runs must be at least 1")
	case ab.CoolDown < 0:
		return u.usageError("--cool-down must not be negative")
	}
	var sides [2]*scenarios.Scenario
	for i, sets := range [][]string{setsA, setsB} {
		o := r.open
		o.Sets = append(slices.Clip(o.Sets), sets...)
		if sides[i], err = scenarios.Open(args[i], o); err != nil {
			return fmt.Errorf("opening side %c: %w", 'a'+i, err)
		}
	}
	return u.executeAB(sides[0], sides[1], ab, &r)
}

// executeAB runs both sides and prints how they compare. Runs that are missing
// after an interruption are no reason not to: what is complete counts.
func (u *ui) executeAB(a, b *scenarios.Scenario, ab scenarios.ABOptions, r *runFlags) error {
	limitMemory(max(a.MemoryLimit(), b.MemoryLimit()))
	var dir string
	ctx, o, stop := u.runOptions(r, &dir)
	defer stop()
	if ab.Runs < results.LeastRuns && !r.quiet {
		u.note(fmt.Sprintf("%d against %d runs show figures, but no verdict: that needs -n %d or more", ab.Runs, ab.Runs, results.LeastRuns))
	}
	done, err := scenarios.RunAB(ctx, a, b, ab, o)
	if ctx.Err() != nil {
		u.code = exitInterrupted
	}
	if done == nil || err != nil {
		return err
	}
	if !r.quiet {
		u.note("runs are in " + dir)
	}
	if failed := done.Failed(); failed != nil {
		o.Note(fmt.Sprintf("run %s did not pass: %s: %s", failed.Dir, failed.Verdict, strings.Join(failed.Reasons, "; ")))
		if u.code == exitOK {
			u.code = failed.ExitCode
		}
	}
	return u.judge(done, dir, r)
}

// judge compares the runs of two sides, which are meant to differ.
func (u *ui) judge(done *results.AB, dir string, r *runFlags) error {
	dirsA, dirsB := done.Dirs("a", dir), done.Dirs("b", dir)
	if made, planned := len(done.Runs), 2*done.Planned; made < planned && !r.quiet {
		u.note(fmt.Sprintf("%d of %d runs were made", made, planned))
	}
	if len(dirsA) == 0 || len(dirsB) == 0 {
		return kload.WithHint(fmt.Errorf("comparing: %w: one side has no complete run", results.ErrNotComparable), "let both sides run at least once")
	}
	a, err := results.OpenAll(dirsA, results.DefaultUnits())
	if err != nil {
		return err
	}
	b, err := results.OpenAll(dirsB, results.DefaultUnits())
	if err != nil {
		return err
	}
	c, err := results.Compare(a, b, results.CompareOptions{Varied: true})
	if errors.Is(err, results.ErrNotComparable) {
		return kload.WithHint(err, fmt.Sprintf("the runs are kept: 'kload compare --force %s -- %s' compares them all the same", filepath.Join(dir, "*-a"), filepath.Join(dir, "*-b")))
	}
	if err != nil {
		return err
	}
	if u.code == exitOK {
		u.code = c.ExitCode
	}
	if r.quiet && !r.json {
		return nil
	}
	return u.printComparison(c, r.json, false)
}
