package kinesis

import (
	"bytes"
	"sync"
	"time"

	"github.com/kload/kload/internal/local/httpapi"
)

// rates are the budgets of control-plane operations, in calls per second, by
// operation and, where the service counts per stream, by stream. They are
// enforced only with Limits.Control: a test or a tool that asks often would
// otherwise wait for nothing.
type rates struct {
	mu      sync.Mutex
	buckets map[string]*bucket
}

// pace refuses a control-plane call over its rate.
func (s *Server) pace(name string, a *action, rq *request) error {
	if !s.cfg.Limits.Control || a.rate == 0 {
		return nil
	}
	stream := s.streamNamed(rq)
	key := name
	if a.perStream && stream != "" {
		key += "/" + stream
	}
	if s.rates.take(key, a.rate, rq.now) {
		return nil
	}
	if stream == "" {
		return httpapi.Refuse("LimitExceededException", "Rate exceeded for account %s.", s.cfg.Account)
	}
	return httpapi.Refuse("LimitExceededException", "Rate exceeded for stream %s under account %s.", stream, s.cfg.Account)
}

func (r *rates) take(key string, perSecond float64, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.buckets[key]
	if b == nil {
		b = newBucket(perSecond, false)
		r.buckets[key] = b
	}
	if !b.has(now, 1) {
		return false
	}
	b.charge(now, 1)
	return true
}

// streamNamed returns the stream that a request names, if it exists: what does
// not has no budget of its own.
func (s *Server) streamNamed(rq *request) string {
	v, err := rq.parse(bytes.Clone(rq.body)) // parsing consumes
	if err != nil {
		return ""
	}
	m := httpapi.NewMembers(v)
	name, ok := m.String("StreamName")
	for _, member := range []string{"StreamARN", "ResourceARN", "ConsumerARN"} {
		if ok {
			break
		}
		var arn string
		if arn, ok = m.String(member); ok {
			_, name, _ = splitARN(arn)
			if stream, _, consumer := splitConsumerARN(arn); consumer {
				_, name, _ = splitARN(stream)
			}
		}
	}
	if _, err := s.lookup(name, s.cfg.Account, rq.now); err != nil {
		return ""
	}
	return name
}
