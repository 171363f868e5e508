package kinesis

import (
	"encoding/json"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/kload/kload/internal/local/httpapi"
)

const (
	maxConsumers          = 20 // of a stream
	maxConsumersCreating  = 5
	maxConsumersAdvantage = 50
	consumerPattern       = `^(arn):aws.*:kinesis:.*:\d{12}:.*stream\/[a-zA-Z0-9_.-]+\/consumer\/[a-zA-Z0-9_.-]+:[0-9]+`
)

// consumer is a registered consumer of a stream. What is neither immutable nor
// behind its own lock the server's lock guards.
type consumer struct {
	resource
	stream  *stream
	name    string
	arn     string
	created time.Time // whole seconds, as in the ARN
	active  time.Time // when CREATING ends
	deleted time.Time // when DELETING ends; zero while nobody deleted it

	mu    sync.Mutex
	lanes map[uint32]*lane // by shard
}

// lane is a consumer's way to one shard. At most one subscription holds it.
type lane struct {
	bytes  *bucket   // outlives subscriptions, so that nobody gains by a new one
	since  time.Time // of the last successful call
	holder *subscription
}

func (c *consumer) status(now time.Time) string {
	switch {
	case !c.deleted.IsZero():
		return deleting
	case now.Before(c.active):
		return creating
	}
	return active
}

// describe returns what all descriptions of a consumer share.
func (c *consumer) describe(now time.Time) map[string]any {
	return map[string]any{
		"ConsumerName": c.name, "ConsumerARN": c.arn, "ConsumerStatus": c.status(now),
		"ConsumerCreationTimestamp": instant(c.created),
	}
}

// instant is a time as answers have it: a number of seconds.
type instant time.Time

// MarshalJSON writes the seconds since 1970, with milliseconds where there are
// any.
func (t instant) MarshalJSON() ([]byte, error) {
	return json.Marshal(float64(time.Time(t).UnixMilli()) / 1000)
}

// forget drops consumers whose deletion is complete. The server's lock is held.
func (st *stream) forget(now time.Time) {
	for name, c := range st.consumers {
		if !c.deleted.IsZero() && !now.Before(c.deleted) {
			delete(st.consumers, name)
		}
	}
}

// remove ends a consumer and its subscriptions. The server's lock is held.
func (c *consumer) remove(now time.Time) {
	c.deleted = now.Add(c.stream.server.cfg.StateDelay)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.lanes {
		if l.holder != nil {
			l.holder.cut(noConsumer(c.name, c.stream.name, c.stream.account))
		}
	}
}

func noConsumer(name, stream, account string) *httpapi.Error {
	return httpapi.Refuse("ResourceNotFoundException", "Consumer %s under stream %s under account %s not found.", name, stream, account)
}

// consumerTarget is how a request names a consumer: by its ARN, by the stream's
// ARN and its name, or by all three if they agree.
type consumerTarget struct {
	arn, stream, name          string
	hasARN, hasStream, hasName bool
}

func (t *consumerTarget) read(m httpapi.Members) {
	t.arn, t.hasARN = m.String("ConsumerARN")
	t.stream, t.hasStream = m.String("StreamARN")
	t.name, t.hasName = m.String("ConsumerName")
}

func (t *consumerTarget) check(v *httpapi.Violations) {
	if t.hasARN {
		_, _, ok := splitConsumerARN(t.arn)
		v.Pattern("consumerARN", t.arn, consumerPattern, ok)
		v.Length("consumerARN", t.arn, len(t.arn), 1, maxARN)
	}
	if t.hasStream {
		st := target{arn: t.stream, hasARN: true}
		st.checkGiven(v)
	}
	if t.hasName {
		checkName(v, "consumerName", t.name)
	}
}

// splitConsumerARN returns the stream's ARN and the consumer's name.
func splitConsumerARN(arn string) (stream, name string, ok bool) {
	stream, rest, found := strings.Cut(arn, "/consumer/")
	_, streamName, known := splitARN(stream)
	name, epoch, dated := strings.Cut(rest, ":")
	_, err := strconv.ParseUint(epoch, 10, 63)
	return stream, name, found && known && dated && err == nil && isName(streamName) && isName(name)
}

// resolve returns the consumer. The server's lock is held.
func (t *consumerTarget) resolve(s *Server, now time.Time) (*consumer, error) {
	streamARN, name := t.stream, t.name
	switch {
	case t.hasARN:
		streamARN, name, _ = splitConsumerARN(t.arn)
		if t.hasStream && t.stream != streamARN || t.hasName && t.name != name {
			return nil, httpapi.Refuse("InvalidArgumentException",
				"ConsumerARN %s does not name the consumer that StreamARN and ConsumerName do.", t.arn)
		}
	case !t.hasStream || !t.hasName:
		return nil, httpapi.Refuse("InvalidArgumentException",
			"Either ConsumerARN or both StreamARN and ConsumerName should be provided.")
	}
	at := target{arn: streamARN, hasARN: true}
	st, err := at.resolveLocked(s, now)
	if err != nil {
		return nil, err
	}
	c, ok := st.consumers[name]
	if !ok || !c.deleted.IsZero() && !now.Before(c.deleted) || t.hasARN && !sameARN(c.arn, t.arn) {
		return nil, noConsumer(name, st.name, st.account)
	}
	return c, nil
}

// sameARN compares but for partition and Region: there is only this server.
func sameARN(a, b string) bool {
	_, a, _ = strings.Cut(a, ":stream/")
	_, b, _ = strings.Cut(b, ":stream/")
	return a == b
}

// readConsumerTarget reads a request that does no more than name a consumer.
func (rq *request) readConsumerTarget() (t consumerTarget, err error) {
	m, err := rq.members()
	if err != nil {
		return t, err
	}
	t.read(m)
	if err := m.Err(); err != nil {
		return t, err
	}
	var v httpapi.Violations
	t.check(&v)
	return t, v.Err()
}
