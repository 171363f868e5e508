package leases

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/kload/kload"
)

// renewAtOnce bounds the calls under way to renew leases.
const renewAtOnce = 16

// sighting is when a lease was last seen to change, by this worker's clock.
type sighting struct {
	counter int64
	owner   string
	at      int64
	moved   bool // it has changed since it was first seen
}

// create makes a lease for each partition that has none and has not been read
// before: its parents' owners create those of children, and leases of what has
// been read may have been removed by KCL.
func (w *Worker) create(ctx context.Context, a kload.Assignments) error {
	parts, err := a.Partitions(ctx)
	if err != nil {
		return fmt.Errorf("listing the partitions to divide: %w", err)
	}
	stored, err := w.o.Store.Leases(ctx)
	if err != nil {
		return err
	}
	leased := map[string]bool{}
	for i := range stored {
		leased[stored[i].Partition] = true
	}
	read := continued(parts, leased)
	for _, p := range parts {
		if leased[p.ID] || read[p.ID] || p.From.Start == kload.AtEnd {
			continue
		}
		for _, parent := range p.Parents {
			if leased[parent] {
				p.From = kload.Position{Start: kload.TrimHorizon}
			}
		}
		leased[p.ID] = true
		if err := w.lease(ctx, p, p.From); err != nil {
			return err
		}
	}
	return nil
}

// continued returns the partitions of which a descendant has a lease. Parents are
// listed before their children.
func continued(parts []kload.Partition, leased map[string]bool) map[string]bool {
	read := map[string]bool{}
	for _, p := range slices.Backward(parts) {
		if leased[p.ID] || read[p.ID] {
			for _, parent := range p.Parents {
				read[parent] = true
			}
		}
	}
	return read
}

// lease creates the lease of a partition, unless another worker was faster.
func (w *Worker) lease(ctx context.Context, p kload.Partition, from kload.Position) error {
	l := kload.Lease{Partition: p.ID, Position: from, Parents: p.Parents, Range: p.Range, HasRange: p.HasRange}
	if _, err := w.o.Store.Create(ctx, l); err != nil && !errors.Is(err, kload.ErrConflict) {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, known := w.table[p.ID]; !known {
		w.table[p.ID] = l
	}
	return nil
}

// round looks at all leases, renews those that are held, and takes some more.
func (w *Worker) round(ctx context.Context, first bool) error {
	stored, err := w.list(ctx)
	if err != nil {
		w.stats.failures.Add(1)
	} else {
		w.observe(stored)
	}
	w.renew(ctx)
	if err == nil {
		w.take(ctx, stored, first)
	}
	return err
}

// list reads all leases, unless that takes too long.
func (w *Worker) list(ctx context.Context) ([]kload.Lease, error) {
	ctx, cancel := context.WithTimeout(ctx, w.o.Duration/rounds)
	defer cancel()
	return w.o.Store.Leases(ctx)
}

// observe compares the leases as stored with what this worker knows of them.
func (w *Worker) observe(stored []kload.Lease) {
	now := w.o.Clock.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	there := make(map[string]bool, len(stored))
	for _, l := range stored {
		there[l.Partition] = true
		if known := w.table[l.Partition]; l.Counter >= known.Counter { // else it was read before our last write
			w.table[l.Partition] = l
		}
		s, known := w.seen[l.Partition]
		if !known || s.counter != l.Counter || s.owner != l.Owner {
			w.seen[l.Partition] = sighting{l.Counter, l.Owner, now, known}
		}
	}
	for id, h := range w.holdings {
		switch l := w.table[id]; {
		case h.lost || h.freed:
		case !there[id]:
			w.lose(h)
		case l.Counter > h.lease.Counter:
			w.adopt(h, l)
		}
	}
}

// adopt takes over how a lease that this worker holds is stored: another has
// changed it, or an answer to a change of its own was lost. It reports whether the
// worker may still write it. The caller holds w.mu.
func (w *Worker) adopt(h *holding, l kload.Lease) bool {
	switch w.o.Owner {
	case l.Owner:
		h.lease = l
		return true
	case l.Outgoing:
		h.lease = l
		if !h.leaving {
			h.leaving = true
			h.halt()
		}
		return true
	}
	w.lose(h)
	return false
}

// lose stops the processing of a partition that is another worker's, or nobody's.
// The caller holds w.mu.
func (w *Worker) lose(h *holding) {
	if !h.lost {
		h.lost = true
		w.stats.lost.Add(1)
		h.halt()
	}
	if !h.started {
		delete(w.holdings, h.id)
	}
}

// renew moves the counters of all leases held, and sets the checkpoints that are
// due.
func (w *Worker) renew(ctx context.Context) {
	var g errgroup.Group
	g.SetLimit(renewAtOnce)
	for _, h := range w.held() {
		g.Go(func() error {
			_ = w.write(ctx, h, func(l *kload.Lease) { // a failure is counted; the next round tries again
				if w.due(h) {
					h.mark(l)
				}
				if w.o.Clock.Now()-h.taken > int64(w.o.Handoff) {
					l.Outgoing = ""
				}
			}, keep)
			return nil
		})
	}
	_ = g.Wait()
}

// held returns the leases that are this worker's to renew.
func (w *Worker) held() []*holding {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := make([]*holding, 0, len(w.holdings))
	for _, h := range w.holdings {
		if !h.lost && !h.freed && !h.leaving {
			list = append(list, h)
		}
	}
	return list
}
