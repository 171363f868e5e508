package main

import (
	"fmt"

	"github.com/kload/kload/scenarios"
)

func explainVerb(u *ui, args []string) error {
	s, err := u.openOnly(args)
	if err != nil {
		return err
	}
	text, err := s.Explain()
	if err != nil {
		return err
	}
	_, err = u.out.Write(text)
	return err
}

func validateVerb(u *ui, args []string) error {
	s, err := u.openOnly(args)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(u.out, "%s: valid\n", s.File)
	return err
}

// openOnly opens the scenario that the arguments name, without running it.
func (u *ui) openOnly(args []string) (*scenarios.Scenario, error) {
	var o scenarios.OpenOptions
	f := u.flags()
	f.StringArrayVar(&o.Sets, "set", nil, "change one setting, as in --set stream.shards=4 (repeatable)")
	f.StringVar(&o.Target, "target", "", "local or aws; also applies the scenario's profile of that name")
	args, err := u.parse(f, args, 1)
	if err != nil {
		return nil, err
	}
	return scenarios.Open(args[0], o)
}

func schemaVerb(u *ui, args []string) error {
	if _, err := u.parse(u.flags(), args, 0); err != nil {
		return err
	}
	text, err := scenarios.Schema()
	if err != nil {
		return err
	}
	_, err = u.out.Write(text)
	return err
}
