package kinesis

import (
	"encoding/base64"
	"slices"
	"strconv"
	"time"

	"github.com/kload/kload/internal/local/httpapi"
	"github.com/kload/kload/internal/shard"
)

const (
	maxAnswerRecords = 10000
	maxAnswerBytes   = 10 << 20
	fullAnswerPause  = 5 * time.Second
	maxIterator      = 512 // characters
)

// getRecords is the API action GetRecords.
//
//   - At most 10,000 records and 10 MiB of data and keys per answer, at least one
//     record if there is one, in sequence order; Limit lowers the number.
//   - 5 calls and 2 MiB per second and shard, shared by all who poll it. An answer
//     is given if the budget is not in debt and is then charged whole, so a large
//     one makes the following calls wait. After an answer that the 10 MiB ended,
//     calls are refused for 5 s.
//   - The next iterator is always new, also without records, and expires 5
//     minutes later. Using an iterator twice returns the same records.
//   - MillisBehindLatest is the age of the last record returned, 0 only at the
//     tip. Records trimmed meanwhile are passed over.
//   - A StreamARN may come with the iterator and must name the iterator's stream.
//   - The answer that reaches the end of a closed shard, the first one included,
//     has no next iterator and lists the shards that follow it as ChildShards.
func (s *Server) getRecords(rq *request) error {
	pos, limit, dry, err := rq.readRecordsRequest()
	if err != nil {
		return err
	}
	st, err := s.lookup(pos.stream, s.cfg.Account, rq.now)
	if err != nil {
		return noShard(shardID(pos.shard), pos.stream, s.cfg.Account)
	}
	sh, ok := st.at(pos.shard, rq.now)
	switch {
	case st.created.UnixNano() != pos.created:
		return httpapi.Refuse("InvalidArgumentException", "Invalid ShardIterator.")
	case !ok:
		return noShard(shardID(pos.shard), pos.stream, s.cfg.Account)
	case dry:
		return dryRun()
	}
	if err := rq.judge(st, sh); err != nil {
		return err
	}
	got, granted := sh.get(rq, pos.counter, limit)
	if !granted {
		s.counters.throttledReads.Add(1)
		return httpapi.Refuse("ProvisionedThroughputExceededException", "Rate exceeded for Shard - %s/%s/%s",
			st.account, st.name, sh.id)
	}
	s.confirmed(got.heirs)
	s.counters.recordsOut.Add(uint64(got.records))
	s.counters.bytesOut.Add(uint64(got.bytes))
	rq.appendRecords(sh, got)
	return nil
}

func (rq *request) readRecordsRequest() (pos position, limit int, dry bool, err error) {
	m, err := rq.members()
	if err != nil {
		return pos, 0, false, err
	}
	var t target
	var v httpapi.Violations
	t.arn, t.hasARN = m.String("StreamARN")
	text, ok := m.String("ShardIterator")
	n, limited := m.Int("Limit")
	dry = m.Bool("DryRun")
	if err := m.Err(); err != nil {
		return pos, 0, false, err
	}
	if !limited {
		n = maxAnswerRecords
	}
	v.Range("limit", n, 1, maxAnswerRecords)
	if ok {
		v.Length("shardIterator", text, len(text), 1, maxIterator)
	} else {
		v.Missing("shardIterator")
	}
	t.checkGiven(&v)
	if err := v.Err(); err != nil {
		return pos, 0, false, err
	}
	if pos, err = rq.server.parseIterator(text); err != nil {
		return pos, 0, false, err
	}
	if account, name, _ := splitARN(t.arn); t.hasARN && (name != pos.stream || account != rq.server.cfg.Account) {
		return pos, 0, false, httpapi.Refuse("InvalidArgumentException", "ShardIterator is not one of the stream that StreamARN %s names.", t.arn)
	}
	return pos, int(n), dry, pos.fresh(rq.now, rq.server.cfg.IteratorTTL)
}

// span is a run of records in one slab, retained until the answer is written.
type span struct {
	slab     *slab
	from, to uint32
}

// answer says what a read found; the records themselves are in the request's
// spans.
type answer struct {
	next    uint64
	records int
	bytes   int
	behind  int64       // ms
	last    int64       // arrival of the last record passed, ms since 1970
	heirs   []*shardLog // at the end of a closed shard: what follows it
}

// get collects what an answer may hold, unless the shard's budget for reading is
// used up.
func (sh *shardLog) get(rq *request, counter uint64, limit int) (answer, bool) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	now := sh.enter(rq.now)
	b := &sh.budget
	if now.Before(b.pausedUntil) || !b.readBytes.solvent(now) || !b.readCalls.has(now, 1) {
		sh.tally.ThrottledReads++
		return answer{}, false
	}
	b.readCalls.charge(now, 1)
	got := answer{next: max(counter, sh.oldest(now))}
	var full bool
	rq.spans, full = sh.collect(rq.spans[:0], &got, limit, maxAnswerBytes, now)
	b.readBytes.charge(now, got.bytes)
	if full && b.readBytes != nil {
		b.pausedUntil = now.Add(fullAnswerPause)
	}
	return got, true
}

