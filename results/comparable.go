package results

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// labels numbers the runs of both sides: A and B, or A1, A2 … where there are several.
func labels(a, b []*Run) []string {
	var out []string
	for _, side := range []struct {
		name string
		runs []*Run
	}{{"A", a}, {"B", b}} {
		for i := range side.runs {
			if len(side.runs) == 1 {
				out = append(out, side.name)
			} else {
				out = append(out, fmt.Sprint(side.name, i+1))
			}
		}
	}
	return out
}

// differ states the values of a property by who has them, or nothing when all
// runs have the same. Runs without a value are left out.
func differ(what string, values, labels []string, sizeA int) string {
	var order []string
	who := map[string][]string{}
	for i, v := range values {
		if v == "" {
			continue
		}
		if who[v] == nil {
			order = append(order, v)
		}
		who[v] = append(who[v], labels[i])
	}
	if len(order) < 2 {
		return ""
	}
	var parts []string
	for _, v := range order {
		parts = append(parts, fmt.Sprintf("%s (%s)", v, side(who[v], labels, sizeA)))
	}
	return what + " differs: " + strings.Join(parts, ", ")
}

// side names all runs of a side by its letter.
func side(who, labels []string, sizeA int) string {
	switch {
	case slices.Equal(who, labels[:sizeA]):
		return "A"
	case slices.Equal(who, labels[sizeA:]):
		return "B"
	}
	return strings.Join(who, " ")
}

// differences lists what makes runs not comparable, and what is merely worth
// knowing. Settings that are varied on purpose are the latter.
func differences(a, b []*Run, varied bool) (refuse, notes []string) {
	all, names := slices.Concat(a, b), labels(a, b)
	refuse, notes = []string{}, []string{}
	check := func(list *[]string, what string, of func(*Run) string) {
		values := make([]string, len(all))
		for i, r := range all {
			values[i] = of(r)
		}
		if d := differ(what, values, names, len(a)); d != "" {
			*list = append(*list, d)
		}
	}
	settings := &refuse
	if varied {
		settings = &notes
	}
	check(settings, "scenario", func(r *Run) string { return ours(r, r.Summary.Scenario) })
	for _, path := range settingPaths(all) {
		check(settings, path, func(r *Run) string { return r.setting(path) })
	}
	check(&refuse, "target kind", func(r *Run) string { return r.Summary.Target.Kind })
	check(&refuse, "machine", machine)
	if len(a) > 1 || len(b) > 1 { // a run beside itself alone is plain to see
		refuse = append(refuse, repeated(all, names)...)
	}
	check(&refuse, "injected faults", func(r *Run) string { return ours(r, cmp.Or(strings.Join(r.Summary.Inject, " "), "none")) })
	check(&notes, "seed", func(r *Run) string { return ours(r, fmt.Sprint(r.Summary.Seed)) })
	before := len(notes)
	check(&notes, "kload version", func(r *Run) string { return r.head().Kload })
	if len(notes) > before && len(refuse) > 0 { // it may be why
		refuse = append(refuse, notes[before]+"; a setting that is new to one of them is none of the other")
		notes = notes[:before]
	}
	check(&notes, "host", func(r *Run) string { return r.head().Host.Name })
	for i, r := range all {
		bad, odd := r.condition(names[i])
		refuse, notes = append(refuse, bad...), append(notes, odd...)
	}
	if n := inTurn(a, b); n != "" {
		notes = append(notes, n)
	}
	return refuse, notes
}

// repeated names runs that are here more than once. What is one observation would
// count as several, and chance would look significant.
func repeated(runs []*Run, names []string) []string {
	var out []string
	first := map[string]string{}
	for i, r := range runs {
		switch id := r.identity(); {
		case id == "":
		case first[id] == "":
			first[id] = names[i]
		default:
			out = append(out, fmt.Sprintf("%s is %s once more: each run counts once (%s)", names[i], first[id], r.Path))
		}
	}
	return out
}

// identity tells runs apart, also from their copies in a baseline; empty where
// nothing does.
func (r *Run) identity() string {
	if r.Foreign {
		return filepath.Clean(r.Path)
	}
	return r.head().RunID
}

// settingPaths lists the settings that any run has, but for those that say what
// is compared and repeated.
func settingPaths(runs []*Run) []string {
	paths := map[string]bool{}
	for _, r := range runs {
		for path := range r.settings {
			paths[path] = true
		}
	}
	delete(paths, "name")
	delete(paths, "seed")
	return slices.Sorted(maps.Keys(paths))
}

// setting returns a setting, or that there is none where others are known.
func (r *Run) setting(path string) string {
	v, ok := r.settings[path]
	if !ok && r.settings != nil {
		return "none"
	}
	return v
}

// ours returns what other tools' files do not say.
func ours(r *Run, value string) string {
	if r.Foreign {
		return ""
	}
	return value
}

func (r *Run) head() *header {
	if r.header == nil {
		return &header{}
	}
	return r.header
}

func machine(r *Run) string {
	h := r.head().Host
	if h.OS == "" {
		return ""
	}
	return fmt.Sprintf("%s/%s with %d CPUs, GOMAXPROCS %d", h.OS, h.Arch, h.CPUs, h.GOMAXPROCS)
}

// condition says what is wrong with one run.
func (r *Run) condition(name string) (refuse, notes []string) {
	s := r.Summary
	switch {
	case r.Partial != "":
		notes = append(notes, name+" is partial: "+r.Partial)
	case r.Foreign:
		notes = append(notes, name+" is another tool's file: how it was measured is not known")
	case s.Verdict == NotDelivered || s.Verdict == Invalid:
		refuse = append(refuse, name+" proves nothing about latencies: "+strings.Join(s.Reasons, "; "))
	case s.Verdict != Pass:
		notes = append(notes, name+" did not pass: "+string(s.Verdict))
	}
	notes = append(notes, r.unknown(name)...)
	if len(s.Incomplete) > 0 {
		notes = append(notes, "results of "+name+" are incomplete: "+strings.Join(s.Incomplete, "; "))
	}
	return refuse, notes
}

// unknown says what a run directory does not tell of its run, so that nobody could
// check it.
func (r *Run) unknown(name string) (notes []string) {
	if r.Foreign || r.bare {
		return nil
	}
	if r.settings == nil {
		notes = append(notes, name+" may have had other settings: its "+FileResolved+" is missing or damaged")
	}
	if r.header == nil {
		notes = append(notes, name+" may be of another machine or version: its "+FileRun+" is missing or damaged")
	}
	return notes
}

// inTurn warns of sides that were not run in turn: whatever else changed on the
// machine between them then looks like their difference.
func inTurn(a, b []*Run) string {
	if len(a)+len(b) < 3 {
		return ""
	}
	began := func(runs []*Run) (first, last int64) {
		for i, r := range runs {
			at := r.head().Started.UnixNano()
			if r.head().Started.IsZero() {
				return 0, 0
			}
			if i == 0 {
				first, last = at, at
			}
			first, last = min(first, at), max(last, at)
		}
		return first, last
	}
	firstA, lastA := began(a)
	firstB, lastB := began(b)
	if firstA == 0 || firstB == 0 || firstA < lastB && firstB < lastA {
		return ""
	}
	return "the runs of one side all came before those of the other: what else changed on the machine meanwhile looks like a difference ('kload ab' runs them in turn)"
}
