// Package direct sends every user record as a stream record of its own, the way
// of programs that call the service themselves: no aggregation, no shard map, no
// order. It keeps what any ingress owes its caller: a byte budget, retries with
// jittered backoff until the time to live ends, and one outcome per record.
//
// The drivers putrecords and putrecord are this with a call of theirs.
package direct

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/awscbor/protocol"
	"github.com/kload/kload/internal/pace"
	"github.com/kload/kload/producer"
)

// Call makes one attempt to store the records of one request and sets one result
// per record. A nil error says that the service answered. It must not keep the
// records.
type Call func(ctx context.Context, batch []*Record, results *protocol.Results) error

// Options says how to send. All of it is required but Linger, TTL, Seed and
// MaxRecord.
type Options struct {
	Clock    *pace.Clock
	Outcomes kload.OutcomeFunc // called from the senders, concurrently
	Seed     uint64            // of the backoff jitter

	Connections int           // calls in flight at most
	TTL         time.Duration // how long a record is retried, from when it was accepted; 0 for ever
	Timeout     time.Duration // of one attempt
	Memory      int           // bytes of records accepted but not yet decided
	MaxRecord   int           // largest record that the stream takes, in bytes; 0 for producer.DefaultMaxRecord
	MaxRecords  int           // per call
	MaxBytes    int           // data and keys per call
	Linger      time.Duration // how long a record waits for a full request

	// NewCall makes the calls of one connection. They are made one at a time, so
	// that they can share memory.
	NewCall func() Call
}

// Ingress is a way into a stream. Unlike what [kload.Ingress] asks for it may be
// used from many goroutines at once.
type Ingress struct {
	o       Options
	queue   *queue
	counts  counts
	stop    context.CancelFunc
	senders sync.WaitGroup
	fatal   atomic.Pointer[error]
	told    atomic.Bool // a put returned the fatal error

	closing  sync.Once
	closeErr error
}

var _ producer.Trier = (*Ingress)(nil)

// New starts the senders. Close ends them.
func New(ctx context.Context, o Options) *Ingress {
	g := &Ingress{o: o, queue: newQueue(&o)}
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	g.stop = stop
	for i := range o.Connections {
		s := newSender(g, rand.New(rand.NewPCG(o.Seed, uint64(i))))
		g.senders.Go(func() { s.run(run) })
	}
	return g
}

// PutBatch accepts records, copying them. See [kload.Ingress].
func (g *Ingress) PutBatch(ctx context.Context, recs []kload.Record) (int, error) {
	return producer.PutWaiting(ctx, g, recs, func(ctx context.Context) error {
		from := g.o.Clock.Now()
		defer func() { g.counts.blockedNs.Add(uint64(g.o.Clock.Now() - from)) }()
		return g.queue.room(ctx)
	})
}

// TryPutBatch is PutBatch without waiting. See [producer.Trier].
func (g *Ingress) TryPutBatch(recs []kload.Record) (int, error) {
	if err := g.usable(); err != nil {
		return 0, err
	}
	n, refused, err := g.queue.accept(recs)
	if len(refused) > 0 {
		g.counts.refused.Add(uint64(len(refused)))
		g.giveUp(refused, "")
	}
	return n, err
}

// Flush sends what waits for a full request and waits for its outcomes. See
// [kload.Ingress].
func (g *Ingress) Flush(ctx context.Context) error { return g.queue.books.Await(ctx, g.queue.cut()) }

// Close flushes, waits for the outcomes until ctx ends, and gives what is left
// its outcome. It returns an error when records were left, or the one that made
// further puts pointless where no put came to return it. See [kload.Ingress].
func (g *Ingress) Close(ctx context.Context) error {
	g.closing.Do(func() { g.closeErr = g.close(ctx) })
	return g.closeErr
}

func (g *Ingress) close(ctx context.Context) error {
	g.queue.close()
	err := g.Flush(ctx)
	if err != nil {
		err = fmt.Errorf("closing the driver with records undecided: %w", err)
	}
	g.stop()
	g.senders.Wait()
	g.giveUp(g.queue.rest(), "Closed")
	if e := g.fatal.Load(); err == nil && e != nil && !g.told.Load() {
		err = *e
	}
	return err
}

// giveUp decides records that will not be sent any more. Code is the reason for
// those that have none.
func (g *Ingress) giveUp(recs []*Record, code string) {
	if len(recs) == 0 {
		return
	}
	out := make([]kload.Outcome, len(recs))
	for i, r := range recs {
		if r.tries.Code == "" {
			r.tries.Code = code
		}
		out[i] = r.outcome(r.tries.Lost())
	}
	g.o.Outcomes(out)
	g.queue.settle(recs)
}

// usable returns the error that made further puts pointless, if any.
func (g *Ingress) usable() error {
	if e := g.fatal.Load(); e != nil {
		g.told.Store(true)
		return *e
	}
	return nil
}
