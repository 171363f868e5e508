package fanout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/pace"
)

// Source of the times of calls: Amazon Kinesis Data Streams API Reference,
// SubscribeToShard.
const (
	// resubscribeAfter is how long after a successful call the next one for the same
	// consumer and shard is refused.
	resubscribeAfter = 5 * time.Second
	// retryAfter keeps to one call per second for a consumer and shard.
	retryAfter = time.Second
	// silence is how long a stream may say nothing. The service sends an event every
	// few seconds, also without records.
	silence = 40 * time.Second
	// callTimeout bounds one call; the service answers in milliseconds.
	callTimeout = 30 * time.Second
)

// reader reads one shard through one subscription after another.
type reader struct {
	op    *Opener
	shard string
	from  kload.Position
	pacer *pace.Pacer
	sub   *subscription // nil between subscriptions

	due   int64  // when the next call may be made
	began bool   // there has been a subscription
	lost  int64  // when the last one ended
	next  string // continuation of the last event
	last  string // sequence number delivered last
	ended bool   // the shard has
}

// Next waits for the next event and returns it, through as many subscriptions
// as that takes. See [kload.Reader].
func (r *reader) Next(ctx context.Context) (*kload.Batch, error) {
	for !r.ended {
		if r.sub == nil {
			if err := r.subscribe(ctx); err != nil {
				return nil, err
			}
		}
		e, err := r.receive(ctx)
		if err == nil {
			return &e.Batch, nil
		}
		if err := r.lose(ctx, err); err != nil {
			return nil, err
		}
	}
	return nil, io.EOF
}

// receive waits for an event; those of kinds that are not known are passed over.
// An event takes memory from when it begins to come in.
func (r *reader) receive(ctx context.Context) (*event, error) {
	defer r.sub.guard(ctx)()
	for {
		if err := r.sub.head.read(r.sub.body); err != nil {
			return nil, err
		}
		e := r.op.event()
		err := e.frame.read(&r.sub.head, r.sub.body)
		received := r.op.o.Clock.Now() // before decoding, which takes its time
		if err == nil {
			err = r.take(e, received)
		}
		if err == nil {
			return e, nil
		}
		r.op.recycle(e)
		if !errors.Is(err, errUnknown) {
			return nil, err
		}
	}
}

// take makes a batch of a frame. What was delivered before is left out: after a
// cut, the service may begin with records that came through.
func (r *reader) take(e *event, received int64) error {
	switch string(e.frame.message) {
	case "event":
		if string(e.frame.kind) != "SubscribeToShardEvent" {
			return errUnknown
		}
	case "exception":
		var said struct{ Message string }
		_ = json.Unmarshal(e.frame.payload, &said) // the code is what counts
		return awsclient.ServiceError(string(e.frame.kind), said.Message)
	default:
		return awsclient.ServiceError(string(e.frame.kind), string(e.frame.reason))
	}
	if err := e.decode(); err != nil {
		return err
	}
	r.op.stats.repeats.Add(uint64(e.dropThrough(r.last)))
	r.op.stats.events.Add(1)
	if n := len(e.Records); n > 0 {
		r.last = e.Records[n-1].Sequence
	} else {
		r.op.stats.empty.Add(1)
	}
	e.Partition, e.Received, e.Memory = r.shard, received, int64(cap(e.frame.buf))
	r.next, r.ended = e.next, e.End
	if r.ended {
		r.unsubscribe()
	}
	return nil
}

