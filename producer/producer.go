// Package producer puts records into a Kinesis stream the way the KPL does:
// user records are packed per predicted shard (aggregation), stream records are
// packed into PutRecords requests (collection), failed entries are retried with
// jittered backoff until their time to live ends, and every accepted record
// gets exactly one outcome.
//
// [New] makes a [Producer] with a client of the AWS SDK; Put and PutBatch hand it
// records, OnResult and Stats tell what becomes of them, and Close sends the rest.
//
// [Producer] is the kinesis ingress; [Load] is the loop that takes records from
// a source at their intended times and hands them to any ingress.
//
// # Ownership
//
// A record's bytes are copied once, into the aggregate of its shard. An
// aggregate belongs to the aggregator until it is sealed, then to the queue,
// then to one sender, and returns to a pool with its outcome.
//
// # Locks
//
// Callers hold the intake lock shared while they append, and the lock of each
// shard's lane once per batch. A new shard map, and Close, take it exclusively.
// Lane locks come before the queue's, which comes before those of books, pool and
// counters. Nothing is sent, and no digest computed, under any of them.
package producer

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/epochs"
	"github.com/kload/kload/internal/pace"
)

// API is the part of the Kinesis client that a producer uses. One that also has
// DescribeStreamSummary lets the producer find out that it must not aggregate.
type API interface {
	PutRecords(context.Context, *kinesis.PutRecordsInput, ...func(*kinesis.Options)) (*kinesis.PutRecordsOutput, error)
	awsclient.ShardLister
}

// Tuned is an option of kinesis.NewFromConfig that makes a client send at the least
// cost: in CBOR, which AWS's Java SDKs speak to Kinesis too and which takes a third
// of the CPU of JSON; in one attempt per call, since the producer retries by itself;
// and over up to 64 HTTP/1.1 connections, or as many as the client's transport says.
// A client without it works, too, if its retries are off (aws.NopRetryer).
func Tuned(o *kinesis.Options) { awsclient.Tune(awsclient.CBOR)(o) }

// TunedJSON is [Tuned] for endpoints that understand JSON only, as many that stand
// for Kinesis in tests.
func TunedJSON(o *kinesis.Options) { awsclient.Tune(awsclient.JSON)(o) }

// Options says where a producer puts records and whom it tells.
type Options struct {
	API    API    // such as a *kinesis.Client made with [Tuned]
	Stream string // its name
	// MaxRecord is the largest stream record in bytes, partition key included, that
	// the stream takes; 0 stands for [DefaultMaxRecord].
	MaxRecord int
	// Config; the zero value stands for [DefaultConfig].
	Config Config
	Clock  *pace.Clock // nil for one of its own
	Seed   uint64      // of the backoff jitter and of random partition keys
	// Outcomes, if not nil, is told what becomes of records, those of one stream
	// record together. It is called from the senders.
	Outcomes kload.OutcomeFunc
	// Event, if not nil, is told what a user should know, such as that the stream
	// takes no aggregates: a kind in snake_case and details. It is called
	// concurrently and must not block.
	Event func(kind string, details map[string]any)
}

// Producer is the kinesis ingress. All its methods are safe for concurrent use.
type Producer struct {
	o        Options
	budget   *budget
	books    *epochs.Books
	pool     *recordPool
	queue    *queue
	stats    *counters
	scatter  sync.Pool // of *scatter
	onResult atomic.Pointer[func(Result)]

	nonEmpty chan struct{} // holds a token when an aggregate was opened
	stop     context.CancelFunc
	senders  sync.WaitGroup
	others   sync.WaitGroup // linger and shard-map refresh
	fatal    atomic.Pointer[error]
	told     atomic.Bool // a put returned the fatal error
	refresh  *refresher

	intake sync.RWMutex // guards what follows
	agg    *aggregator
	closed bool

	closing  sync.Once
	closeErr error
}

func errClosed() error { return fmt.Errorf("putting records: %w", kload.ErrClosed) }

