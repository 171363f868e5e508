package scenarios

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/ledger"
	"github.com/kload/kload/internal/pace"
	"github.com/kload/kload/results"
)

// RunOptions adjusts how a scenario is carried out.
type RunOptions struct {
	Out      string            // run directory; a new one under kload-results if empty
	Inject   []string          // mutations, see parseInjections
	Progress *results.Progress // nil shows none
	Note     func(string)      // told of events worth a line, from any goroutine; nil drops them
	Version  string            // of kload, for run.json
	Memory   Network           // serve the embedded target here, in this process, without sockets
	Memories func() Network    // where several targets are started: makes the Memory of each
	Started  func(dir string)  // told the run directory once it exists; may be nil
	endpoint *endpoint         // of a search, which keeps it; nil for one of the run's own
}

// Network is a listener with its own way in, such as [memnet.Listener]. Tests
// wrap one to break connections.
type Network interface {
	net.Listener
	Dial(ctx context.Context, network, addr string) (net.Conn, error)
}

// errTargetDied is why a run is cancelled when its target ends by itself.
var errTargetDied = errors.New("the target process ended by itself")

// Times of the end of a run.
const (
	startDelay     = 50 * time.Millisecond // between readiness and T0 of the first record
	drainPoll      = 10 * time.Millisecond
	abortDrain     = 10 * time.Second // after Ctrl-C or a failure, for what is in flight
	lostForGood    = 2 * time.Second  // at the tip of every shard: what is missing then will not come
	lostTargetWait = time.Second      // after the target is gone, for calls to fail
)

// run is a scenario under way.
type run struct {
	plan     *plan
	scenario *Scenario
	o        RunOptions
	inject   injection
	identity
	clock   *pace.Clock
	pacer   *pace.Pacer
	began   time.Time
	start   atomic.Int64 // T0 of the schedule, Unix ns; 0 before
	ended   atomic.Int64 // when the last load ended; 0 before
	process processMark
	before  callMark

	dir       *results.Dir
	header    header
	endpoint  *endpoint
	ledger    *ledger.Ledger
	arrivals  *ledger.Arrivals
	loads     []*loadRun
	consumers []*consumerRun
	collector *results.Collector
	progress  *progress
	acting    *acting
	phases    *phases
	watch     *watch

	complained bool // that checkpoints cannot be written
}

// identity tells a run from others.
type identity struct {
	number uint32 // carried in traces
	id     string // the same, as people see it
}

// callMark is how many calls a client had made, and in how many attempts.
type callMark struct{ calls, attempts uint64 }

// Run carries out a scenario, of a search its first step. It returns the summary of whatever was run, also
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
		if ctx.Err() != nil {
			err = kload.WithHint(fmt.Errorf("interrupted before the first record: %w", ctx.Err()), hintOf(err))
		}
		return nil, errors.Join(err, r.abandon(ctx))
	}
	defer r.dir.Release()
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
	r.phases = &phases{list: s.plan.phases, starts: r.start.Load}
	r.acting = newActing(r)
	r.watch = &watch{r: r, since: map[int]int64{}}
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

// sleep waits for d. It may be called from any goroutine.
func (r *run) sleep(ctx context.Context, d time.Duration) error {
	return pace.NewPacer(r.clock).Sleep(ctx, d)
}

// setUp makes everything ready short of moving a record.
func (r *run) setUp(ctx context.Context) error {
	var err error
	spec := r.plan.spec
	if r.o.Memory != nil {
		if err := r.plan.noSpinning(); err != nil {
			return err
		}
	}
	if err := affordable(r.plan); err != nil {
		return err
	}
	if r.endpoint = r.o.endpoint; r.endpoint == nil {
		if r.endpoint, err = connect(ctx, spec, r.inject, r.o.Memory); err != nil {
			return err
		}
		err = r.endpoint.prepare(ctx, r.sleep)
	} else {
		err = r.endpoint.resume(ctx)
	}
	if err != nil {
		return err
	}
	r.before = callMark{r.endpoint.client.Calls(), r.endpoint.client.Attempts()}
	if w := r.endpoint.wire(); w.Fallback != "" {
		r.note("the service does not know CBOR, so wire: auto is json: %s", w.Fallback)
	}
	r.ledger, r.arrivals = ledger.New(r.number), ledger.NewArrivals(arrivalSlots)
	for i := range r.plan.loads {
		l := r.addLoad(&r.plan.loads[i])
		r.loads = append(r.loads, l)
		if err := labelled(ctx, engineProducer, func(ctx context.Context) error { return r.open(ctx, l) }); err != nil {
			return err
		}
	}
	for name, c := range spec.Consumers.All() {
		if err := r.addConsumer(ctx, name, c); err != nil {
			return err
		}
	}
	if r.o.endpoint == nil { // else it would come again with every step
		for _, line := range r.plan.forecastLines() {
			r.note("%s", line)
		}
	}
	r.checkpoint()
	return r.writeHeader()
}

