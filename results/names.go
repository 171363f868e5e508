package results

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/units"
)

// Names says what expectations may refer to.
type Names struct {
	Loads, Consumers []Owner
	Phases           []PhaseName
}

// PhaseName is a phase as expectations see it. One that is not measured has
// counters, but no latencies.
type PhaseName struct {
	Name     string
	Measured bool
}

// Owner is a load or a consumer as expectations see it. Its ledger counters are
// known without being listed.
type Owner struct {
	Name     string
	Hops     []kload.Hop // the hops it records; nil means all
	Counters []string    // further counters: of its source, host or sink
}

// ref is one name an expectation can use.
type ref struct {
	full    string // owner.counter or owner.hop.stat, with the phase
	owner   string // a load or consumer; empty for figures of the run and its processes
	load    bool
	counter string // set for a counter
	hop     string // set for a statistic
	stat    string
	phase   string // "" for the whole run
}

func (r ref) duration() bool {
	_, isTime := HopStats{}.stat(r.stat)
	return isTime
}

// statNames lists the statistics of a hop.
const statNames = "p50 p90 p99 p999 max mean count over_range negative below_resolution"

// stat returns a statistic by its name, and whether it is a time.
func (h HopStats) stat(name string) (v float64, isTime bool) {
	switch name {
	case "p50":
		return float64(h.P50), true
	case "p90":
		return float64(h.P90), true
	case "p99":
		return float64(h.P99), true
	case "p999":
		return float64(h.P999), true
	case "max":
		return float64(h.Max), true
	case "mean":
		return h.Mean, true
	case "count":
		return float64(h.Count), false
	case "over_range":
		return float64(h.OverRange), false
	case "negative":
		return float64(h.Negative), false
	case "below_resolution":
		return float64(h.BelowResolution), false
	}
	return 0, false
}

// index finds refs by what an expectation writes: the full name, or the name
// without its owner.
type index struct {
	full, short map[string][]ref
	owners      []string
	phases      []PhaseName
}

func newIndex(n Names) *index {
	x := &index{full: map[string][]ref{}, short: map[string][]ref{}, phases: n.Phases}
	for _, o := range n.Loads {
		x.addOwner(o, true, counters(&LoadCounts{}))
	}
	for _, o := range n.Consumers {
		x.addOwner(o, false, counters(&ConsumerCounts{}))
	}
	for _, name := range runNumbers() {
		x.full[name] = append(x.full[name], ref{full: name, counter: name})
	}
	return x
}

func (x *index) addOwner(o Owner, load bool, ledger []counter) {
	x.owners = append(x.owners, o.Name)
	for _, c := range ledger {
		x.add(ref{owner: o.Name, load: load, counter: c.name}, c.name)
	}
	for _, c := range o.Counters {
		x.add(ref{owner: o.Name, load: load, counter: c}, c)
	}
	for _, c := range counters(&ProducerDetail{}) {
		if load {
			x.add(ref{owner: o.Name, load: load, counter: "producer." + c.name}, "producer."+c.name)
		}
	}
	hops := o.Hops
	for h := kload.Hop(0); o.Hops == nil && h < kload.NumHops; h++ {
		hops = append(hops, h)
	}
	for _, h := range hops {
		for stat := range strings.FieldsSeq(statNames) {
			x.add(ref{owner: o.Name, load: load, hop: h.String(), stat: stat}, h.String()+"."+stat)
		}
	}
}

func (x *index) add(r ref, short string) {
	r.full = r.owner + "." + short
	x.full[r.full] = append(x.full[r.full], r)
	x.short[short] = append(x.short[short], r)
}

// find resolves a name or says what is wrong with it.
func (x *index) find(name string) (r ref, problem string) {
	found := x.full[name]
	if len(found) == 0 {
		found = x.short[name]
	}
	if len(found) == 0 {
		found = x.open(name)
	}
	switch len(found) {
	case 1:
		return found[0], ""
	case 0:
		return ref{}, fmt.Sprintf("unknown name %q%s", name, x.suggest(name))
	}
	var names []string
	for _, f := range found {
		names = append(names, f.full)
	}
	slices.Sort(names)
	if names = slices.Compact(names); len(names) == 1 {
		return ref{}, fmt.Sprintf("%q is both a load's and a consumer's: give them different names", name)
	}
	return ref{}, fmt.Sprintf("%q is ambiguous: write %s", name, strings.Join(names, " or "))
}

// suggest names the closest known name, else what there is to choose from.
func (x *index) suggest(name string) string {
	// At most a quarter of a long name may differ, and half of a short one.
	best, bestDistance := "", min(max(2, len(name)/4), len(name)/2)+1
	for _, known := range []map[string][]ref{x.full, x.short} {
		for k := range known {
			d := distance(name, k)
			if d < bestDistance || (d == bestDistance && best != "" && k < best) {
				best, bestDistance = k, d
			}
		}
	}
	if best != "" {
		return fmt.Sprintf(" (did you mean %q?)", best)
	}
	owners := slices.Sorted(slices.Values(x.owners))
	return fmt.Sprintf(" (known: <name>.<counter> and <name>.<hop>.<stat> of %s)", strings.Join(owners, ", "))
}

// distance is the Levenshtein distance of two names in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(diagonal+cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// value looks the ref up in a summary. problem says why there is no value.
func (r ref) value(s *Summary) (v float64, problem string) {
	phase := s.phase(r.phase)
	if r.phase != "" && (phase == nil || phase.WallS == 0) {
		return 0, "phase " + r.phase + " was not reached"
	}
	switch {
	case r.hop != "":
		h := s.hop(r.owner+"/"+r.hop, phase)
		if r.duration() && h.Count == 0 {
			return 0, "no samples"
		}
		v, _ = h.stat(r.stat)
		return v, ""
	case r.owner == "":
		return s.runNumber(r.counter, phase)
	case phase != nil && len(s.Phases) > 1:
		return lookUp(r.counter, phase.counters(r.owner))
	}
	if l := s.Load[r.owner]; r.load && l != nil {
		return l.number(r.counter)
	}
	if c := s.Consumers[r.owner]; !r.load && c != nil {
		return lookUp(r.counter, counters(c))
	}
	return 0, notMeasured
}

// notMeasured is the problem of a number that the run does not have.
const notMeasured = "not measured"

func lookUp(name string, list []counter) (v float64, problem string) {
	for _, c := range list {
		if c.name == name {
			return c.value, ""
		}
	}
	return 0, notMeasured
}

// show formats a value of the ref for people.
func (r ref) show(v float64) string {
	switch {
	case r.duration():
		return duration(int64(v))
	case strings.HasSuffix(r.counter, "_ratio"):
		return ratio(v)
	case strings.HasSuffix(r.counter, "_s"):
		return seconds(v)
	}
	return units.Thousands(uint64(v))
}
