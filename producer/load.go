package producer

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/ledger"
	"github.com/kload/kload/internal/pace"
	"github.com/kload/kload/internal/trace"
)

// How many records the loop takes from its source at once: unpaced loads take
// fewer, because they share one intended time.
const (
	loadBatch    = 1024
	unpacedBatch = 256
)

// sendBytes bounds the payload that is stamped, and so copied, at once.
const sendBytes = 1 << 20

// LoadOptions describes one load: where its records come from, when each is
// due, how it is keyed and traced, and where it goes.
type LoadOptions struct {
	Source   kload.Source
	Schedule pace.Schedule // when records are due; nil for timed, unpaced and closed-loop loads
	Unpaced  bool          // as fast as the ingress takes them; T0 is when the loop takes the record
	Closed   *ClosedLoop   // instead of a schedule: as fast as outcomes come
	Pacing   pace.Mode
	Keys     Keyer // nil keeps the source's keys
	Carrier  trace.Carrier
	Index    *trace.Index // of the natural carrier
	Run      uint32       // run id, carried in the trace
	Ingress  kload.Ingress
	Ledger   *ledger.Load
	Clock    *pace.Clock
	// OnSaturation says what becomes of records that the ingress has no room for.
	// The zero value blocks;
	// the others need a [Trier].
	OnSaturation Saturation
	// OnLag says what becomes of a timed source's schedule when records leave more
	// than MaxLag (ns) late. The zero value catches up.
	OnLag  LagPolicy
	MaxLag int64
	// Grace is how long after the schedule's end an acknowledgement is still in
	// time, in ns.
	Grace int64
	// Overtime is how long the load goes on sending late records after its
	// schedule has ended, in ns. What is left then is unsent. 0 means for ever.
	Overtime int64
}

// LoadResult says how a load went.
type LoadResult struct {
	Scheduled uint64 // records due until the load ended
	End       int64  // when its schedule ended, Unix ns
	Overran   bool   // records were left unsent after Overtime
	Slips     uint64 // how often the schedule was put off, and by how many ns in all
	Slipped   int64
	Dropped   uint64 // records shed because they were late
}

// Load takes records from a source, holds each until it is due, stamps it and
// hands it to an ingress. The schedule does not wait for the ingress: when that
// blocks, records leave late and keep their intended times.
type Load struct {
	o      LoadOptions
	pacer  *pace.Pacer
	batch  []kload.Record
	arena  []byte // stamped payloads and tags of one slice
	timed  bool
	start  int64
	filled int    // records in batch
	taken  uint64 // records taken from the source
	due    uint64 // records announced as due
	sent   uint64 // records the ingress accepted
	shed   uint64 // records left out
	ended  bool   // the source has no more
	lastT0 int64
	lag    lag
}

// NewLoad prepares a load. The source and the ingress stay the caller's to
// close.
func NewLoad(o LoadOptions) *Load {
	l := &Load{o: o, pacer: pace.NewPacerIn(o.Clock, o.Pacing), batch: make([]kload.Record, loadBatch)}
	l.o.Unpaced = o.Unpaced || o.Closed != nil
	if t, ok := o.Source.(kload.Timed); ok {
		l.timed = t.Timed()
	}
	return l
}

// Run sends the load, starting its schedule at the Unix time start (ns). It
// returns when the source or the schedule has ended, when ctx ends (with its
// error), or when source or ingress fail. It is called once.
func (l *Load) Run(ctx context.Context, start int64) (LoadResult, error) {
	l.start, l.lastT0 = start, start
	if _, err := l.pacer.Until(ctx, start); err != nil {
		return LoadResult{End: start}, err
	}
	l.tellStart()
	if l.o.Schedule != nil {
		l.o.Ledger.Deadline(start + l.o.Schedule.Span() + l.o.Grace)
	}
	run, cancel := l.withOvertime(ctx)
	defer cancel()
	err := l.loop(run)
	overran := errors.Is(err, context.DeadlineExceeded) && run.Err() != nil && ctx.Err() == nil
	if overran {
		err = nil
	}
	res := l.result(err)
	res.Overran = overran
	res.Slips, res.Slipped, res.Dropped = l.lag.slips, l.lag.slipped, l.lag.dropped
	l.o.Ledger.Scheduled(res.Scheduled)
	l.o.Ledger.Deadline(res.End + l.o.Grace)
	return res, err
}

