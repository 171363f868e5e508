// Package producer puts records into a Kinesis stream the way the KPL does:
// user records are packed per predicted shard (aggregation), stream records are
// packed into PutRecords requests (collection), failed entries are retried with
// jittered backoff until their time to live ends, and every accepted record
// gets exactly one outcome.
//
// [Producer] is the kinesis ingress; [Load] is the loop that takes records from
// a source at their intended times and hands them to any ingress.
//
// # Ownership
//
// A record's bytes are copied once, into the aggregate of its shard. An
// aggregate belongs to the aggregator until it is sealed, then to the queue,
// then to one sender, and returns to a pool with its outcome.
package producer

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/pace"
)

// API is the part of the Kinesis client that a producer uses.
type API interface {
	PutRecords(context.Context, *kinesis.PutRecordsInput, ...func(*kinesis.Options)) (*kinesis.PutRecordsOutput, error)
	awsclient.ShardLister
}

// Options says where a producer puts records and whom it tells.
type Options struct {
	API      API
	Stream   string
	Config   Config
	Clock    *pace.Clock
	Seed     uint64            // of the backoff jitter
	Outcomes kload.OutcomeFunc // called from the senders
}

// Producer is the kinesis ingress. PutBatch is called from one goroutine at a
// time; everything else is safe for concurrent use.
type Producer struct {
	o      Options
	budget *budget
	queue  *queue
	stats  counters
	tick   *pace.Pacer // of PutBatch

	nonEmpty chan struct{} // holds a token when an aggregate was opened
	stop     context.CancelFunc
	senders  sync.WaitGroup
	others   sync.WaitGroup // linger and shard-map refresh
	fatal    atomic.Pointer[error]
	told     atomic.Bool // PutBatch returned the fatal error
	stale    atomic.Bool // a shard-map refresh is under way

	mu      sync.Mutex // guards what follows
	agg     *aggregator
	epoch   uint64         // advanced by Flush
	open    map[uint64]int // records without an outcome, by epoch
	settled chan struct{}  // closed and replaced when an epoch has none left
	closed  bool

	closing  sync.Once
	closeErr error
}

// New reads the stream's shard map and starts the senders. Close ends them.
func New(ctx context.Context, o Options) (*Producer, error) {
	m, err := shardMap(ctx, o.API, o.Stream, 1)
	if err != nil {
		return nil, err
	}
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	p := &Producer{
		o: o, stop: stop,
		budget:   newBudget(int(o.Config.Memory)),
		queue:    newQueue(o.Clock, o.Config.Collection, o.Config.Ordered),
		tick:     pace.NewPacer(o.Clock),
		nonEmpty: make(chan struct{}, 1),
		agg:      newAggregator(o.Config.Aggregation, m),
		open:     map[uint64]int{},
		settled:  make(chan struct{}),
	}
	for i := range o.Config.Connections {
		s := newSender(p, rand.New(rand.NewPCG(o.Seed, uint64(i))))
		p.senders.Go(func() { s.run(run) })
	}
	p.others.Go(func() { p.linger(run) })
	return p, nil
}

// PutBatch accepts records, copying them into the aggregates of their shards.
// See [kload.Ingress].
func (p *Producer) PutBatch(ctx context.Context, recs []kload.Record) (int, error) {
	done := 0
	for done < len(recs) {
		if err := p.failed(); err != nil {
			return done, err
		}
		n := p.budget.take(recs[done:])
		if n == 0 {
			if err := p.waitForSpace(ctx); err != nil {
				return done, err
			}
			continue
		}
		if err := p.accept(recs[done : done+n]); err != nil {
			return done, err
		}
		done += n
	}
	return done, nil
}

// accept appends records whose bytes were reserved.
func (p *Producer) accept(recs []kload.Record) error {
	now := p.o.Clock.Now()
	var tooLarge []kload.Record
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		for i := range recs {
			p.budget.give(charge(&recs[i]))
		}
		return fmt.Errorf("putting records: %w", kload.ErrClosed)
	}
	bytes, epoch := 0, p.epoch
	for i := range recs {
		r := &recs[i]
		bytes += len(r.Data)
		if tooLargeToStore(r) {
			tooLarge = append(tooLarge, *r)
			continue
		}
		p.agg.add(r, now, charge(r), epoch)
	}
	p.open[epoch] += len(recs)
	p.enqueue()
	p.mu.Unlock()

	p.stats.userRecords.Add(uint64(len(recs)))
	p.stats.bytes.Add(uint64(bytes))
	select {
	case p.nonEmpty <- struct{}{}:
	default:
	}
	if len(tooLarge) > 0 {
		p.refuse(tooLarge, now, epoch)
	}
	return nil
}

// tooLargeToStore tells records that exceed a stream record of their own. A tag
// forces the envelope on it, which repeats the key.
func tooLargeToStore(r *kload.Record) bool {
	n := len(r.Data) + len(r.Key)
	if r.Tag != nil {
		n += len(r.Key) + len(r.Tag) + envelopeBytes
	}
	return n > maxRecordBytes
}

