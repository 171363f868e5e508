package leases

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/pace"
)

// holding is a lease that this worker owns, or is about to give away. It is there
// until reading the partition has ended. What is not said to be otherwise is
// guarded by Worker.mu.
type holding struct {
	id    string
	turn  chan struct{} // holds one token while the lease is being written
	stop  chan struct{} // closed when the partition is not to be read any more
	gone  chan struct{} // closed when the partition has ended
	taken int64

	lease   kload.Lease    // as stored
	until   int64          // the lease is ours until then, if it is not renewed
	done    kload.Position // everything up to it was processed
	behind  bool           // done is not in the checkpoint
	records int            // processed since the last checkpoint
	set     int64          // when that was
	started bool           // reading has begun
	leaving bool           // another owner waits for us to withdraw
	lost    bool           // nothing more may be processed
	freed   bool           // the worker has let go of it
	halted  bool
}

func newHolding(l kload.Lease, now, until int64) *holding {
	return &holding{
		id:   l.Partition,
		turn: make(chan struct{}, 1), stop: make(chan struct{}), gone: make(chan struct{}),
		lease: l, taken: now, until: until, done: l.Position, set: now,
	}
}

// halt has reading the partition end. The caller holds Worker.mu.
func (h *holding) halt() {
	if !h.halted {
		h.halted = true
		close(h.stop)
	}
}

// mark sets the checkpoint of l to what was processed. The caller holds Worker.mu.
func (h *holding) mark(l *kload.Lease) { l.Position, l.Switches = h.done, 0 }

// errLost says that a lease is another worker's.
var errLost = errors.New("the lease is lost")

// rewrites bounds how often a change is repeated because the lease had been
// changed by others who may.
const rewrites = 5

// What becomes of a lease that was written.
const (
	keep  = false
	letGo = true
)

