package kinesis

import (
	"sort"
	"time"

	"github.com/kload/kload/internal/local/httpapi"
)

const (
	atSequence    = "AT_SEQUENCE_NUMBER"
	afterSequence = "AFTER_SEQUENCE_NUMBER"
	trimHorizon   = "TRIM_HORIZON"
	latest        = "LATEST"
	atTimestamp   = "AT_TIMESTAMP"
)

// iteratorRequest is the input of GetShardIterator.
type iteratorRequest struct {
	op       string // the operation, for messages
	target   target
	shardID  string
	kind     string
	sequence string
	hasSeq   bool
	at       time.Time
	hasAt    bool
	dryRun   bool
}

// getShardIterator is the API action GetShardIterator.
//
//   - All five types. LATEST is fixed when the iterator is made, not when it is
//     first used: a record put between the two is read.
//   - AT_TIMESTAMP has millisecond precision; a time before the trim horizon is
//     the horizon, one in the future is refused.
//   - Closed shards are read like open ones until they vanish; their ending
//     sequence number is taken too.
//   - Iterators expire 5 minutes after they were issued.
//   - The rate of 5 calls per second per shard is not enforced.
func (s *Server) getShardIterator(rq *request) error {
	in, err := rq.readIteratorRequest()
	if err != nil {
		return err
	}
	index, ok := parseShardID(in.shardID)
	if !ok {
		_, name := in.target.called(s)
		return httpapi.Refuse("ResourceNotFoundException", "Could not find shard %s in stream %s under account %s.",
			in.shardID, name, s.cfg.Account)
	}
	id := shardID(index)
	st, err := in.target.resolve(s, rq.now)
	if err != nil {
		return shardInstead(err, id, in.target, s)
	}
	sh, ok := st.at(index, rq.now)
	if !ok {
		return noShard(id, st.name, st.account)
	}
	counter, err := sh.place(in, rq.now)
	if err != nil {
		return err
	}
	if in.dryRun {
		return dryRun()
	}
	rq.out = append(rq.out, `{"ShardIterator":"`...)
	rq.out = s.appendIterator(rq.out, sh.position(counter, rq.now))
	rq.out = append(rq.out, `"}`...)
	return nil
}

func (rq *request) readIteratorRequest() (in iteratorRequest, err error) {
	m, err := rq.members()
	if err != nil {
		return in, err
	}
	var v httpapi.Violations
	var hasShard, hasKind bool
	in.op = "GetShardIterator"
	in.target.read(m)
	in.shardID, hasShard = m.String("ShardId")
	in.kind, hasKind = m.String("ShardIteratorType")
	in.sequence, in.hasSeq = m.String("StartingSequenceNumber")
	in.at, in.hasAt = m.Time("Timestamp")
	in.dryRun = m.Bool("DryRun")
	if err := m.Err(); err != nil {
		return in, err
	}
	if hasShard {
		checkName(&v, "shardId", in.shardID)
	} else {
		v.Missing("shardId")
	}
	if hasKind {
		v.Enum("shardIteratorType", in.kind, afterSequence, latest, atTimestamp, atSequence, trimHorizon)
	} else {
		v.Missing("shardIteratorType")
	}
	if in.hasSeq {
		v.Pattern("startingSequenceNumber", in.sequence, sequencePattern, isDecimal(in.sequence, 129))
	}
	in.target.check(&v)
	return in, v.Err()
}

// shardInstead words a missing stream as the missing shard it implies.
func shardInstead(err error, shardID string, t target, s *Server) error {
	if asError(err).Code != "ResourceNotFoundException" {
		return err
	}
	account, name := t.called(s)
	return noShard(shardID, name, account)
}

// position returns the iterator's content for a place in the shard.
func (sh *shardLog) position(counter uint64, now time.Time) position {
	return position{
		stream: sh.stream.name, created: sh.stream.created.UnixNano(), shard: sh.index,
		counter: counter, issued: now.UnixMilli(),
	}
}

// place returns the counter where an iterator of the requested type starts.
func (sh *shardLog) place(in iteratorRequest, now time.Time) (uint64, error) {
	bySequence := in.kind == atSequence || in.kind == afterSequence
	if bySequence != in.hasSeq && in.kind != atTimestamp {
		tail := "no StartingSequenceNumber."
		if in.hasSeq {
			tail = "also a StartingSequenceNumber."
		}
		return 0, httpapi.Refuse("InvalidArgumentException",
			"Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and StartingSequenceNumber or "+
				"(2) TRIM_HORIZON or LATEST and no StartingSequenceNumber. Request specified %s and %s", in.kind, tail)
	}
	if in.kind == atTimestamp {
		if err := in.checkTime(now); err != nil {
			return 0, err
		}
	}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	now = sh.enter(now)
	switch in.kind {
	case latest:
		return sh.settled, nil
	case trimHorizon:
		return sh.oldest(now), nil
	case atTimestamp:
		return max(sh.oldest(now), sh.since(in.at.UnixMilli())), nil
	}
	return sh.placeBySequence(in)
}

func (in iteratorRequest) checkTime(now time.Time) error {
	if !in.hasAt {
		return httpapi.Refuse("InvalidArgumentException",
			"Must specify timestampInMillis parameter for iterator of type AT_TIMESTAMP. Current request has no timestamp parameter.")
	}
	if at := in.at.UnixMilli(); at > now.UnixMilli() {
		return httpapi.Refuse("InvalidArgumentException",
			"The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. "+
				"timestampInMillis: %d, currentTimestampInMillis: %d", at, now.UnixMilli())
	}
	return nil
}

// placeBySequence returns the counter for AT_ and AFTER_SEQUENCE_NUMBER. sh.mu
// is held.
func (sh *shardLog) placeBySequence(in iteratorRequest) (uint64, error) {
	invalid := func(why string) error {
		return httpapi.Refuse("InvalidArgumentException",
			"StartingSequenceNumber %s used in %s on shard %s in stream %s under account %s is invalid%s.",
			in.sequence, in.op, sh.id, sh.stream.name, sh.stream.account, why)
	}
	q, ok := parseSequence(in.sequence)
	switch {
	case !ok:
		return 0, invalid("")
	case q.shard != sh.index:
		return 0, httpapi.Refuse("InvalidArgumentException",
			"Invalid StartingSequenceNumber. It encodes shardId-%012d, while it was used in a call to a shard with %s",
			q.shard, sh.id)
	case q.created != sh.epoch:
		return 0, invalid(" because it did not come from this stream")
	case q.counter == lastCounter && sh.ended.Load() != 0:
		return sh.settled, nil
	case q.counter >= sh.settled:
		return 0, invalid("")
	case in.kind == afterSequence || sh.passed(q):
		return q.counter + 1, nil
	}
	return q.counter, nil
}

// passed reports whether a sequence number lies behind the record with its
// counter: that of an idle subscription moves on with the time alone. sh.mu is
// held.
func (sh *shardLog) passed(q sequence) bool {
	i := sort.Search(len(sh.slabs), func(i int) bool { return sh.slabs[i].end() > q.counter })
	if i == len(sh.slabs) || sh.slabs[i].first > q.counter || !sh.slabs[i].retain() {
		return true // its record is gone
	}
	defer sh.slabs[i].release()
	return q.arrived > sh.slabs[i].entry(uint32(q.counter-sh.slabs[i].first)).arrived/1000
}