// check fills in what is left out and refuses what cannot work.
func (o *Options) check() error {
	if o.Clock == nil {
		o.Clock = pace.NewClock()
	}
	if o.Config == (Config{}) {
		o.Config = DefaultConfig()
	}
	switch {
	case o.API == nil:
		return fmt.Errorf("%w: there is no API to put records with", kload.ErrInvalid)
	case o.Stream == "":
		return fmt.Errorf("%w: there is no stream to put records into", kload.ErrInvalid)
	case o.MaxRecord == 0:
		o.MaxRecord = DefaultMaxRecord
	case o.MaxRecord < DefaultMaxRecord, o.MaxRecord > LargestRecord:
		return fmt.Errorf("%w: no stream takes records of up to %d bytes: it is from 1 MiB to 10 MiB", kload.ErrInvalid, o.MaxRecord)
	}
	return kload.WithHint(o.Config.check(), "begin with DefaultConfig and change fields of that")
}

// New reads the stream's shard map and starts the senders. Close ends them. An
// error is a [kload.ErrInvalid] where the options are at fault.
func New(ctx context.Context, o Options) (*Producer, error) {
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("making a producer: %w", err)
	}
	m, err := shardMap(ctx, o.API, o.Stream, 1)
	if err != nil {
		return nil, err
	}
	cfg := &o.Config
	p := &Producer{
		budget: newBudget(int(cfg.Memory)), books: epochs.New(), pool: newRecordPool(cfg),
		stats: newCounters(int(cfg.Aggregation.MaxBytes)), scatter: sync.Pool{New: newScatter},
		nonEmpty: make(chan struct{}, 1), refresh: newRefresher(),
	}
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	p.o, p.stop = o, stop
	p.checkDistribution(ctx)
	split := &splitter{cfg: cfg.Aggregation, seed: ^o.Seed, pool: p.pool, books: p.books, stats: p.stats}
	p.queue = newQueue(o.Clock, cfg, m, split)
	p.queue.expired = p.expire
	p.agg = p.newAggregator(m)
	for i := range cfg.Connections {
		s := newSender(p, rand.New(rand.NewPCG(o.Seed, uint64(i))))
		p.senders.Go(func() { s.run(run) })
	}
	p.others.Go(func() { p.linger(run) })
	p.others.Go(func() { p.refreshMaps(run) })
	return p, nil
}

// linger seals aggregates whose first record has waited long enough.
func (p *Producer) linger(ctx context.Context) {
	pacer := pace.NewPacer(p.o.Clock)
	var next int64
	for {
		wake := p.nonEmpty
		if next != 0 {
			wake = nil // whatever opens now is due later than what we wait for
		}
		if pacer.Wait(ctx, next, wake) != nil {
			return
		}
		next = p.sealDue(p.o.Clock.Now())
	}
}

func (p *Producer) wakeLinger() {
	select {
	case p.nonEmpty <- struct{}{}:
	default:
	}
}

// early is the part of the linger time by which an aggregate may be sealed too
// soon, beside one whose time has come. Were each of a thousand shards to have a
// moment of its own, there would be a request for each.
const early = 16

// sealDue seals what has lingered until now, or nearly so, and returns when the
// next aggregate will have, or 0 when none is open.
func (p *Producer) sealDue(now int64) (next int64) {
	p.intake.RLock()
	defer p.intake.RUnlock()
	busy, soon := false, now+int64(p.o.Config.Aggregation.Linger)/early
	for i := range p.agg.lanes {
		if due := p.agg.lanes[i].due.Load(); due != 0 && due <= soon {
			busy = !p.trySeal(i, soon) || busy
		}
	}
	if next = p.agg.lingering(); busy {
		next = max(next, now+int64(lingerAgain))
	}
	return next
}

// lingerAgain is when a lane that was in use is looked at again.
const lingerAgain = time.Millisecond

