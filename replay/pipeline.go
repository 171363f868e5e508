package replay

import (
	"context"
	"errors"
	"io"

	"github.com/kload/kload/replay/origin"
)

// errLimit ends reading for a good reason.
var errLimit = errors.New("limit reached")

// pipeline is the work of the prefetch goroutine: it fills blocks with rows,
// leaves out those that are not wanted, orders them, counts passes, and hands the
// blocks to the clock.
type pipeline struct {
	objects []origin.Object // of every pass
	reader  *reader
	want    selection
	loop    looper
	order   *reorderer // nil for none
	skip    uint64     // rows that a resumed replay has sent before
	clock   clock
	take    func(context.Context) *block // an empty block, or nil when the context ends
	free    chan<- *block                // takes blocks that nobody needs any more
}

// run reads until the data or the replay ends, both of which are no error.
func (p *pipeline) run(ctx context.Context) error {
	for {
		end, err := p.pass(ctx)
		if err != nil {
			return err
		}
		again := false
		if errors.Is(end, io.EOF) {
			again, end = p.loop.again()
		}
		if !again {
			err := p.clock.finish()
			if err != nil || errors.Is(end, errLimit) {
				return err
			}
			return end
		}
		if err := p.clock.lap(); err != nil {
			return err
		}
		p.reader.rewind(p.objects)
		if err := p.reader.begin(ctx); err != nil {
			return err
		}
	}
}

// pass reads the data once. end says why there are no more rows: io.EOF, errLimit,
// or an error of reading. err is one of scheduling, or the context's.
func (p *pipeline) pass(ctx context.Context) (end, err error) {
	for end == nil {
		b := p.take(ctx)
		if b == nil {
			return nil, ctx.Err()
		}
		end = p.reader.fill(ctx, b)
		b.reach = p.loop.reach
		if stop := p.want.apply(b); stop != nil {
			end = stop
		}
		p.loop.note(b)
		if err := p.schedule(ctx, b, end); err != nil {
			return end, err
		}
	}
	return end, nil
}

// schedule hands a block to the clock, or its rows to the reorderer.
func (p *pipeline) schedule(ctx context.Context, b *block, end error) error {
	if p.order == nil {
		return p.add(b)
	}
	full := p.order.hold(b)
	b.reset()
	p.free <- b
	if full || end != nil {
		return p.reordered(ctx, end)
	}
	return nil
}

// reordered hands rows that were held to the clock: all of them at the end of a
// pass, else all but one window.
func (p *pipeline) reordered(ctx context.Context, end error) error {
	leave := p.order.window
	if end != nil {
		leave = 0
	}
	p.order.sort()
	for more := true; more; {
		b := p.take(ctx)
		if b == nil {
			return ctx.Err()
		}
		more = p.order.fill(b, leave)
		if err := p.add(b); err != nil {
			return err
		}
	}
	if end != nil {
		p.order.given = 0
	}
	return nil
}

// add hands a block to the clock, without the rows that were sent before.
func (p *pipeline) add(b *block) error {
	n := min(p.skip, uint64(len(b.rows)))
	b.rows = b.rows[:copy(b.rows, b.rows[n:])]
	b.place.skip += n
	p.skip -= n
	return p.clock.add(b)
}
