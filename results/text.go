package results

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/units"
)

// TextOptions says how WriteText presents a summary.
type TextOptions struct {
	Dir   string // where the results are; not shown when empty
	Color bool   // emphasise verdicts with terminal colours
}

// WriteText writes the summary for people: verdict, ledgers, latencies,
// expectations and cost, at most 100 columns wide.
func WriteText(w io.Writer, s *Summary, opts TextOptions) error {
	p := &page{color: opts.Color}
	p.verdict(s)
	p.setting(s, opts.Dir)
	p.loads(s)
	p.consumers(s)
	p.latencies(s)
	p.phases(s)
	p.expectations(s)
	p.processes(s)
	_, err := io.WriteString(w, p.out.String())
	return err
}

// page collects the text.
type page struct {
	out   strings.Builder
	color bool
}

func (p *page) line(s string) { p.out.WriteString(s + "\n") }

func (p *page) wrapped(indent, s string) { p.hanging(indent, len(indent), s) }

// hanging writes s after a prefix of the given width; further lines are indented
// by that width.
func (p *page) hanging(prefix string, width int, s string) {
	for _, l := range wrap(s, pageWidth-width) {
		p.line(prefix + l)
		prefix = strings.Repeat(" ", width)
	}
}

func (p *page) table(t table) {
	p.line("")
	for _, l := range t.lines() {
		p.line(l)
	}
}

// mark emphasises a verdict.
func (p *page) mark(s string, good bool) string {
	switch {
	case !p.color:
		return s
	case good:
		return "\x1b[32m" + s + "\x1b[0m"
	}
	return "\x1b[31m" + s + "\x1b[0m"
}

func (p *page) verdict(s *Summary) {
	word := strings.ToUpper(strings.ReplaceAll(string(s.Verdict), "_", " "))
	detail := fmt.Sprintf("  %s (run %s, seed %d)", s.Scenario, s.RunID, s.Seed)
	if s.ExitCode != 0 {
		detail += fmt.Sprintf(", exit %d", s.ExitCode)
	}
	p.line(p.mark(word, s.Verdict == Pass) + detail)
	for _, r := range s.Reasons {
		p.wrapped("  ", "- "+r)
	}
}

func (p *page) setting(s *Summary, dir string) {
	p.line("")
	const indent = 9
	p.hanging("target   ", indent, s.Target.Kind+" "+s.Target.Detail)
	var phases []string
	for _, ph := range s.Phases {
		phases = append(phases, ph.Name+" "+seconds(ph.WallS))
	}
	if len(phases) > 0 {
		p.hanging("phases   ", indent, strings.Join(phases, ", "))
	}
	if len(s.Inject) > 0 {
		p.hanging("injected ", indent, strings.Join(s.Inject, ", ")+"; the run must fail")
	}
	if dir != "" {
		p.line("results  " + dir)
	}
}

func (p *page) loads(s *Summary) {
	if len(s.Load) == 0 {
		return
	}
	var t table
	t.row("load", "scheduled", "sent", "acked", "rejected", "unknown", "in time", "rate")
	var notes []string
	for _, name := range slices.Sorted(maps.Keys(s.Load)) {
		l := s.Load[name]
		rate := "-"
		if wall := s.wall(); wall > 0 {
			rate = units.PerSecond(float64(l.Acked) / wall)
		}
		t.row(name, units.Thousands(l.Scheduled), units.Thousands(l.Sent), units.Thousands(l.Acked),
			units.Thousands(l.Rejected), units.Thousands(l.Unknown), ratio(l.DeliveredRatio), rate)
		notes = append(notes, name+": "+l.notes())
		if skew := l.Shards.note(); skew != "" {
			notes = append(notes, name+": "+skew)
		}
	}
	p.table(t)
	for _, n := range notes {
		p.wrapped("  ", n)
	}
}

