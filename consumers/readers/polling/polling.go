// Package polling reads shards with GetRecords at a fixed interval, as
// applications on the shared throughput of a stream do.
//
// Each shard allows five GetRecords calls a second to all its pollers together
// and 2 MiB/s. A refused call is counted and repeated at the next interval; after
// a large answer, which the service lets no other one follow until it is paid
// for (5 s for one of 10 MiB), the reader waits for that long. A record waits half
// an interval on average before it is fetched, and nearly a whole one at the 99th
// percentile.
package polling

import (
	"context"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/conf"
	"github.com/kload/kload/internal/pace"
)

// Config configures the reader.
type Config struct {
	Every Interval `yaml:"every" default:"200ms" help:"time between two GetRecords calls on a shard; kcl3, kcl-lowlat, go, lambda and firehose take theirs"`
	Start string   `yaml:"start" default:"at_run_start" enum:"at_run_start|latest|trim_horizon" help:"where reading starts: at the run's first record, at the tip when the consumer is ready, or at the oldest record"`
	Wire  string   `yaml:"wire" default:"auto" enum:"auto|cbor|json" help:"encoding of answers; auto is cbor with AWS and the embedded target, json with another endpoint"`
	Limit int      `yaml:"limit" default:"10000" help:"stream records per call"`

	AllowThrottling bool `yaml:"allow_throttling" help:"accept more calls than a shard answers"`
}

// Validate checks the limits of GetRecords.
func (c *Config) Validate() []conf.Issue {
	var issues []conf.Issue
	if c.Every < Interval(10*time.Millisecond) {
		issues = append(issues, conf.Issue{
			Field: "every", Msg: "must be at least 10ms",
			Hint: "a shard answers 5 calls per second: 200ms is the fastest one poller can go",
		})
	}
	if c.Limit < 1 || c.Limit > 10_000 {
		issues = append(issues, conf.Issue{Field: "limit", Msg: "must be between 1 and 10000, the most one GetRecords returns"})
	}
	return issues
}

// API is the part of the Kinesis client the reader uses.
type API interface {
	GetRecords(context.Context, *kinesis.GetRecordsInput, ...func(*kinesis.Options)) (*kinesis.GetRecordsOutput, error)
	GetShardIterator(context.Context, *kinesis.GetShardIteratorInput, ...func(*kinesis.Options)) (*kinesis.GetShardIteratorOutput, error)
	ListShards(context.Context, *kinesis.ListShardsInput, ...func(*kinesis.Options)) (*kinesis.ListShardsOutput, error)
}

// Options says what to read.
type Options struct {
	API    API
	Stream string
	Config Config
	Clock  *pace.Clock
	// Fresh says that the run created the stream: whatever it holds is the run's.
	Fresh bool
	// ReadBytes is what a shard gives in a second; 0 for no limit.
	ReadBytes float64
}

// Opener opens the shards of a stream. It is safe for concurrent use.
type Opener struct {
	o     Options
	start time.Time // when the consumer was made: no record of the run is older
	stats counters

	mu    sync.Mutex
	free  []*answer
	bytes int    // of the buffers in free
	opens uint32 // readers opened, to spread their calls over the interval
	first int64  // when the first of them was
}

// New returns an opener.
func New(o Options) *Opener {
	return &Opener{o: o, start: time.Unix(0, o.Clock.Now())}
}

// Partitions lists the shards. See [kload.Opener].
func (op *Opener) Partitions(ctx context.Context) ([]kload.Partition, error) {
	start, _ := kload.ParseStart(op.o.Config.Start)
	if start == kload.AtRunStart && op.o.Fresh {
		start = kload.TrimHorizon
	}
	var parts []kload.Partition
	err := op.persist(ctx, pace.NewPacer(op.o.Clock), "listing the shards of stream "+op.o.Stream, func(ctx context.Context) (err error) {
		parts, err = awsclient.ListPartitions(ctx, op.o.API, op.o.Stream, start)
		return err
	})
	return parts, err
}

// turnBits is the binary logarithm of how many turns the shards have in an
// interval. Of a thousand shards so many share one as a consumer calls at once.
const turnBits = 5

// Open positions a reader on a shard.
func (op *Opener) Open(ctx context.Context, shard string, from kload.Position) (kload.Reader, error) {
	r := &reader{op: op, shard: shard, from: from}
	if err := op.persist(ctx, pace.NewPacer(op.o.Clock), r.seeking(), r.seek); err != nil {
		return nil, err
	}
	op.mu.Lock()
	defer op.mu.Unlock()
	now, every := op.o.Clock.Now(), int64(op.o.Config.Every)
	if op.opens == 0 {
		op.first = now
	}
	// Calls are spread evenly over the interval, by halves, quarters and so on. Many
	// shards share turns: calls that leave together wake the processors once, which
	// takes a tenth off what a record costs on a thousand shards.
	turn := int64(bits.Reverse32(op.opens) >> (32 - turnBits))
	at := op.first + turn*every>>turnBits
	r.next = at + (now-at+every-1)/every*every
	op.opens++
	return r, nil
}

// Close does nothing: polling leaves nothing at the service.
func (*Opener) Close(context.Context) error { return nil }

// callTimeout bounds one call; the service answers in milliseconds.
const callTimeout = 30 * time.Second

// persist makes a call once per interval until it is answered, or refused for
// good.
func (op *Opener) persist(ctx context.Context, pacer *pace.Pacer, doing string, call func(context.Context) error) error {
	for {
		attempt, cancel := context.WithTimeout(ctx, callTimeout)
		err := call(attempt)
		cancel()
		if err == nil {
			return nil
		}
		if err := op.survive(ctx, err, doing); err != nil {
			return err
		}
		if err := pacer.Sleep(ctx, time.Duration(op.o.Config.Every)); err != nil {
			return err
		}
	}
}

// survive counts a failed call that is to be repeated; it returns an error if it
// is not.
func (op *Opener) survive(ctx context.Context, err error, doing string) error {
	class, _ := awsclient.Classify(err)
	switch {
	case ctx.Err() != nil: // whatever the call says, it failed for that
		return ctx.Err()
	case class == awsclient.Throttled:
		op.stats.throttled.Add(1)
	case class == awsclient.Fatal:
		return awsclient.Explain(err, doing)
	default:
		op.stats.failed.Add(1)
	}
	return nil
}

// Stats counts what the readers did.
type Stats struct {
	Calls     uint64 // GetRecords calls that were answered
	Empty     uint64 // of those, without records
	Throttled uint64 // calls refused for their rate
	Failed    uint64 // calls failed otherwise and repeated
	Expired   uint64 // iterators that expired and were replaced
}

type counters struct{ calls, empty, throttled, failed, expired atomic.Uint64 }

// Stats returns the counters so far.
func (op *Opener) Stats() Stats {
	c := &op.stats
	return Stats{
		Calls: c.calls.Load(), Empty: c.empty.Load(), Throttled: c.throttled.Load(),
		Failed: c.failed.Load(), Expired: c.expired.Load(),
	}
}

// Counters returns the counters by their names in results.
func (op *Opener) Counters() map[string]uint64 {
	s := op.Stats()
	return map[string]uint64{
		"get_records": s.Calls, "empty": s.Empty, "read_throttled": s.Throttled,
		"read_failed": s.Failed, "iterators_expired": s.Expired,
	}
}

// CounterNames lists what [Opener.Counters] counts.
func (*Config) CounterNames() []string {
	return []string{"get_records", "empty", "read_throttled", "read_failed", "iterators_expired"}
}
