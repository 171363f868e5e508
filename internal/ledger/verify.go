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
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count()
}

// Verify returns the final verdicts with the records they are about. It goes
// over all bitmaps still held, and holds up everybody else meanwhile.
func (l *Ledger) Verify() Report {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.count()
	for i, p := range l.loads {
		r.Loads[i].Lists = p.lists()
	}
	for i, c := range l.consumers {
		for _, p := range l.loads {
			r.Consumers[i].Lists = append(r.Consumers[i].Lists, p.listsFor(c.index)...)
			p.explain(c.index, &r.Consumers[i])
		}
	}
	return r
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
	r := LoadReport{
		Name: p.name, Producer: p.producer,
		Scheduled: p.scheduled, Sent: p.sent, Shed: p.shed,
		Acked: p.acked, Rejected: p.rejected, Unknown: p.unknown,
		Open:           p.sent - min(p.sent, p.settled()),
		Unsent:         p.scheduled - min(p.scheduled, p.sent+p.shed),
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
	if p.sent+p.shed > p.scheduled {
		list = append(list, fmt.Sprintf("%s: %d sent and %d shed, but only %d scheduled", p.name, p.sent, p.shed, p.scheduled))
	}
	if p.settled() > p.sent {
		list = append(list, fmt.Sprintf("%s: %d records have an outcome, but only %d were sent", p.name, p.settled(), p.sent))
	}
	if p.stray > 0 {
		list = append(list, fmt.Sprintf("%s: %d outcomes of records that were not sent or already had one", p.name, p.stray))
	}
	return list
}

func (c *Consumer) report() ConsumerReport {
	r := ConsumerReport{
		Name: c.name, ReadUnique: c.strangers, Phantom: c.strangers, Lost: c.missing(),
		Misrouted: c.astray, Foreign: c.foreign, Untraced: c.untraced,
		OK: c.handled[0], Filtered: c.handled[1], DeadLettered: c.handled[2], Sunk: c.sunk,
	}
	if r.ByCount, _ = c.ledger.counted(); r.ByCount {
		r.Duplicates = c.surplus()
		r.ReadUnique += c.untraced - r.Duplicates
	}
	for _, p := range c.ledger.loads {
		v := p.views[c.index]
		r.ReadUnique += v.unique
		r.Duplicates += v.counts[duplicated]
		r.Redelivered += v.counts[redelivered]
		r.Reordered += v.counts[reordered]
		r.Misrouted += v.counts[misrouted]
		r.Corrupt += v.counts[corrupt]
		r.Phantom += v.phantom + p.neverSent(c.index)
		r.OrderUnchecked += v.unordered
		r.RepeatsLeftOut += v.counts[uncounted]
	}
	r.Read = r.ReadUnique + r.Duplicates + r.Redelivered
	return r
}

// surplus returns how many more untraced records were sighted than there can be:
// acknowledged, unknown or still without an outcome.
func (c *Consumer) surplus() uint64 {
	var stored uint64
	for _, p := range c.ledger.loads {
		if p.options.Counted {
			stored += max(p.sent, p.settled()) - p.rejected
		}
	}
	return c.untraced - min(c.untraced, stored)
}

// neverSent counts the records a consumer saw whose sequence numbers were not
// reached. They are known only now: sightings may overtake Sent.
func (p *Load) neverSent(consumer int) (n uint64) {
	for at := p.sent / blockSize; at < uint64(len(p.blocks)); at++ {
		if b := p.blocks[at]; b != nil {
			for w := range words {
				n += uint64(bits.OnesCount64(b.unsettledSeen(consumer, w) & beyond(p.sent, at, w)))
			}
		}
	}
	return n
}

// unsettledSeen returns 64 records that a consumer saw and that have no outcome.
func (b *block) unsettledSeen(consumer, w int) uint64 {
	return b.views[consumer].first.word(w) &^ (b.acked.word(w) | b.rejected.word(w) | b.unknown.word(w))
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
func (p *Load) explain(consumer int, r *ConsumerReport) {
	for _, b := range p.blocks {
		if b == nil {
			continue
		}
		marks := &b.views[consumer].marks
		r.ReorderedRetry += common(&marks[reordered], &b.retried)
		r.ReorderedReshard += uint64(marks[crossed].n) - common(&marks[crossed], &b.retried)
	}
}

// lists names the records of a load that were not acknowledged.
func (p *Load) lists() (lists []List) {
	lists = p.collect(lists, "rejected", func(_ uint64, b *block, w int) uint64 { return b.rejected.word(w) })
	return p.collect(lists, "unknown", func(_ uint64, b *block, w int) uint64 { return b.unknown.word(w) })
}

// listed are the verdicts that are kept as marks, with their names.
var listed = [...]struct {
	verdict
	name string
}{
	{duplicated, "duplicates"},
	{redelivered, "redelivered"},
	{reordered, "reordered"},
	{misrouted, "misrouted"},
	{corrupt, "corrupt"},
}

// listsFor names the records of a load about which a consumer has verdicts.
func (p *Load) listsFor(c int) (lists []List) {
	lists = p.collect(lists, "lost", func(_ uint64, b *block, w int) uint64 {
		return b.acked.word(w) &^ b.views[c].first.word(w)
	})
	lists = p.collect(lists, "phantom", func(at uint64, b *block, w int) uint64 {
		return b.rejected.word(w)&b.views[c].first.word(w) | b.unsettledSeen(c, w)&beyond(p.sent, at, w)
	})
	for _, m := range listed {
		lists = p.collect(lists, m.name, func(_ uint64, b *block, w int) uint64 { return b.views[c].marks[m.verdict].word(w) })
	}
	return lists
}

// collect appends a list of the records that pick returns for each word of each
// block, if there are any.
func (p *Load) collect(lists []List, name string, pick func(at uint64, b *block, w int) uint64) []List {
	list := List{Verdict: name, Load: p.name, Producer: p.producer}
	for at, b := range p.blocks {
		if b == nil {
			continue
		}
		for w := range words {
			for set := pick(uint64(at), b, w); set != 0; set &= set - 1 {
				list.put(uint64(at)*blockSize + uint64(w)*64 + uint64(bits.TrailingZeros64(set)))
			}
		}
	}
	if len(list.Ranges) == 0 {
		return lists
	}
	return append(lists, list)
}
