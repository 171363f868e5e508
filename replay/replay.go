// Package replay plays recorded data into a stream: a [kload.Source] whose
// records carry the times at which they happened, at their original pace, at a
// multiple of it, or evenly.
//
//	src, err := replay.New(replay.Config{From: "file://trips", Speedup: speedup})
//
// # Data
//
// A data set is one file or a directory of them, replayed in the order of their
// names, the objects of a bucket of S3, or a data set inside the program. Each
// file or object is JSON lines, as plain text
// or compressed: lz4 frames, gzip, zstd or snappy (framed), one or several in a
// row; or it is a Parquet file, such as a month of TLC's trips, whose rows are
// sorted first (see package parquet). Which of them is told by its content.
// Documentation, checksums, hidden and empty files are skipped ([Source.Skipped]).
//
// A record's payload is its line without the line's end, byte for byte as
// recorded. A line is malformed that is longer than 1 MiB or has no readable
// time in the [Config.Timestamp] attribute; such lines are counted, and the
// first ten of them kept ([Source.Malformed]). Damaged objects are errors that
// say where; everything before is delivered. A tolerant replay counts them
// instead and goes on with the next object.
//
// # Pace
//
// A row with source time t is due (t − t0) / speedup after the start, where t0 is
// the time of the first row. This is computed exactly and rounded up to the
// nanosecond: after ten years there is no drift, and no record is ever early.
// Rows that share a whole second are spread evenly over it, since most
// recordings have no finer clock; a second with more rows than the pipeline can
// hold is spread approximately. Rows whose time goes backwards are counted and
// due together with the row before them. Silences may be shortened by
// [Config.MaxGap].
//
// # Pipeline
//
// Objects are read ahead in parts, which go on at the byte that is due where
// reading breaks off ([origin.Ahead]). One goroutine decompresses, splits, finds
// the times and schedules, up to 12 blocks ahead of [Source.Next], which only
// hands out what is ready. Memory is bounded by these blocks, below 14 MiB, by
// what is read ahead, below 9 MiB, and by what the decoder needs: about as much
// as the blocks for lz4 and zstd, next to nothing for gzip and snappy.
package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"sync/atomic"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/jsonfield"
	"github.com/kload/kload/replay/origin"
)

// Source replays recorded data. It is used from one goroutine, except where
// methods say otherwise.
type Source struct {
	cfg     Config
	from    string // where the data is, for people
	skipped []origin.Skipped
	total   int64 // bytes as stored, of all passes to come; 0 where there is no last one
	objects map[string]origin.Object
	release func()

	// The goroutine sends into ready, which has room for every block there is,
	// and closes it after setting err.
	ready  chan *block
	free   chan *block
	made   int   // blocks there are
	last   int64 // offset of the row sent last; the goroutine's own
	err    error
	damage error // of the first object that was forgiven; set as err is
	stop   context.CancelFunc

	// What follows belongs to the caller of Next.
	block     *block // partly handed out, or lent
	next      int    // its first row that was not handed out
	tally     tally
	bytes     uint64
	malformed []Malformed
	late      []Malformed
	passes    int64
	patch     *patcher // nil where payloads stay as they are
	finder    jsonfield.Finder

	book    *book
	resumed *Checkpoint // nil for a replay from the start
	gauges
}

// gauges may be read from any goroutine.
type gauges struct {
	rows   atomic.Uint64
	read   atomic.Int64
	before atomic.Int64 // of read, what was read up to the block with the first row
	text   atomic.Int64 // decoded since then
	source atomic.Int64 // of the row handed out last, or noTime
	due    atomic.Int64 // its offset
	end    atomic.Int64 // offset of the last row there is, 0 until that is known
	first  atomic.Int64 // first source time, or noTime
}

// noData explains why there is nothing to replay.
func noData(cfg *Config, skipped []origin.Skipped) error {
	if len(skipped) == 0 {
		return kload.WithHint(fmt.Errorf("%w: %s is empty", kload.ErrInvalid, cfg.From), "put JSON lines there, plain or compressed; of a bucket, check the prefix")
	}
	const some = 5
	var names []string
	for _, s := range skipped[:min(some, len(skipped))] {
		names = append(names, s.Name+" ("+s.Reason+")")
	}
	if more := len(skipped) - some; more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	return kload.WithHint(fmt.Errorf("%w: %s holds no data; skipped: %s", kload.ErrInvalid, cfg.From, strings.Join(names, ", ")),
		"put JSON lines there, plain or compressed; a file that is skipped for its name can be given as file://FILE")
}