// trySeal seals and queues the open aggregate of one lane if it is due by a time.
// It says whether it could see to that: who appends to a lane may have lost its
// processor, and nobody should wait for that. p.intake is held.
func (p *Producer) trySeal(i int, by int64) bool {
	l := &p.agg.lanes[i]
	if !l.mu.TryLock() {
		return false
	}
	defer l.mu.Unlock()
	if l.due.Load() <= by { // it may be another one by now
		p.agg.seal(i, flushLinger)
		p.queue.push(l.take())
	}
	return true
}

// sealAll seals every open aggregate.
func (p *Producer) sealAll(why flushReason) {
	p.intake.RLock()
	defer p.intake.RUnlock()
	for i := range p.agg.lanes {
		p.seal(i, why)
	}
}

// seal seals and queues the open aggregate of one lane. p.intake is held.
func (p *Producer) seal(i int, why flushReason) {
	l := &p.agg.lanes[i]
	l.mu.Lock()
	defer l.mu.Unlock()
	p.agg.seal(i, why)
	p.queue.push(l.take())
}

// Flush sends what is buffered and waits for its outcomes. See [kload.Ingress].
func (p *Producer) Flush(ctx context.Context) error { return p.flush(ctx, flushManual) }

func (p *Producer) flush(ctx context.Context, why flushReason) error {
	upTo := p.books.Cut()
	p.sealAll(why)
	return p.books.Await(ctx, upTo)
}

// settle takes records with an outcome off the books.
func (p *Producer) settle(recs []*streamRecord) {
	bytes := 0
	for _, r := range recs {
		bytes += r.charge
	}
	epochs.End(p.books, recs)
	p.pool.put(recs)
	p.budget.give(bytes)
}

// Close flushes, waits for the outcomes until ctx ends, and gives what is left
// its outcome: Unknown where an attempt may have stored it, Rejected elsewhere.
// It returns an error when records were left, or the one that made further puts
// pointless where no put came to return it. See [kload.Ingress].
func (p *Producer) Close(ctx context.Context) error {
	p.closing.Do(func() { p.closeErr = p.close(ctx) })
	return p.closeErr
}

func (p *Producer) close(ctx context.Context) error {
	p.intake.Lock()
	p.closed = true
	p.intake.Unlock()
	err := p.flush(ctx, flushClose)
	if err != nil {
		err = fmt.Errorf("closing the producer with records undecided: %w", err)
		p.stop()
	}
	p.queue.close()
	p.senders.Wait()
	p.giveUp(p.queue.rest(), "Closed")
	p.stop()
	p.others.Wait()
	if e := p.fatal.Load(); err == nil && e != nil && !p.told.Load() {
		err = *e
	}
	return err
}

// expire decides records whose time to live ended while they were queued.
func (p *Producer) expire(recs []*streamRecord) { p.giveUp(recs, "Expired") }

// giveUp decides records that will not be sent any more. Code is the reason for
// those that were not attempted.
func (p *Producer) giveUp(recs []*streamRecord, code string) {
	if len(recs) == 0 {
		return
	}
	now := p.o.Clock.Now()
	out := make([]kload.Outcome, 0, len(recs))
	for _, r := range recs {
		if r.tries.Code == "" {
			r.tries.Code = code
		}
		if r.expired(now, int64(p.o.Config.TTL)) {
			p.stats.expired.Add(uint64(len(r.receipts)))
		}
		out = append(out, r.outcome(r.tries.Lost()))
	}
	p.deliver(out, recs)
	p.settle(recs)
}

// usable returns the error that made further puts pointless, if any.
func (p *Producer) usable() error {
	if e := p.fatal.Load(); e != nil {
		p.told.Store(true)
		return *e
	}
	return nil
}

func (p *Producer) fail(err error) {
	p.fatal.CompareAndSwap(nil, &err)
}

// Counters returns the counters that have no place of their own in a summary.
// See [kload.Counted].
func (p *Producer) Counters() map[string]uint64 {
	s := p.Stats()
	return s.counterMap()
}

// Stats returns the counters so far.
func (p *Producer) Stats() Stats {
	s := p.stats.snapshot(p.budget.peak.Load())
	s.ThrottledBy = p.queue.throttlesByShard()
	return s
}

var _ kload.Ingress = (*Producer)(nil)
