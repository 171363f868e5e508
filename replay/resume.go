package replay

import (
	"context"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"sync"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/replay/origin"
)

// Checkpoint says how far a replay has come, so that another can go on from
// there. All rows before Acked are acknowledged or were left out on purpose.
type Checkpoint struct {
	// Object, Offset and Line are where reading goes on: the name of the object, the
	// byte of its decoded text, and how many lines come before that. Skip rows behind
	// there are acknowledged, too. Without an object the pass is read from its start.
	Object string `json:"object"`
	Offset int64  `json:"offset"`
	Line   uint64 `json:"line"`
	Skip   uint64 `json:"skip"`
	Size   int64  `json:"size"`           // of the object as stored
	ETag   string `json:"etag,omitempty"` // of the object, where it has one
	// Modified is when an object without an ETag was changed last.
	Modified time.Time `json:"modified,omitzero"`
	// Source is the source time of the latest row that was taken to be sent.
	Source Instant `json:"source_time"`
	// Acked counts the rows up to here; Taken those that were taken to be sent.
	Acked uint64 `json:"acked"`
	Taken uint64 `json:"taken"`
	// Pass is the pass over the data, from 0. Reach, Zero and Start are what times and
	// keys are shifted by.
	Pass  int64   `json:"pass"`
	Reach reach   `json:"reach"`
	Zero  Instant `json:"zero"`
	Start int64   `json:"start"`
	// Shape is the speedup that shape was found to need, as a fraction.
	Shape [2]uint64 `json:"shape,omitzero"`
}

// again configures a pipeline to go on at the checkpoint.
func (c *Checkpoint) again(ctx context.Context, p *pipeline) error {
	p.skip = c.Skip
	if before := c.Acked - c.Skip; p.want.left != math.MaxUint64 {
		p.want.left -= min(before, p.want.left)
	}
	p.loop.reach = c.Reach
	if c.Pass > 0 {
		if err := p.loop.enter(c.Pass); err != nil {
			return err
		}
	}
	p.loop.rows = c.Reach.Rows // the rest of a pass may be without
	if c.Object == "" {
		return p.reader.begin(ctx)
	}
	i := slices.IndexFunc(p.objects, func(o origin.Object) bool { return o.Name == c.Object })
	if i < 0 || !c.isOf(p.objects[i]) {
		return c.gone()
	}
	p.reader.rewind(p.objects[i:])
	if err := p.reader.begin(ctx); err != nil {
		return err
	}
	if len(p.reader.damaged) > 0 { // forgiven, and skipped, which would lose rows of the next one
		return fmt.Errorf("%w: %s", c.gone(), p.reader.damaged[0].Reason)
	}
	return p.reader.skip(c.Offset, c.Line)
}

// isOf reports whether an object is the one that was being read.
func (c *Checkpoint) isOf(o origin.Object) bool {
	return o.Size == c.Size && (c.ETag == "" || o.ETag == c.ETag) && (c.Modified.IsZero() || o.Modified.Equal(c.Modified))
}

func (c *Checkpoint) gone() error {
	return kload.WithHint(fmt.Errorf("%w: resuming the replay: %s is not there any more, or has changed", kload.ErrInvalid, c.Object),
		"resume with the data of the first run, files with the times they had, or start a new replay with seek")
}

// mark is where a block began.
type mark struct {
	first  uint64 // number of its first row
	place  place
	object origin.Object // the zero value without a place
	pass   int64
	reach  reach
}

// maxMarks bounds the blocks that are told apart: with more of them under way
// every second one is forgotten, which repeats more and loses nothing.
const maxMarks = 4096

// book follows which rows are acknowledged. Rows are numbered as they are handed
// out; records have their numbers less the rows that were shed before them. It is
// safe for concurrent use.
type book struct {
	mu     sync.Mutex
	prior  uint64 // rows of the replay that this one resumes
	marks  []mark
	taken  uint64
	base   uint64   // all rows before this multiple of 64 are settled
	bits   []uint64 // settled rows from base on
	failed uint64   // the first row that was not acknowledged
	shed   []shedding
	water  *water // nil without watermarks
	start  int64  // what invocation times count from
	zero   Instant
}

// shedding says that all records from seq on have numbers higher by n, up to the
// next one.
type shedding struct{ seq, n uint64 }

// began notes a block whose first row comes next.
func (b *book) began(bl *block, o origin.Object) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.marks) == maxMarks {
		for i := 1; 2*i < maxMarks; i++ {
			b.marks[i] = b.marks[2*i]
		}
		b.marks = b.marks[:maxMarks/2]
	}
	b.marks = append(b.marks, mark{b.taken, bl.place, o, bl.lap.number, bl.reach})
}

// origin notes what times in payloads are moved by.
func (b *book) origin(p *patcher) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.start, b.zero = p.start, Instant{p.zero, p.begun}
}

