package consumers

import (
	"context"
	"fmt"

	"github.com/kload/kload"
)

// workerQueue is how many batches may wait for a worker; a reader that is ahead
// blocks beyond it.
const workerQueue = 1

// worker processes the batches of its partitions, one after the other.
type worker struct {
	o     *Options
	queue chan *kload.Batch
	deagg *deaggregator
	tap   *tap

	failed bool // the host failed; the worker goes on unpacking so that readers never block
}

func newWorker(o *Options) *worker {
	return &worker{
		o: o, queue: make(chan *kload.Batch, workerQueue),
		deagg: newDeaggregator(o.Strays, o.PlainByKey), tap: newTap(o.Tap),
	}
}

// run processes until the queue is closed. What was fetched is processed even
// after ctx ended.
func (w *worker) run(ctx context.Context, c *Consumer) {
	work := context.WithoutCancel(ctx)
	for b := range w.queue {
		partition, end, children := b.Partition, b.End, b.Children
		if len(b.Records) > 0 {
			w.process(work, b, c)
		}
		c.progressed(b)
		b.Release()
		if end {
			c.ended(ctx, partition, children)
		}
	}
}

func (w *worker) process(ctx context.Context, b *kload.Batch, c *Consumer) {
	w.deagg.fill(b, nil)
	if w.o.Inject != nil {
		w.o.Inject.apply(b)
	}
	w.tap.see(b)
	if w.failed {
		return
	}
	if err := w.o.Host.Process(ctx, b); err != nil {
		w.failed = true
		err = fmt.Errorf("processing a batch of %s: %w", b.Partition, err) // here: the batch is gone later
		c.group.Go(func() error { return err })
	}
}
