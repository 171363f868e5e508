package replay

import (
	"cmp"
	"slices"
)

// reorderer puts rows into the order of their times, as far as a window of them
// reaches: a row may come up to so many rows late. It copies what it holds, up to
// two windows of rows.
type reorderer struct {
	window int
	rows   []heldRow // in order of arrival
	text   []byte
	spare  []byte
	tally  tally  // of blocks whose rows are held
	blocks block  // their samples, and the latest of their other marks
	given  uint64 // rows of this pass that were given back
}

type heldRow struct {
	at        int64
	off, size int
}

func newReorderer(cfg *Config) *reorderer {
	if cfg.Reorder == 0 {
		return nil
	}
	return &reorderer{window: int(cfg.Reorder)}
}

// hold takes the rows of a block, which may be used again afterwards. full says
// that it is time to give some back.
func (o *reorderer) hold(b *block) (full bool) {
	for _, r := range b.rows {
		o.rows = append(o.rows, heldRow{r.at, len(o.text), int(r.size)})
		o.text = append(o.text, b.data[r.off:r.off+r.size]...)
	}
	o.tally.add(&b.tally)
	o.blocks.samples = append(o.blocks.samples, b.samples...)
	o.blocks.read, o.blocks.lap = b.read, b.lap
	if b.lap.number > 0 {
		o.blocks.reach = b.reach // the first pass is read again from its start
	}
	return len(o.rows) >= 2*o.window
}

// sort orders what is held. Rows of the same time stay in the order of arrival.
func (o *reorderer) sort() {
	slices.SortStableFunc(o.rows, func(a, b heldRow) int { return cmp.Compare(a.at, b.at) })
}

// fill moves the earliest rows, which are sorted, into an empty block, as many as
// go in, but leaves so many behind. more says that another block is needed.
func (o *reorderer) fill(b *block, leave int) (more bool) {
	*b = block{
		data: b.data, rows: b.rows, tally: o.tally, samples: append(b.samples, o.blocks.samples...),
		read: o.blocks.read, lap: o.blocks.lap, reach: o.blocks.reach, place: place{skip: o.given},
	}
	o.tally, o.blocks.samples = tally{}, o.blocks.samples[:0]
	n := 0
	for ; n < len(o.rows)-leave && n < maxRows && b.end < fillBytes; n++ {
		r := o.rows[n]
		if b.end+r.size > len(b.data) {
			break // one row always fits
		}
		b.rows = append(b.rows, row{off: uint32(b.end), size: uint32(r.size), at: r.at})
		b.end += copy(b.data[b.end:], o.text[r.off:r.off+r.size])
	}
	o.given += uint64(n)
	o.rows = o.rows[:copy(o.rows, o.rows[n:])]
	if more = len(o.rows) > leave; !more {
		o.compact()
	}
	return more
}

// compact drops the text of rows that are gone.
func (o *reorderer) compact() {
	o.spare = o.spare[:0]
	for i := range o.rows {
		r := &o.rows[i]
		off := len(o.spare)
		o.spare = append(o.spare, o.text[r.off:r.off+r.size]...)
		r.off = off
	}
	o.text, o.spare = o.spare, o.text
}
