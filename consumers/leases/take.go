package leases

import (
	"context"
	"errors"
	"math/rand/v2"

	"github.com/kload/kload"
)

// take takes leases that are free until this worker has its share, or asks for one
// of the worker that has most. first says that other workers are only about to
// come.
func (w *Worker) take(ctx context.Context, stored []kload.Lease, first bool) {
	b := w.balance(stored, first)
	tried := false
	rand.Shuffle(len(b.free), func(i, j int) { b.free[i], b.free[j] = b.free[j], b.free[i] })
	for _, l := range b.free {
		if b.need <= 0 {
			return
		}
		tried = true
		next := l
		next.Owner, next.Switches = w.o.Owner, l.Switches+1
		// One who was to withdraw may still be at work; it is waited for as before.
		if next.Outgoing == w.o.Owner {
			next.Outgoing = ""
		}
		if w.claim(ctx, l, next) {
			b.need--
		}
	}
	if l, ok := b.spare(); ok && !tried && !first {
		next := l
		next.Owner, next.Outgoing, next.Switches = w.o.Owner, l.Owner, l.Switches+1
		w.claim(ctx, l, next)
	}
}

// claim makes a lease ours, unless another worker was faster.
func (w *Worker) claim(ctx context.Context, old, next kload.Lease) bool {
	began := w.o.Clock.Now()
	l, err := w.o.Store.Update(ctx, old, next)
	if err != nil {
		if !errors.Is(err, kload.ErrConflict) {
			w.stats.failures.Add(1)
		}
		return false
	}
	w.stats.taken.Add(1)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.holdings[l.Partition] = newHolding(l, began, began+int64(w.o.Duration))
	w.table[l.Partition] = l
	return true
}

// balance is who has how many leases.
type balance struct {
	free  []kload.Lease            // nobody's, and readable
	owned map[string][]kload.Lease // those that can be asked of others, by owner
	count map[string]int           // leases by owner that lives
	share int                      // as many should each have
	need  int                      // as many this worker lacks
}

// balance divides the leases of what is not read to its end among the workers
// that live.
func (w *Worker) balance(stored []kload.Lease, first bool) balance {
	now := w.o.Clock.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	b := balance{owned: map[string][]kload.Lease{}, count: map[string]int{w.o.Owner: 0}}
	all := 0
	for _, l := range stored {
		if l.Position.Start == kload.AtEnd || w.waits(l) {
			continue
		}
		all++
		s := w.seen[l.Partition]
		switch h := w.holdings[l.Partition]; {
		case h != nil && (h.lost || h.leaving || h.freed):
		case h != nil:
			b.count[w.o.Owner]++
		case l.Owner == "" || now-s.at >= int64(w.o.Duration):
			b.free = append(b.free, l)
		default:
			b.count[l.Owner]++
			if l.Outgoing == "" && s.moved && now-s.at <= int64(w.o.Duration)/2 {
				b.owned[l.Owner] = append(b.owned[l.Owner], l)
			}
		}
	}
	workers := len(b.count)
	if first {
		workers = max(workers, w.o.Expect)
	}
	b.share = (all + workers - 1) / workers
	b.need = b.share - b.count[w.o.Owner]
	return b
}

// waits says whether a parent has not been read to its end. One without a lease
// is not there any more. The caller holds w.mu.
func (w *Worker) waits(l kload.Lease) bool {
	for _, parent := range l.Parents {
		if p, exists := w.table[parent]; exists && p.Position.Start != kload.AtEnd {
			return true
		}
	}
	return false
}

// spare returns a lease to ask for: of the worker that has most, if it keeps as
// many as this one then has. Leases of a worker that may be dead are not asked
// for: they are free sooner.
func (b *balance) spare() (l kload.Lease, ok bool) {
	most, has := "", 0
	for owner, n := range b.count {
		if len(b.owned[owner]) > 0 && (n > has || n == has && owner < most) {
			most, has = owner, n
		}
	}
	least := b.share
	if b.need == 1 {
		least++
	}
	if b.need <= 0 || has < least {
		return l, false
	}
	list := b.owned[most]
	return list[rand.IntN(len(list))], true
}
