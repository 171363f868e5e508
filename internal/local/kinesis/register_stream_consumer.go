package kinesis

import (
	"fmt"
	"time"

	"github.com/kload/kload/internal/local/httpapi"
)

// registerStreamConsumer is the API action RegisterStreamConsumer.
//
//   - The answer says CREATING; the consumer is ACTIVE at once, or after
//     Config.StateDelay.
//   - The ARN ends in the time of creation, so a consumer registered anew has
//     another one.
//   - At most 20 consumers per stream, 50 while the account is committed to a
//     minimum of throughput; 5 of them CREATING.
func (s *Server) registerStreamConsumer(rq *request) error {
	t, tags, err := rq.readRegisterRequest()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.unlock(rq)
	at := target{arn: t.stream, hasARN: true}
	st, err := at.resolveLocked(s, rq.now)
	if err != nil {
		return err
	}
	if status := st.status(rq.now); status != active && status != updating {
		return httpapi.Refuse("ResourceInUseException", "Stream %s under account %s not ACTIVE or UPDATING, instead in state %s",
			st.name, st.account, status)
	}
	st.forget(rq.now)
	if st.consumers[t.name] != nil {
		return httpapi.Refuse("ResourceInUseException", "Consumer %s under stream %s already exists for account %s.",
			t.name, st.name, st.account)
	}
	if err := st.consumerLimits(rq.now); err != nil {
		return err
	}
	c := st.newConsumer(t.name, rq.now)
	c.tags = tags
	st.touch()
	d := c.describe(rq.now)
	d["ConsumerStatus"] = creating
	return rq.reply(map[string]any{"Consumer": d})
}

func (rq *request) readRegisterRequest() (t consumerTarget, tags map[string]string, err error) {
	err = rq.read(func(m httpapi.Members, v *httpapi.Violations) {
		t.read(m)
		tags = readTags(m, v, false)
		if t.check(v); !t.hasStream {
			v.Missing("streamARN")
		}
		if !t.hasName {
			v.Missing("consumerName")
		}
	})
	return t, tags, err
}

// consumerLimits refuses what would be too many consumers. The server's lock is
// held.
func (st *stream) consumerLimits(now time.Time) error {
	pending := 0
	for _, c := range st.consumers {
		if c.status(now) == creating {
			pending++
		}
	}
	if pending >= maxConsumersCreating {
		return httpapi.Refuse("LimitExceededException", "Only %d consumers can simultaneously be in CREATING state", maxConsumersCreating)
	}
	if most := st.server.consumerQuota(now); len(st.consumers) >= most {
		return httpapi.Refuse("LimitExceededException",
			"Stream %s under account %s has %d consumers registered, which is the limit.", st.name, st.account, most)
	}
	return nil
}

func (s *Server) consumerQuota(now time.Time) int {
	if s.commitment.binding(now) {
		return maxConsumersAdvantage
	}
	return maxConsumers
}

func (st *stream) newConsumer(name string, now time.Time) *consumer {
	epoch := max(now.Unix(), st.epochs[name]+1)
	st.epochs[name] = epoch
	c := &consumer{
		stream: st, name: name, arn: fmt.Sprintf("%s/consumer/%s:%d", st.arn, name, epoch),
		created: time.Unix(epoch, 0), active: now.Add(st.server.cfg.StateDelay), lanes: map[uint32]*lane{},
	}
	c.owner = st
	st.consumers[name] = c
	return c
}
