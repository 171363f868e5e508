package producer

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/awscbor/protocol"
	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/pace"
)

// Backoff between attempts: full jitter, a random time up to base·2^attempts,
// never above its cap.
const (
	backoffBase = 25 * time.Millisecond
	backoffCap  = 2 * time.Second
)

// sender carries requests, one at a time. Its slices are reused.
type sender struct {
	p        *Producer
	rand     *rand.Rand
	pacer    *pace.Pacer
	wire     *exchange
	batch    []*streamRecord
	again    []*streamRecord
	decided  []*streamRecord
	outcomes []kload.Outcome

	mispredicted uint64 // epoch of the shard map that was proved wrong, 0 for none
}

func newSender(p *Producer, r *rand.Rand) *sender {
	return &sender{p: p, rand: r, pacer: pace.NewPacer(p.o.Clock), wire: newExchange(&p.o)}
}

func (s *sender) run(ctx context.Context) {
	call := s.wire.context(ctx)
	for {
		s.batch = s.p.queue.take(ctx, s.pacer, s.batch)
		if len(s.batch) == 0 {
			return
		}
		s.send(call)
	}
}

// send makes one attempt for the batch and decides what becomes of each record.
func (s *sender) send(ctx context.Context) {
	s.count()
	results, start, err := s.wire.put(ctx, s.batch)
	s.began(start)
	now := s.p.o.Clock.Now()

	s.again, s.decided, s.outcomes = s.again[:0], s.decided[:0], s.outcomes[:0]
	switch {
	case err != nil:
		class, code := awsclient.Classify(err)
		if class == awsclient.Fatal {
			s.p.fail(awsclient.Explain(err, "putting records"))
		}
		s.callFailed(class, code, now)
	case len(results) != len(s.batch):
		s.callFailed(awsclient.Ambiguous, "BadAnswer", now)
	default:
		s.walk(results, now)
	}
	if len(s.outcomes) > 0 {
		s.p.o.Outcomes(s.outcomes)
		s.p.queue.done(s.decided)
		s.p.settle(s.decided)
	}
	s.p.queue.retry(s.again)
	if s.mispredicted > 0 {
		s.p.refreshMap(ctx, s.mispredicted)
		s.mispredicted = 0
	}
}

// count books an attempt on every record of the batch.
func (s *sender) count() {
	retries := 0
	for _, r := range s.batch {
		if r.attempts > 0 {
			retries++
		}
		r.attempts++
	}
	s.p.stats.requests.Add(1)
	s.p.stats.attempts.Add(uint64(len(s.batch)))
	s.p.stats.retries.Add(uint64(retries))
}

// began notes when the attempt started.
func (s *sender) began(start int64) {
	for _, r := range s.batch {
		if r.attempts == 1 {
			r.first = start
		}
		r.last = start
	}
}

// walk goes through the entries of an answered request.
func (s *sender) walk(results []protocol.Result, now int64) {
	for i, r := range s.batch {
		res := &results[i]
		if res.Code == "" {
			s.acknowledged(r, res.Shard, res.Sequence, now)
			continue
		}
		r.code = res.Code
		if awsclient.ClassifyCode(r.code, 0) == awsclient.Throttled {
			s.p.stats.throttled.Add(1)
		} else {
			s.p.stats.failed.Add(1)
			r.ambiguous++ // the service does not say whether it stored the record
		}
		s.retryOrGiveUp(r, now)
	}
}

func (s *sender) acknowledged(r *streamRecord, shard, sequence string, now int64) {
	o := r.outcome(kload.Acked)
	o.Acked, o.Shard, o.Sequence, o.Code = now, shard, sequence, ""
	s.outcomes = append(s.outcomes, o)
	s.decided = append(s.decided, r)
	if shard != r.shardID {
		s.p.stats.mispredicted.Add(1)
		s.mispredicted = max(s.mispredicted, r.mapEpoch)
	}
}

// callFailed handles a request that failed as a whole.
func (s *sender) callFailed(class awsclient.Class, code string, now int64) {
	n := uint64(len(s.batch))
	if class == awsclient.Throttled {
		s.p.stats.throttled.Add(n)
	} else {
		s.p.stats.failed.Add(n)
	}
	for _, r := range s.batch {
		r.code = code
		if class == awsclient.Ambiguous || class == awsclient.Cancelled {
			r.ambiguous++
		}
		if class == awsclient.Fatal {
			s.decide(r)
			continue
		}
		s.retryOrGiveUp(r, now)
	}
}

// retryOrGiveUp schedules the next attempt, unless the record's time to live
// would end before it.
func (s *sender) retryOrGiveUp(r *streamRecord, now int64) {
	limit := min(backoffCap, backoffBase<<min(r.attempts-1, 10))
	r.notBefore = now + s.rand.Int64N(int64(limit))
	if r.notBefore > r.opened+int64(s.p.o.Config.TTL) {
		s.decide(r)
		return
	}
	s.again = append(s.again, r)
}

// decide ends a record that was not acknowledged.
func (s *sender) decide(r *streamRecord) {
	s.outcomes = append(s.outcomes, r.outcome(r.lost()))
	s.decided = append(s.decided, r)
}

// lost is the status of a record that nothing acknowledged.
func (r *streamRecord) lost() kload.Status {
	if r.ambiguous > 0 {
		return kload.Unknown
	}
	return kload.Rejected
}

func (r *streamRecord) outcome(status kload.Status) kload.Outcome {
	return kload.Outcome{
		Status: status, Attempts: r.attempts, Ambiguous: r.ambiguous,
		FirstAttempt: r.first, LastAttempt: r.last, Code: r.code,
		Shard: r.shardID, Records: r.receipts,
	}
}