func newClock(cfg *Config, emit func(*block)) clock {
	if cfg.ASAP || !cfg.Rate.IsZero() {
		return &evenClock{rate: cfg.Rate, latest: math.MinInt64, emit: emit}
	}
	return newEventClock(cfg, emit)
}

func (s *Source) emit(b *block) {
	if n := len(b.rows); n > 0 {
		s.last = b.rows[n-1].at
	}
	s.ready <- b
}

// prefetch is the goroutine that reads ahead.
func (s *Source) prefetch(ctx context.Context, p *pipeline) {
	defer close(s.ready)
	err := p.run(ctx)
	s.end.Store(s.last)
	s.damage = p.reader.damage
	s.err = errors.Join(err, p.reader.close())
	if s.err == nil {
		s.err = io.EOF
	}
}

// take returns an empty block, a new one only if none has come back. It returns
// nil when ctx ends.
func (s *Source) take(ctx context.Context) *block {
	select {
	case b := <-s.free:
		return b
	default:
	}
	if s.made < maxBlocks {
		s.made++
		return newBlock()
	}
	select {
	case b := <-s.free:
		return b
	case <-ctx.Done():
		return nil
	}
}

// Next fills dst with the next records: their payloads, and in Intended the
// offsets at which they are due. It waits only if reading has fallen behind. A
// damaged object or, in strict replays, a malformed line ends the data with an
// error after the records before it.
func (s *Source) Next(ctx context.Context, dst []kload.Record) (int, error) {
	if len(dst) == 0 {
		return 0, nil
	}
	for s.block == nil || s.next == len(s.block.rows) {
		if err := s.turn(ctx); err != nil {
			return 0, err
		}
	}
	rows := s.block.rows[s.next:]
	rows = together(rows[:min(len(rows), len(dst))])
	data, size := s.block.data, uint64(0)
	for i, r := range rows {
		end := r.off + r.size
		dst[i] = kload.Record{Data: data[r.off:end:end], Intended: r.at}
		size += uint64(r.size)
	}
	s.next += len(rows)
	s.bytes += size
	s.reached(&dst[len(rows)-1])
	if s.patch != nil {
		begun := s.patch.begun
		s.patch.rewrite(dst[:len(rows)], s.block.lap, s.cfg.Timestamp != timestampNone)
		if begun != s.patch.begun {
			s.book.origin(s.patch)
		}
	}
	s.book.took(dst[:len(rows)], s.timeOf)
	s.rows.Add(uint64(len(rows)))
	return len(rows), nil
}

// reached notes the last of the rows that are handed out, before its times are
// moved.
func (s *Source) reached(r *kload.Record) {
	s.due.Store(r.Intended)
	if s.tally.timed {
		s.source.Store(s.timeOf(r.Data))
	}
}

// longestSpan is the longest span of rows that are handed out at once. Until they
// are due the schedule may move, which payloads may have to say, and what was
// handed out counts as reached, and as under way when a replay is resumed.
const longestSpan = 100 * int64(time.Millisecond)

// together returns the first rows, those that may be handed out at once.
func together(rows []row) []row {
	n := len(rows)
	for rows[n-1].at-rows[0].at > longestSpan {
		n = (n + 1) / 2
	}
	return rows[:n]
}

// timeOf returns the time in a payload as it is now.
func (s *Source) timeOf(line []byte) int64 {
	value, _ := s.finder.Find(line)
	at, _ := parseTime(value) // the reader lets no row without one through
	return at
}

