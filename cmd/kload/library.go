package main

import (
	"fmt"

	"github.com/kload/kload/scenarios"
)

func listVerb(u *ui, args []string) error {
	f := u.flags()
	asJSON := f.Bool("json", false, "print as JSON")
	if _, err := u.parse(f, args); err != nil {
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
		return u.printJSON(out)
	}
	var text []byte
	for _, e := range entries {
		text = fmt.Appendf(text, "%-14s %s\n", e.Name, e.Question)
	}
	return u.print(text)
}

func showVerb(u *ui, args []string) error {
	args, err := u.parse(u.flags(), args)
	if err != nil {
		return err
	}
	src, err := scenarios.Show(args[0])
	if err != nil {
		return err
	}
	return u.print(src)
}
