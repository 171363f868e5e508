// Package handler is the application's code inside a consumer host, described
// by configuration: it filters records by an expression, routes them to sinks, gives
// them new payloads, fails on some of them, and takes its time. Every host runs the
// same handler:
//
//	host: {plain: {filter: "trip_id % 20 == 0", fail_on: 1%, on_error: retry, cost: 2ms}}
//
// # Expressions
//
// Expressions are those of expr-lang (https://expr-lang.org). A name is a
// top-level field of the record's JSON payload; fields whose names are no words are
// written field("user-id"). Beside the payload a record has
//
//	_key       the partition key
//	_data      the payload as text
//	_size      bytes of the payload
//	_shard     the shard, or what else the reader reads in parts
//	_sequence  the sequence number of its stream record
//	_sub       its sub-sequence number in that
//	_age       how long ago it arrived, as in _age > duration("1s")
//
// Whole numbers are whole (% works), null is nil. A field that is missing, a
// member that an object does not have, and a comparison of text with a number are
// errors, not false: each is counted and the first are reported. Who expects a
// field to be missing says so: tip ?? 0, tip != nil, address?.city.
//
// # What becomes of a record
//
// The filter comes first; what it leaves out costs nothing and cannot fail. Then
// the handler fails or not, then the route is chosen, and then the payload is made.
// A route that names no sink is an expression that could not be evaluated. The
// records' identities are untouched: the ledger knows a record whatever its payload
// became.
package handler

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/pace"
)

// samples is how many failed records are reported.
const samples = 20

// Options says where a handler runs.
type Options struct {
	Config Config
	Clock  *pace.Clock
	Seed   uint64 // of the choice that a share makes
	// Routes are the names that the route may give.
	Routes []string
	// Report is told of the first records that failed; nil for nobody. It may be
	// called concurrently.
	Report func(Failure)
}

// Failure is one record that the handler failed on.
type Failure struct {
	Setting  string // the setting whose expression it was
	Shard    string
	Sequence string // of the stream record, "" where that is not known
	Sub      int64
	Err      error
}

// ErrFailed is why the handler failed on a record that fail_on chose.
var ErrFailed = errors.New("the handler was told to fail on it")

// RecordError is the error of a batch that failed because of one record
// (on_error: fail).
type RecordError struct {
	Index int // in Batch.Users
	Err   error
}

// Error names the record by its place.
func (e *RecordError) Error() string {
	return fmt.Sprintf("record %d of the batch: %v", e.Index, e.Err)
}

// Unwrap returns why it failed.
func (e *RecordError) Unwrap() error { return e.Err }

// Handler implements [kload.Handler]. It is safe for concurrent use.
type Handler struct {
	o Options

	mu       sync.Mutex   // guards what follows
	free     []*evaluator // as many as ever ran at once
	counts   tally
	reported int
}

// tally counts what was done, in records but for attempts.
type tally struct {
	attempts, failed, retries uint64
	expression                uint64 // records whose expressions could not be evaluated
}

// New returns the handler that a configuration describes, nil for none.
func New(o Options) (*Handler, error) {
	if o.Config.None() {
		return nil, nil
	}
	h := &Handler{o: o}
	e, err := newEvaluator(&o)
	if err != nil {
		return nil, err
	}
	h.free = append(h.free, e)
	return h, nil
}

// Handle judges the records of a batch and then gives those that pass their new
// payloads, in memory that nobody else uses. If it fails, the batch is as it was.
func (h *Handler) Handle(ctx context.Context, b *kload.Batch, results []kload.HandlerResult) error {
	e, err := h.take()
	if err != nil {
		return err
	}
	defer h.give(e)
	e.begin(b, h.o.Clock.Now())
	for i := range b.Users {
		if results[i], err = e.handle(i); err != nil {
			err = h.broken(i, err)
			break
		}
	}
	if spent := e.spend(ctx); spent != nil || err != nil {
		return errors.Join(err, spent)
	}
	e.commit(b)
	return nil
}