// write changes a lease that this worker may write. If it has been changed since
// it was last seen, it is read again to see whether it still may. change is called
// with w.mu held.
func (w *Worker) write(ctx context.Context, h *holding, change func(*kload.Lease), free bool) error {
	select {
	case h.turn <- struct{}{}:
		defer func() { <-h.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, w.o.Duration/rounds)
	defer cancel()
	for range rewrites {
		w.mu.Lock()
		old, lost := h.lease, h.lost || h.freed || w.killed
		next := old
		change(&next)
		w.mu.Unlock()
		if lost {
			return errLost
		}
		began := w.o.Clock.Now()
		stored, err := w.o.Store.Update(ctx, old, next)
		switch {
		case err == nil:
			w.stored(h, old, stored, began, free)
			return nil
		case !errors.Is(err, kload.ErrConflict):
			w.stats.failures.Add(1)
			return err
		}
		if err := w.reread(ctx, h); err != nil {
			return err
		}
	}
	return fmt.Errorf("the lease of %s changes too often: %w", h.id, kload.ErrConflict)
}

// stored takes in a change that was made.
func (w *Worker) stored(h *holding, old, stored kload.Lease, began int64, free bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	h.lease, h.freed = stored, free
	w.table[stored.Partition] = stored
	if stored.Owner == w.o.Owner {
		h.until = began + int64(w.o.Duration)
	}
	if stored.Position != old.Position {
		w.stats.checkpoints.Add(1)
		h.behind, h.records, h.set = h.done != stored.Position, 0, began
	}
}

// reread finds out what became of a lease that has been changed.
func (w *Worker) reread(ctx context.Context, h *holding) error {
	stored, err := w.o.Store.Leases(ctx)
	if err != nil {
		w.stats.failures.Add(1)
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, l := range stored {
		if l.Partition == h.id {
			if w.adopt(h, l) {
				return nil
			}
			return errLost
		}
	}
	w.lose(h)
	return errLost
}

// due says whether a checkpoint is to be set. The caller holds w.mu.
func (w *Worker) due(h *holding) bool {
	return h.behind && (w.o.Clock.Now()-h.set >= int64(w.o.CheckpointEvery) ||
		w.o.CheckpointRecords > 0 && h.records >= w.o.CheckpointRecords)
}

// start has the partitions read whose leases are ours alone. What it returns is
// closed when each is positioned.
func (w *Worker) start(ctx context.Context, a kload.Assignments, readings *sync.WaitGroup) (started []chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, h := range w.holdings {
		if h.started || h.lost || h.freed || h.lease.Outgoing != "" {
			continue
		}
		h.started, h.done = true, h.lease.Position
		positioned := make(chan struct{})
		started = append(started, positioned)
		p := kload.Partition{
			ID: h.lease.Partition, Parents: h.lease.Parents, Range: h.lease.Range, HasRange: h.lease.HasRange, From: h.lease.Position,
		}
		readings.Go(func() { w.read(ctx, a, h, p, positioned) })
	}
	return started
}

// read has one partition read until the worker is to stop or the partition has
// ended. The lease is not taken again before reading is over.
func (w *Worker) read(ctx context.Context, a kload.Assignments, h *holding, p kload.Partition, positioned chan struct{}) {
	err := a.Assign(ctx, p, p.From)
	if err != nil {
		w.Release(context.WithoutCancel(ctx), p.ID)
		w.fail(ctx, err)
		w.drop(h)
	}
	close(positioned)
	if err != nil {
		return
	}
	select {
	case <-h.stop:
	case <-h.gone:
	case <-ctx.Done():
		return // all readings end, and Release is called for each
	}
	if err := a.Revoke(ctx, p.ID); err != nil {
		w.fail(ctx, err)
		return
	}
	w.drop(h)
}

// Holds says whether the worker may process a batch of a partition now. Once it
// may not, it stops reading the partition.
func (w *Worker) Holds(partition string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	h := w.holdings[partition]
	switch {
	case w.killed || h == nil || !h.started || h.lost || h.freed:
		return false
	case w.o.Clock.Now() < h.until:
		return true
	}
	w.stats.fenced.Add(1)
	w.lose(h)
	return false
}

// Processed notes how far a partition has been processed, by so many records, and
// sets the checkpoint if that is due. A checkpoint that cannot be set is counted
// and tried again later.
func (w *Worker) Processed(ctx context.Context, partition string, at kload.Position, records int) {
	w.mu.Lock()
	h := w.holdings[partition]
	if h == nil || h.lost || h.freed {
		w.mu.Unlock()
		return
	}
	h.done, h.behind = at, true
	h.records += records
	due := w.due(h)
	w.mu.Unlock()
	if due {
		_ = w.write(ctx, h, h.mark, keep)
	}
}

// Ended notes that a partition has been processed to its end: its children get
// leases, then its own says that it has ended. It goes on trying until that is
// stored or the lease is lost, since nobody else would.
func (w *Worker) Ended(ctx context.Context, partition string, children []kload.Partition) {
	h := w.holding(partition)
	if h == nil {
		return
	}
	pacer := pace.NewPacer(w.o.Clock)
	for w.Holds(partition) {
		err := w.complete(ctx, h, children)
		if err == nil {
			close(h.gone)
			return
		}
		if errors.Is(err, errLost) || pacer.Sleep(ctx, w.o.Duration/20) != nil {
			return
		}
	}
}

// holding returns the lease of a partition that the worker may change, or nil.
func (w *Worker) holding(partition string) *holding {
	w.mu.Lock()
	defer w.mu.Unlock()
	if h := w.holdings[partition]; h != nil && !h.lost && !h.freed {
		return h
	}
	return nil
}

func (w *Worker) complete(ctx context.Context, h *holding, children []kload.Partition) error {
	ids := make([]string, 0, len(children))
	for _, c := range children {
		if err := w.lease(ctx, c, kload.Position{Start: kload.TrimHorizon}); err != nil {
			w.stats.failures.Add(1)
			return err
		}
		ids = append(ids, c.ID)
	}
	return w.write(ctx, h, func(l *kload.Lease) {
		h.done = kload.Position{Start: kload.AtEnd}
		h.mark(l)
		l.Owner, l.Outgoing, l.Children = "", "", ids
	}, letGo)
}

// Release lets go of a partition that is not being read any more: the checkpoint
// is set, and the lease is free, or its new owner's. A worker that lost the lease
// or was killed changes nothing.
func (w *Worker) Release(ctx context.Context, partition string) {
	h := w.holding(partition)
	if h == nil {
		return
	}
	given := false
	err := w.write(ctx, h, func(l *kload.Lease) {
		if h.started {
			h.mark(l)
		}
		given = l.Outgoing == w.o.Owner
		if given {
			l.Outgoing = ""
		} else {
			l.Owner = ""
		}
	}, letGo)
	if err == nil && given {
		w.stats.given.Add(1)
	}
}

// drop forgets a lease.
func (w *Worker) drop(h *holding) {
	w.mu.Lock()
	delete(w.holdings, h.id)
	w.mu.Unlock()
	w.signal()
}

// Kill ends the worker as a crash does: it processes nothing more, and leaves its
// leases and their checkpoints as they are. It returns how many there were.
func (w *Worker) Kill() (held int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.killed = true
	w.cancel()
	return len(w.holdings)
}
