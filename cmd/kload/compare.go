package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/pflag"

	"github.com/kload/kload"
	"github.com/kload/kload/results"
)

// compareFlags are those of kload compare.
type compareFlags struct {
	options         results.CompareOptions
	units           results.Units
	baseline, store string
	json, markdown  bool
}

func (c *compareFlags) register(f *pflag.FlagSet) {
	f.StringVar(&c.baseline, "baseline", "", "compare with the runs kept under this `name` (kload baseline)")
	storeFlag(f, &c.store)
	f.Float64Var(&c.options.MinEffect, "min-effect", results.DefaultMinEffect, "least relative `change` that counts")
	f.StringArrayVar(&c.options.Metrics, "metric", nil, "judge only figures that match this `pattern`, such as '*.e2e.read.p99' (repeatable)")
	f.BoolVar(&c.options.Force, "force", false, "compare runs that are not comparable, too")
	unitsFlags(f, &c.units)
	f.BoolVar(&c.json, "json", false, "print as JSON")
	f.BoolVar(&c.markdown, "md", false, "print as Markdown, for a pull request")
}

// unitsFlags say in what other tools' files are written.
func unitsFlags(f *pflag.FlagSet, units *results.Units) {
	*units = results.DefaultUnits()
	f.DurationVar(&units.Hlog, "hlog-unit", units.Hlog, "`unit` of the values in .hlog files")
	f.DurationVar(&units.Hgrm, "hgrm-unit", units.Hgrm, "`unit` of the values in .hgrm files")
}

func storeFlag(f *pflag.FlagSet, dir *string) {
	f.StringVar(dir, "dir", "", "`directory` of baselines (default in the user's data directory)")
}

func compareVerb(u *ui, args []string) error {
	var c compareFlags
	f := u.flags()
	c.register(f)
	if err := u.parseFlags(f, args); err != nil {
		return err
	}
	if err := c.check(u); err != nil {
		return err
	}
	pathsA, pathsB, err := c.sides(u, f)
	if err != nil {
		return err
	}
	a, err := c.openA(pathsA)
	if err != nil {
		return err
	}
	b, err := results.OpenAll(pathsB, c.units)
	if err != nil {
		return err
	}
	comparison, err := results.Compare(a, b, c.options)
	if err != nil {
		return err
	}
	u.code = comparison.ExitCode
	return u.printComparison(comparison, c.json, c.markdown)
}

func (c *compareFlags) check(u *ui) error {
	switch {
	case c.json && c.markdown:
		return u.usageError("--json and --md exclude each other")
	case !(c.options.MinEffect > 0 && c.options.MinEffect < 1):
		return u.usageError("--min-effect is a share above 0 and below 1: 0.05 is 5 %")
	case c.units.Hlog < time.Nanosecond || c.units.Hgrm < time.Nanosecond:
		return u.usageError("a unit is a duration above 0, such as 1us")
	}
	return nil
}

// sides tells the runs of both sides apart: by --, by the baseline, or one each.
func (c *compareFlags) sides(u *ui, f *pflag.FlagSet) (a, b []string, err error) {
	args, dash := f.Args(), f.ArgsLenAtDash()
	switch {
	case c.baseline != "" && (dash >= 0 || len(args) == 0):
		return nil, nil, u.usageError("compare --baseline needs the runs to compare with it, and nothing else")
	case c.baseline != "":
		return nil, args, nil
	case dash >= 0:
		a, b = args[:dash], args[dash:]
	case len(args) == 2:
		a, b = args[:1], args[1:]
	case len(args) > 2:
		return nil, nil, u.usageError("compare needs -- between the runs of A and those of B")
	}
	if len(a) == 0 || len(b) == 0 {
		return nil, nil, u.usageError("compare needs two runs, or RUN-A... -- RUN-B...")
	}
	return a, b, nil
}

// openA opens the runs to compare with: those given, or the baseline's.
func (c *compareFlags) openA(paths []string) ([]*results.Run, error) {
	if c.baseline == "" {
		return results.OpenAll(paths, c.units)
	}
	store, err := openStore(c.store)
	if err != nil {
		return nil, err
	}
	return store.Open(c.baseline)
}

// printComparison writes a comparison in the form that was asked for.
func (u *ui) printComparison(c *results.Comparison, asJSON, asMarkdown bool) error {
	if asJSON {
		return u.printJSON(c)
	}
	tty, _ := terminal(u.out)
	err := error(nil)
	if asMarkdown {
		err = results.WriteCompareMarkdown(u.out, c)
	} else {
		err = results.WriteCompare(u.out, c, tty && os.Getenv("NO_COLOR") == "")
	}
	if err != nil {
		return fmt.Errorf("printing the comparison: %w", err)
	}
	return nil
}

// openStore opens the store of baselines: the directory given, or the user's.
func openStore(dir string) (results.Baselines, error) {
	if dir != "" {
		return results.Baselines{Dir: dir}, nil
	}
	dir, err := results.BaselineDir()
	if err != nil {
		return results.Baselines{}, kload.WithHint(err, "say where baselines are kept with --dir")
	}
	return results.Baselines{Dir: dir}, nil
}