func (h *Handler) broken(i int, err error) error {
	return kload.WithHint(&RecordError{Index: i, Err: err}, "set on_error: dead_letter to go on without such records")
}

// take returns an evaluator that nobody else uses until it is given back.
func (h *Handler) take() (*evaluator, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if last := len(h.free) - 1; last >= 0 {
		e := h.free[last]
		h.free = h.free[:last]
		return e, nil
	}
	return newEvaluator(&h.o)
}

// give takes an evaluator back, books what it did and reports failures.
func (h *Handler) give(e *evaluator) {
	h.mu.Lock()
	h.counts.add(&e.tally)
	n := min(len(e.failures), samples-h.reported)
	h.reported += n
	failures := e.failures[:n]
	e.failures = nil
	e.batch, e.user = nil, nil
	h.free = append(h.free, e)
	h.mu.Unlock()
	if h.o.Report != nil {
		for _, f := range failures {
			h.o.Report(f)
		}
	}
}

func (t *tally) add(o *tally) {
	t.attempts += o.attempts
	t.failed += o.failed
	t.retries += o.retries
	t.expression += o.expression
}

// Counters returns the attempts to handle a record that the filter passed, those
// of them that failed, those that were not a record's first, and the records whose
// expressions could not be evaluated.
func (h *Handler) Counters() map[string]uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := &h.counts
	return map[string]uint64{
		"handler_attempts": c.attempts, "handler_failed_attempts": c.failed, "handler_retries": c.retries, "expression_errors": c.expression,
	}
}

// evaluator handles one batch at a time.
type evaluator struct {
	record
	c      *Config
	seed   uint64
	filter *program // nil for none, as when
	when   *program
	router router
	maker  maker
	pacer  *pace.Pacer

	tally
	waiting  time.Duration // between attempts
	failures []Failure
}

func newEvaluator(o *Options) (*evaluator, error) {
	e := &evaluator{c: &o.Config, seed: o.Seed, pacer: pace.NewPacer(o.Clock)}
	var errs []error
	for _, x := range o.Config.expressions() {
		p, err := e.compile(x)
		if err != nil {
			errs = append(errs, kload.WithHint(fmt.Errorf("%w: compiling %s %q: %w", kload.ErrInvalid, x.setting, x.source, err), err.hint))
			continue
		}
		switch x.setting {
		case "filter":
			e.filter = p
		case "fail_on.when":
			e.when = p
		case routeSetting:
			e.router = newRouter(&e.record, p, o.Routes)
		default:
			e.maker.add(x.setting, p)
		}
	}
	e.maker.remove = o.Config.Transform.Remove
	return e, errors.Join(errs...)
}

// begin turns to a batch.
func (e *evaluator) begin(b *kload.Batch, now int64) {
	e.batch, e.now = b, now
	e.tally, e.waiting = tally{}, 0
	e.router.begin(len(b.Users))
	e.maker.begin()
}

// handle judges one record of the batch. An error is that of the batch.
func (e *evaluator) handle(i int) (kload.HandlerResult, error) {
	u := &e.batch.Users[i]
	e.look(u)
	if e.filter != nil {
		pass, err := e.filter.holds()
		switch {
		case err != nil:
			return e.unable("filter", err)
		case !pass:
			e.maker.keep()
			return kload.Filtered, nil
		}
	}
	chosen, err := e.chosen()
	if err != nil {
		return e.unable("fail_on", err)
	}
	if good, err := e.attempt(chosen); !good {
		e.maker.keep()
		return kload.DeadLettered, err
	}
	route, err := e.router.choose(u.Data)
	if err != nil {
		return e.unable(routeSetting, err)
	}
	if err := e.maker.make(u); err != nil {
		return e.unable("transform", err)
	}
	e.router.set(i, route)
	return kload.OK, nil
}

// commit puts the routes and the new payloads into the batch.
func (e *evaluator) commit(b *kload.Batch) {
	e.router.commit(b.Users)
	e.maker.commit(b.Users)
}
