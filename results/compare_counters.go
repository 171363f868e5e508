package results

import (
	"maps"
	"slices"
	"strings"
)

// named is a counter of an owner.
type named struct {
	owner string
	counter
}

func loadCounters(s *Summary) []named     { return ledgerCounters(s.Load) }
func consumerCounters(s *Summary) []named { return ledgerCounters(s.Consumers) }
func ledgerCounters[V any](m map[string]*V) []named {
	var out []named
	for _, owner := range slices.Sorted(maps.Keys(m)) {
		out = append(out, owned(owner, m[owner])...)
	}
	return out
}

// processCounters are the figures of the processes. Where any of the runs has a
// driver in a process of its own, the sums with kload are there for all of them:
// only these say the same of each.
func processCounters(driven bool) func(*Summary) []named {
	return func(s *Summary) []named {
		p := &s.Process
		out := owned("kload", &p.Kload)
		if p.Driver != nil {
			out = append(out, owned("driver", p.Driver)...)
		}
		if driven {
			out = append(out, owned("kload+driver", p.client())...)
		}
		if p.Target != nil {
			out = append(out, owned("target", p.Target)...)
		}
		return out
	}
}

// driven reports whether the run had a driver in a process of its own.
func (r *Run) driven() bool { return r.Summary.Process.Driver != nil }

func owned[V any](owner string, v *V) []named {
	var out []named
	for _, c := range counters(v) {
		out = append(out, named{owner, c})
	}
	return out
}

// means compares the means of counters over the runs that have them.
func means(a, b []*Run, of func(*Summary) []named) []Change {
	type key struct{ owner, name string }
	var order []key
	values := map[key]*[2][]float64{}
	for side, runs := range [2][]*Run{a, b} {
		for _, r := range runs {
			for _, c := range of(r.Summary) {
				k := key{c.owner, c.name}
				if values[k] == nil {
					values[k] = &[2][]float64{}
					order = append(order, k)
				}
				values[k][side] = append(values[k][side], c.value)
			}
		}
	}
	slices.SortStableFunc(order, func(x, y key) int { return strings.Compare(x.owner, y.owner) })
	var out []Change
	for _, k := range order {
		out = append(out, change(k.owner, k.name, mean(values[k][0]), mean(values[k][1])))
	}
	return out
}

func mean(values []float64) *float64 {
	if len(values) == 0 {
		return nil
	}
	var sum float64
	for _, v := range values {
		sum += v
	}
	sum /= float64(len(values))
	return &sum
}
