package kload

import "context"

// Source supplies the records of one load, in schedule order. It is used from
// one goroutine.
type Source interface {
	// Next fills dst from the front and returns how many records it filled. The
	// bytes it lends stay valid until the following call of Next or Close. At the
	// end of the data it returns io.EOF, with or after the last records. n == 0
	// with a nil error is not allowed for a non-empty dst. Unless the source is
	// [Timed], dst[i].Intended holds the record's T0 on entry, so that a generator
	// can write the time into the payload.
	Next(ctx context.Context, dst []Record) (n int, err error)
	// Close releases the source. It is called exactly once.
	Close() error
}

// Timed is implemented by sources whose records bring their own send times
// (recorded data): Next fills Record.Intended with offsets from the start of
// the load, which never decrease. Sources without it follow the load's
// schedule.
type Timed interface {
	Timed() bool
}

// Followed is implemented by timed sources that follow what becomes of their
// records. Both methods are called by the goroutine of Next.
type Followed interface {
	// Start says that offset 0 of the schedule is this Unix time in nanoseconds. It
	// is called before the first Next, and again when the schedule is put off.
	Start(at int64)
	// Shed says that n records are left out, those that Next gave before the record
	// that will have the sequence number seq.
	Shed(seq uint64, n int)
}

// Counted is implemented by sources, keyers, openers, hosts and sinks with something to
// account for, such as malformed lines or empty polls. The names are the
// counters' in the summary, in snake_case. It is called after the run.
type Counted interface {
	Counters() map[string]uint64
}

// OutcomeFunc receives outcomes. It is called concurrently from the ingress's
// goroutines, must not block and must not keep the slices it is given.
type OutcomeFunc func([]Outcome)

// Ingress is a way into a stream. Every record that PutBatch accepted gets
// exactly one Outcome before Close returns.
type Ingress interface {
	// PutBatch accepts records in order and returns how many it accepted. It
	// copies what it keeps: the records belong to the caller again when it
	// returns. It blocks while the ingress's byte budget is used up. It returns
	// fewer than len(recs) only together with an error: ctx's, [ErrClosed], or a
	// reason why the ingress can take no more at all. It is called from one
	// goroutine at a time.
	PutBatch(ctx context.Context, recs []Record) (n int, err error)
	// Flush sends what is buffered without waiting for linger, and returns when
	// every record accepted before the call has its outcome, or with ctx's error.
	Flush(ctx context.Context) error
	// Close stops intake, flushes, and waits for the outcomes until ctx ends;
	// records still open then are given Unknown or Rejected. Further calls return
	// the same error.
	Close(ctx context.Context) error
}

// Reader reads one partition, in order. It is used from one goroutine at a
// time.
type Reader interface {
	// Next blocks until the next answer and returns it, possibly without
	// records. After a batch with End set it returns io.EOF. Errors it can get
	// over (throttling, expired iterators, lost connections) it gets over itself
	// and counts: it goes on behind the last record it returned. An error it returns
	// ends the partition.
	Next(ctx context.Context) (*Batch, error)
	// Close releases the reader. It is called exactly once.
	Close() error
}

// Polled is implemented by readers that ask now and then. A consumer shares few
// goroutines among them, so that Next makes one call and never sleeps: it returns
// a nil batch when the call failed in a way it can get over.
type Polled interface {
	// Due returns the time before which Next is not to be called, in Unix
	// nanoseconds.
	Due() int64
}

// Opener opens the partitions of one consumer's input. It is safe for
// concurrent use.
type Opener interface {
	// Partitions lists what there is to read, parents included, also of partitions
	// that have been read.
	Partitions(ctx context.Context) ([]Partition, error)
	// Open positions a reader and returns once it is positioned: what arrives
	// after Open returned will be read. Given a position after a user record,
	// reading starts with the stream record that held it; the consumer skips what
	// was processed. It is not called with AtEnd.
	Open(ctx context.Context, partition string, from Position) (Reader, error)
	// Close undoes what the opener did to the target, such as registering a
	// consumer. It is called exactly once, after the readers were closed, with a
	// context of its own.
	Close(ctx context.Context) error
}

// Host runs a consumer's handler over batches and puts the results into a
// sink. Calls for one partition come in order and never overlap; calls for
// different partitions may overlap.
type Host interface {
	// Process takes a batch whose Users are filled in and returns when the host
	// is ready for the partition's next one. It is called for batches with user
	// records, and for those with End set. A host that keeps the batch for longer
	// retains it.
	Process(ctx context.Context, b *Batch) error
	// Close completes what the host still holds.
	Close(ctx context.Context) error
}

// HandlerResult says what became of one user record in a handler.
type HandlerResult uint8

// The results of handling one record.
const (
	// OK: handled, goes to the sink.
	OK HandlerResult = iota
	// Filtered: the handler chose not to pass it on.
	Filtered
	// DeadLettered: handling failed for good.
	DeadLettered
)

// Handler is the application's code inside a host: it judges each user record.
// It may be called concurrently for different batches.
type Handler interface {
	// Handle fills results, which has one entry per element of b.Users. It may give
	// users new payloads: Data then is memory of theirs that stays as it is. Those
	// that are OK it may give a Route. After an error the batch is as it was.
	Handle(ctx context.Context, b *Batch, results []HandlerResult) error
}

// Sink makes handled records durable.
type Sink interface {
	// Write stores the records and returns when they are durable (T8). It copies
	// what it keeps. It is safe for concurrent use; the records of one call belong
	// to one partition and are in order.
	Write(ctx context.Context, b *Batch, users []Delivery) error
	// Written returns how many records the sink has stored.
	Written() uint64
	// Close flushes and releases the sink.
	Close() error
}