// collect gathers records from got.next on into spans, moves got.next past them
// and says how far that is from the shard's tip or end. It reports whether the
// answer's size ended it. sh.mu is held.
func (sh *shardLog) collect(spans []span, got *answer, limit, size int, now time.Time) (_ []span, full bool) {
	first, _ := slices.BinarySearchFunc(sh.slabs, got.next, func(s *slab, at uint64) int {
		if s.end() <= at {
			return -1
		}
		return 1
	})
	tip := sh.tip(now)
	for _, s := range sh.slabs[first:] {
		if got.next >= tip {
			break
		}
		if !s.retain() { // trimmed this moment
			got.next = s.end()
			continue
		}
		from := uint32(got.next - s.first)
		to, end := from, uint32(min(s.end(), tip)-s.first)
		for ; to < end && got.records < limit; to++ {
			e := s.entry(to)
			bytes := int(e.size) + int(e.key)
			if got.records > 0 && got.bytes+bytes > size {
				full = true
				break
			}
			got.last = e.arrived
			if !e.hidden() {
				got.records++
				got.bytes += bytes
			}
		}
		spans = append(spans, span{s, from, to})
		got.next = s.first + uint64(to)
		if to < s.n {
			break
		}
	}
	sh.read = max(sh.read, got.next)
	sh.tally.RecordsOut += uint64(got.records)
	sh.tally.BytesOut += uint64(got.bytes)
	switch {
	case got.next < tip:
		got.behind = max(1, sh.stamp(now).UnixMilli()-got.last)
	case got.next < sh.next: // not to be seen yet
	case sh.ended.Load() != 0:
		got.heirs = sh.heirs
	}
	return spans, full || got.bytes >= size
}

// appendRecords writes the answer and lets go of the slabs.
func (rq *request) appendRecords(sh *shardLog, got answer) {
	if rq.cbor {
		rq.appendRecordsCBOR(sh, got)
		return
	}
	const perRecord = 256 // names, numbers and a short key
	rq.out = slices.Grow(rq.out, base64.StdEncoding.EncodedLen(got.bytes)+got.records*perRecord+1024)
	out := append(rq.out, `{"Records":`...)
	out = sh.appendSpans(out, rq.spans)
	if got.heirs == nil {
		out = append(out, `,"NextShardIterator":"`...)
		out = sh.server.appendIterator(out, sh.position(got.next, rq.now))
		out = append(out, '"')
	}
	out = append(out, `,"MillisBehindLatest":`...)
	out = strconv.AppendInt(out, got.behind, 10)
	rq.out = append(appendChildren(out, got.heirs), '}')
}

// appendSpans writes a list of records and lets go of their slabs.
func (sh *shardLog) appendSpans(out []byte, spans []span) []byte {
	out = append(out, '[')
	start := len(out)
	for i := range spans {
		out = sh.appendSpan(out, spans[i], len(out) > start)
		spans[i].slab.release()
	}
	clear(spans)
	return append(out, ']')
}

// appendChildren writes the member ChildShards, nothing unless there are any.
func appendChildren(out []byte, heirs []*shardLog) []byte {
	for i, sh := range heirs {
		if i == 0 {
			out = append(out, `,"ChildShards":[`...)
		} else {
			out = append(out, ',')
		}
		out = append(append(append(out, `{"ShardId":"`...), sh.id...), `","ParentShards":["`...)
		for k, p := range sh.parents {
			if k > 0 {
				out = append(out, `","`...)
			}
			out = append(out, p.id...)
		}
		out = shard.AppendHash(append(out, `"],"HashKeyRange":{"StartingHashKey":"`...), sh.hashes.Start)
		out = shard.AppendHash(append(out, `","EndingHashKey":"`...), sh.hashes.End)
		out = append(out, `"}}`...)
	}
	if len(heirs) > 0 {
		out = append(out, ']')
	}
	return out
}

func (sh *shardLog) appendSpan(out []byte, sp span, comma bool) []byte {
	for i := sp.from; i < sp.to; i++ {
		e := sp.slab.entry(i)
		if e.hidden() {
			continue
		}
		if comma {
			out = append(out, ',')
		}
		comma = true
		out = append(out, `{"SequenceNumber":"`...)
		out = sh.sequence(sp.slab.first+uint64(i), time.UnixMilli(e.arrived)).append(out)
		out = append(out, `","ApproximateArrivalTimestamp":`...)
		out = appendSeconds(out, e.arrived)
		out = append(out, `,"Data":"`...)
		out = base64.StdEncoding.AppendEncode(out, sp.slab.dataOf(e))
		out = append(out, '"')
		if e.key > 0 { // there is none where the service distributes records
			out = append(out, `,"PartitionKey":`...)
			out = httpapi.AppendString(out, sp.slab.keyOf(e))
		}
		if e.flags&flagKMS != 0 {
			out = append(out, encryptedMember...)
		}
		out = append(out, '}')
	}
	return out
}

// appendSeconds writes milliseconds as seconds with three decimals.
func appendSeconds(out []byte, ms int64) []byte {
	out = strconv.AppendInt(out, ms/1000, 10)
	ms %= 1000
	return append(out, '.', byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10))
}