// withOvertime bounds the load where its schedule has a known end.
func (l *Load) withOvertime(ctx context.Context) (context.Context, context.CancelFunc) {
	if l.o.Schedule == nil || l.o.Overtime == 0 {
		return context.WithCancel(ctx)
	}
	left := l.start + l.o.Schedule.Span() + l.o.Overtime - l.o.Clock.Now()
	return l.pacer.Deadline(ctx, left)
}

func (l *Load) loop(ctx context.Context) error {
	for !l.ended {
		n, err := l.fill(ctx)
		l.ended = errors.Is(err, io.EOF)
		if err != nil && !l.ended {
			return fmt.Errorf("reading the source: %w", err)
		}
		if err := l.emit(ctx, l.batch[:n]); err != nil {
			return err
		}
	}
	return nil
}

// fill takes the next records from the source and gives them their intended
// times.
func (l *Load) fill(ctx context.Context) (int, error) {
	dst := l.batch
	switch {
	case l.o.Closed != nil:
		n, err := l.o.Closed.take(ctx, l.pacer, l.o.Clock, l.start, l.taken, unpacedBatch)
		if n == 0 && err == nil {
			err = io.EOF
		}
		if err != nil {
			return 0, err
		}
		dst = dst[:n]
		l.intendNow(dst)
	case l.o.Schedule != nil:
		dst = dst[:min(uint64(len(dst)), l.o.Schedule.Total()-l.taken)]
		if len(dst) == 0 {
			return 0, io.EOF
		}
		for i := range dst {
			dst[i] = kload.Record{Intended: l.start + l.o.Schedule.At(l.taken+uint64(i))}
		}
	case l.o.Unpaced:
		dst = dst[:unpacedBatch]
		l.intendNow(dst)
	default:
		clear(dst)
	}
	n, err := l.o.Source.Next(ctx, dst)
	if l.timed && !l.o.Unpaced {
		for i := range dst[:n] {
			dst[i].Intended += l.zero()
		}
	}
	if l.o.Closed != nil && n < len(dst) {
		l.o.Closed.Settle(len(dst) - n)
	}
	l.filled = n
	l.taken += uint64(n)
	return n, err
}

// intendNow gives unpaced records their intended time.
func (l *Load) intendNow(dst []kload.Record) {
	now := l.o.Clock.Now()
	for i := range dst {
		dst[i] = kload.Record{Intended: now}
	}
}

// emit sends records as they become due.
func (l *Load) emit(ctx context.Context, recs []kload.Record) error {
	for len(recs) > 0 {
		n, err := l.ready(ctx, recs)
		if err != nil {
			return err
		}
		if n < 0 { // they were left out
			recs = recs[-n:]
			continue
		}
		if err := l.send(ctx, recs[:n]); err != nil {
			return err
		}
		recs = recs[n:]
	}
	return nil
}

