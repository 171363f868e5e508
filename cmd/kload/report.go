package main

import "github.com/kload/kload/results"

// reportVerb prints the results of a run, a matrix, a search or an A/B that has
// ended, one way or another.
func reportVerb(u *ui, args []string) error {
	var r runFlags
	f := u.flags()
	f.BoolVar(&r.json, "json", false, "print the summary as JSON")
	args, err := u.parse(f, args)
	if err != nil {
		return err
	}
	dir := args[0]
	group, err := results.LoadGroup(dir)
	if err != nil {
		return err
	}
	if group != nil && results.Running(dir) {
		u.note(dir + " is still running: this is what it has come to so far")
	}
	switch g := group.(type) {
	case *results.Matrix:
		return u.printResult(matrixResult(g), dir, &r)
	case *results.Search:
		return u.printResult(searchResult(g), dir, &r)
	case *results.AB:
		err := u.judge(g, dir, &r)
		u.code = exitOK // it says what was, like that of a run
		return err
	}
	s, err := results.Load(dir)
	if err != nil {
		return err
	}
	return u.printResult(summaryResult(s), dir, &r)
}
