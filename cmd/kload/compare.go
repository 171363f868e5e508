package main

import (
	"encoding/json"

	"github.com/kload/kload/results"
)

func compareVerb(u *ui, args []string) error {
	f := u.flags()
	asJSON := f.Bool("json", false, "print as JSON")
	args, err := u.parse(f, args, 2)
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
		return json.NewEncoder(u.out).Encode(c)
	}
	return results.WriteCompare(u.out, c)
}