// subscribe calls until there is a subscription, which goes on behind the last
// event. The gap since the last one is recorded.
func (r *reader) subscribe(ctx context.Context) error {
	for {
		if _, err := r.pacer.Until(ctx, r.due); err != nil {
			return err
		}
		sub, err := r.call(ctx)
		now := r.op.o.Clock.Now()
		if err == nil {
			if r.began {
				r.op.gap(now - r.lost)
			}
			r.op.stats.subscriptions.Add(1)
			r.sub, r.began = sub, true
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r.due = max(r.due, now+int64(retryAfter))
		switch class, code := awsclient.Classify(err); {
		case code == inUse:
			r.op.stats.inUse.Add(1)
			r.due = now + int64(resubscribeAfter)
		case class == awsclient.Throttled:
			r.op.stats.throttled.Add(1)
		case class == awsclient.Fatal && !errors.Is(err, errNoStream):
			return explain(err, "subscribing to "+r.shard)
		default:
			r.op.stats.failed.Add(1)
		}
	}
}

// errUnknown is an event of a kind that this package does not know.
var errUnknown = errors.New("an event of an unknown kind")

// errNoStream says that a call was answered, but not with an event stream.
var errNoStream = errors.New("the event stream broke off before its first event")

// call makes one call. A subscription outlives it.
func (r *reader) call(ctx context.Context) (*subscription, error) {
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	sub := &subscription{cancel: cancel, watch: time.AfterFunc(callTimeout, cancel)}
	defer context.AfterFunc(ctx, cancel)()
	var err error
	sub.body, err = r.op.o.Client.Subscribe(own, &kinesis.SubscribeToShardInput{
		ConsumerARN: aws.String(r.op.reg.arn), ShardId: aws.String(r.shard), StartingPosition: r.position(),
	})
	if err != nil {
		sub.close()
		return nil, err
	}
	r.due = r.op.o.Clock.Now() + int64(resubscribeAfter)
	var greeting frame
	err = sub.head.read(sub.body)
	if err == nil {
		err = greeting.read(&sub.head, sub.body)
	}
	if err != nil || string(greeting.kind) != "initial-response" {
		sub.close()
		return nil, errors.Join(errNoStream, err)
	}
	sub.watch.Stop()
	return sub, nil
}

// position says where the next subscription starts. It never goes back to the
// tip once there has been one, which would skip records.
func (r *reader) position() *types.StartingPosition {
	switch {
	case r.next != "":
		return &types.StartingPosition{Type: types.ShardIteratorTypeAfterSequenceNumber, SequenceNumber: aws.String(r.next)}
	case r.from.Start == kload.After:
		return &types.StartingPosition{Type: types.ShardIteratorTypeAtSequenceNumber, SequenceNumber: aws.String(r.from.Sequence)}
	case r.from.Start == kload.TrimHorizon:
		return &types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon}
	case r.began:
		return &types.StartingPosition{Type: types.ShardIteratorTypeAtTimestamp, Timestamp: aws.Time(r.op.start)}
	}
	return &types.StartingPosition{Type: types.ShardIteratorTypeLatest}
}

// inUse is the code of a subscription that somebody else has: of a call that
// comes too early, and of a stream that was taken over.
const inUse = "ResourceInUseException"

// lose books the end of a subscription. It returns an error if there is not to
// be another one.
func (r *reader) lose(ctx context.Context, err error) error {
	r.unsubscribe()
	r.lost = r.op.o.Clock.Now()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var api interface{ ErrorCode() string }
	switch {
	case errors.Is(err, io.EOF): // its five minutes are over
	case errors.Is(err, errMalformed):
		return fmt.Errorf("reading %s: %w", r.shard, err)
	case !errors.As(err, &api):
		r.op.stats.cut.Add(1)
	case api.ErrorCode() == inUse:
		r.op.stats.takenOver.Add(1)
		r.due = max(r.due, r.lost+int64(resubscribeAfter))
	case awsclient.ClassifyCode(api.ErrorCode(), 0) == awsclient.Fatal:
		return explain(err, "reading "+r.shard)
	default:
		r.op.stats.cut.Add(1)
	}
	return nil
}

func (r *reader) unsubscribe() {
	if r.sub != nil {
		r.sub.close()
		r.sub = nil
	}
}

// Close ends the subscription.
func (r *reader) Close() error {
	r.unsubscribe()
	return nil
}

// explain adds to an error what to do about it.
func explain(err error, doing string) error {
	if _, code := awsclient.Classify(err); code == notFound {
		return kload.WithHint(fmt.Errorf("%w: %s: %w", kload.ErrUnreachable, doing, err),
			"the stream or its registered consumer is not there, or not any more: check stream.name and read.fanout.consumer")
	}
	return awsclient.Explain(err, doing)
}

// subscription is one event stream. It belongs to one goroutine.
type subscription struct {
	body   io.ReadCloser
	cancel context.CancelFunc
	watch  *time.Timer // cancels it when it is silent for too long
	head   head
}

// guard ends the subscription with ctx, or when nothing comes for too long, until
// the returned function is called.
func (s *subscription) guard(ctx context.Context) (stop func()) {
	unwatched := context.AfterFunc(ctx, s.cancel)
	s.watch.Reset(silence)
	return func() {
		unwatched()
		s.watch.Stop()
	}
}

func (s *subscription) close() {
	s.watch.Stop()
	s.cancel()
	if s.body != nil {
		_ = s.body.Close() // it was only read
	}
}
