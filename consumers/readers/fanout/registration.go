package fanout

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/pace"
)

const (
	// poll is the time between two looks at a consumer in the making, and between
	// attempts of a call that fails.
	poll = 500 * time.Millisecond
	// registerLimit is how long a consumer may take to become ACTIVE, room for it on
	// the stream included.
	registerLimit = 2 * time.Minute
	// answerLimit bounds one call about a stream or a consumer; the service answers
	// within a second.
	answerLimit = 10 * time.Second
)

// registration is the registered consumer that subscriptions are for. It is safe
// for concurrent use: whoever looks after it has the turn.
type registration struct {
	o      Options
	client *awsclient.Client
	clock  *pace.Clock
	stream string
	name   string // or ARN

	turn      chan struct{} // a token
	streamARN string
	arn       string // of the consumer once it is ACTIVE; constant after ready has returned
	own       string // ARN of the consumer that was registered here, "" for none
	lost      bool   // an attempt to register may have succeeded: its answer was lost
	swept     bool   // what earlier runs left has been looked for
}

func newRegistration(o Options) *registration {
	r := &registration{o: o, client: o.Client, clock: o.Clock, stream: o.Stream, name: o.Config.Consumer, turn: make(chan struct{}, 1)}
	if r.name == "" {
		r.name = o.madeUp()
	}
	r.turn <- struct{}{}
	return r
}

// take waits for the turn; the caller passes it on with give.
func (r *registration) take(ctx context.Context) error {
	select {
	case <-r.turn:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *registration) give() { r.turn <- struct{}{} }

// ready returns once the consumer is ACTIVE, registering it if need be.
func (r *registration) ready(ctx context.Context) error {
	if err := r.take(ctx); err != nil {
		return err
	}
	defer r.give()
	if r.arn != "" {
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, registerLimit)
	defer cancel()
	err := r.activate(limited)
	if limited.Err() == nil || ctx.Err() != nil {
		return err
	}
	return kload.WithHint(fmt.Errorf("%w: consumer %s is not ACTIVE after %v", kload.ErrUnreachable, r.name, registerLimit),
		"the service makes five consumers at a time: see 'aws kinesis list-stream-consumers', and try again")
}

// activate looks at the consumer until it is ACTIVE.
func (r *registration) activate(ctx context.Context) error {
	for {
		c, err := r.find(ctx)
		if err == nil && c == nil {
			r.sweep(ctx)
			err = r.register(ctx)
		}
		if err != nil {
			return err
		}
		if c != nil && c.ConsumerStatus == types.ConsumerStatusActive {
			r.arn = aws.ToString(c.ConsumerARN)
			return nil
		}
		if err := pace.NewPacer(r.clock).Sleep(ctx, poll); err != nil {
			return err
		}
	}
}

// find describes the consumer. It returns nil if there is none, of a name that
// may be registered.
func (r *registration) find(ctx context.Context) (c *types.ConsumerDescription, err error) {
	in := &kinesis.DescribeStreamConsumerInput{ConsumerARN: aws.String(r.name)}
	stream, _, byARN := splitARN(r.name)
	if byARN && !strings.HasSuffix(stream, ":stream/"+r.stream) {
		return nil, kload.WithHint(fmt.Errorf("%w: consumer %s is not one of stream %s", kload.ErrInvalid, r.name, r.stream),
			"name a consumer of the stream that is read")
	}
	if !byARN {
		if err := r.findStream(ctx); err != nil {
			return nil, err
		}
		in = &kinesis.DescribeStreamConsumerInput{StreamARN: aws.String(r.streamARN), ConsumerName: aws.String(r.name)}
	}
	err = r.persist(ctx, "looking for the registered consumer "+r.name, func(ctx context.Context) error {
		out, err := r.client.Control.DescribeStreamConsumer(ctx, in)
		if _, code := awsclient.Classify(err); code == notFound && !byARN {
			return nil
		}
		if err == nil {
			c = out.ConsumerDescription
		}
		return err
	})
	if c != nil && r.lost {
		r.own, r.lost = aws.ToString(c.ConsumerARN), false
	}
	return c, err
}

const notFound = "ResourceNotFoundException"

// findStream finds the stream's ARN: consumers are not known by stream names.
func (r *registration) findStream(ctx context.Context) error {
	if r.streamARN != "" {
		return nil
	}
	return r.persist(ctx, "looking for stream "+r.stream, func(ctx context.Context) error {
		out, err := r.client.Control.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: aws.String(r.stream)})
		if err == nil {
			r.streamARN = aws.ToString(out.StreamDescriptionSummary.StreamARN)
		}
		return err
	})
}

