package main

import (
	"encoding/json"
	"fmt"

	"github.com/kload/kload/scenarios"
)

func listVerb(u *ui, args []string) error {
	f := u.flags()
	asJSON := f.Bool("json", false, "print as JSON")
	if _, err := u.parse(f, args, 0); err != nil {
		return err
	}
	entries := scenarios.List()
	if *asJSON {
		type entry struct {
			Name     string `json:"name"`
			Question string `json:"question"`
		}
		out := make([]entry, len(entries))
		for i, e := range entries {
			out[i] = entry(e)
		}
		return json.NewEncoder(u.out).Encode(out)
	}
	for _, e := range entries {
		fmt.Fprintf(u.out, "%-14s %s\n", e.Name, e.Question)
	}
	return nil
}

func showVerb(u *ui, args []string) error {
	args, err := u.parse(u.flags(), args, 1)
	if err != nil {
		return err
	}
	src, err := scenarios.Show(args[0])
	if err != nil {
		return err
	}
	_, err = u.out.Write(src)
	return err
}