// enqueue moves sealed records to the queue. p.mu is held.
func (p *Producer) enqueue() {
	if len(p.agg.sealed) == 0 {
		return
	}
	p.stats.streamRecords.Add(uint64(len(p.agg.sealed)))
	p.queue.push(p.agg.sealed)
	clear(p.agg.sealed)
	p.agg.sealed = p.agg.sealed[:0]
}

// refuse rejects records that can never be stored.
func (p *Producer) refuse(recs []kload.Record, now int64, epoch uint64) {
	p.stats.tooLarge.Add(uint64(len(recs)))
	out := make([]kload.Outcome, len(recs))
	for i, r := range recs {
		out[i] = kload.Outcome{Status: kload.Rejected, Code: "RecordTooLarge", Records: []kload.Receipt{{
			Producer: r.Producer, Seq: r.Seq, Bytes: uint32(len(r.Data)), Intended: r.Intended, Accepted: now,
		}}}
		p.budget.give(charge(&r))
	}
	p.o.Outcomes(out)
	p.mu.Lock()
	p.decided(epoch, len(recs))
	p.mu.Unlock()
}

// waitForSpace waits until some records are decided. What is buffered is left
// to linger, so that a slow target does not cause small aggregates, unless there
// is nothing else to wait for.
func (p *Producer) waitForSpace(ctx context.Context) error {
	from := p.o.Clock.Now()
	p.sealIdle()
	err := p.budget.wait(ctx, p.tick)
	p.stats.blockedNs.Add(uint64(p.o.Clock.Now() - from))
	return err
}

// sealIdle seals everything if nothing accepted is on its way.
func (p *Producer) sealIdle() {
	p.mu.Lock()
	defer p.mu.Unlock()
	held := 0
	for _, n := range p.open {
		held += n
	}
	if p.agg.pending() == held {
		p.agg.sealAll()
		p.enqueue()
	}
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
		p.mu.Lock()
		next = p.agg.sealDue(p.o.Clock.Now())
		p.enqueue()
		p.mu.Unlock()
	}
}

// Flush sends what is buffered and waits for its outcomes. See [kload.Ingress].
func (p *Producer) Flush(ctx context.Context) error {
	p.mu.Lock()
	p.agg.sealAll()
	p.enqueue()
	upTo := p.epoch
	p.epoch++
	p.mu.Unlock()
	return p.await(ctx, upTo)
}

// await waits until no record of an epoch up to upTo is open.
func (p *Producer) await(ctx context.Context, upTo uint64) error {
	for {
		p.mu.Lock()
		open, changed := 0, p.settled
		for e, n := range p.open {
			if e <= upTo {
				open += n
			}
		}
		p.mu.Unlock()
		if open == 0 {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// settle takes records with an outcome off the books.
func (p *Producer) settle(recs []*streamRecord) {
	bytes := 0
	p.mu.Lock()
	for _, r := range recs {
		bytes += r.charge
		p.decided(r.epoch, len(r.receipts))
		p.agg.pool.put(r)
	}
	p.mu.Unlock()
	p.budget.give(bytes)
}

// decided takes n records of a flush epoch off the books. p.mu is held.
func (p *Producer) decided(epoch uint64, n int) {
	p.open[epoch] -= n
	if p.open[epoch] > 0 {
		return
	}
	delete(p.open, epoch)
	close(p.settled)
	p.settled = make(chan struct{})
}

// Close flushes, waits for the outcomes until ctx ends, and gives what is left
// its outcome: Unknown where an attempt may have stored it, Rejected elsewhere.
// It returns an error when records were left, or the one that made further puts
// pointless where no PutBatch came to return it. See [kload.Ingress].
func (p *Producer) Close(ctx context.Context) error {
	p.closing.Do(func() { p.closeErr = p.close(ctx) })
	return p.closeErr
}

func (p *Producer) close(ctx context.Context) error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	err := p.Flush(ctx)
	if err != nil {
		err = fmt.Errorf("closing the producer with records undecided: %w", err)
		p.stop()
	}
	p.queue.close()
	p.senders.Wait()
	p.giveUp(p.queue.rest())
	p.stop()
	p.others.Wait()
	if e := p.fatal.Load(); err == nil && e != nil && !p.told.Load() {
		err = *e
	}
	return err
}

// giveUp decides records that will not be sent any more.
func (p *Producer) giveUp(recs []*streamRecord) {
	if len(recs) == 0 {
		return
	}
	out := make([]kload.Outcome, 0, len(recs))
	for _, r := range recs {
		if r.code == "" {
			r.code = "Closed"
		}
		out = append(out, r.outcome(r.lost()))
	}
	p.o.Outcomes(out)
	p.settle(recs)
}

// failed returns the error that made further puts pointless, if any.
func (p *Producer) failed() error {
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
	return map[string]uint64{
		"retries": s.Retries, "failed": s.Failed, "mispredicted": s.Mispredicted, "too_large": s.TooLarge,
		"blocked_ns": s.BlockedNs, "peak_bytes": s.PeakBytes, "map_refresh_failed": s.MapRefreshFailed,
	}
}

// Stats returns the counters so far.
func (p *Producer) Stats() Stats { return p.stats.snapshot(p.budget.high()) }

var _ kload.Ingress = (*Producer)(nil)
