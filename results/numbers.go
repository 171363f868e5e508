package results

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The numbers of a summary that belong to no load and no consumer are the run's
// length, wall_s, and what its processes used, such as
// process.kload.max_rss_bytes. A load has more of them below producer, and those
// whose names are known only when they happen: error codes, for instance.

const (
	wallName     = "wall_s"
	kloadPrefix  = "process.kload."
	targetPrefix = "process.target."
)

// runNumbers lists the numbers of the run.
func runNumbers() []string {
	out := []string{wallName}
	for _, c := range counters(&ProcessStats{}) {
		out = append(out, kloadPrefix+c.name)
	}
	for _, c := range counters(&TargetStats{}) {
		out = append(out, targetPrefix+c.name)
	}
	return out
}

// runNumber returns a number of the run, of a phase unless that is nil.
func (s *Summary) runNumber(name string, phase *Phase) (v float64, problem string) {
	switch {
	case name == wallName && phase != nil:
		return phase.WallS, ""
	case name == wallName:
		return s.wall(), ""
	case strings.HasPrefix(name, kloadPrefix):
		return lookUp(name[len(kloadPrefix):], counters(&s.Process.Kload))
	case s.Process.Target == nil:
		return 0, notMeasured
	}
	return lookUp(name[len(targetPrefix):], counters(s.Process.Target))
}

// openMaps lists the maps of a load whose keys come up during a run: a key that
// did not come up stands for 0.
func openMaps() []string {
	return []string{"codes.", "producer.flushed.", "producer.attempts.", "producer.errors."}
}

// open finds a name in a map of a load.
func (x *index) open(name string) []ref {
	var out []ref
	for _, list := range x.full {
		r := list[0]
		if !r.load || r.counter != "acked" { // once per load
			continue
		}
		rest, qualified := strings.CutPrefix(name, r.owner+".")
		for _, m := range openMaps() {
			if key, ok := strings.CutPrefix(rest, m); ok && key != "" && (qualified || rest == name) {
				out = append(out, ref{full: r.owner + "." + rest, owner: r.owner, load: true, counter: rest})
			}
		}
	}
	return out
}

// number returns a number of a load by its name.
func (l *LoadCounts) number(name string) (v float64, problem string) {
	for _, m := range openMaps() {
		key, ok := strings.CutPrefix(name, m)
		switch {
		case !ok:
		case m == "codes.":
			return float64(l.Codes[key]), ""
		case l.Producer == nil:
			return 0, notMeasured
		default:
			of := map[string]map[string]uint64{
				"producer.flushed.": l.Producer.Flushed, "producer.attempts.": l.Producer.Attempts, "producer.errors.": l.Producer.Errors,
			}
			return float64(of[m][key]), ""
		}
	}
	if key, ok := strings.CutPrefix(name, "producer."); ok {
		if l.Producer == nil {
			return 0, notMeasured
		}
		return lookUp(key, counters(l.Producer))
	}
	return lookUp(name, counters(l))
}

// counters lists what a phase counted for one owner.
func (p *Phase) counters(owner string) []counter {
	var out []counter
	for _, name := range slices.Sorted(maps.Keys(p.Counts[owner])) {
		out = append(out, counter{name, float64(p.Counts[owner][name])})
	}
	return out
}

// in narrows a ref to a phase, or says why that makes no sense.
func (x *index) in(r ref, phase string) (narrow ref, problem string) {
	i := slices.IndexFunc(x.phases, func(p PhaseName) bool { return p.Name == phase })
	switch {
	case i < 0:
		return ref{}, fmt.Sprintf("there is no phase %q%s", phase, x.knownPhases())
	case r.hop != "" && !x.phases[i].Measured:
		return ref{}, fmt.Sprintf("the latencies of phase %s are not measured: its measure is false", phase)
	case r.hop == "" && !r.perPhase():
		return ref{}, fmt.Sprintf("%s is a figure of the whole run: leave out @%s", r.full, phase)
	}
	r.full += "@" + phase
	r.phase = phase
	return r, ""
}

// perPhase reports whether phases have this counter.
func (r ref) perPhase() bool {
	switch {
	case r.owner == "":
		return r.counter == wallName
	case r.load:
		return slices.Contains(loadPhaseCounters(), r.counter)
	}
	return slices.Contains(consumerPhaseCounters(), r.counter)
}

func (x *index) knownPhases() string {
	if len(x.phases) == 0 {
		return ": the scenario has none"
	}
	var names []string
	for _, p := range x.phases {
		names = append(names, p.Name)
	}
	return " (there are: " + strings.Join(names, ", ") + ")"
}

// List returns everything that expectations may refer to, for people.
func (n Names) List() []string {
	var out []string
	for _, o := range n.Loads {
		own := "producer.fill_ratio " + strings.Join(openMaps(), "* ") + "*"
		out = append(out, o.list(counters(&LoadCounts{}), own)...)
	}
	for _, o := range n.Consumers {
		out = append(out, o.list(counters(&ConsumerCounts{}), "")...)
	}
	return append(out, wrap("the run: "+strings.Join(runNumbers(), " "), pageWidth)...)
}

func (o Owner) list(ledger []counter, more string) []string {
	numbers, hops := o.Name+":", o.Name+":"
	for _, c := range ledger {
		numbers += " " + c.name
	}
	for _, name := range append(slices.Clone(o.Counters), more) {
		numbers += " " + name
	}
	for _, h := range o.Hops {
		hops += " " + h.String()
	}
	return append(wrap(numbers, pageWidth), wrap(hops+" and then ."+strings.ReplaceAll(statNames, " ", " ."), pageWidth)...)
}
