// Package consumers reads a stream the way its applications do and measures
// what they would see.
//
// A [Consumer] opens the partitions of its input, parents before children, or
// those that its host assigns. A few workers share them: a partition always goes to
// the same worker, so its order is kept, and each worker owns its de-aggregation
// tables and histograms, so their memory does not grow with the shards. Readers
// that are polled wait in their worker's heap, ordered by when they are due, and
// cost no goroutine; a few fetchers make the calls. Readers that block have a
// goroutine each. Either way the worker unpacks the batch, shows it to the tap
// (ledger and hop times) and passes it to the host.
//
// Readers, hosts and sinks are plug-ins in the folders below.
package consumers

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/pace"
	"github.com/kload/kload/internal/shard"
)

// openAtOnce bounds the calls under way to position readers.
const openAtOnce = 16

// DefaultMemory is the byte budget of a consumer that is given none.
const DefaultMemory = 48 << 20

// Options describes one consumer.
type Options struct {
	Name    string
	Opener  kload.Opener
	Host    kload.Host
	Clock   *pace.Clock // the readers' clock; nil makes one
	Workers int         // goroutines that process batches; 0 means 2
	// Memory bounds the bytes of stream records that are fetched and not yet
	// processed: whoever would exceed it fetches later. 0 means [DefaultMemory].
	// The size of an answer is guessed before it is there, so that one that grew at
	// once may exceed it for a while.
	Memory int64
	// PlainByKey says that plain records were routed by their partition keys, so
	// that their routing can be checked.
	PlainByKey bool
	Strays     Range // what becomes of user records outside their shard; "" means RangeKeep
	Tap        TapOptions
	Inject     *Injector // nil: no mutation
}

// Consumer runs one consumer. Its methods are safe for concurrent use.
type Consumer struct {
	o       Options
	workers []*worker
	opening chan struct{} // holds a token per reader being opened
	gate    gate          // closed while the consumer is paused
	skipped atomic.Uint64
	budget  *budget
	usual   usual

	live  sync.WaitGroup // readings, and what may still add some
	begin func(*reading) // gives it a context of the run
	stop  context.CancelFunc

	mu       sync.Mutex // guards what follows
	err      error      // the first
	lineage  shard.Lineage
	readings map[string]*reading
	turn     int // of the workers to take a partition
}

// New prepares a consumer, which runs once. The opener and the host stay the
// caller's to close.
func New(o Options) *Consumer {
	if o.Workers == 0 {
		o.Workers = 2
	}
	if o.Clock == nil {
		o.Clock = pace.NewClock()
	}
	if o.Memory == 0 {
		o.Memory = DefaultMemory
	}
	c := &Consumer{
		o: o, opening: make(chan struct{}, openAtOnce), readings: map[string]*reading{},
		budget: newBudget(o.Memory),
	}
	c.usual.see(mostAnswer)
	for range o.Workers {
		c.workers = append(c.workers, newWorker(c))
	}
	return c
}

// Run positions a reader on every partition, calls ready, and consumes until
// ctx ends or every partition has ended; a host that coordinates decides that
// instead. A ctx that ends is the normal way to stop and no error. Batches already
// fetched are processed before Run returns.
func (c *Consumer) Run(ctx context.Context, ready func()) error {
	running, stop := context.WithCancel(ctx)
	defer stop()
	c.stop = stop
	c.begin = func(r *reading) { r.begin(running) }
	var crew sync.WaitGroup
	for _, w := range c.workers {
		w.start(running, &crew)
	}
	unhurried := context.AfterFunc(running, c.hurry)
	defer unhurried()
	c.live.Add(1)
	if host, ok := c.o.Host.(kload.Coordinator); ok {
		c.fail(running.Err, "coordinating", host.Coordinate(running, c, ready))
	} else if err := c.readAll(running); err != nil {
		c.fail(running.Err, "positioning", err)
	} else {
		ready()
	}
	c.live.Done()
	c.live.Wait()
	for _, w := range c.workers {
		w.close()
	}
	crew.Wait()
	if c.err != nil {
		return fmt.Errorf("consumer %s: %w", c.o.Name, c.err)
	}
	return nil
}

// fail ends the run for an error, unless what failed is over: then it failed for
// that.
func (c *Consumer) fail(over func() error, doing string, err error) {
	if err == nil || over() != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = fmt.Errorf("%s: %w", doing, err)
	}
	c.stop()
}

// hurry has all readings end that wait for their next call.
func (c *Consumer) hurry() {
	for _, w := range c.workers {
		w.poller.hurry()
	}
}

// Pause stops fetching, until [Consumer.Resume]: as a consumer does that is stuck
// or being redeployed. Calls under way are completed and processed.
func (c *Consumer) Pause() { c.setPaused(true) }

// Resume goes on fetching.
func (c *Consumer) Resume() { c.setPaused(false) }

func (c *Consumer) setPaused(paused bool) {
	c.gate.set(paused)
	for _, w := range c.workers {
		w.poller.pause(paused)
	}
}

// progressed books a processed batch.
func (c *Consumer) progressed(r *reading, b *kload.Batch) {
	if b.Behind > 0 || b.End {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	r.caught = caught{last: b.Received, before: r.caught.last}
}

// CaughtUp reports whether everything stored by the time since (Unix ns) has
// been processed. Each partition must have been found read to its tip twice
// after it: the first answer may belong to a call that began before.
func (c *Consumer) CaughtUp(since int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.readings {
		if r.caught.before < since {
			return false
		}
	}
	return true
}

// Deaggregation returns what unpacking came upon. Call it after Run.
func (c *Consumer) Deaggregation() Deaggregation {
	var sum Deaggregation
	for _, w := range c.workers {
		sum = sum.plus(w.deagg.counts)
	}
	return sum
}

// Counters returns the counters by their names in results. Call it after Run.
func (c *Consumer) Counters() map[string]uint64 {
	d := c.Deaggregation()
	held, most := c.Held()
	return map[string]uint64{
		"bad_aggregates": d.BadAggregates, "stray_records": d.StrayRecords,
		"stray_aggregates": d.StrayAggregates, "stray_dropped": d.StrayDropped,
		"fetches_held": held, "peak_fetched_bytes": uint64(most), "already_processed": c.Skipped(),
	}
}

// CounterNames lists what [Consumer.Counters] always returns.
func CounterNames() []string {
	return []string{"bad_aggregates", "stray_records", "stray_aggregates", "stray_dropped", "fetches_held", "peak_fetched_bytes", "already_processed"}
}

// Held returns how many fetches had to wait for the byte budget, and the most
// bytes that were fetched or expected, and not yet processed, at a time.
func (c *Consumer) Held() (fetches uint64, mostBytes int64) { return c.budget.counts() }

// Skipped returns how many user records were passed over because they lie
// before the position that reading went on from, in the same aggregate.
func (c *Consumer) Skipped() uint64 { return c.skipped.Load() }

// errBeingRead is why a partition cannot be assigned.
var errBeingRead = errors.New("it is being read")
