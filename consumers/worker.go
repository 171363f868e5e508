package consumers

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/kload/kload"
)

// workerQueue is how many batches may wait for a worker; who fetches ahead of it
// blocks beyond that.
const workerQueue = 1

// worker processes the batches of its partitions, one after the other.
type worker struct {
	c      *Consumer
	queue  chan item
	poller *poller
	deagg  *deaggregator
	tap    *tap

	users  []kload.Delivery // lent to one batch at a time, which may be retained and then keeps it
	failed bool             // the host failed; the worker goes on unpacking so that readers never block
}

// item is a batch for a worker. Without one the reading is over.
type item struct {
	*reading
	batch *kload.Batch
	bytes int64 // of it, in the byte budget
}

func newWorker(c *Consumer) *worker {
	w := &worker{
		c: c, queue: make(chan item, workerQueue),
		deagg: newDeaggregator(c.o.Strays, c.o.PlainByKey), tap: newTap(c.o.Tap),
	}
	w.poller = newPoller(c.o.Clock, w.fetch)
	return w
}

// start lets the worker and its poller run until close. What was fetched is
// processed even after running ended.
func (w *worker) start(running context.Context, crew *sync.WaitGroup) {
	crew.Go(func() { w.run(running) })
	crew.Go(func() { w.poller.run(context.WithoutCancel(running), crew) })
}

// close ends a worker that has nothing left to read.
func (w *worker) close() {
	w.poller.close()
	close(w.queue)
}

// take begins to read a partition that has been opened.
func (w *worker) take(r *reading) {
	var polled bool
	if r.polled, polled = r.reader.(kload.Polled); polled {
		r.sizes.at = w.c.o.Clock.Now()
		w.poller.add(r, r.dueNext())
		return
	}
	go func() {
		for more := true; more; {
			w.c.gate.wait(r.done())
			more = w.fetch(r)
		}
	}()
}

// fetch moves one batch from a reader to the worker. more is false after the last
// of the partition.
func (w *worker) fetch(r *reading) (more bool) {
	if r.over() != nil {
		w.queue <- item{reading: r}
		return false
	}
	expected := w.c.budget.take(r.wants)
	if w.c.gate.shut() { // since it was due
		w.c.budget.correct(expected, 0)
		return true
	}
	b, err := r.next()
	if b == nil || err != nil {
		w.c.budget.correct(expected, 0)
	}
	if err != nil {
		if r.over() == nil && !errors.Is(err, io.EOF) {
			w.c.fail(r.over, "reading "+r.id, err)
		}
		w.queue <- item{reading: r}
		return false
	}
	if b == nil { // polled, and it was not answered
		return true
	}
	more = !b.End // b is not ours for long
	bytes := r.sizes.see(b)
	w.c.usual.see(r.sizes.last)
	w.c.budget.correct(expected, bytes)
	w.queue <- item{r, b, bytes}
	return more
}

// run processes what is fetched.
func (w *worker) run(running context.Context) {
	work := context.WithoutCancel(running)
	for it := range w.queue {
		b := it.batch
		if b == nil {
			w.c.finish(running, it.reading, false, nil)
			continue
		}
		if err := w.process(work, it.reading, b); err != nil {
			w.failed = true
			w.c.fail(running.Err, "processing a batch of "+it.id, err)
		}
		w.takeBack(b)
		w.c.progressed(it.reading, b)
		end, children := b.End, b.Children
		b.Release()
		w.c.budget.correct(it.bytes, 0)
		if end {
			w.c.finish(running, it.reading, true, children)
		}
	}
}

// takeBack ends the loan of w.users, of which a retained batch keeps its part.
func (w *worker) takeBack(b *kload.Batch) {
	switch {
	case len(b.Records) == 0:
	case b.Retained():
		w.users = nil
	default:
		clear(b.Users)
		w.users, b.Users = b.Users[:0], nil
	}
}

func (w *worker) process(ctx context.Context, r *reading, b *kload.Batch) error {
	if host, ok := w.c.o.Host.(kload.Fenced); ok && !host.Holds(b.Partition) {
		return nil
	}
	if len(b.Records) > 0 {
		b.Users = w.users
		w.deagg.fill(b, r.owned)
		w.c.skipped.Add(uint64(r.pass(b)))
		if w.c.o.Inject != nil {
			w.c.o.Inject.apply(b)
		}
		w.tap.see(b)
	}
	if w.failed || len(b.Users) == 0 && !b.End {
		return nil
	}
	return w.c.o.Host.Process(ctx, b)
}