// took notes rows that were handed out.
func (b *book) took(recs []kload.Record, timeOf func([]byte) int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.water != nil {
		for i := range recs {
			b.water.sent(b.taken+uint64(i), timeOf(recs[i].Data))
		}
	}
	b.taken += uint64(len(recs))
}

// leftOut notes that n rows in front of the record seq will not be sent.
func (b *book) leftOut(seq, n uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	before := b.shift(seq)
	for i := range n {
		b.settle(seq + before + i)
	}
	if last := len(b.shed) - 1; last >= 0 && b.shed[last].seq == seq {
		b.shed[last].n += n
	} else {
		b.shed = append(b.shed, shedding{seq, before + n})
	}
	b.advance()
}

// shift returns how many rows were shed before a record.
func (b *book) shift(seq uint64) uint64 {
	for _, s := range slices.Backward(b.shed) {
		if s.seq <= seq {
			return s.n
		}
	}
	return 0
}

// outcomes notes what became of records.
func (b *book) outcomes(out []kload.Outcome) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range out {
		o := &out[i]
		for k := range o.Records {
			row := o.Records[k].Seq + b.shift(o.Records[k].Seq)
			if o.Status != kload.Acked {
				b.failed = min(b.failed, row)
			}
			b.settle(row)
			if b.water != nil {
				b.water.settled(row, o, b.isSettled)
			}
		}
	}
	b.advance()
}

func (b *book) settle(row uint64) {
	if row < b.base {
		return
	}
	word := int((row - b.base) / 64)
	for len(b.bits) <= word {
		b.bits = append(b.bits, 0)
	}
	b.bits[word] |= 1 << (row % 64)
}

func (b *book) isSettled(row uint64) bool {
	if row < b.base {
		return true
	}
	word := int((row - b.base) / 64)
	return word < len(b.bits) && b.bits[word]&(1<<(row%64)) != 0
}

// advance forgets what lies before the first row that is not settled.
func (b *book) advance() {
	n := 0
	for n < len(b.bits) && b.bits[n] == math.MaxUint64 {
		n++
	}
	b.bits = b.bits[:copy(b.bits, b.bits[n:])]
	b.base += 64 * uint64(n)
	if b.water != nil {
		b.water.forget(b.base)
	}
	for len(b.shed) > 1 && b.shed[1].seq+b.shed[1].n < b.base {
		b.shed = b.shed[:copy(b.shed, b.shed[1:])]
	}
}

// acked returns the number of the first row that is not known to be acknowledged.
func (b *book) acked() uint64 {
	row := b.base
	if len(b.bits) > 0 {
		row += uint64(bits.TrailingZeros64(^b.bits[0]))
	}
	return min(row, b.failed, b.taken)
}

// checkpoint returns where a replay would go on now, once it has begun.
func (b *book) checkpoint() (c Checkpoint, begun bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	acked := b.acked()
	n := 0
	for n+1 < len(b.marks) && b.marks[n+1].first <= acked {
		n++
	}
	b.marks = b.marks[:copy(b.marks, b.marks[n:])]
	c = Checkpoint{Acked: b.prior + acked, Taken: b.prior + b.taken, Start: b.start, Zero: b.zero}
	if len(b.marks) > 0 {
		m := b.marks[0]
		c.Object, c.Offset, c.Line = m.place.object, m.place.offset, m.place.line
		c.Size, c.ETag = m.object.Size, m.object.ETag
		if c.ETag == "" {
			c.Modified = m.object.Modified.UTC()
		}
		c.Skip = m.place.skip + acked - m.first
		c.Pass, c.Reach = m.pass, m.reach
	}
	return c, len(b.marks) > 0
}

// Start tells the source that offset 0 of its schedule is this Unix time in
// nanoseconds. It is called from the goroutine of Next, before that and again
// whenever the schedule is put off.
func (s *Source) Start(at int64) {
	if s.patch == nil {
		return
	}
	s.patch.start = at
	if r := s.resumed; r != nil && r.Start != 0 && s.cfg.Timestamps == timestampsInvocation {
		s.patch.start = r.Start
	}
	s.book.origin(s.patch)
}

// Shed tells the source that the n rows in front of the record with this sequence
// number were left out. Sequence numbers count the records sent, from 0.
func (s *Source) Shed(seq uint64, n int) { s.book.leftOut(seq, uint64(n)) }

// Outcomes tells the source what became of its records, whose sequence numbers
// count from 0 in the order in which it gave them. It may be called from any
// goroutine.
func (s *Source) Outcomes(out []kload.Outcome) { s.book.outcomes(out) }

// Checkpoint returns where another replay would have to go on. It may be called
// from any goroutine.
func (s *Source) Checkpoint() Checkpoint {
	c, begun := s.book.checkpoint()
	if !begun && s.resumed != nil {
		return *s.resumed
	}
	if at := s.source.Load(); at != noTime {
		c.Source = Instant{at, true}
	}
	if !s.cfg.Shape.IsZero() {
		c.Shape = [2]uint64{s.cfg.Speedup.num, s.cfg.Speedup.den}
	}
	return c
}