// notes says in words what has no column.
func (l *LoadCounts) notes() string {
	out := []string{
		units.Size(l.Bytes) + " in " + units.Thousands(l.StreamRecords) + " stream records",
		units.Thousands(l.Requests) + " requests", units.Thousands(l.Attempts) + " attempts",
	}
	for _, c := range []counter{
		{"throttled", float64(l.Throttled)}, {"shed", float64(l.Shed)}, {"unsent", float64(l.Unsent)},
	} {
		if c.value > 0 {
			out = append(out, units.Thousands(uint64(c.value))+" "+c.name)
		}
	}
	return strings.Join(append(out, nonZero(l.Sources)...), ", ")
}

func nonZero(m map[string]uint64) []string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if m[k] > 0 {
			out = append(out, units.Thousands(m[k])+" "+k)
		}
	}
	return out
}

func (p *page) consumers(s *Summary) {
	if len(s.Consumers) == 0 {
		return
	}
	var t table
	t.row("consumer", "read", "unique", "lost", "duplicates", "redelivered", "ok", "filtered", "sunk")
	var notes []string
	for _, name := range slices.Sorted(maps.Keys(s.Consumers)) {
		c := s.Consumers[name]
		t.row(name, units.Thousands(c.Read), units.Thousands(c.ReadUnique), units.Thousands(c.Lost),
			units.Thousands(c.Duplicates), units.Thousands(c.Redelivered), units.Thousands(c.OK),
			units.Thousands(c.Filtered), units.Thousands(c.Sunk))
		for _, sink := range slices.Sorted(maps.Keys(c.Sinks)) { // what it was routed is part of ok
			t.row("  "+sink, "", "", "", "", "", units.Thousands(c.Sinks[sink].Routed), "", units.Thousands(c.Sinks[sink].Sunk))
		}
		if n := c.notes(); n != "" {
			notes = append(notes, name+": "+n)
		}
		if c.Polling != nil {
			notes = append(notes, name+": "+c.Polling.note(s.Hops[name+"/"+kload.HopFetch.String()]))
		}
	}
	p.table(t)
	for _, n := range notes {
		p.wrapped("  ", n)
	}
}

// note states the floor beside what was measured.
func (f *PollingFloor) note(fetch HopStats) string {
	text := fmt.Sprintf("polls every %s, so fetch should be %s on average and %s at p99, or more", duration(f.Every), duration(f.Mean), duration(f.P99))
	if mean := int64(fetch.Mean); fetch.Count > 0 {
		text += "; its mean was " + duration(mean)
		// Aggregates sealed in step with the polls may be a little faster.
		if mean < f.Mean/2 {
			text += ", which is suspicious"
		}
	}
	return text
}

// notes says in words what has no column and did happen.
func (c *ConsumerCounts) notes() string {
	out := nonZero(map[string]uint64{
		"reordered": c.Reordered, "misrouted": c.Misrouted, "corrupt": c.Corrupt, "dead-lettered": c.DeadLettered,
		"foreign": c.Foreign, "untraced": c.Untraced, "phantom": c.Phantom,
	})
	if c.ByCount {
		out = append(out, "lost and duplicates by count only (records carry no trace)")
	}
	return strings.Join(append(out, nonZero(c.Counters)...), ", ")
}

func (p *page) latencies(s *Summary) {
	if len(s.Hops) == 0 {
		return
	}
	var t table
	t.row("latency", "p50", "p90", "p99", "p99.9", "max", "n")
	var notes []string
	for _, key := range sortedHops(s.Hops, s.Load) {
		h := s.Hops[key]
		if h.Count > 0 {
			t.row(key, duration(h.P50), duration(h.P90), duration(h.P99), duration(h.P999), duration(h.Max), units.Thousands(uint64(h.Count)))
		} else {
			t.row(key, "-", "-", "-", "-", "-", "0")
		}
		if n := h.notes(); n != "" {
			notes = append(notes, key+": "+n)
		}
	}
	p.table(t)
	for _, n := range notes {
		p.wrapped("  ", n)
	}
}

