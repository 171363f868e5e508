package kinesis

import (
	"errors"
	"time"

	"github.com/kload/kload/internal/local/httpapi"
)

// putRecord is the API action PutRecord.
//
//   - One record, with the size rules of PutRecords.
//   - Over the shard's budget the whole call is refused.
//   - SequenceNumberForOrdering must be a number that a shard of this stream has
//     issued. Since a shard is written under one lock, the promise it asks for
//     (a larger number than that) always holds.
func (s *Server) putRecord(rq *request) error {
	p := &rq.put
	if err := rq.scanSingle(); err != nil {
		return err
	}
	var v httpapi.Violations
	if p.ordered {
		v.Pattern("sequenceNumberForOrdering", p.ordering, sequencePattern, isDecimal(p.ordering, 129))
	}
	e := &p.entries[0]
	p.auto = s.auto(&p.target, rq.now)
	e.check(&v, "", p.auto)
	p.target.check(&v)
	if err := v.Err(); err != nil {
		return err
	}
	st, err := rq.admit()
	if err != nil {
		return err
	}
	if p.ordered && p.auto {
		return httpapi.Refuse("InvalidArgumentException", "SequenceNumberForOrdering can not be used with stream %s under account %s: "+
			"its record distribution strategy is AUTO.", st.name, st.account)
	}
	if p.ordered && !st.issued(p.ordering, rq.now) {
		return httpapi.Refuse("InvalidArgumentException",
			"ExclusiveMinimumSequenceNumber %s used in PutRecord on stream %s under account %s is invalid.",
			p.ordering, st.name, st.account)
	}
	rq.store(st)
	sh := st.layout.Load().shards[e.shard]
	switch e.fate {
	case fateThrottled:
		return httpapi.Refuse("ProvisionedThroughputExceededException", "%s", sh.writeThrottle())
	case fateFailed:
		return errStoreTooSmall
	}
	rq.out = sh.appendReceipt(rq.out, e, p.kms)
	return nil
}

// errStoreTooSmall: the stream is being deleted, or one record is larger than
// the whole store.
var errStoreTooSmall = errors.New("no room for the record")

// issued reports whether text is a sequence number of this stream, as of now.
func (st *stream) issued(text string, now time.Time) bool {
	q, ok := parseSequence(text)
	shards := st.layout.Load().shards
	if !ok || uint64(q.shard) >= uint64(len(shards)) || q.created != shards[q.shard].epoch || q.arrived > now.Unix() {
		return false
	}
	sh := shards[q.shard]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return q.counter < sh.next
}
