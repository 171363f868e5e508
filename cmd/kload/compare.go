package main

import (
	"fmt"

	"github.com/kload/kload/results"
)

func compareVerb(u *ui, args []string) error {
	f := u.flags()
	asJSON := f.Bool("json", false, "print as JSON")
	args, err := u.parse(f, args)
	if err != nil {
		return err
	}
	a, err := results.Load(args[0])
	if err != nil {
		return err
	}
	b, err := results.Load(args[1])
	if err != nil {
		return err
	}
	c, err := results.Compare(a, b)
	if err != nil {
		return err
	}
	if *asJSON {
		return u.printJSON(c)
	}
	if err := results.WriteCompare(u.out, c); err != nil {
		return fmt.Errorf("printing the comparison: %w", err)
	}
	return nil
}