func (h HopStats) notes() string {
	var out []string
	for _, c := range []struct {
		n    int64
		what string
	}{
		{h.OverRange, "over an hour"},
		{h.Negative, "negative, left out"},
		{h.BelowResolution, "within the clocks' ±1ms, counted as 0"},
	} {
		if c.n > 0 {
			out = append(out, units.Thousands(uint64(c.n))+" "+c.what)
		}
	}
	return strings.Join(out, "; ")
}

// sortedHops orders keys by owner, loads before consumers, and then in the order
// a record passes the hops.
func sortedHops(hops map[string]HopStats, loads map[string]*LoadCounts) []string {
	keys := slices.Collect(maps.Keys(hops))
	rank := func(owner string) int {
		if loads[owner] != nil {
			return 0
		}
		return 1
	}
	slices.SortFunc(keys, func(a, b string) int {
		ownerA, hopA := splitHop(a)
		ownerB, hopB := splitHop(b)
		ha, _ := kload.ParseHop(hopA)
		hb, _ := kload.ParseHop(hopB)
		return cmp.Or(rank(ownerA)-rank(ownerB), strings.Compare(ownerA, ownerB), int(ha)-int(hb), strings.Compare(hopA, hopB))
	})
	return keys
}

func splitHop(key string) (owner, hop string) {
	i := strings.LastIndexByte(key, '/')
	return key[:max(i, 0)], key[i+1:]
}

func (p *page) expectations(s *Summary) {
	if len(s.Expect) == 0 {
		return
	}
	p.line("")
	p.line("expected")
	for _, e := range s.Expect {
		word := strings.ToUpper(e.Result)
		p.hanging("  "+p.mark(word, e.Result == resultPass)+"  ", len(word)+4, e.Expr+" ("+e.Value+")")
	}
}

func (p *page) processes(s *Summary) {
	if s.Process == (Processes{}) {
		return
	}
	var t table
	t.row("process", "CPU", "peak memory", "allocated", "GC", "wall")
	row := func(name string, cpu float64, rss, alloc uint64, gc, wall float64) {
		t.row(name, seconds(cpu), known(units.Size(rss), rss > 0), known(units.Size(alloc), alloc > 0),
			known(seconds(gc), alloc > 0), known(seconds(wall), wall > 0))
	}
	k := s.Process.Kload
	row("kload", k.CPUS, k.MaxRSS, k.Allocated, k.GCS, k.WallS)
	if d := s.Process.Driver; d != nil {
		row("driver", d.CPUS, d.MaxRSS, d.Allocated, d.GCS, 0)
	}
	if g := s.Process.Target; g != nil {
		row("target", g.CPUS, g.MaxRSS, g.Allocated, g.GCS, 0)
	}
	p.table(t)
	if n := s.acked(); n > 0 {
		who := "kload"
		if s.Process.Driver != nil {
			who = "kload and driver"
		}
		perRecord := strconv.FormatFloat(s.Process.client().CPUS*1e6/float64(n), 'f', 2, 64)
		p.line(fmt.Sprintf("  "+who+" used %sµs of CPU per acknowledged record and made %s SDK calls in %s attempts%s",
			perRecord, units.Thousands(k.SDKCalls), units.Thousands(k.SDKAttempts), overWire(k)))
	}
	if s.Clock != nil && len(s.Clock.StepsNs) > 0 {
		p.line(fmt.Sprintf("  the wall clock jumped %d times during the run: latencies across the service's clock are unreliable", len(s.Clock.StepsNs)))
	}
}

// overWire names the encoding of the calls, where it is known.
func overWire(k ProcessStats) string {
	switch {
	case k.Wire == "":
		return ""
	case k.WireFallbacks > 0:
		return " over " + k.Wire + ", because the service does not know cbor"
	}
	return " over " + k.Wire
}

// known replaces a figure that was not measured.
func known(s string, measured bool) string {
	if measured {
		return s
	}
	return "-"
}
