package kinesis

import (
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/local/httpapi"
)

// maxBatchBytes bounds data and keys of one request.
const maxBatchBytes = 10 << 20

// admit checks the meaning of a put whose form is right, routes its entries and
// returns the stream. A refusal concerns the whole request.
func (rq *request) admit() (*stream, error) {
	p := &rq.put
	total := 0
	for i := range p.entries {
		total += p.entries[i].size()
	}
	if total > maxBatchBytes {
		return nil, httpapi.Refuse("InvalidArgumentException", "Records size exceeds 10 MB limit")
	}
	st, err := p.target.resolve(rq.server, rq.now)
	if err != nil {
		return nil, err
	}
	if err := rq.server.writable(st, rq.now); err != nil {
		return nil, err
	}
	set := st.settings.Load()
	p.kms = set.keyID != ""
	for i := range p.entries {
		e := &p.entries[i]
		if p.auto {
			e.hash = st.turnOf()
		} else if err := e.route(); err != nil {
			return nil, err
		}
		if p.kms {
			e.has |= hasKMS
		}
		if e.size() > set.maxRecord {
			return nil, httpapi.Refuse("InvalidArgumentException",
				"Record size of %d bytes exceeds the maximum record size of %d KiB for stream %s under account %s.",
				e.size(), set.maxRecord>>10, st.name, st.account)
		}
	}
	if p.dryRun {
		return nil, dryRun()
	}
	if err := rq.loggable(); err != nil {
		return nil, err
	}
	return st, rq.judgePut(st)
}

// auto reports whether the service distributes the records of a stream, so that
// keys are optional. A stream that is not there is complained of later.
func (s *Server) auto(t *target, now time.Time) bool {
	st, err := t.resolve(s, now)
	return err == nil && st.settings.Load().auto
}

// turnOf returns a hash key of the shard whose turn it is.
func (st *stream) turnOf() kload.HashKey {
	open := st.layout.Load().open
	return open[st.turn.Add(1)%uint64(len(open))].hashes.Start
}

func dryRun() error {
	return httpapi.Refuse("DryRunOperationException", "The request would have succeeded, but DryRun was set.")
}

// store puts the entries into their shards, sets their fates and returns how
// many were not stored. Each shard is locked once, and the entries of one shard
// keep their order, also
// when the shard turns out to be closed and all of them go to its children.
func (rq *request) store(st *stream) (failed int) {
	p := &rq.put
	var bytes uint64
	if rq.verdict.Record != nil {
		rq.spoil(st)
	}
	for pass, moved := 0, true; moved; pass++ {
		l := st.layout.Load()
		p.group(l, pass > 0)
		moved = false
		for _, index := range p.touched {
			stored, open := l.shards[index].put(p, p.heads[index], rq.now)
			bytes += stored
			moved = moved || !open
			p.heads[index] = -1
		}
	}
	c := &rq.server.counters
	durable := rq.settle()
	for i := range p.entries {
		if p.entries[i].fate == fateStored && !durable {
			p.entries[i].fate = fateFailed
		}
		if p.entries[i].fate != fateStored {
			failed++
		}
	}
	if durable {
		c.recordsIn.Add(uint64(len(p.entries) - failed))
		c.bytesIn.Add(bytes)
	}
	return failed
}

// group chains the entries by shard: all of them, or those that moved.
func (p *putScratch) group(l *layout, moved bool) {
	for len(p.heads) < len(l.shards) {
		p.heads, p.tails = append(p.heads, -1), append(p.tails, -1)
	}
	p.touched = p.touched[:0]
	for i := range p.entries {
		e := &p.entries[i]
		if moved && e.fate != fateMoved {
			continue
		}
		e.shard, e.next, e.fate = int32(l.locate(e.hash).index), -1, e.spoiled
		if e.spoiled != fateStored {
			continue
		}
		if p.heads[e.shard] < 0 {
			p.heads[e.shard] = int32(i)
			p.touched = append(p.touched, e.shard)
		} else {
			p.entries[p.tails[e.shard]].next = int32(i)
		}
		p.tails[e.shard] = int32(i)
	}
}

// put stores a chain of entries as far as the shard's budget goes, and returns
// how many bytes it stored. It stores none if a reshard has closed the shard.
func (sh *shardLog) put(p *putScratch, head int32, now time.Time) (stored uint64, open bool) {
	entries := p.entries
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.ended.Load() != 0 {
		for i := head; i >= 0; i = entries[i].next {
			entries[i].fate = fateMoved
		}
		return 0, false
	}
	now = sh.enter(now)
	arrived := sh.stamp(now)
	granted := sh.grantAll(entries, head, now)
	first := sh.next
	sh.begin(arrived)
	for i := head; i >= 0; i = entries[i].next {
		e := &entries[i]
		if !granted && !sh.grant(1, e.size(), now) {
			e.fate = fateThrottled
			sh.server.counters.throttledWrites.Add(1)
			sh.tally.ThrottledWrites++
			continue
		}
		var ok bool
		if e.counter, ok = sh.accept(e, arrived); !ok {
			e.fate = fateFailed
			continue
		}
		e.arrived = arrived.Unix()
		stored += uint64(e.size())
		sh.tally.RecordsIn++
	}
	sh.tally.BytesIn += stored
	if lsn := sh.end(first); lsn > 0 {
		p.lsn = lsn
		p.unsettled = append(p.unsettled, unsettled{sh, sh.next})
		return stored, true
	}
	sh.wake()
	return stored, true
}

// grantAll takes the budget for a whole chain at once, the usual case: one look
// at the buckets instead of one per record.
func (sh *shardLog) grantAll(entries []putEntry, head int32, now time.Time) bool {
	records, bytes := 0, 0
	for i := head; i >= 0; i = entries[i].next {
		records++
		bytes += entries[i].size()
	}
	if b := sh.budget.writeBytes; b != nil && bytes > b.lim.Burst() {
		return false
	}
	if b := sh.budget.writeRecords; b != nil && records > b.lim.Burst() {
		return false
	}
	return sh.grant(records, bytes, now)
}

// grant takes the budget for writing, or nothing.
func (sh *shardLog) grant(records, bytes int, now time.Time) bool {
	b := &sh.budget
	if !b.writeRecords.has(now, records) || !b.writeBytes.has(now, bytes) {
		return false
	}
	b.writeRecords.charge(now, records)
	b.writeBytes.charge(now, bytes)
	return true
}

// accept stores a granted record, with the faults still to be injected.
func (sh *shardLog) accept(e *putEntry, now time.Time) (counter uint64, ok bool) {
	m := sh.server.mutation
	var flags uint16
	if e.has&hasKMS != 0 {
		flags = flagKMS
	}
	if m.drop.take() {
		left := m.without(e.data)
		if left == nil {
			flags |= flagHidden
		}
		return sh.add(e.key, left, now, flags)
	}
	counter, ok = sh.add(e.key, e.data, now, flags)
	if ok && m.dup.take() {
		sh.add(e.key, m.again(e.data), now, flags)
	}
	return counter, ok
}
