// Package leases divides the partitions of an input among the workers of one
// consumer, in one process or many, the way the Kinesis Client Library (KCL) does.
//
// Each partition has a lease in a [kload.Store]: who owns it, and the checkpoint.
// An owner renews its leases every third of their duration, which moves their
// counters. A lease whose counter has stood still for the whole duration, by the
// clock of whoever looks, is free to be taken. As an owner counts the duration
// from before its last renewal, and others from when they saw it, the owner knows
// first that it has lost a lease: it processes nothing more of the partition,
// even if it was stopped in between and has not heard of anything. Each change is
// conditional on the owner and the counter last seen, checkpoints included.
//
// Workers take as many leases as makes their numbers equal. Who has too few asks
// one at a time of the one who has most: the lease gets its new owner at once,
// which waits until the old one has finished its batch, set the checkpoint and
// withdrawn.
//
// A partition whose parents have not all been read to their ends waits. Its
// parent's owner creates its lease before the parent's own is marked as ended.
package leases

import (
	"context"
	"sync"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/pace"
)

// Options describes a worker.
type Options struct {
	Store kload.Store
	Owner string // name of the worker, which no other has or had
	Clock *pace.Clock
	// Duration is how long an owner keeps a lease that it does not renew.
	Duration time.Duration
	// Handoff is how long a new owner waits for the old one to withdraw; longer
	// than Duration.
	Handoff time.Duration
	// CheckpointEvery and CheckpointRecords say when a checkpoint is due: so long
	// after the last one, or after so many records, where that is not 0.
	CheckpointEvery   time.Duration
	CheckpointRecords int
	// Expect is how many workers there will be, so that the first to start does not
	// take everything.
	Expect int
}

// Worker takes part in the processing of an input. Its methods are safe for
// concurrent use.
type Worker struct {
	o     Options
	wake  chan struct{}
	stats counters

	mu       sync.Mutex // guards what follows; never held while the store is called
	holdings map[string]*holding
	seen     map[string]sighting
	table    map[string]kload.Lease // as last known
	err      error                  // the first, which ends Run
	killed   bool
	cancel   context.CancelFunc // ends Run
}

// New returns a worker that owns nothing yet.
func New(o Options) *Worker {
	return &Worker{
		o: o, wake: make(chan struct{}, 1),
		cancel: func() {}, holdings: map[string]*holding{}, seen: map[string]sighting{}, table: map[string]kload.Lease{},
	}
}

// rounds is how many times a lease is renewed while it would last.
const rounds = 3

// Run takes leases, has their partitions read, and renews and gives leases away,
// until ctx ends or the worker is killed, which is no error. It calls ready when
// everything that was free at the start has been positioned.
func (w *Worker) Run(ctx context.Context, a kload.Assignments, ready func()) error {
	var readings sync.WaitGroup
	defer readings.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if !w.begin(cancel) {
		return nil
	}
	if err := w.create(ctx, a); err != nil {
		return over(ctx, err)
	}
	pacer := pace.NewPacer(w.o.Clock)
	for first := true; ; first = false {
		next := w.o.Clock.Now() + int64(w.o.Duration/rounds)
		if err := w.round(ctx, first); err != nil && first {
			return over(ctx, err)
		}
		started := w.start(ctx, a, &readings)
		if first {
			for _, positioned := range started {
				<-positioned
			}
			if err := w.failed(); err != nil {
				return err
			}
			ready()
		}
		if pacer.Wait(ctx, next, w.wake) != nil {
			return w.failed()
		}
	}
}

// begin makes it known how Run is ended, unless it is over already.
func (w *Worker) begin(cancel context.CancelFunc) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cancel = cancel
	return !w.killed
}

// over returns err, unless it is only what followed from the end of ctx.
func over(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// fail ends Run for an error, unless ctx has ended: then it follows from that.
func (w *Worker) fail(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
	}
	w.cancel()
}

func (w *Worker) failed() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// signal has Run begin its next round at once.
func (w *Worker) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}
