package kinesis

import (
	"encoding/base64"
	"slices"
	"strconv"
	"time"

	"github.com/kload/kload/internal/local/httpapi"
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
//   - ChildShards does not occur: shards are not split or merged yet.
func (s *Server) getRecords(rq *request) error {
	pos, limit, dry, err := rq.readRecordsRequest()
	if err != nil {
		return err
	}
	st, ok := s.find(pos.stream, rq.now)
	switch {
	case !ok || int(pos.shard) >= len(st.shards):
		return noShard(shardID(pos.shard), pos.stream, s.cfg.Account)
	case st.created.UnixNano() != pos.created:
		return httpapi.Refuse("InvalidArgumentException", "Invalid ShardIterator.")
	case dry:
		return dryRun()
	}
	sh := st.shards[pos.shard]
	got, granted := sh.get(rq, pos.counter, limit)
	if !granted {
		s.counters.throttledReads.Add(1)
		return httpapi.Refuse("ProvisionedThroughputExceededException", "Rate exceeded for Shard - %s/%s/%s",
			st.account, st.name, sh.id)
	}
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
	if pos, err = rq.server.parseIterator(text); err == nil {
		err = pos.fresh(rq.now, rq.server.cfg.IteratorTTL)
	}
	return pos, int(n), dry, err
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
	behind  int64 // ms
}

// get collects what an answer may hold, unless the shard's budget for reading is
// used up.
func (sh *shardLog) get(rq *request, counter uint64, limit int) (answer, bool) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	now := sh.enter(rq.now)
	b := &sh.budget
	if now.Before(b.pausedUntil) || !b.readBytes.solvent(now) || !b.readCalls.has(now, 1) {
		return answer{}, false
	}
	b.readCalls.charge(now, 1)
	got := answer{next: max(counter, sh.oldest(now))}
	full, last := sh.collect(rq, &got, limit)
	b.readBytes.charge(now, got.bytes)
	if full && b.readBytes != nil {
		b.pausedUntil = now.Add(fullAnswerPause)
	}
	sh.read = max(sh.read, got.next)
	if got.next < sh.next {
		got.behind = max(1, now.UnixMilli()-last)
	}
	return got, true
}

// collect gathers records from got.next on into rq.spans and moves got.next past
// them. It reports whether the answer's size ended it, and when the last record
// arrived. sh.mu is held.
func (sh *shardLog) collect(rq *request, got *answer, limit int) (full bool, last int64) {
	rq.spans = rq.spans[:0]
	first, _ := slices.BinarySearchFunc(sh.slabs, got.next, func(s *slab, at uint64) int {
		if s.end() <= at {
			return -1
		}
		return 1
	})
	for _, s := range sh.slabs[first:] {
		if !s.retain() { // trimmed this moment
			got.next = s.end()
			continue
		}
		from := uint32(got.next - s.first)
		to := from
		for ; to < s.n && got.records < limit; to++ {
			e := s.entry(to)
			size := int(e.size) + int(e.key)
			if got.records > 0 && got.bytes+size > maxAnswerBytes {
				full = true
				break
			}
			last = e.arrived
			if !e.hidden {
				got.records++
				got.bytes += size
			}
		}
		rq.spans = append(rq.spans, span{s, from, to})
		got.next = s.first + uint64(to)
		if to < s.n {
			break
		}
	}
	return full || got.bytes >= maxAnswerBytes, last
}

// appendRecords writes the answer and lets go of the slabs.
func (rq *request) appendRecords(sh *shardLog, got answer) {
	if rq.cbor {
		rq.appendRecordsCBOR(sh, got)
		return
	}
	const perRecord = 256 // names, numbers and a short key
	rq.out = slices.Grow(rq.out, base64.StdEncoding.EncodedLen(got.bytes)+got.records*perRecord+1024)
	out := append(rq.out, `{"Records":[`...)
	start := len(out)
	for i := range rq.spans {
		out = sh.appendSpan(out, rq.spans[i], len(out) > start)
		rq.spans[i].slab.release()
	}
	clear(rq.spans)
	out = append(out, `],"NextShardIterator":"`...)
	out = sh.server.appendIterator(out, sh.position(got.next, rq.now))
	out = append(out, `","MillisBehindLatest":`...)
	out = strconv.AppendInt(out, got.behind, 10)
	rq.out = append(out, '}')
}

func (sh *shardLog) appendSpan(out []byte, sp span, comma bool) []byte {
	for i := sp.from; i < sp.to; i++ {
		e := sp.slab.entry(i)
		if e.hidden {
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
		out = append(out, `","PartitionKey":`...)
		out = httpapi.AppendString(out, sp.slab.keyOf(e))
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
