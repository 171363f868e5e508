package producer

import (
	"context"

	"github.com/kload/kload"
)

// codeWrongShard is the code of an attempt that stored an aggregate in a shard to
// which some of its user records do not belong: KCL would drop them.
const codeWrongShard = "WrongShard"

// stray is a record that was acknowledged in another shard than predicted, before
// it is known whether all of it belongs there.
type stray struct {
	rec             *streamRecord
	shard, sequence string
	at              int64
}

// acknowledged takes in that a record was stored. One that may lie in a wrong
// shard is put aside.
func (s *sender) acknowledged(r *streamRecord, shard, sequence string, now int64) {
	if shard != r.shardID && s.p.misplaced(r, shard) {
		s.strays = append(s.strays, stray{r, shard, sequence, now})
		return
	}
	s.accept(r, shard, sequence, now)
}

// accept ends a record that was acknowledged.
func (s *sender) accept(r *streamRecord, shard, sequence string, now int64) {
	r.tries.Code = ""
	o := r.outcome(kload.Acked)
	o.Acked, o.Shard, o.Sequence = now, shard, sequence
	s.outcomes = append(s.outcomes, o)
	s.decided = append(s.decided, r)
}

// judgeStrays waits for a newer shard map and follows the KPL: a record in a
// child shard that owns all of it is fine, another is sent again, so that every
// user record gets to where KCL does not drop it. Some will be there twice. A map
// that shows nothing new twice over is no reason for further duplicates.
func (s *sender) judgeStrays(ctx context.Context) {
	for _, st := range s.strays {
		r := st.rec
		m := s.p.newerMap(ctx, r.mapEpoch)
		if holds(m, st.shard, r.span) {
			s.accept(r, st.shard, st.sequence, st.at)
			continue
		}
		again := r.stray && m.Epoch() == r.mapEpoch
		r.stray = true
		r.tries.Refused(codeWrongShard) // stored, but not where it counts
		s.p.stats.failure(codeWrongShard, 1)
		if again {
			s.decide(r)
			continue
		}
		if s.retryOrGiveUp(r, st.at) {
			s.p.stats.duplicatesPossible.Add(uint64(len(r.receipts)))
		}
	}
	clear(s.strays)
	s.strays = s.strays[:0]
}

// retryOrGiveUp schedules the next attempt, unless the record's time to live
// would end before it. It says whether there will be one.
func (s *sender) retryOrGiveUp(r *streamRecord, now int64) bool {
	r.tries.Again(now, s.rand.Float64())
	switch {
	case r.expired(r.tries.NotBefore, int64(s.p.o.Config.TTL)):
		s.p.stats.expired.Add(uint64(len(r.receipts)))
	case s.p.o.Config.FailThrottled && r.tries.Throttled():
	default:
		s.again = append(s.again, r)
		return true
	}
	s.decide(r)
	return false
}

// decide ends a record that was not acknowledged.
func (s *sender) decide(r *streamRecord) {
	s.outcomes = append(s.outcomes, r.outcome(r.tries.Lost()))
	s.decided = append(s.decided, r)
}

// conclude delivers what was decided and hands back what is to be sent again.
func (s *sender) conclude() {
	if len(s.outcomes) > 0 {
		s.p.deliver(s.outcomes, s.decided)
		s.p.queue.done(s.decided)
		s.p.settle(s.decided)
	}
	s.p.queue.retry(s.again)
	clear(s.again)
	clear(s.decided)
	s.again, s.decided, s.outcomes = s.again[:0], s.decided[:0], s.outcomes[:0]
}
