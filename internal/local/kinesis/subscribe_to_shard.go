package kinesis

import (
	"net/http"
	"strconv"
	"time"

	"github.com/kload/kload/internal/local/httpapi"
)

// subscribeToShard is the API action SubscribeToShard.
//
//   - The answer is an event stream that goes on for Config.SubscriptionLife (5
//     minutes) and then ends cleanly: an initial-response frame, then an event
//     whenever records arrive. An idle stream has an event every 5 s, without
//     records; its ContinuationSequenceNumber moves on all the same, and reading
//     at or after that number neither skips nor repeats a record.
//   - 2 MiB per second for each consumer and shard, one second deep, whatever
//     others read. An event has at most 1 MiB, at least one record.
//   - One subscription per consumer and shard. A call within
//     Config.ResubscribeAfter (5 s) of a successful one is refused; a later one
//     takes over, and the old stream ends with a ResourceInUseException.
//   - The last event of a closed shard has ChildShards and no
//     ContinuationSequenceNumber; then the stream ends.
//   - A slow reader holds back nobody else: records are fetched from the store
//     when the one event before is written. What was trimmed meanwhile is passed
//     over, as with GetRecords.
//   - The rate of one call per second is not enforced beside the 5 s.
//   - Requests in CBOR are refused: events are in JSON.
func (s *Server) subscribeToShard(rq *request) error {
	arn, in, err := rq.readSubscribeRequest()
	if err != nil {
		return err
	}
	index, ok := parseShardID(in.shardID)
	s.mu.RLock()
	defer s.mu.RUnlock()
	t := consumerTarget{arn: arn, hasARN: true}
	c, err := t.resolve(s, rq.now)
	if err != nil {
		return err
	}
	st := c.stream
	sh, there := st.at(index, rq.now)
	switch {
	case c.status(rq.now) != active:
		return httpapi.Refuse("ResourceInUseException", "%s", c.notActive())
	case !ok:
		return httpapi.Refuse("ResourceNotFoundException", "Could not find shard %s in stream %s under account %s.",
			in.shardID, st.name, st.account)
	case !there:
		return noShard(shardID(index), st.name, st.account)
	}
	counter, err := sh.place(in, rq.now)
	if err != nil {
		return err
	}
	if in.dryRun {
		return dryRun()
	}
	if err := rq.judge(st, sh); err != nil {
		return err
	}
	rq.subscription, err = c.subscribe(sh, counter, http.NewResponseController(rq.w), rq.now)
	return err
}

func (c *consumer) notActive() string {
	epoch := c.created.Unix()
	return "Consumer " + c.name + " with creation timestamp " + strconv.FormatInt(epoch, 10) + " under stream: " + c.stream.name +
		", account " + c.stream.account + " is not in ACTIVE status."
}

func (rq *request) readSubscribeRequest() (arn string, in iteratorRequest, err error) {
	in.op = "SubscribeToShard"
	m, err := rq.members()
	if err != nil {
		return "", in, err
	}
	if rq.cbor {
		return "", in, httpapi.Malformed("SubscribeToShard has to be called as %s, its events are in JSON", contentType)
	}
	t := consumerTarget{}
	var hasShard, hasType bool
	t.arn, t.hasARN = m.String("ConsumerARN")
	in.shardID, hasShard = m.String("ShardId")
	in.dryRun = m.Bool("DryRun")
	start, hasStart := m.Object("StartingPosition")
	if hasStart {
		in.kind, hasType = start.String("Type")
		in.sequence, in.hasSeq = start.String("SequenceNumber")
		in.at, in.hasAt = start.Time("Timestamp")
	}
	if err := m.Err(); err != nil {
		return "", in, err
	}
	var v httpapi.Violations
	if !t.hasARN {
		v.Missing("consumerARN")
	}
	t.check(&v)
	if hasShard {
		checkName(&v, "shardId", in.shardID)
	} else {
		v.Missing("shardId")
	}
	switch {
	case !hasStart:
		v.Missing("startingPosition")
	case !hasType:
		v.Missing("startingPosition.type")
	default:
		v.Enum("startingPosition.type", in.kind, afterSequence, latest, atTimestamp, atSequence, trimHorizon)
	}
	if in.hasSeq {
		v.Pattern("startingPosition.sequenceNumber", in.sequence, sequencePattern, isDecimal(in.sequence, 129))
	}
	return t.arn, in, v.Err()
}

// subscribe takes the consumer's lane to a shard, over from an older
// subscription if need be. The server's lock is held.
func (c *consumer) subscribe(sh *shardLog, counter uint64, w *http.ResponseController, now time.Time) (*subscription, error) {
	cfg := &c.stream.server.cfg
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.lanes[sh.index]
	if l == nil {
		l = &lane{bytes: newBucket(cfg.Limits.ConsumerBytes, cfg.Limits.Off)}
		c.lanes[sh.index] = l
	}
	busy := httpapi.Refuse("ResourceInUseException", "Another active subscription exists for this consumer: %s:%s:%s:%s",
		c.stream.account, c.stream.name, sh.id, c.name)
	if !l.since.IsZero() && now.Sub(l.since) < cfg.ResubscribeAfter {
		return nil, busy
	}
	if l.holder != nil {
		l.holder.cut(busy)
	}
	l.since = now
	l.holder = &subscription{
		consumer: c, shard: sh, lane: l, next: counter, until: now.Add(cfg.SubscriptionLife),
		wake: make(chan struct{}, 1), stop: make(chan struct{}), conn: w,
	}
	if c.stream.server.draining {
		l.holder.cut(nil)
	}
	return l.holder, nil
}