// register registers the consumer. That somebody else was first is no error.
func (r *registration) register(ctx context.Context) error {
	return r.persist(ctx, "registering consumer "+r.name, func(ctx context.Context) error {
		out, err := r.client.Control.RegisterStreamConsumer(ctx, &kinesis.RegisterStreamConsumerInput{
			StreamARN: aws.String(r.streamARN), ConsumerName: aws.String(r.name),
		}, func(o *kinesis.Options) { o.Retryer = aws.NopRetryer{} }) // else the fate of attempts is not known
		switch class, code := awsclient.Classify(err); {
		case err == nil:
			r.own, r.lost = aws.ToString(out.Consumer.ConsumerARN), false
		case code == inUse:
			return nil
		case code == "LimitExceededException":
			if full := r.full(ctx); full != nil {
				return full
			}
		case class == awsclient.Ambiguous, class == awsclient.Cancelled:
			r.lost = true
		}
		return err
	})
}

// full returns an error if the stream takes no more consumers. Five at a time may
// be in the making: that passes.
func (r *registration) full(ctx context.Context) error {
	const quota = 20
	out, err := r.client.Control.ListStreamConsumers(ctx, &kinesis.ListStreamConsumersInput{StreamARN: aws.String(r.streamARN)})
	moving := func(c types.Consumer) bool { return c.ConsumerStatus != types.ConsumerStatusActive }
	if err != nil || len(out.Consumers) < quota || slices.ContainsFunc(out.Consumers, moving) {
		return nil
	}
	return kload.WithHint(fmt.Errorf("%w: stream %s has %d registered consumers and takes no more", kload.ErrUnreachable, r.stream, len(out.Consumers)),
		"deregister one that is not needed: see 'aws kinesis list-stream-consumers'")
}

// undo deregisters the consumer if it was registered here, and only then.
func (r *registration) undo(ctx context.Context) error {
	if err := r.take(ctx); err != nil {
		return err
	}
	defer r.give()
	err := error(nil)
	if r.lost {
		_, err = r.find(ctx)
	}
	if err == nil && r.own != "" {
		err = r.persist(ctx, "deregistering consumer "+r.name, func(ctx context.Context) error {
			_, err := r.client.Control.DeregisterStreamConsumer(ctx, &kinesis.DeregisterStreamConsumerInput{ConsumerARN: aws.String(r.own)})
			if _, code := awsclient.Classify(err); code == notFound || code == inUse { // gone, or going
				return nil
			}
			return err
		})
	}
	if err != nil {
		return kload.WithHint(err, "deregister consumer "+r.name+" of stream "+r.stream+" by hand: it costs money while it exists")
	}
	r.own = ""
	return nil
}

// persist makes a call until it is answered, or refused for good.
func (r *registration) persist(ctx context.Context, doing string, call func(context.Context) error) error {
	for {
		attempt, cancel := context.WithTimeout(ctx, answerLimit)
		err := call(attempt)
		cancel()
		class, _ := awsclient.Classify(err)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case class == awsclient.Fatal:
			return explain(err, doing)
		}
		if err := pace.NewPacer(r.clock).Sleep(ctx, poll); err != nil {
			return err
		}
	}
}

// splitARN returns the stream's ARN and the consumer's name in that of a
// registered consumer: arn:aws:kinesis:REGION:ACCOUNT:stream/NAME/consumer/NAME:TIME.
func splitARN(arn string) (stream, name string, ok bool) {
	stream, rest, found := strings.Cut(arn, "/consumer/")
	name, time, dated := strings.Cut(rest, ":")
	return stream, name, found && dated && time != "" && validName(name) && strings.HasPrefix(stream, "arn:") && strings.Contains(stream, ":stream/")
}

func validName(s string) bool {
	odd := strings.IndexFunc(s, func(r rune) bool {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		return !letter && r != '_' && r != '.' && r != '-'
	})
	return len(s) >= 1 && len(s) <= 128 && odd < 0
}
