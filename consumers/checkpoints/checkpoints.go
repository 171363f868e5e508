// Package checkpoints holds what the stores in the folders below have in common.
//
// A store implements [kload.Store]: who processes which partition, and how far.
// memory forgets with its process, file is shared by the processes of one
// machine, dynamodb by all who reach the table.
package checkpoints

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/kload/kload"
)

// Table holds leases by partition. It belongs to one goroutine at a time.
type Table map[string]kload.Lease

// Sorted returns copies of all leases, by partition.
func (t Table) Sorted() []kload.Lease {
	leases := slices.SortedFunc(maps.Values(t), func(a, b kload.Lease) int {
		return strings.Compare(a.Partition, b.Partition)
	})
	for i := range leases {
		leases[i] = clone(leases[i])
	}
	return leases
}

// Put makes l the lease of a partition; the zero lease stands for none.
func (t Table) Put(partition string, l kload.Lease) {
	if l.Partition == "" {
		delete(t, partition)
		return
	}
	t[partition] = clone(l)
}

// is returns an error unless a lease is as old says.
func (t Table) is(old kload.Lease) error {
	now, exists := t[old.Partition]
	switch {
	case !exists:
		return fmt.Errorf("there is none: %w", kload.ErrConflict)
	case now.Owner != old.Owner || now.Counter != old.Counter:
		return fmt.Errorf("it is owned by %q with counter %d, not by %q with %d: %w",
			now.Owner, now.Counter, old.Owner, old.Counter, kload.ErrConflict)
	}
	return nil
}

func clone(l kload.Lease) kload.Lease {
	l.Parents, l.Children = slices.Clone(l.Parents), slices.Clone(l.Children)
	return l
}

// Change is what a store is asked to do with one lease.
type Change struct {
	Partition string
	doing     string
	judge     func(Table) (kload.Lease, error)
}

// Create is the change that stores l where there is no lease yet.
func Create(l kload.Lease) Change {
	return Change{l.Partition, "creating", func(t Table) (kload.Lease, error) {
		if _, exists := t[l.Partition]; exists {
			return kload.Lease{}, fmt.Errorf("there is one: %w", kload.ErrConflict)
		}
		return First(l)
	}}
}

// First returns the lease that creating l stores.
func First(l kload.Lease) (kload.Lease, error) {
	if l.Partition == "" {
		return l, fmt.Errorf("%w: it names no partition", kload.ErrInvalid)
	}
	l.Counter = 0
	return l, nil
}

// Update is the change from old to l.
func Update(old, l kload.Lease) Change {
	return Change{old.Partition, "updating", func(t Table) (kload.Lease, error) {
		if err := t.is(old); err != nil {
			return kload.Lease{}, err
		}
		return Next(old, l)
	}}
}

// Next returns the lease that updating old to l stores.
func Next(old, l kload.Lease) (kload.Lease, error) {
	if l.Partition != old.Partition {
		return kload.Lease{}, fmt.Errorf("%w: the new one is of %q", kload.ErrInvalid, l.Partition)
	}
	l.Counter = old.Counter + 1
	return l, nil
}

// Delete is the change that removes old.
func Delete(old kload.Lease) Change {
	return Change{old.Partition, "deleting", func(t Table) (kload.Lease, error) { return kload.Lease{}, t.is(old) }}
}

// On returns the lease that the change leads to, the zero one if it deletes it,
// or why it cannot be made.
func (c Change) On(t Table) (kload.Lease, error) {
	l, err := c.judge(t)
	if err != nil {
		return kload.Lease{}, c.Failed(err)
	}
	return l, nil
}

// Failed says what failed with err.
func (c Change) Failed(err error) error {
	return hinted(fmt.Errorf("%s the lease of %q: %w", c.doing, c.Partition, err))
}

// ListFailed says that reading all leases failed with err.
func ListFailed(err error) error { return hinted(fmt.Errorf("reading the leases: %w", err)) }

func hinted(err error) error {
	if errors.Is(err, kload.ErrConflict) {
		return kload.WithHint(err, "read the leases again: another worker has changed this one")
	}
	return err
}
