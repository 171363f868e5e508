package kload

import (
	"context"
	"errors"
)

// ErrConflict says that a lease is not as the caller believed: someone else
// changed it since it was read, or it exists already, or no more.
var ErrConflict = errors.New("changed by someone else")

// Lease says who processes a partition and how far that has come. It is a value:
// stores copy its slices, and nobody changes those of a lease they were given.
type Lease struct {
	Partition string
	// Owner is the worker that processes the partition; empty if none does.
	Owner string
	// Counter is 0 in a new lease and grows by one with every change of it. An owner
	// shows that it lives by updating its leases, even if nothing else changes: of
	// one whose counter stands still for long enough, others take them.
	Counter int64
	// Position is the checkpoint: everything up to it has been processed.
	Position Position
	// Outgoing is, during a handoff, the worker that owned the lease before. It may
	// still set the checkpoint, and the owner does not begin before it is cleared.
	Outgoing string
	// Switches counts the changes of owner since the checkpoint was set.
	Switches int64
	// Parents are the partitions to be processed to their ends before this one,
	// Children those that continue it.
	Parents, Children []string
	// Range holds the partition's hash keys, where HasRange says that they are
	// known.
	Range    HashRange
	HasRange bool
}

// Store keeps the leases of one consumer, which may be several workers in
// several processes. Whoever changes a lease says what it was; a store makes sure
// that of two who saw the same lease only one succeeds. It is safe for concurrent
// use.
//
// A method that returns an error other than one that wraps [ErrConflict] may
// nevertheless have had its effect: read the lease again to know.
type Store interface {
	// Leases returns all leases, sorted by partition. It sees every change whose
	// method has returned.
	Leases(ctx context.Context) ([]Lease, error)
	// Create stores a lease with counter 0 for a partition that has none, and
	// returns it as stored.
	Create(ctx context.Context, lease Lease) (Lease, error)
	// Update replaces the lease old, which is recognised by its partition, owner and
	// counter, by one with the next counter, and returns it as stored.
	Update(ctx context.Context, old, lease Lease) (Lease, error)
	// Delete removes the lease old, which is recognised in the same way.
	Delete(ctx context.Context, old Lease) error
	// Close releases the store; the leases stay. From then on the other methods give
	// errors that wrap [ErrClosed], and Close does nothing.
	Close() error
}
