package direct

import (
	"context"
	"math/rand/v2"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/awscbor/protocol"
	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/pace"
)

// sender makes calls, one at a time. Its slices are reused.
type sender struct {
	g       *Ingress
	rand    *rand.Rand
	pacer   *pace.Pacer
	start   *awsclient.Start
	results protocol.Results
	call    Call
	jitter  float64 // of the call under way: what failed together is sent again together

	batch, late, again, decided []*Record
	outcomes                    []kload.Outcome
}

func newSender(g *Ingress, r *rand.Rand) *sender {
	return &sender{g: g, rand: r, pacer: pace.NewPacer(g.o.Clock), start: awsclient.NewStart(g.o.Clock.Now), call: g.o.NewCall()}
}

func (s *sender) run(ctx context.Context) {
	call := protocol.WithResults(awsclient.WithStart(ctx, s.start), &s.results)
	for {
		s.batch, s.late = s.g.queue.take(ctx, s.pacer, s.batch, s.late)
		if len(s.batch)+len(s.late) == 0 {
			return
		}
		s.g.counts.expired.Add(uint64(len(s.late)))
		s.g.giveUp(s.late, "Expired")
		if len(s.batch) > 0 {
			s.send(call)
		}
	}
}

// send makes one attempt for the batch and decides what becomes of each record.
func (s *sender) send(ctx context.Context) {
	s.count()
	s.start.Reset()
	s.results.Reset()
	s.jitter = s.rand.Float64()
	start := s.g.o.Clock.Now()
	limited, cancel := context.WithTimeout(ctx, s.g.o.Timeout)
	err := s.call(limited, s.batch, &s.results)
	cancel()
	if at := s.start.At(); at != 0 {
		start = at // before it had a connection it was no time of the service's
	}
	s.began(start)
	now := s.g.o.Clock.Now()
	switch {
	case err != nil:
		class, code := awsclient.Classify(err)
		if class == awsclient.Fatal {
			err = awsclient.Explain(err, "putting records")
			s.g.fatal.CompareAndSwap(nil, &err)
		}
		s.callFailed(class, code, now)
	case len(s.results.Entries) != len(s.batch):
		s.callFailed(awsclient.Ambiguous, "BadAnswer", now)
	default:
		s.walk(now)
	}
	s.conclude()
}

// count books an attempt on every record of the batch.
func (s *sender) count() {
	again := 0
	for _, r := range s.batch {
		if r.tries.Begin() {
			again++
		}
	}
	c := &s.g.counts
	c.requests.Add(1)
	c.attempts.Add(uint64(len(s.batch)))
	c.retries.Add(uint64(again))
}

// began notes when the attempt started.
func (s *sender) began(start int64) {
	for _, r := range s.batch {
		r.tries.Began(start)
	}
}

// walk goes through the results of an answered call.
func (s *sender) walk(now int64) {
	for i, r := range s.batch {
		res := &s.results.Entries[i]
		if res.Code == "" {
			r.tries.Code = ""
			o := r.outcome(kload.Acked)
			o.Acked, o.Shard, o.Sequence = now, res.Shard, res.Sequence
			s.outcomes = append(s.outcomes, o)
			s.decided = append(s.decided, r)
			continue
		}
		r.tries.Refused(res.Code)
		if r.tries.Throttled() {
			s.g.counts.throttled.Add(1)
		} else {
			s.g.counts.failed.Add(1)
		}
		s.retryOrGiveUp(r, now)
	}
}

// callFailed handles a call that failed as a whole.
func (s *sender) callFailed(class awsclient.Class, code string, now int64) {
	failed := &s.g.counts.failed
	if class == awsclient.Throttled {
		failed = &s.g.counts.throttled
	}
	failed.Add(uint64(len(s.batch)))
	for _, r := range s.batch {
		r.tries.Failed(class, code)
		if class == awsclient.Fatal {
			s.decide(r)
			continue
		}
		s.retryOrGiveUp(r, now)
	}
}

// retryOrGiveUp schedules the next attempt, unless the record's time to live
// would end before it.
func (s *sender) retryOrGiveUp(r *Record, now int64) {
	r.tries.Again(now, s.jitter)
	if r.expired(r.tries.NotBefore, int64(s.g.o.TTL)) {
		s.g.counts.expired.Add(1)
		s.decide(r)
		return
	}
	s.again = append(s.again, r)
}

// decide ends a record that was not acknowledged.
func (s *sender) decide(r *Record) {
	s.outcomes = append(s.outcomes, r.outcome(r.tries.Lost()))
	s.decided = append(s.decided, r)
}

// conclude delivers what was decided and hands back what is to be sent again.
func (s *sender) conclude() {
	if len(s.outcomes) > 0 {
		s.g.o.Outcomes(s.outcomes)
		s.g.queue.settle(s.decided)
	}
	s.g.queue.retry(s.again)
	clear(s.again)
	clear(s.decided)
	s.again, s.decided, s.outcomes = s.again[:0], s.decided[:0], s.outcomes[:0]
}