// turn gives the block that was handed out back and takes the next one.
func (s *Source) turn(ctx context.Context) error {
	if s.block != nil {
		s.block.reset()
		s.free <- s.block
		s.block = nil
	}
	select {
	case b, ok := <-s.ready:
		if !ok {
			return s.ended()
		}
		s.block, s.next = b, 0
		s.book.began(b, s.objects[b.place.object])
		s.account(b)
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// account adds up what reading the block counted.
func (s *Source) account(b *block) {
	s.tally.add(&b.tally)
	s.malformed = append(s.malformed, b.samples...)
	s.late = append(s.late, b.late...)
	s.read.Store(b.read)
	if s.rows.Load() == 0 { // what is left out before is no part of the replay
		s.before.Store(b.read)
	} else {
		s.text.Add(int64(b.end))
	}
	s.passes = b.lap.number + 1
	if s.tally.timed {
		s.first.Store(s.tally.first)
	}
}

// ended returns what ended the data. Data without a single row is an error: the
// timestamp attribute is nearly always the reason.
func (s *Source) ended() error {
	if s.err != io.EOF || s.rows.Load() > 0 { //nolint:errorlint // set by prefetch, never wrapped
		return s.err
	}
	t := &s.tally
	switch out := t.sought + t.overdue + t.filtered + t.unjudged; {
	case s.resumed != nil && s.resumed.Acked > 0:
		return s.err // all of it was sent before
	case out > 0:
		hint := "'kload data describe' tells which times the data has"
		if out == t.filtered+t.unjudged {
			hint = filterHint
		}
		return kload.WithHint(
			fmt.Errorf("%w: replaying: none of %d rows is wanted: %d lie before seek, %d from until on, %d are refused by the filter, which fails for %d",
				kload.ErrInvalid, out, t.sought, t.overdue, t.filtered, t.unjudged),
			hint)
	case t.damaged > 0 && t.malformed == 0:
		return fmt.Errorf("replaying: none of %d objects can be read; the first: %w", t.damaged, s.damage)
	case len(s.malformed) == 0:
		return kload.WithHint(fmt.Errorf("%w: replaying: the data has only blank lines", kload.ErrInvalid), "put JSON lines there")
	}
	m := s.malformed[0]
	return kload.WithHint(
		fmt.Errorf("%w: replaying: none of %d lines can be used; the first, line %d of %s: %s", kload.ErrInvalid, s.tally.malformed, m.Line, m.Object, m.Reason),
		"set timestamp to the attribute that holds the time of a row, or to none together with a rate")
}

// Close stops reading and waits for the goroutine to end.
func (s *Source) Close() error {
	s.stop()
	for range s.ready {
	}
	s.block = nil
	s.release()
	return nil
}

// Timed says that the records bring their own send times.
func (s *Source) Timed() bool { return true }

// Counters returns what was counted for the records handed out so far:
//
//	objects            opened
//	skipped_objects    documentation, checksums, hidden and empty ones
//	damaged_objects    tolerant replays only: those whose rest was left out
//	torn_reads         reads that broke off and were taken up at the byte that was due
//	rows               records handed out
//	bytes              their payloads
//	malformed          lines left out as malformed
//	blank_lines        lines left out as empty
//	out_of_order       rows whose time went backwards
//	gaps_compressed    silences shortened by max_gap
//	gap_compressed_ns  source time left out of them, in nanoseconds
//	before_seek        rows left out because of seek, after_until because of until,
//	filtered           because of filter, and
//	filter_failed      because filter could not be evaluated
//	passes             over the data that were begun
func (s *Source) Counters() map[string]uint64 {
	return map[string]uint64{
		"objects":           s.tally.objects,
		"skipped_objects":   uint64(len(s.skipped)),
		"damaged_objects":   s.tally.damaged,
		"torn_reads":        s.tally.torn,
		"rows":              s.rows.Load(),
		"row_bytes":         s.bytes,
		"malformed":         s.tally.malformed,
		"blank_lines":       s.tally.blank,
		"out_of_order":      s.tally.outOfOrder,
		"gaps_compressed":   s.tally.gaps,
		"gap_compressed_ns": s.tally.gapTime,
		"before_seek":       s.tally.sought,
		"after_until":       s.tally.overdue,
		"filtered":          s.tally.filtered,
		"filter_failed":     s.tally.unjudged,
		"passes":            uint64(s.passes),
	}
}

// Skipped lists the objects that were not replayed, and why.
func (s *Source) Skipped() []origin.Skipped { return s.skipped }

// Malformed returns the first ten malformed lines that were met so far.
func (s *Source) Malformed() []Malformed { return s.malformed }

// Backwards returns the first ten rows that were met so far whose time is before
// that of an earlier row; such rows are sent. With [Config.Reorder] it returns
// none.
func (s *Source) Backwards() []Malformed { return s.late }

// SourceTime returns the source times of the first row and of the latest one so
// far. ok is false if there were no rows with times.
func (s *Source) SourceTime() (first, last time.Time, ok bool) {
	if !s.tally.timed {
		return time.Time{}, time.Time{}, false
	}
	return time.Unix(0, s.tally.first).UTC(), time.Unix(0, s.tally.last).UTC(), true
}
