// Package consumers reads a stream the way its applications do and measures
// what they would see.
//
// A [Consumer] opens every partition of its input, fetches from each in its own
// goroutine, and hands the batches to a few workers: a partition always goes to
// the same worker, so its order is kept, and each worker owns its de-aggregation
// tables and histograms, so their memory does not grow with the shards. A worker
// unpacks the batch, shows it to the tap (ledger and hop times) and passes it
// to the host.
//
// Readers, hosts and sinks are plug-ins in the folders below.
package consumers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/kload/kload"
)

// openAtOnce bounds the calls made to position readers at the start.
const openAtOnce = 16

// Options describes one consumer.
type Options struct {
	Name    string
	Opener  kload.Opener
	Host    kload.Host
	Workers int // goroutines that process batches; 0 means 2
	// PlainByKey says that plain records were routed by their partition keys, so
	// that their routing can be checked.
	PlainByKey bool
	Strays     Range // what becomes of user records outside their shard; "" means RangeKeep
	Tap        TapOptions
	Inject     *Injector // nil: no mutation
}

// Consumer runs one consumer.
type Consumer struct {
	o       Options
	workers []*worker
	turn    atomic.Uint64 // of the workers to take a partition

	open  sync.WaitGroup // partitions being read or still in a worker's queue
	group *errgroup.Group

	mu     sync.Mutex // guards what follows
	done   map[string]bool
	seen   map[string]bool   // partitions ever opened
	caught map[string]caught // partitions being read
}

// caught holds when a partition was last found read to its tip.
type caught struct{ last, before int64 }

// New prepares a consumer. The host stays the caller's to close.
func New(o Options) *Consumer {
	if o.Workers == 0 {
		o.Workers = 2
	}
	c := &Consumer{o: o, done: map[string]bool{}, seen: map[string]bool{}, caught: map[string]caught{}}
	for range o.Workers {
		c.workers = append(c.workers, newWorker(&c.o))
	}
	return c
}

// Run positions a reader on every partition, calls ready, and consumes until
// ctx ends or every partition has ended. A ctx that ends is the normal way to
// stop and no error. Batches already fetched are processed before Run returns.
func (c *Consumer) Run(ctx context.Context, ready func()) error {
	readers, err := c.position(ctx)
	if err != nil {
		return fmt.Errorf("positioning consumer %s: %w", c.o.Name, err)
	}
	group, gctx := errgroup.WithContext(ctx)
	c.group = group
	var workers sync.WaitGroup
	for _, w := range c.workers {
		workers.Go(func() { w.run(gctx, c) })
	}
	c.open.Add(len(readers))
	for partition, r := range readers {
		group.Go(func() error { return c.read(gctx, partition, r) })
	}
	ready()
	c.open.Wait()
	for _, w := range c.workers {
		close(w.queue)
	}
	workers.Wait()
	if err := group.Wait(); err != nil {
		return fmt.Errorf("consumer %s: %w", c.o.Name, err)
	}
	return nil
}

// position opens all partitions that exist.
func (c *Consumer) position(ctx context.Context) (map[string]kload.Reader, error) {
	parts, err := c.o.Opener.Partitions(ctx)
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	readers := make(map[string]kload.Reader, len(parts))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(openAtOnce)
	for _, p := range parts {
		if p.From.Start == kload.AtEnd || p.From.Start == kload.TrimHorizon && slices.ContainsFunc(p.Parents, listed(parts)) {
			continue
		}
		g.Go(func() error {
			r, err := c.o.Opener.Open(gctx, p.ID, p.From)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			readers[p.ID] = r
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		for _, r := range readers {
			err = errors.Join(err, r.Close())
		}
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for partition := range readers {
		c.seen[partition], c.caught[partition] = true, caught{}
	}
	return readers, nil
}

// listed returns whether a partition is among those given: whether there is
// still something of it to read.
func listed(parts []kload.Partition) func(id string) bool {
	return func(id string) bool {
		return slices.ContainsFunc(parts, func(p kload.Partition) bool { return p.ID == id })
	}
}

// follow reads a partition from its start once its parents have been read.
func (c *Consumer) follow(ctx context.Context, partition string) error {
	r, err := c.o.Opener.Open(ctx, partition, kload.Position{Start: kload.TrimHorizon})
	if err != nil {
		c.open.Done()
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("opening %s: %w", partition, err)
	}
	return c.read(ctx, partition, r)
}

// read reads a partition, on a goroutine of its own.
func (c *Consumer) read(ctx context.Context, partition string, r kload.Reader) error {
	w := c.workers[c.turn.Add(1)%uint64(len(c.workers))]
	ended, err := fetch(ctx, r, w)
	if !ended {
		c.open.Done()
	}
	if cerr := r.Close(); err == nil {
		err = cerr
	}
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("reading %s: %w", partition, err)
	}
	return nil
}

// fetch moves batches from a reader to a worker. ended says that the last batch
// of the partition is on its way; the worker books its end.
func fetch(ctx context.Context, r kload.Reader, w *worker) (ended bool, err error) {
	for {
		b, err := r.Next(ctx)
		if errors.Is(err, io.EOF) {
			return ended, nil
		}
		if err != nil {
			return ended, err
		}
		ended = b.End
		w.queue <- b
		if ended {
			return true, nil
		}
	}
}

// ended books the end of a partition and goes on with the children whose parents
// have all been read.
func (c *Consumer) ended(ctx context.Context, partition string, children []kload.Partition) {
	defer c.open.Done()
	for _, child := range c.succeed(partition, children) {
		c.open.Add(1)
		c.group.Go(func() error { return c.follow(ctx, child) })
	}
}

// succeed replaces a partition by the children that are free to be read, in one
// step: in between, a consumer with everything before it would look caught up.
func (c *Consumer) succeed(partition string, children []kload.Partition) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done[partition] = true
	delete(c.caught, partition)
	var free []string
	for _, child := range children {
		waits := c.seen[child.ID]
		for _, parent := range child.Parents {
			// A parent never seen is itself a child of something still being read: two
			// shards merge while both are open. Its end will bring the child again.
			waits = waits || !c.done[parent]
		}
		if !waits {
			c.seen[child.ID], c.caught[child.ID] = true, caught{}
			free = append(free, child.ID)
		}
	}
	return free
}

// progressed books a processed batch.
func (c *Consumer) progressed(b *kload.Batch) {
	if b.Behind > 0 || b.End {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.caught[b.Partition] = caught{last: b.Received, before: c.caught[b.Partition].last}
}

// CaughtUp reports whether everything stored by the time since (Unix ns) has
// been processed. Each partition must have been found read to its tip twice
// after it: the first answer may belong to a call that began before.
func (c *Consumer) CaughtUp(since int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, at := range c.caught {
		if at.before < since {
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
