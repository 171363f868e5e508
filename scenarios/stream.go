package scenarios

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/trace"
	"github.com/kload/kload/internal/units"
	"github.com/kload/kload/producer"
)

// Deadlines of control-plane work.
const (
	streamReady = 2 * time.Minute
	streamPoll  = 250 * time.Millisecond
	lastWord    = 3 * time.Second // for a call under way when the user gives up
	cleanUp     = 30 * time.Second
	lastReport  = 10 * time.Second // for the embedded target to finish calls and report
)

// sleeper waits, or returns ctx's error.
type sleeper func(context.Context, time.Duration) error

// prepare makes the stream ready: creates it if it is the run's to create, and
// waits until it is active.
func (e *endpoint) prepare(ctx context.Context, sleep sleeper) error {
	ctx, cancel := context.WithTimeout(ctx, streamReady)
	defer cancel()
	if e.spec.Stream.Create {
		if err := e.create(ctx, sleep); err != nil {
			return err
		}
	}
	if err := e.awaitActive(ctx, sleep); err != nil {
		return err
	}
	if err := e.negotiate(ctx); err != nil {
		return err
	}
	if err := e.stock(ctx); err != nil {
		return err
	}
	var err error
	e.shards, err = awsclient.ListShards(ctx, e.client.Control, e.spec.Stream.Name)
	return err
}

// resume makes an endpoint ready that another run has used: its actions may have
// changed the shards.
func (e *endpoint) resume(ctx context.Context) error {
	var err error
	e.shards, err = awsclient.ListShards(ctx, e.client.Control, e.spec.Stream.Name)
	return err
}

// create creates the stream. It makes a single attempt, and does not stop in the
// middle of it: a retry after a lost answer would meet the stream it has itself
// created and take it for someone else's. A stream of that name that is being
// deleted is waited out.
func (e *endpoint) create(ctx context.Context, sleep sleeper) error {
	name := e.spec.Stream.Name
	for {
		attempt, cancel := outlive(ctx, sleep)
		_, err := e.client.Control.CreateStream(attempt, e.spec.Stream.input(), func(o *kinesis.Options) { o.Retryer = aws.NopRetryer{} })
		cancel()
		if err == nil {
			e.created = true
			return nil
		}
		class, _ := awsclient.Classify(err)
		switch {
		case e.beingDeleted(ctx, err), class == awsclient.Throttled:
			if serr := sleep(ctx, streamPoll); serr == nil {
				continue
			}
		case class == awsclient.Ambiguous, class == awsclient.Cancelled:
			return kload.WithHint(fmt.Errorf("%w: creating stream %s: %w", kload.ErrUnreachable, name, err),
				"the stream may exist now: look for it, and delete it if it is this run's, because it costs money")
		}
		return awsclient.Explain(err, "creating stream "+name)
	}
}

// input is what the stream is created with.
func (s *Stream) input() *kinesis.CreateStreamInput {
	in := &kinesis.CreateStreamInput{StreamName: aws.String(s.Name), ShardCount: aws.Int32(int32(s.Shards))}
	if s.MaxRecord > producer.DefaultMaxRecord { // older endpoints do not know it
		in.MaxRecordSizeInKiB = aws.Int32(int32(s.MaxRecord / units.KiB))
	}
	return in
}

// outlive returns a context for a call that should come to its end: it lives on
// for a few seconds after ctx.
func outlive(ctx context.Context, sleep sleeper) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	release := context.AfterFunc(ctx, func() {
		if sleep(longer, lastWord) == nil {
			cancel()
		}
	})
	return longer, func() {
		release()
		cancel()
	}
}

// beingDeleted reports whether the name is taken only by a stream that goes.
func (e *endpoint) beingDeleted(ctx context.Context, err error) bool {
	if _, code := awsclient.Classify(err); code != "ResourceInUseException" {
		return false
	}
	s, err := e.describeStream(ctx)
	if _, code := awsclient.Classify(err); err != nil {
		return code == "ResourceNotFoundException"
	}
	return s.StreamStatus == types.StreamStatusDeleting
}