// abandon undoes setUp.
func (r *run) abandon(ctx context.Context) error {
	var errs []error
	for _, c := range r.consumers {
		errs = append(errs, c.close(ctx))
	}
	for _, l := range r.loads {
		errs = append(errs, l.close(ctx))
	}
	if r.endpoint != nil {
		_, err := r.endpoint.close(ctx)
		errs = append(errs, err)
	}
	return errors.Join(append(errs, r.dir.Discard())...)
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

// execute moves the records: consumers are positioned, loads are sent, what is
// under way is drained.
func (r *run) execute(ctx context.Context) error {
	work, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go r.watchTarget(work, cancel)

	reading, stopReading := context.WithCancel(context.WithoutCancel(ctx))
	defer stopReading()
	var readers sync.WaitGroup
	// Nobody reads yet: what ends the work ends the positioning too.
	release := context.AfterFunc(work, stopReading)
	err := r.startConsumers(work, reading, cancel, &readers)
	if !release() {
		err = context.Cause(work)
	}
	if err == nil {
		err = r.startCollecting()
	}
	if err == nil {
		err = r.sendAll(work)
	} else {
		cancel(err)
	}
	drainErr := errors.Join(r.drain(ctx, work), r.acting.finish())
	stopReading()
	readers.Wait()
	return errors.Join(r.whatFailed(cause(ctx, work, err)), drainErr, r.closeHosts(ctx))
}

// whatFailed adds the consumers' errors that did not become the cause, because
// another came first.
func (r *run) whatFailed(err error) error {
	for _, c := range r.consumers {
		if c.err != nil && !errors.Is(err, c.err) && !errors.Is(c.err, context.Canceled) {
			err = errors.Join(err, c.err)
		}
	}
	return err
}

// cause returns why the work was broken off, and what else went wrong. Ctrl-C is
// no error, and neither is what only followed from the end of the work.
func cause(ctx, work context.Context, err error) error {
	if work.Err() == nil {
		return err
	}
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	why := context.Cause(work)
	switch {
	case ctx.Err() != nil && errors.Is(why, context.Cause(ctx)), errors.Is(err, why):
		return err
	}
	return errors.Join(why, err)
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
func (r *run) startConsumers(work, reading context.Context, cancel context.CancelCauseFunc, g *sync.WaitGroup) error {
	var ready sync.WaitGroup
	ready.Add(len(r.consumers))
	for _, c := range r.consumers {
		g.Go(func() {
			once := sync.OnceFunc(ready.Done)
			defer once()
			c.err = labelled(reading, engineConsumer, func(ctx context.Context) error { return c.consumer.Run(ctx, once) })
			if c.err != nil {
				cancel(c.err)
			}
		})
	}
	ready.Wait()
	return context.Cause(work)
}

// sendAll runs all loads on one start time. The first that fails ends the
// others.
func (r *run) sendAll(work context.Context) error {
	start := r.clock.Now() + int64(startDelay)
	r.start.Store(start)
	r.event("start", nil)
	r.acting.begin(work, start)
	going, stop := context.WithCancelCause(work)
	watching := r.watchOver(going, stop)
	g, sending := errgroup.WithContext(going)
	for _, l := range r.loads {
		g.Go(func() error {
			return labelled(sending, engineProducer, func(ctx context.Context) error { return r.send(ctx, l, start) })
		})
	}
	err := g.Wait()
	if errors.Is(context.Cause(going), errAborted) {
		err = nil
	}
	stop(nil)
	watching.Wait()
	r.ended.Store(r.clock.Now())
	r.event("loads_ended", nil)
	r.acting.loadsEnded()
	return err
}

// watchOver follows phases and expectations until the loads have ended. stop
// ends them.
func (r *run) watchOver(going context.Context, stop context.CancelCauseFunc) *sync.WaitGroup {
	var g sync.WaitGroup
	g.Go(func() { r.phases.follow(going, r.clock, r.counters) })
	if slices.ContainsFunc(r.plan.expect, func(e expectation) bool { return e.abortAfter > 0 }) {
		r.watch.abort = stop
		g.Go(func() { r.watch.follow(going) })
	}
	return &g
}

// drain closes the ingresses, waits until every record sent has its outcome and
// every consumer has read everything, or until the time for that is up.
func (r *run) drain(ctx, work context.Context) error {
	patient, stopWaiting := r.patience(ctx, work)
	defer stopWaiting()
	closing, stop := context.WithTimeout(patient, r.plan.spec.DrainTimeout)
	defer stop()
	var g errgroup.Group
	for _, l := range r.loads {
		g.Go(func() error { return closeIngress(closing, l) })
	}
	err := g.Wait()
	// Draining goes on after Ctrl-C. When target or consumer have failed, nothing
	// more will be read.
	failed := func() bool { return work.Err() != nil && ctx.Err() == nil }
	reading, stopReading := context.WithTimeout(patient, r.plan.spec.DrainTimeout)
	defer stopReading()
	settled := r.clock.Now() + int64(r.endpoint.hidden())
	for !failed() && !r.allRead(settled) && !r.hopeless(settled) {
		if r.pacer.Sleep(reading, drainPoll) != nil {
			r.event("drain_timeout", map[string]any{"missing": r.ledger.Missing()})
			break
		}
	}
	for _, c := range r.consumers {
		c.behind = !c.caughtUp(settled)
	}
	return err
}

// hopeless reports whether waiting for the missing records is pointless: every
// shard was found read to its tip long after everything was stored.
func (r *run) hopeless(settled int64) bool {
	for _, c := range r.consumers {
		if !c.caughtUp(settled + int64(lostForGood)) {
			return false
		}
	}
	return true
}

// patience ends some time after the work was broken off, and not otherwise.
func (r *run) patience(ctx, work context.Context) (context.Context, context.CancelFunc) {
	waiting, cancel := context.WithCancel(context.WithoutCancel(ctx))
	release := context.AfterFunc(work, func() {
		limit := abortDrain
		if r.endpoint.gone() {
			limit = lostTargetWait
		}
		if pace.NewPacer(r.clock).Sleep(waiting, limit) == nil {
			cancel()
		}
	})
	return waiting, func() {
		release()
		cancel()
	}
}

// closeIngress closes a load's ingress. Records left undecided at the deadline
// are in the ledger; they are no error of the run.
func closeIngress(ctx context.Context, l *loadRun) error {
	if err := l.ingress.Close(ctx); err != nil && !errors.Is(err, ctx.Err()) {
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
		if !c.caughtUp(settled) {
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
