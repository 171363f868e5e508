package ledger

import (
	"fmt"
	"maps"
	"math/bits"
	"slices"
)

// Count returns the counters as they stand, without lists and without the causes
// of reordering. It takes microseconds: a live view calls it while the run goes
// on. Lost then means not read yet.
func (l *Ledger) Count() Report {
	defer l.hold()()
	return l.count()
}

// Verify returns the final verdicts with the records they are about. It goes
// over all bitmaps still held, and holds up everybody else meanwhile.
func (l *Ledger) Verify() Report {
	defer l.hold()()
	r := l.count()
	for i, p := range l.loads {
		r.Loads[i].Lists = p.lists()
	}
	for i, c := range l.consumers {
		for _, v := range c.views {
			r.Consumers[i].Lists = append(r.Consumers[i].Lists, v.lists()...)
			v.explain(&r.Consumers[i])
		}
	}
	return r
}

// hold takes all locks, and returns what lets go of them.
func (l *Ledger) hold() (release func()) {
	l.mu.Lock()
	for _, c := range l.consumers {
		c.mu.Lock()
	}
	for _, p := range l.loads {
		p.mu.Lock()
	}
	return func() {
		for _, p := range l.loads {
			p.mu.Unlock()
		}
		for _, c := range l.consumers {
			c.mu.Unlock()
		}
		l.mu.Unlock()
	}
}

func (l *Ledger) count() Report {
	r := Report{Invalid: slices.Clone(l.invalid)}
	for _, p := range l.loads {
		r.Loads = append(r.Loads, p.report())
		r.Broken = append(r.Broken, p.broken()...)
	}
	for _, c := range l.consumers {
		r.Consumers = append(r.Consumers, c.report())
	}
	return r
}

func (p *Load) report() LoadReport {
	sent := p.sent.Load()
	r := LoadReport{
		Name: p.name, Producer: p.producer,
		Scheduled: p.scheduled, Sent: sent, Shed: p.shed,
		Acked: p.acked, Rejected: p.rejected, Unknown: p.unknown,
		Open:           sent - min(sent, p.settled()),
		Unsent:         p.scheduled - min(p.scheduled, sent+p.shed),
		DeliveredRatio: 1, InTime: p.inTime,
		Bytes: p.bytes, StreamRecords: p.streams, Attempts: p.attempt,
		Ambiguous: p.ambiguous, ExcusesLeftOut: p.uncounted, Stray: p.stray,
		ByCount: p.options.Counted, Codes: maps.Clone(p.codes),
	}
	if p.scheduled > 0 {
		r.DeliveredRatio = float64(p.inTime) / float64(p.scheduled)
	}
	return r
}

// broken lists the identities of a load that do not hold.
func (p *Load) broken() (list []string) {
	sent := p.sent.Load()
	if sent+p.shed > p.scheduled {
		list = append(list, fmt.Sprintf("%s: %d sent and %d shed, but only %d scheduled", p.name, sent, p.shed, p.scheduled))
	}
	if p.settled() > sent {
		list = append(list, fmt.Sprintf("%s: %d records have an outcome, but only %d were sent", p.name, p.settled(), sent))
	}
	if p.stray > 0 {
		list = append(list, fmt.Sprintf("%s: %d outcomes of records that were not sent or already had one", p.name, p.stray))
	}
	return list
}

func (c *Consumer) report() ConsumerReport {
	r := ConsumerReport{
		Name: c.name, ReadUnique: c.strangers, Phantom: c.strangers,
		Misrouted: c.astray, Foreign: c.foreign, Untraced: c.untraced,
		OK: c.handled[0], Filtered: c.handled[1], DeadLettered: c.handled[2], Sunk: c.sunk, ByCount: c.counted,
	}
	if c.upserts != nil {
		r.Upserts = new(c.upserts.report)
		r.Upserts.Examples = slices.Clone(r.Upserts.Examples)
	}
	if c.counted {
		owed, stored := c.untracedOwed()
		r.Lost = owed - min(owed, c.untraced)
		r.Duplicates = c.untraced - min(c.untraced, stored)
		r.ReadUnique += c.untraced - r.Duplicates
	}
	for _, v := range c.views {
		v.join(&c.free)
		r.Lost += v.lost()
		r.ReadUnique += v.unique
		r.Duplicates += v.counts[duplicated]
		r.Redelivered += v.counts[redelivered]
		r.Reordered += v.counts[reordered]
		r.Misrouted += v.misrouted
		r.MisroutedResent += v.resent
		r.Corrupt += v.counts[corrupt]
		r.Phantom += v.phantoms()
		r.OrderUnchecked += v.unordered
		r.RepeatsLeftOut += v.counts[uncounted]
	}
	r.Read = r.ReadUnique + r.Duplicates + r.Redelivered
	return r
}

