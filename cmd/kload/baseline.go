package main

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/kload/kload/results"
)

// baselineFlags are those of kload baseline.
type baselineFlags struct {
	dir         string
	json, force bool
	units       results.Units
	store       results.Baselines
}

func (b *baselineFlags) register(f *pflag.FlagSet) {
	storeFlag(f, &b.dir)
	f.BoolVar(&b.force, "force", false, "set: keep runs that are partial or not comparable with each other, too")
	f.BoolVar(&b.json, "json", false, "list, show: print as JSON")
	unitsFlags(f, &b.units)
}

func baselineVerb(u *ui, args []string) error {
	var b baselineFlags
	f := u.flags()
	b.register(f)
	if err := u.parseFlags(f, args); err != nil {
		return err
	}
	if f.NArg() == 0 {
		return u.usageError("baseline needs one of set, list, show and delete")
	}
	action, rest := f.Arg(0), f.Args()[1:]
	var err error
	if b.store, err = openStore(b.dir); err != nil {
		return err
	}
	switch {
	case action == "set" && len(rest) >= 2:
		return b.set(u, rest[0], rest[1:])
	case action == "set":
		return u.usageError("baseline set needs NAME and at least one RUN")
	case action == "list" && len(rest) == 0:
		return b.list(u)
	case action == "list":
		return u.usageError("baseline list has no arguments")
	case action == "show" && len(rest) == 1:
		return b.show(u, rest[0])
	case action == "delete" && len(rest) == 1:
		return b.store.Delete(rest[0])
	case action == "show" || action == "delete":
		return u.usageError("baseline " + action + " needs one NAME")
	}
	return u.usageError(fmt.Sprintf("baseline knows set, list, show and delete, not %q", action))
}

func (b *baselineFlags) set(u *ui, name string, paths []string) error {
	runs, err := results.OpenAll(paths, b.units)
	if err != nil {
		return err
	}
	if err := b.store.Set(name, runs, b.force); err != nil {
		return err
	}
	u.note(fmt.Sprintf("baseline %s holds %d runs: compare with 'kload compare --baseline %s RUN...'", name, len(runs), name))
	return nil
}

func (b *baselineFlags) list(u *ui) error {
	list, err := b.store.List()
	if err != nil {
		return err
	}
	if b.json {
		return u.printJSON(list)
	}
	var text []byte
	for _, one := range list {
		if one.Damaged != "" {
			text = fmt.Appendf(text, "%-20s  cannot be read: %s\n", one.Name, one.Damaged)
			continue
		}
		text = fmt.Appendf(text, "%-20s  %s  %d runs of %s, by %s\n",
			one.Name, one.Set.Format("2006-01-02 15:04"), len(one.Runs), one.Scenario, measuredBy(one.Kload))
	}
	return u.print(text)
}

func (b *baselineFlags) show(u *ui, name string) error {
	one, err := b.store.Show(name)
	if err != nil {
		return err
	}
	if b.json {
		return u.printJSON(one)
	}
	text := fmt.Appendf(nil, "%s  set %s, by %s\n", one.Name, one.Set.Format("2006-01-02 15:04"), measuredBy(one.Kload))
	for _, r := range one.Runs {
		text = fmt.Appendf(text, "  %s\n", r.Line())
		if r.Line() != r.Path {
			text = fmt.Appendf(text, "  %s\n", r.Path)
		}
	}
	return u.print(text)
}

func measuredBy(versions []string) string {
	if len(versions) == 0 {
		return "another tool"
	}
	return "kload " + strings.Join(versions, " and ")
}
