package main

import "github.com/kload/kload/results"

// reportVerb prints the summary of a run that has ended, one way or another.
func reportVerb(u *ui, args []string) error {
	var r runFlags
	f := u.flags()
	f.BoolVar(&r.json, "json", false, "print the summary as JSON")
	args, err := u.parse(f, args)
	if err != nil {
		return err
	}
	s, err := results.Load(args[0])
	if err != nil {
		return err
	}
	return u.printResult(summaryResult(s), args[0], &r)
}
