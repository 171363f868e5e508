// Package fanout reads shards with SubscribeToShard, as applications with
// enhanced fan-out do: the service pushes records as they arrive, and each
// registered consumer has 2 MiB/s of every shard to itself.
//
// A subscription ends after five minutes, when its connection is lost, or when
// somebody else takes it over; the reader then subscribes again behind the last
// event that came through whole. The service refuses that within five seconds of
// the last successful call. How long each gap was is recorded.
//
// Nothing is read ahead: an event stays in the network until it is asked for, and
// its records are parts of the memory it was read into.
package fanout

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/conf"
	"github.com/kload/kload/internal/hdr"
	"github.com/kload/kload/internal/pace"
)

// Config configures the reader.
type Config struct {
	Consumer string `yaml:"consumer" help:"registered consumer to read as, by name or ARN. A name that is not taken is registered for the run; if absent, so is one made up for it, which later runs of the consumer deregister should this run be killed"`
	Start    string `yaml:"start" default:"at_run_start" enum:"at_run_start|latest|trim_horizon" help:"where reading starts: at the run's first record, at the tip when the consumer is ready, or at the oldest record"`
}

// Validate checks the consumer's name.
func (c *Config) Validate() []conf.Issue {
	if c.Consumer == "" || validName(c.Consumer) {
		return nil
	}
	if _, _, ok := splitARN(c.Consumer); ok {
		return nil
	}
	return []conf.Issue{{
		Field: "consumer", Msg: "is neither the name nor the ARN of a registered consumer",
		Hint: "use 1 to 128 letters, digits, and _ . - or arn:aws:kinesis:…:stream/NAME/consumer/NAME:TIME",
	}}
}

// Hops lists what is measured beside the hops of every consumer.
func (*Config) Hops() []kload.Hop { return []kload.Hop{kload.HopResubscribe} }

// Options says what to read.
type Options struct {
	Client *awsclient.Client
	Stream string
	Config Config
	Clock  *pace.Clock
	Hops   *hdr.Set
	// Name begins the name of the consumer to register where Config has none, Run
	// follows it: hexadecimal digits, always as many, which no other run has. Until is a
	// time at which the run is over for sure. Later runs of that Name then deregister
	// what was left behind, as by a run that was killed.
	Name, Run string
	Until     time.Time
	// Note is told of what earlier runs left behind; nil drops it.
	Note func(format string, args ...any)
	// Fresh says that the run created the stream: whatever it holds is the run's.
	Fresh bool
}

// Opener opens the shards of a stream. It is safe for concurrent use.
type Opener struct {
	o     Options
	start time.Time // when the consumer was made: no record of the run is older
	gaps  *hdr.Recorder
	reg   *registration
	stats counters

	mu    sync.Mutex
	free  []*event
	bytes int // of the memory in free
}

// New returns an opener. It has to be closed.
func New(o Options) *Opener {
	return &Opener{o: o, start: time.Unix(0, o.Clock.Now()), gaps: o.Hops.NewRecorder(), reg: newRegistration(o)}
}

// Partitions lists the shards. See [kload.Opener].
func (op *Opener) Partitions(ctx context.Context) ([]kload.Partition, error) {
	start, _ := kload.ParseStart(op.o.Config.Start)
	if start == kload.AtRunStart && op.o.Fresh {
		start = kload.TrimHorizon
	}
	var parts []kload.Partition
	err := op.reg.persist(ctx, "listing the shards of stream "+op.o.Stream, func(ctx context.Context) (err error) {
		parts, err = awsclient.ListPartitions(ctx, op.o.Client.Control, op.o.Stream, start)
		return err
	})
	return parts, err
}

// Open subscribes to a shard. The first call registers the consumer and waits
// until it may subscribe, which takes the service up to a minute.
func (op *Opener) Open(ctx context.Context, shard string, from kload.Position) (kload.Reader, error) {
	if err := op.reg.ready(ctx); err != nil {
		return nil, err
	}
	r := &reader{op: op, shard: shard, from: from, pacer: pace.NewPacer(op.o.Clock)}
	if err := r.subscribe(ctx); err != nil {
		return nil, err
	}
	return r, nil
}

// Close deregisters the consumer, if the opener has registered it.
func (op *Opener) Close(ctx context.Context) error { return op.reg.undo(ctx) }

// gap records a time without a subscription.
func (op *Opener) gap(ns int64) {
	op.gaps.Lock()
	defer op.gaps.Unlock()
	op.gaps.Record(kload.HopResubscribe, ns)
}

type counters struct {
	subscriptions, cut, takenOver atomic.Uint64
	inUse, throttled, failed      atomic.Uint64
	events, empty, repeats        atomic.Uint64
}

// Counters returns what the readers did, by the names in results.
func (op *Opener) Counters() map[string]uint64 {
	c := &op.stats
	return map[string]uint64{
		"subscriptions": c.subscriptions.Load(), "subscriptions_cut": c.cut.Load(), "subscriptions_taken_over": c.takenOver.Load(),
		"subscribe_in_use": c.inUse.Load(), "subscribe_throttled": c.throttled.Load(), "subscribe_failed": c.failed.Load(),
		"events": c.events.Load(), "events_empty": c.empty.Load(), "repeats_dropped": c.repeats.Load(),
	}
}

// CounterNames lists what [Opener.Counters] counts.
func (*Config) CounterNames() []string {
	return []string{
		"subscriptions", "subscriptions_cut", "subscriptions_taken_over",
		"subscribe_in_use", "subscribe_throttled", "subscribe_failed",
		"events", "events_empty", "repeats_dropped",
	}
}
