package replay

import (
	"errors"
	"math"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/units"
)

// window is how many blocks the clock holds back to see the end of a second. It
// leaves enough of them to read on and to hand out.
const window = 4

// clock turns the source times of rows into the offsets at which they are due.
type clock interface {
	// add schedules the rows of a block, and passes it on as soon as that is
	// possible, in order.
	add(b *block) error
	// finish schedules what was held back.
	finish() error
	// lap is finish with more to come: rows whose times start over.
	lap() error
}

// evenClock sends at a fixed rate, or all at once if the rate is zero.
type evenClock struct {
	rate   units.Rate
	sent   uint64
	latest int64 // source time of this pass, to count what is before it
	emit   func(*block)
}

func (c *evenClock) add(b *block) error {
	for i := range b.rows {
		if b.rows[i].at < c.latest {
			b.tally.outOfOrder++
		}
		c.latest = max(c.latest, b.rows[i].at)
		b.rows[i].at = 0
		if !c.rate.IsZero() {
			due, ok := mulDivUp(c.sent, uint64(c.rate.Per), uint64(c.rate.N))
			if !ok {
				b.rows = b.rows[:i]
				c.emit(b)
				return errTooLong()
			}
			b.rows[i].at = due
		}
		c.sent++
	}
	c.emit(b)
	return nil
}

func (c *evenClock) finish() error { return nil }

func (c *evenClock) lap() error {
	c.latest = math.MinInt64
	return nil
}

// eventClock keeps the recorded times, divided by the speedup.
//
// Rows of one source time form a group. A group whose time is a whole second is
// spread evenly over that second, or until the next row's time if that is
// earlier, so it has to be seen to its end first. At most window blocks are held
// for that: of a longer group, each window is spread over half of what is left
// of the second.
type eventClock struct {
	speedup Speedup
	maxGap  uint64 // longest silence kept, in nanoseconds of source time
	spread  bool
	emit    func(*block)

	pending []*block // the group is in them, from row start of the first to the end
	start   int
	begun   bool
	at      int64   // the group's source time
	base    instant // when the pass began
	elapsed uint64  // nanoseconds of source time from its first row to the group, without what was left out of gaps
	used    uint64  // how much of its second earlier windows took
	size    uint64  // its rows that are on time
	due     int64   // the last offset given
}

func newEventClock(cfg *Config, emit func(*block)) *eventClock {
	c := &eventClock{
		speedup: cfg.Speedup,
		maxGap:  math.MaxUint64,
		spread:  cfg.WithinSecond != withinBurst,
		emit:    emit,
	}
	if c.speedup.IsZero() {
		c.speedup = Speedup{1, 1}
	}
	if cfg.MaxGap > 0 {
		c.maxGap = c.speedup.Source(uint64(cfg.MaxGap))
	}
	return c
}

func (c *eventClock) add(b *block) error {
	c.pending = append(c.pending, b)
	for i := range b.rows {
		switch at := b.rows[i].at; {
		case !c.begun:
			c.begun, c.at, c.size = true, at, 1
		case at == c.at:
			c.size++
		case at < c.at:
			b.tally.outOfOrder++
		default:
			if err := c.endGroup(b, i, at); err != nil {
				return err
			}
		}
	}
	if len(c.pending) <= window {
		return nil
	}
	half := (c.room() - min(c.used, c.room())) / 2
	return c.flush(half)
}

// room is how long a group may last when nothing is known of what follows.
func (c *eventClock) room() uint64 { return min(uint64(time.Second), c.maxGap) }

// endGroup schedules the open group and starts the next with row i of b, the
// last pending block.
func (c *eventClock) endGroup(b *block, i int, at int64) error {
	step := uint64(at) - uint64(c.at) // at > c.at: right even where int64 would overflow
	if step > c.maxGap {
		b.tally.gaps++
		b.tally.gapTime += step - c.maxGap
		step = c.maxGap
	}
	room := min(step, c.room())
	if err := c.schedule(i, room-min(c.used, room)); err != nil {
		return err
	}
	last := len(c.pending) - 1
	for _, p := range c.pending[:last] {
		c.emit(p)
	}
	c.pending = append(c.pending[:0], b)
	c.start, c.at, c.size, c.used = i, at, 1, 0
	c.elapsed += step
	return nil
}

// schedule gives the pending rows, in the last block those before row end, their
// offsets, spread over the given nanoseconds of source time.
func (c *eventClock) schedule(end int, over uint64) error {
	if !c.spread || c.at%second != 0 {
		over = 0
	}
	i := uint64(0)
	for n, p := range c.pending {
		rows := p.rows
		if n == len(c.pending)-1 {
			rows = rows[:end]
		}
		for k := c.start; k < len(rows); k++ {
			if rows[k].at == c.at { // else it is late, and goes with the row before
				due, ok := c.speedup.after(c.base, c.elapsed+c.used+i*over/c.size)
				if !ok {
					return c.tooLong(n, k)
				}
				c.due = max(c.due, due.up())
				i++
			}
			rows[k].at = c.due
		}
		c.start = 0
	}
	return nil
}

// tooLong passes on what is before row k of pending block n.
func (c *eventClock) tooLong(n, k int) error {
	c.pending[n].rows = c.pending[n].rows[:k]
	for _, p := range c.pending[:n+1] {
		c.emit(p)
	}
	return errTooLong()
}

func errTooLong() error {
	return kload.WithHint(errors.New("scheduling the replay: it would last longer than 292 years"),
		"choose a larger speedup or rate, or set max_gap to shorten silences")
}

// flush schedules all pending rows over the given nanoseconds of source time and
// passes them on; the group stays open.
func (c *eventClock) flush(over uint64) error {
	if len(c.pending) == 0 {
		return nil
	}
	if err := c.schedule(len(c.pending[len(c.pending)-1].rows), over); err != nil {
		return err
	}
	for _, p := range c.pending {
		c.emit(p)
	}
	c.pending = c.pending[:0]
	c.used += over
	c.size = 0
	return nil
}

func (c *eventClock) finish() error {
	return c.flush(c.room() - min(c.used, c.room()))
}

// lap lets the next pass begin where the last group's second ends. What is a
// fraction of a nanosecond is carried over, so that passes do not drift.
func (c *eventClock) lap() error {
	if err := c.finish(); err != nil || !c.begun {
		return err
	}
	next, ok := c.speedup.after(c.base, c.elapsed+c.room())
	if !ok {
		return errTooLong()
	}
	c.base, c.elapsed, c.used, c.size, c.begun = next, 0, 0, 0, false
	return nil
}
