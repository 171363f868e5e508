package replay

import (
	"bytes"

	"github.com/kload/kload/internal/invariants"
)

// The pipeline's memory is maxBlocks blocks of at most blockBytes and maxRows
// rows: below 14 MiB. Memory that no line reaches is never touched: a block is
// handed on at fillBytes, and only a longer line goes beyond.
const (
	maxBlocks  = 12
	maxLine    = 1 << 20
	blockBytes = maxLine + 2 // with its CR and LF
	fillBytes  = 256 << 10
	chunkBytes = 32 << 10 // read and split at once, within the nearest cache
	maxRows    = 4096
)

// row is one record: its payload is data[off : off+size] of its block.
type row struct {
	off, size uint32
	at        int64 // source time in Unix nanoseconds; the offset due once scheduled
}

// block is a piece of the data on its way from the prefetch goroutine to Next,
// with what reading it counted. One of the two owns it at any time.
type block struct {
	data    []byte
	start   int // where the line starts that was not split off yet
	seen    int // no line ends between start and here
	end     int // how much of data is in use
	rows    []row
	tally   tally
	samples []Malformed
	late    []Malformed // rows whose time runs backwards
	read    int64       // stored bytes read up to here, over all objects
	place   place       // of its first row
	lap     lap         // the pass that its rows belong to
	reach   reach       // of the rows before it
}

// place is where a row stands in the data.
type place struct {
	object string
	offset int64  // of the decoded text of the object, where reading goes on
	line   uint64 // lines of the object before it
	skip   uint64 // rows between there and the row, of those that are wanted
}

// tally is what is counted on the way. Each block carries its own share, so
// that the counters of a source are those of what was handed out.
type tally struct {
	objects     uint64
	damaged     uint64 // objects whose rest was left out
	torn        uint64 // reads that broke off and were taken up again
	malformed   uint64
	blank       uint64
	outOfOrder  uint64
	gaps        uint64
	gapTime     uint64 // nanoseconds of source time left out
	sought      uint64 // rows left out: before seek, at or after until, by the filter,
	overdue     uint64
	filtered    uint64
	unjudged    uint64 // and where the filter failed
	first, last int64  // source times in Unix nanoseconds, if timed
	timed       bool
}

// seen notes the source time of a row.
func (t *tally) seen(at int64) {
	if !t.timed {
		t.first, t.last, t.timed = at, at, true
	}
	t.last = max(t.last, at)
}

// add adds the tally of the block that follows.
func (t *tally) add(o *tally) {
	t.objects += o.objects
	t.damaged += o.damaged
	t.torn += o.torn
	t.malformed += o.malformed
	t.blank += o.blank
	t.outOfOrder += o.outOfOrder
	t.gaps += o.gaps
	t.gapTime += o.gapTime
	t.sought += o.sought
	t.overdue += o.overdue
	t.filtered += o.filtered
	t.unjudged += o.unjudged
	if o.timed {
		t.seen(o.first)
		t.seen(o.last)
	}
}

// nextLine returns the bounds of the next complete line, its LF included.
func (b *block) nextLine() (from, to int, ok bool) {
	i := bytes.IndexByte(b.data[b.seen:b.end], '\n')
	if i < 0 {
		b.seen = b.end
		return 0, 0, false
	}
	from, to = b.start, b.seen+i+1
	b.start, b.seen = to, to
	return from, to, true
}

// rest returns the bounds of what follows the last complete line.
func (b *block) rest() (from, to int) {
	from, to = b.start, b.end
	b.start, b.seen = to, to
	return from, to
}

func newBlock() *block {
	return &block{data: make([]byte, blockBytes), rows: make([]row, 0, maxRows)}
}

// reset empties the block for its next use.
func (b *block) reset() {
	invariants.Poison(b.data[:b.end])
	*b = block{data: b.data, rows: b.rows[:0], samples: b.samples[:0], late: b.late[:0]}
}

// Malformed is a sample of the lines that were counted, as malformed or because
// time runs backwards there.
type Malformed struct {
	Object string `json:"object"`
	Line   uint64 `json:"line"` // from 1
	Reason string `json:"reason"`
}
