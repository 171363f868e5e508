package producer_test

import (
	"context"
	"io"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/ledger"
	"github.com/kload/kload/internal/pace"
	"github.com/kload/kload/internal/trace"
	"github.com/kload/kload/producer"
)

// source yields records with the same payload, at most size of them (0: without
// end), as a timed source with the given offset between them.
type source struct {
	payload string
	gap     time.Duration // > 0: timed
	size    int
	err     error // instead of io.EOF
	given   int
	seen    []int64 // Intended on entry
}

func (s *source) Timed() bool  { return s.gap > 0 }
func (s *source) Close() error { return nil }

func (s *source) Next(_ context.Context, dst []kload.Record) (int, error) {
	n := 0
	for n < len(dst) && (s.size == 0 || s.given < s.size) {
		s.seen = append(s.seen, dst[n].Intended)
		dst[n].Data = []byte(s.payload)
		if s.gap > 0 {
			dst[n].Intended = int64(s.given) * int64(s.gap)
		}
		n++
		s.given++
	}
	switch {
	case n == len(dst):
		return n, nil
	case s.err != nil:
		return n, s.err
	}
	return n, io.EOF
}

// got is what an ingress was handed.
type got struct {
	Seq      uint64
	Intended int64
	At       int64
	Data     string
	Key      string
	Tag      string
}

// memory is an ingress that keeps what it is handed. It takes per (0: no limit)
// records at once, and then pauses.
type memory struct {
	clock *pace.Clock
	pacer *pace.Pacer
	pause time.Duration
	per   int
	fail  error // after limit records
	limit int
	got   []got
}

func (m *memory) PutBatch(ctx context.Context, recs []kload.Record) (int, error) {
	for i, r := range recs {
		if m.fail != nil && len(m.got) == m.limit {
			return i, m.fail
		}
		m.got = append(m.got, got{r.Seq, r.Intended, m.clock.Now(), string(r.Data), string(r.Key), string(r.Tag)})
		if m.per > 0 && len(m.got)%m.per == 0 {
			if err := m.pacer.Sleep(ctx, m.pause); err != nil {
				return i + 1, err
			}
		}
	}
	return len(recs), nil
}

func (m *memory) Flush(context.Context) error { return nil }
func (m *memory) Close(context.Context) error { return nil }

// loadRig is a load into memory. Make it inside a bubble.
type loadRig struct {
	producer.LoadOptions
	ingress *memory
	books   *ledger.Ledger
	start   int64
}

func newLoadRig(src kload.Source) *loadRig {
	clock := pace.NewClock()
	r := &loadRig{ingress: &memory{clock: clock, pacer: pace.NewPacer(clock)}, books: ledger.New(1)}
	r.LoadOptions = producer.LoadOptions{
		Source: src, Carrier: trace.None, Run: 1, Ingress: r.ingress, Clock: clock,
		Ledger: r.books.AddLoad("load", ledger.LoadOptions{Counted: true}), Grace: int64(2 * time.Second),
	}
	r.start = clock.Now() + int64(time.Second)
	return r
}

func (r *loadRig) run(ctx context.Context) (producer.LoadResult, error) {
	return producer.NewLoad(r.LoadOptions).Run(ctx, r.start)
}

// account is what the ledger says of the load.
type account struct{ Scheduled, Sent, Unsent, Shed uint64 }

func (r *loadRig) account() account {
	l := r.books.Verify().Loads[0]
	return account{l.Scheduled, l.Sent, l.Unsent, l.Shed}
}