func (e *endpoint) describeStream(ctx context.Context) (*types.StreamDescriptionSummary, error) {
	out, err := e.client.Control.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: aws.String(e.spec.Stream.Name)})
	if err != nil {
		return nil, err
	}
	return out.StreamDescriptionSummary, nil
}

// awaitActive waits until the stream can be written and read. A stream just
// created may not be found at first.
func (e *endpoint) awaitActive(ctx context.Context, sleep sleeper) error {
	name := e.spec.Stream.Name
	for {
		s, err := e.describeStream(ctx)
		switch {
		case err != nil && !e.passing(err):
			return awsclient.Explain(err, "waiting for stream "+name)
		case err != nil:
		case s.StreamStatus == types.StreamStatusActive, s.StreamStatus == types.StreamStatusUpdating:
			e.born = aws.ToTime(s.StreamCreationTimestamp)
			return errors.Join(e.distribution(s), e.recordSize(s))
		case s.StreamStatus == types.StreamStatusDeleting:
			return kload.WithHint(fmt.Errorf("%w: stream %s is being deleted", kload.ErrUnreachable, name), "wait a minute, or choose another stream.name")
		}
		if serr := sleep(ctx, streamPoll); serr != nil {
			return kload.WithHint(fmt.Errorf("%w: waiting for stream %s to become active: %w", kload.ErrUnreachable, name, errors.Join(serr, err)),
				"try again; creating many shards takes time")
		}
	}
}

// passing reports whether an error of describing the stream may pass.
func (e *endpoint) passing(err error) bool {
	class, code := awsclient.Classify(err)
	return class == awsclient.Throttled || e.created && (class == awsclient.Ambiguous || code == "ResourceNotFoundException")
}

// distribution refuses what needs aggregation on a stream that spreads records as
// it likes. Other loads go on without: consumers would drop aggregates whose keys
// are not their shard's.
func (e *endpoint) distribution(s *types.StreamDescriptionSummary) error {
	if s.RecordDistributionStrategy != types.RecordDistributionStrategyAuto {
		return nil
	}
	for name, l := range e.spec.Load.All() {
		if l.Trace == trace.Tag.String() {
			return kload.WithHint(fmt.Errorf("%w: stream %s has record distribution AUTO, which does not take the aggregates that carry the trace of load %s", kload.ErrInvalid, e.spec.Stream.Name, name),
				"set trace: prefix or json")
		}
	}
	return nil
}

// recordSize refuses a stream that takes smaller records than those that the
// scenario was planned for.
func (e *endpoint) recordSize(s *types.StreamDescriptionSummary) error {
	takes, want := units.Bytes(aws.ToInt32(s.MaxRecordSizeInKiB))*units.KiB, e.spec.Stream.MaxRecord
	if takes >= want || want <= producer.DefaultMaxRecord {
		return nil
	}
	return kload.WithHint(fmt.Errorf("%w: stream %s takes records of up to %s, and stream.max_record is %s", kload.ErrInvalid, e.spec.Stream.Name, max(takes, producer.DefaultMaxRecord), want),
		"lower stream.max_record, or let the stream take more with the API action UpdateMaxRecordSize")
}

// deleteStream deletes the stream that this run created, unless another one has
// taken its name meanwhile.
func (e *endpoint) deleteStream(ctx context.Context) error {
	name := e.spec.Stream.Name
	const hint = "look for the stream and delete it by hand: it costs money while it exists"
	if !e.born.IsZero() {
		s, err := e.describeStream(ctx)
		if err != nil {
			return kload.WithHint(awsclient.Explain(err, "looking for stream "+name+" to delete it"), hint)
		}
		if !aws.ToTime(s.StreamCreationTimestamp).Equal(e.born) {
			return kload.WithHint(fmt.Errorf("not deleting stream %s: it is not the one this run created", name), "somebody else has created it anew")
		}
	}
	// A consumer that was deregistered counts as registered for a while.
	_, err := e.client.Control.DeleteStream(ctx, &kinesis.DeleteStreamInput{StreamName: aws.String(name), EnforceConsumerDeletion: aws.Bool(true)})
	if err != nil {
		return kload.WithHint(awsclient.Explain(err, "deleting stream "+name), hint)
	}
	return nil
}