// untracedOwed returns how many records without a trace the consumer must see,
// and how many there can be: acknowledged, unknown or still without an outcome.
func (c *Consumer) untracedOwed() (owed, stored uint64) {
	for _, v := range c.views {
		if p := v.load; p.options.Counted {
			owed += p.acked
			stored += max(p.sent.Load(), p.settled()) - p.rejected
		}
	}
	return owed, stored
}

// beyond returns which sequence numbers of a word are sent or higher.
func beyond(sent, blockIndex uint64, w int) uint64 {
	first := blockIndex*blockSize + uint64(w)*64
	switch {
	case first >= sent:
		return ^uint64(0)
	case first+64 <= sent:
		return 0
	}
	return ^uint64(0) << (sent - first)
}

// explain adds the causes of reordering to a consumer's report.
func (v *view) explain(r *ConsumerReport) {
	for n, b := range v.blocks {
		if b == nil {
			continue
		}
		retried := &v.load.fates(n).retried
		r.ReorderedRetry += uint64(common(&b.marks[reordered], retried))
		r.ReorderedReshard += uint64(b.marks[crossed].n - common(&b.marks[crossed], retried))
	}
}

// picker returns which of the 64 records of word w of block n belong in a list.
type picker func(f *fates, b *seen, n, w int) uint64

// lists names the records of a load that were not acknowledged.
func (p *Load) lists() (lists []List) {
	v := &view{load: p} // of a consumer that saw nothing
	lists = v.collect(lists, "rejected", func(f *fates, _ *seen, _, w int) uint64 { return f.rejected.word(w) })
	return v.collect(lists, "unknown", func(f *fates, _ *seen, _, w int) uint64 { return f.unknown.word(w) })
}

// listed are the verdicts that are kept as marks, with their names.
var listed = [...]struct {
	verdict
	name string
}{
	{duplicated, "duplicates"},
	{redelivered, "redelivered"},
	{reordered, "reordered"},
	{corrupt, "corrupt"},
}

// lists names the records of a load about which a consumer has verdicts.
func (v *view) lists() (lists []List) {
	sent := v.load.sent.Load()
	lists = v.collect(lists, "lost", func(f *fates, b *seen, _, w int) uint64 {
		return f.acked.word(w) &^ b.first.word(w)
	})
	lists = v.collect(lists, "phantom", func(f *fates, b *seen, n, w int) uint64 {
		return b.first.word(w) & (f.rejected.word(w) | beyond(sent, uint64(n), w)&^f.settledWord(w))
	})
	for _, m := range listed {
		lists = v.collect(lists, m.name, func(_ *fates, b *seen, _, w int) uint64 { return b.marks[m.verdict].word(w) })
	}
	return v.collect(lists, "misrouted", func(f *fates, b *seen, _, w int) uint64 {
		return b.marks[misrouted].word(w) &^ b.resent(f, w)
	})
}

// collect appends a list of the records that pick returns, if there are any.
func (v *view) collect(lists []List, name string, pick picker) []List {
	p := v.load
	list := List{Verdict: name, Load: p.name, Producer: p.producer}
	for n := range max(len(p.blocks), len(v.blocks)) {
		f, b := p.fates(n), v.seen(n)
		for w := range words {
			for set := pick(f, b, n, w); set != 0; set &= set - 1 {
				list.put(uint64(n)*blockSize + uint64(w)*64 + uint64(bits.TrailingZeros64(set)))
			}
		}
	}
	if len(list.Ranges) == 0 {
		return lists
	}
	return append(lists, list)
}
