package consumers

import (
	"context"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/shard"
)

// reading is one partition being read. It is in one place at a time: being
// opened, waiting in the heap of a poller, or in the hands of a fetcher or of its
// own goroutine.
type reading struct {
	id     string
	worker *worker
	reader kload.Reader
	polled kload.Polled // the reader, if it is one; nil where it blocks
	from   kload.Position
	owned  *shard.Range  // hash keys of the partition, nil where they are not known
	closed chan struct{} // when all is over

	// Of the context that ends with the run or when the partition is revoked.
	cancel context.CancelFunc
	over   func() error // nil before
	done   func() <-chan struct{}
	next   func() (*kload.Batch, error) // calls the reader under it

	due   int64 // when to be polled next
	place int   // in the heap; -1 when not there

	sizes  sizes        // of its answers
	wants  func() int64 // expects
	caught caught       // guarded by Consumer.mu
	past   bool         // from has been passed; the worker's
}

// caught holds when a partition was last found read to its tip.
type caught struct{ last, before int64 }

// begin gives the reading a context of the run.
func (r *reading) begin(running context.Context) {
	within, cancel := context.WithCancel(running)
	r.cancel, r.over, r.done = cancel, within.Err, within.Done
	r.next = func() (*kload.Batch, error) { return r.reader.Next(within) }
}

// dueNext is when a reader that is polled wants its next call.
func (r *reading) dueNext() int64 { return r.polled.Due() }

// pass takes the user records out of b that were processed before reading went on
// here, in the stream record that the position names. It returns their number.
func (r *reading) pass(b *kload.Batch) (n int) {
	if r.past {
		return 0
	}
	r.past = true
	if r.from.Start != kload.After {
		return 0
	}
	for n < len(b.Users) {
		u := &b.Users[n]
		if b.Records[u.Stream].Sequence != r.from.Sequence || u.Sub > r.from.Sub {
			break
		}
		n++
	}
	b.Users = b.Users[:copy(b.Users, b.Users[n:])]
	return n
}
