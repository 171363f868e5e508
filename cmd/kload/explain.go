package main

import "github.com/kload/kload/scenarios"

func explainVerb(u *ui, args []string) error {
	s, err := u.openOnly(args)
	if err != nil {
		return err
	}
	text, err := s.Explain()
	if err != nil {
		return err
	}
	return u.print(text)
}

func validateVerb(u *ui, args []string) error {
	s, err := u.openOnly(args)
	if err != nil {
		return err
	}
	return u.print([]byte(s.File + ": valid\n"))
}

// openOnly opens the scenario that the arguments name, without running it.
func (u *ui) openOnly(args []string) (*scenarios.Scenario, error) {
	var o scenarios.OpenOptions
	f := u.flags()
	openFlags(f, &o)
	args, err := u.parse(f, args)
	if err != nil {
		return nil, err
	}
	return scenarios.Open(args[0], o)
}

func schemaVerb(u *ui, args []string) error {
	if _, err := u.parse(u.flags(), args); err != nil {
		return err
	}
	text, err := scenarios.Schema()
	if err != nil {
		return err
	}
	return u.print(text)
}
