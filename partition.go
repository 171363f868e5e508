package kload

import "context"

// Partition is a part of a consumer's input that is read in order: a shard, or
// one stretch of a queue.
type Partition struct {
	ID string
	// Parents lists the partitions that this one continues: none, one after a
	// split, two after a merge. It is read once all of them have been.
	Parents []string
	// Range holds the hash keys whose records belong here, where HasRange says that
	// they are known.
	Range    HashRange
	HasRange bool
	// From is where to start without a checkpoint. Children of a batch are
	// read from [TrimHorizon].
	From Position
}

// HashRange is a run of hash keys; both ends belong to it.
type HashRange struct{ Start, End HashKey }

// Assignee is implemented by hosts that want to know which partitions they are
// given, to keep something by partition. Calls for one partition never overlap
// with each other or with Process.
type Assignee interface {
	// Assigned comes before the partition's first batch. An error ends the run of
	// the consumer.
	Assigned(ctx context.Context, p Partition, from Position) error
	// Revoked comes after the partition's last batch, once for each Assigned:
	// because it was revoked, because it has ended (its batch with End set was
	// processed), or because reading stops. ctx is not cancelled.
	Revoked(ctx context.Context, partition string) error
}

// Coordinator is implemented by hosts that decide by themselves which
// partitions to read and from where, as members of a group do. The consumer
// then opens nothing on its own, neither at the start nor after a partition
// ended.
type Coordinator interface {
	// Coordinate runs until ctx ends, which is no error. It calls ready, once, when
	// its first assignments are made.
	Coordinate(ctx context.Context, a Assignments, ready func()) error
}

// Fenced is implemented by hosts that coordinate and whose partitions may be taken
// by others without their knowing, as when the process stood still for too long.
type Fenced interface {
	// Holds says whether a batch of the partition may be processed now. It is asked
	// before each one; a batch that may not be is dropped before anybody has seen
	// it. Once the answer was no, the host revokes the partition. It may be called
	// concurrently.
	Holds(partition string) bool
}

// Assignments is a consumer as its host's coordination sees it. It is safe for
// concurrent use, but not from inside Process, Assigned or Revoked.
type Assignments interface {
	// Partitions lists what there is to read, read and unread.
	Partitions(ctx context.Context) ([]Partition, error)
	// Assign starts reading a partition, and returns once the reader is positioned.
	// It is an error if the partition is being read.
	Assign(ctx context.Context, p Partition, from Position) error
	// Revoke stops reading a partition and returns when its last batch has been
	// processed and its reader is closed. It does nothing for one that is not
	// being read, such as one that has just ended.
	Revoke(ctx context.Context, partition string) error
}
