package fanout

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/kload/kload/internal/awsclient"
)

// A consumer that is registered for a run alone is named after it, and after a time
// at which the run is over for sure: reader-7f3a2b1c-until-20260102T1504Z. Runs that
// are killed leave theirs behind, which the name tells from those of others and from
// those of runs that go on.

const (
	until     = "-until-"
	untilForm = "20060102T1504Z"
)

// madeUp is the name of the consumer to register for the run.
func (o *Options) madeUp() string {
	return o.Name + "-" + o.Run + until + o.Until.UTC().Format(untilForm)
}

// leftover reports whether a consumer has a name that a run with these options makes
// up, and when that run is over.
func (o *Options) leftover(name string) (over time.Time, ok bool) {
	run, stamp, ok := strings.Cut(name, until)
	own, number := strings.CutPrefix(run, o.Name+"-")
	if !ok || !number || len(own) != len(o.Run) || strings.Trim(own, "0123456789abcdef") != "" {
		return time.Time{}, false
	}
	over, err := time.Parse(untilForm, stamp)
	return over, err == nil
}

// sweep deregisters what earlier runs have registered for this consumer and left
// behind. Failing to is no reason not to run.
func (r *registration) sweep(ctx context.Context) {
	if r.o.Config.Consumer != "" || r.o.Fresh || r.swept {
		return
	}
	r.swept = true
	limited, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	out, err := r.client.Control.ListStreamConsumers(limited, &kinesis.ListStreamConsumersInput{StreamARN: aws.String(r.streamARN)})
	if err != nil {
		return
	}
	now := time.Unix(0, r.clock.Now())
	for _, c := range out.Consumers {
		name := aws.ToString(c.ConsumerName)
		over, ok := r.o.leftover(name)
		switch {
		case !ok:
		case now.Before(over):
			r.note("registered consumer %s is of another run, which may go on: if it was killed, deregister the consumer, which costs money", name)
		default:
			r.forget(limited, name, aws.ToString(c.ConsumerARN))
		}
	}
}

// forget deregisters a consumer that a run left behind.
func (r *registration) forget(ctx context.Context, name, arn string) {
	_, err := r.client.Control.DeregisterStreamConsumer(ctx, &kinesis.DeregisterStreamConsumerInput{ConsumerARN: aws.String(arn)})
	switch _, code := awsclient.Classify(err); {
	case err == nil:
		r.note("deregistered consumer %s, which an earlier run had left behind", name)
	case code != notFound && code != inUse: // gone, or going
		r.note("consumer %s, which an earlier run left behind, cannot be deregistered: %v", name, err)
	}
}

func (r *registration) note(format string, args ...any) {
	if r.o.Note != nil {
		r.o.Note(format, args...)
	}
}
