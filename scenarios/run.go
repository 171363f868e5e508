package scenarios

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/kload/kload/internal/ledger"
	"github.com/kload/kload/internal/memnet"
	"github.com/kload/kload/internal/pace"
	"github.com/kload/kload/results"
)

// RunOptions adjusts how a scenario is carried out.
type RunOptions struct {
	Out      string            // run directory; a new one under kload-results if empty
	Inject   []string          // mutations, see parseInjections
	Progress *results.Progress // nil shows none
	Note     func(string)      // told of events worth a line; nil drops them
	Version  string            // of kload, for run.json
	Memory   *memnet.Listener  // serve the embedded target here, in this process, without sockets
	Started  func(dir string)  // told the run directory once it exists; may be nil
}

// errTargetDied is why a run is cancelled when its target ends by itself.
var errTargetDied = errors.New("the target process ended by itself")

// Times of the end of a run.
const (
	startDelay     = 50 * time.Millisecond // between readiness and T0 of the first record
	drainPoll      = 10 * time.Millisecond
	abortDrain     = 10 * time.Second // after Ctrl-C, for what is in flight
	lostTargetWait = time.Second      // after the target is gone, for calls to fail
)

// run is a scenario under way.
type run struct {
	plan     *plan
	scenario *Scenario
	o        RunOptions
	inject   injection
	number   uint32 // carried in traces
	id       string
	clock    *pace.Clock
	pacer    *pace.Pacer
	began    time.Time
	start    int64 // T0 of the schedule, Unix ns; 0 before
	ended    int64 // when the last load ended
	process  processMark

	dir       *results.Dir
	endpoint  *endpoint
	ledger    *ledger.Ledger
	loads     []*loadRun
	consumers []*consumerRun
	collector *results.Collector
	progress  *progress
}

// Run carries out a scenario. It returns the summary of whatever was run, also
// together with an error: the run then broke off, and the summary says how far
// it got. A nil summary means that nothing was started and nothing is left
// behind. When ctx ends, the run stops sending, drains for a while, and is
// marked interrupted.
func Run(ctx context.Context, s *Scenario, o RunOptions) (*results.Summary, error) {
	r, err := newRun(s, o)
	if err != nil {
		return nil, err
	}
	if err := r.setUp(ctx); err != nil {
		return nil, errors.Join(err, r.abandon(ctx))
	}
	err = r.execute(ctx)
	return r.finish(ctx, err)
}

func newRun(s *Scenario, o RunOptions) (*run, error) {
	inj, err := parseInjections(o.Inject, &s.Spec)
	if err != nil {
		return nil, err
	}
	r := &run{plan: s.plan, scenario: s, o: o, inject: inj, clock: pace.NewClock(), began: time.Now(), process: markProcess()}
	r.pacer = pace.NewPacer(r.clock)
	if r.number, err = runNumber(); err != nil {
		return nil, err
	}
	r.id = fmt.Sprintf("%08x", r.number)
	out := o.Out
	if out == "" {
		out = results.DefaultPath(r.began, s.Spec.Name, r.id)
	}
	if r.dir, err = results.Create(out); err != nil {
		return nil, err
	}
	if o.Started != nil {
		o.Started(out)
	}
	return r, nil
}

// runNumber draws a number that tells this run's records from others'.
func runNumber() (uint32, error) {
	var b [4]byte
	if _, err := rand.Read(b[:]); err != nil {
		return 0, fmt.Errorf("drawing a run number: %w", err)
	}
	return binary.BigEndian.Uint32(b[:]) | 1, nil
}

func (r *run) note(format string, args ...any) {
	if r.o.Note != nil {
		r.o.Note(fmt.Sprintf(format, args...))
	}
}

// setUp makes everything ready short of moving a record.
func (r *run) setUp(ctx context.Context) error {
	var err error
	spec := r.plan.spec
	if r.endpoint, err = connect(ctx, spec, r.inject, r.o.Memory); err != nil {
		return err
	}
	if err := r.endpoint.prepare(ctx, r.pacer.Sleep); err != nil {
		return err
	}
	r.ledger = ledger.New(r.number)
	for i := range r.plan.loads {
		l := r.addLoad(&r.plan.loads[i])
		r.loads = append(r.loads, l)
		if err := r.open(ctx, l); err != nil {
			return err
		}
	}
	for name, c := range spec.Consumers.All() {
		consumer, err := r.addConsumer(name, c)
		if err != nil {
			return err
		}
		r.consumers = append(r.consumers, consumer)
	}
	return r.writeHeader()
}

// abandon undoes setUp.
func (r *run) abandon(ctx context.Context) error {
	var errs []error
	for _, c := range r.consumers {
		errs = append(errs, c.host.Close(ctx))
	}
	for _, l := range r.loads {
		errs = append(errs, l.close(ctx))
	}
	if r.endpoint != nil {
		_, err := r.endpoint.close(ctx)
		errs = append(errs, err)
	}
	// It was empty or did not exist before.
	errs = append(errs, os.RemoveAll(r.dir.Path()))
	return errors.Join(errs...)
}

