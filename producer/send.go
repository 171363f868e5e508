package producer

import (
	"context"
	"math/rand/v2"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/awscbor/protocol"
	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/pace"
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

	strays []stray // acknowledged where not all of them may belong
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

	s.p.stats.answered(now - start)
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
	s.conclude()
	if len(s.strays) > 0 {
		s.judgeStrays(ctx)
		s.conclude()
	}
}

// count books an attempt on every record of the batch.
func (s *sender) count() {
	retries := 0
	for _, r := range s.batch {
		if r.tries.Begin() {
			retries++
		}
	}
	s.p.stats.requests.Add(1)
	s.p.stats.attempts.Add(uint64(len(s.batch)))
	s.p.stats.retries.Add(uint64(retries))
}

// began notes when the attempt started.
func (s *sender) began(start int64) {
	for _, r := range s.batch {
		r.tries.Began(start)
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
		r.tries.Refused(res.Code)
		s.p.stats.failure(res.Code, 1)
		if r.tries.Throttled() {
			s.p.stats.throttled.Add(1)
		} else {
			s.p.stats.failed.Add(1)
		}
		s.retryOrGiveUp(r, now)
	}
}

// callFailed handles a request that failed as a whole.
func (s *sender) callFailed(class awsclient.Class, code string, now int64) {
	n := uint64(len(s.batch))
	s.p.stats.failure(code, len(s.batch))
	if class == awsclient.Throttled {
		s.p.stats.throttled.Add(n)
	} else {
		s.p.stats.failed.Add(n)
	}
	for _, r := range s.batch {
		r.tries.Failed(class, code)
		if class == awsclient.Fatal {
			s.decide(r)
			continue
		}
		s.retryOrGiveUp(r, now)
	}
}
