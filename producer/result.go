package producer

import (
	"context"
	"fmt"

	"github.com/kload/kload"
)

// Result is what became of one user record.
type Result struct {
	Producer uint32 // as in the record that was put
	Seq      uint64 // likewise
	Status   kload.Status
	// Shard and Sequence say where the stream record is that holds it, and
	// SubSequence which of its user records it is, if Status is kload.Acked.
	Shard       string
	Sequence    string
	SubSequence int
	Attempts    int
	// Ambiguous counts attempts that may have stored the record although they were
	// not acknowledged: so many duplicates there may be.
	Ambiguous int
	Code      string // error code of the service or of this package, "" if acknowledged
	Intended  int64  // T0 as given, Unix ns
	Accepted  int64  // T1, Unix ns
	Acked     int64  // T3, Unix ns, 0 unless acknowledged
}

// Err returns nil for a record that was acknowledged, and else what happened. Of
// a result that came with an error ([Producer.PutSync]) it says only that nothing
// is known.
func (r *Result) Err() error {
	switch r.Status {
	case kload.Acked:
		return nil
	case kload.Rejected:
		return fmt.Errorf("putting record %d: %s after %d attempts; it was not stored", r.Seq, r.Code, r.Attempts)
	case kload.Unknown:
		return kload.WithHint(fmt.Errorf("putting record %d: %s after %d attempts, at least one of which may have stored it", r.Seq, r.Code, r.Attempts),
			"putting it again may duplicate it")
	}
	return fmt.Errorf("putting record %d: not decided", r.Seq)
}

// result extracts one user record's share of an outcome.
func result(o *kload.Outcome, index int) Result {
	r := &o.Records[index]
	res := Result{
		Producer: r.Producer, Seq: r.Seq, Status: o.Status, Attempts: o.Attempts, Ambiguous: o.Ambiguous, Code: o.Code,
		Intended: r.Intended, Accepted: r.Accepted,
	}
	if o.Status == kload.Acked {
		res.Shard, res.Sequence, res.SubSequence, res.Acked = o.Shard, o.Sequence, index, o.Acked
	}
	return res
}

// waiter is a caller of PutSync that waits for a record of a stream record.
type waiter struct {
	index  int
	result chan<- Result // has room
}

// OnResult has f called once for every record accepted from now on and also for
// those under way. It is called from the senders, concurrently, before Flush or
// Close count the record as decided; it must not block, nor call the producer. A
// nil f ends it. Records that come in large numbers are told cheaper by
// Options.Outcomes.
func (p *Producer) OnResult(f func(Result)) {
	if f == nil {
		p.onResult.Store(nil)
		return
	}
	p.onResult.Store(&f)
}

// PutSync puts one record and waits for its result. The error is that of
// [Producer.Put], or of the record ([Result.Err]). When ctx ends first the record
// stays under way, and the result has no status. The record lingers like every
// other: many callers at once share aggregates.
func (p *Producer) PutSync(ctx context.Context, r kload.Record) (Result, error) {
	decided := make(chan Result, 1)
	if err := p.put(ctx, &r, decided); err != nil {
		return Result{Producer: r.Producer, Seq: r.Seq}, err
	}
	select {
	case res := <-decided:
		return res, res.Err()
	case <-ctx.Done():
		return Result{Producer: r.Producer, Seq: r.Seq}, fmt.Errorf("waiting for record %d: %w", r.Seq, ctx.Err())
	}
}

// deliver tells everyone what became of records.
func (p *Producer) deliver(out []kload.Outcome, recs []*streamRecord) {
	p.stats.settle(out, recs)
	if p.o.Outcomes != nil {
		p.o.Outcomes(out)
	}
	if f := p.onResult.Load(); f != nil {
		for i := range out {
			for j := range out[i].Records {
				(*f)(result(&out[i], j))
			}
		}
	}
	for i, r := range recs {
		for _, w := range r.waiters {
			w.result <- result(&out[i], w.index)
		}
	}
}