// close releases what a load opened. The ingress is normally closed before.
func (l *loadRun) close(ctx context.Context) error {
	var errs []error
	if l.ingress != nil {
		errs = append(errs, l.ingress.Close(ctx))
	}
	if l.source != nil {
		errs = append(errs, l.source.Close())
	}
	return errors.Join(errs...)
}

// measured says whether a record with this intended time counts for latencies:
// whether its phase is measured.
func (r *run) measured(t0 int64) bool {
	at := time.Duration(t0 - r.start)
	for _, p := range r.plan.phases {
		if at < p.For || p.For == 0 {
			return p.Measure
		}
		at -= p.For
	}
	return true // late in the last phase
}

// execute moves the records: consumers are positioned, loads are sent, what is
// under way is drained.
func (r *run) execute(ctx context.Context) error {
	work, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go r.watchTarget(work, cancel)

	reading, stopReading := context.WithCancel(context.WithoutCancel(ctx))
	defer stopReading()
	var readers errgroup.Group
	if err := r.startConsumers(work, reading, cancel, &readers); err != nil {
		stopReading()
		return errors.Join(err, readers.Wait())
	}
	if err := r.startCollecting(); err != nil {
		stopReading()
		return errors.Join(err, readers.Wait())
	}
	err := r.sendAll(work)
	drainErr := r.drain(ctx, work)
	stopReading()
	return errors.Join(cause(work, err), drainErr, readers.Wait(), r.closeHosts(ctx))
}

// cause replaces the error of a cancelled run by what cancelled it. Ctrl-C is
// no error.
func cause(work context.Context, err error) error {
	if work.Err() == nil {
		return err
	}
	why := context.Cause(work)
	if errors.Is(why, context.Canceled) {
		why = nil
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		return errors.Join(why, err)
	}
	return why
}

// watchTarget ends the run when the embedded target ends by itself.
func (r *run) watchTarget(work context.Context, cancel context.CancelCauseFunc) {
	select {
	case <-r.endpoint.done():
		cancel(errTargetDied)
	case <-work.Done():
	}
}

// startConsumers runs every consumer and returns when all are positioned.
func (r *run) startConsumers(work, reading context.Context, cancel context.CancelCauseFunc, g *errgroup.Group) error {
	var ready sync.WaitGroup
	ready.Add(len(r.consumers))
	for _, c := range r.consumers {
		g.Go(func() error {
			once := sync.OnceFunc(ready.Done)
			defer once()
			err := c.consumer.Run(reading, once)
			if err != nil {
				cancel(err)
			}
			return nil // the cause has it
		})
	}
	ready.Wait()
	return context.Cause(work)
}

// sendAll runs all loads on one start time and closes their ingresses.
func (r *run) sendAll(work context.Context) error {
	r.start = r.clock.Now() + int64(startDelay)
	r.event("start", nil)
	var g errgroup.Group
	for _, l := range r.loads {
		g.Go(func() error { return r.send(work, l, r.start) })
	}
	err := g.Wait()
	r.ended = r.clock.Now()
	r.event("loads_ended", nil)
	return err
}

// drain waits until every record sent has its outcome and every consumer has
// read everything, or until the time for that is up.
func (r *run) drain(ctx, work context.Context) error {
	limit := r.plan.spec.DrainTimeout
	switch {
	case r.endpoint.gone():
		limit = lostTargetWait
	case ctx.Err() != nil:
		limit = min(limit, abortDrain)
	}
	// Its own context: draining goes on after Ctrl-C.
	dctx, stop := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer stop()
	var g errgroup.Group
	for _, l := range r.loads {
		g.Go(func() error { return closeIngress(dctx, l) })
	}
	err := g.Wait()
	if work.Err() != nil && ctx.Err() == nil {
		return err // target or consumer failed: nothing more will be read
	}
	rctx, stopReading := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer stopReading()
	settled := r.clock.Now()
	for !r.allRead(settled) {
		if r.pacer.Sleep(rctx, drainPoll) != nil || work.Err() != nil && ctx.Err() == nil {
			r.event("drain_timeout", map[string]any{"missing": r.ledger.Missing()})
			return err
		}
	}
	return err
}

// closeIngress closes a load's ingress. Records left undecided at the deadline
// are in the ledger; they are no error of the run.
func closeIngress(ctx context.Context, l *loadRun) error {
	if err := l.ingress.Close(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("closing the ingress of load %s: %w", l.plan.name, err)
	}
	return nil
}

// allRead reports whether consumers have nothing left to read: everything
// acknowledged was seen, and nothing stored since the ingresses closed can still
// come as a duplicate.
func (r *run) allRead(settled int64) bool {
	if r.ledger.Missing() > 0 {
		return false
	}
	for _, c := range r.consumers {
		if !c.consumer.CaughtUp(settled) {
			return false
		}
	}
	return true
}

func (r *run) closeHosts(ctx context.Context) error {
	var errs []error
	for _, c := range r.consumers {
		errs = append(errs, c.close(context.WithoutCancel(ctx)))
	}
	return errors.Join(errs...)
}