// ready waits for the first record and returns how many are due by then, or
// below zero how many are left out because they are late.
func (l *Load) ready(ctx context.Context, recs []kload.Record) (int, error) {
	if l.o.Unpaced {
		if l.timed { // their own times do not count
			now := l.o.Clock.Now()
			for i := range recs {
				recs[i].Intended = now
			}
		}
		n := 1
		for bytes := len(recs[0].Data); n < len(recs) && bytes+len(recs[n].Data) <= sendBytes; n++ {
			bytes += len(recs[n].Data)
		}
		l.announce(l.sent + l.shed + uint64(n))
		return n, ctx.Err()
	}
	now, err := l.pacer.Until(ctx, recs[0].Intended)
	if err != nil {
		return 0, err
	}
	if leave := l.keepUp(recs, now); leave > 0 {
		return -leave, nil
	}
	n, bytes := 1, len(recs[0].Data)
	for n < len(recs) && recs[n].Intended <= now && bytes+len(recs[n].Data) <= sendBytes {
		bytes += len(recs[n].Data)
		n++
	}
	if l.o.Schedule != nil {
		l.announce(l.o.Schedule.Due(now - l.start))
	} else {
		l.announce(l.sent + l.shed + uint64(n))
	}
	return n, nil
}

// announce tells the ledger how many records are due so far.
func (l *Load) announce(due uint64) {
	l.due = due
	l.o.Ledger.Schedule(due)
}

// send keys, stamps and hands over records that are due.
func (l *Load) send(ctx context.Context, recs []kload.Record) error {
	if l.o.Keys != nil {
		if err := l.o.Keys.Assign(recs); err != nil {
			return fmt.Errorf("keying a record: %w", err)
		}
	}
	if err := l.stamp(recs); err != nil {
		return fmt.Errorf("stamping a record: %w", err)
	}
	l.lastT0 = recs[len(recs)-1].Intended
	if s := l.o.OnSaturation; s == Shed || s == Abort {
		return l.try(recs)
	}
	n, err := l.o.Ingress.PutBatch(ctx, recs)
	l.sent += uint64(n)
	l.o.Ledger.Sent(uint64(n))
	return err
}

// stamp gives records their identity and writes their trace into memory that
// lives until the next call.
func (l *Load) stamp(recs []kload.Record) error {
	l.arena = l.arena[:0]
	for i := range recs {
		r := &recs[i]
		r.Producer, r.Seq = l.o.Ledger.Producer(), l.sent+uint64(i)
		s := trace.Stamp{Run: l.o.Run, Producer: r.Producer, Seq: r.Seq, T0: r.Intended}
		from := len(l.arena)
		switch l.o.Carrier {
		case trace.Tag:
			l.arena = trace.AppendTag(l.arena, r.Data, s)
			r.Tag = l.arena[from:]
		case trace.Prefix, trace.JSON:
			var err error
			if l.arena, err = l.o.Carrier.AppendStamped(l.arena, r.Data, s); err != nil {
				return kload.WithHint(fmt.Errorf("record %d: %w", r.Seq, err), "use trace: prefix or trace: tag for payloads that are not JSON objects")
			}
			r.Data = l.arena[from:]
		case trace.None, trace.Natural:
		}
	}
	if l.o.Carrier == trace.Natural {
		return l.o.Index.Note(recs)
	}
	return nil
}

// result accounts for the schedule at the end of the load. A nil err says that
// the load was not interrupted.
func (l *Load) result(err error) LoadResult {
	now := l.o.Clock.Now()
	s := l.o.Schedule
	switch {
	case l.o.Unpaced:
		return LoadResult{Scheduled: l.due, End: now}
	case err == nil && (s == nil || l.ended && l.taken < s.Total()): // the data ended the load
		return LoadResult{Scheduled: l.taken, End: l.lastT0}
	case err == nil:
		return LoadResult{Scheduled: s.Total(), End: l.start + s.Span()}
	case s != nil:
		end := min(now, l.start+s.Span())
		return LoadResult{Scheduled: max(l.sent+l.shed, s.Due(end-l.start)), End: end}
	}
	return LoadResult{Scheduled: l.sent + l.shed + l.dueUnsent(now), End: now}
}

// dueUnsent counts records that were taken and due but not sent.
func (l *Load) dueUnsent(now int64) uint64 {
	var n uint64
	unsent := min(int(l.taken-l.sent-l.shed), l.filled)
	for _, r := range l.batch[l.filled-unsent : l.filled] {
		if r.Intended <= now {
			n++
		}
	}
	return n
}
