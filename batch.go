package kload

import (
	"sync/atomic"
	"time"
)

// StreamRecord is one record as Kinesis stores it. It may hold many user
// records.
type StreamRecord struct {
	Data     []byte
	Key      []byte
	Sequence string
	Arrived  int64 // T4: ApproximateArrivalTimestamp, whole milliseconds
}

// Delivery is one user record on its way out, after de-aggregation. Its slices
// point into the batch's memory.
type Delivery struct {
	Data []byte // payload as sent; the tap takes a prefix stamp off
	Tag  []byte // tags field of an aggregated record, nil otherwise
	Key  []byte
	// Hash is the point that decided the shard: the explicit hash key, else the
	// MD5 of Key. HasHash is false for a plain record that may have been sent with
	// an explicit hash key, which the service does not give back.
	Hash HashKey
	// Stream is the index of the stream record in Batch.Records that held this
	// user record; Sub its index inside it (0 for a plain record).
	Stream int
	Sub    int64
	// The trace, filled in by the tap. Traced is false when none was found.
	Seq      uint64
	Intended int64 // T0
	// Route is the name that the handler gave the record, "" for none. Of several
	// sinks it says which one the record is for; a sink may also group by it what it
	// stores, as by prefixes or attributes. It is no part of the batch's memory.
	Route    string
	Producer uint32
	Traced   bool
	HasHash  bool
	// Extra is set by the ledger on what is not the first sighting of a record of
	// this run: the consumer has seen it before, or it is not the run's.
	Extra bool
}

// Batch is what a reader returned in one answer: stream records of one
// partition in order, then, after de-aggregation, their user records.
//
// A batch is shared. It starts with one reference; Retain adds one, Release
// drops one, and the last Release hands the memory back to its reader. A holder
// that wants bytes for longer copies them.
type Batch struct {
	Partition string
	Records   []StreamRecord
	Users     []Delivery
	Received  int64         // T5: the answer was fully read
	Behind    time.Duration // MillisBehindLatest
	// End says that the partition is closed and this is its last batch; Children
	// lists the partitions that continue it.
	End      bool
	Children []Partition
	// Memory is how many bytes the batch holds on to, which may be more than it
	// has records; 0 where the reader does not know.
	Memory int64

	// Recycle, if set, takes the batch back after its last release.
	Recycle func(*Batch)
	refs    atomic.Int32
}

// Retain adds a reference. It may be called by any holder, from any goroutine.
func (b *Batch) Retain() { b.refs.Add(1) }

// Retained reports whether anybody but the caller holds a reference. Where nobody
// does, nobody can come by one: only holders retain.
func (b *Batch) Retained() bool { return b.refs.Load() > 0 }

// Release drops a reference; the last one recycles the batch, which must not be
// touched afterwards.
func (b *Batch) Release() {
	if b.refs.Add(-1) < 0 && b.Recycle != nil {
		b.refs.Store(0)
		b.Recycle(b)
	}
}
