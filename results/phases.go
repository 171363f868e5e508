package results

import (
	"slices"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/hdr"
	"github.com/kload/kload/internal/units"
)

func (p *Phase) addTotals(owner string, totals []hdr.HopTotal) {
	if len(totals) > 0 && p.Hops == nil {
		p.Hops = map[string]HopStats{}
	}
	addTotals(p.Hops, owner, totals)
}

// loadPhaseCounters and consumerPhaseCounters list the counters that a phase has:
// those that only grow, so that their growth is the phase's. The others are known
// only at the end of the run, or may be taken back.
func loadPhaseCounters() []string {
	return []string{
		"scheduled", "sent", "acked", "rejected", "unknown", "shed", "bytes", "stream_records", "requests", "attempts", "throttled",
	}
}

func consumerPhaseCounters() []string {
	return []string{"read_unique", "reordered", "corrupt", "ok", "filtered", "dead_lettered", "foreign", "untraced"}
}

// CountsBetween returns by how much the counters of a run grew from one moment to
// another, by owner and counter. A nil before stands for the start.
func CountsBetween(before, after *Summary) map[string]map[string]uint64 {
	if before == nil {
		before = NewSummary("", "")
	}
	out := map[string]map[string]uint64{}
	for name, l := range after.Load {
		out[name] = growth(loadPhaseCounters(), before.Load[name], l)
	}
	for name, c := range after.Consumers {
		out[name] = growth(consumerPhaseCounters(), before.Consumers[name], c)
	}
	return out
}

func growth[V any](names []string, before, after *V) map[string]uint64 {
	out := map[string]uint64{}
	if before == nil {
		before = new(V)
	}
	from := map[string]float64{}
	for _, c := range counters(before) {
		from[c.name] = c.value
	}
	for _, c := range counters(after) {
		if slices.Contains(names, c.name) {
			// A load that ended early takes back what it had announced.
			out[c.name] = uint64(max(0, c.value-from[c.name]))
		}
	}
	return out
}

// phase returns a phase by its name, nil if the run had none of that name.
func (s *Summary) phase(name string) *Phase {
	for i := range s.Phases {
		if s.Phases[i].Name == name {
			return &s.Phases[i]
		}
	}
	return nil
}

// hop returns the statistics of a hop in a phase, or in the whole run where the
// phase is the only one.
func (s *Summary) hop(key string, p *Phase) HopStats {
	if p == nil || len(s.Phases) == 1 {
		return s.Hops[key] // absent means empty
	}
	return p.Hops[key]
}

// phases writes what the phases of a run with several came to.
func (p *page) phases(s *Summary) {
	if len(s.Phases) < 2 {
		return
	}
	var t table
	t.row("phase", "wall", "acked", "rate", "throttled", "response p99", "end to end p99")
	for i := range s.Phases {
		phase := &s.Phases[i]
		var acked, throttled uint64
		for name := range s.Load {
			acked += phase.Counts[name]["acked"]
			throttled += phase.Counts[name]["throttled"]
		}
		rate := "-"
		if phase.WallS > 0 {
			rate = units.PerSecond(float64(acked) / phase.WallS)
		}
		t.row(phase.Name, seconds(phase.WallS), units.Thousands(acked), rate, units.Thousands(throttled),
			worst(phase.Hops, kload.HopResponse), worst(phase.Hops, kload.HopE2ERead))
	}
	p.table(t)
}
