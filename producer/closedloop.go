package producer

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/kload/kload/internal/pace"
)

// ClosedLoop lets a load go at the pace of its answers: at most so many records
// are under way, and each outcome makes room for the next record, whose intended
// time is that moment. A slow target therefore gets fewer records, and its
// latencies leave out the time that users would have waited; a schedule does
// neither.
type ClosedLoop struct {
	total uint64
	span  int64
	free  atomic.Int64
	wake  chan struct{} // holds a token when room was made
}

// NewClosedLoop allows inFlight records under way. The load ends after total
// records or span, whichever is first; 0 means no limit.
func NewClosedLoop(inFlight int, total uint64, span time.Duration) *ClosedLoop {
	c := &ClosedLoop{total: total, span: int64(span), wake: make(chan struct{}, 1)}
	c.free.Store(int64(inFlight))
	return c
}

// Settle makes room for n records. It is safe for concurrent use and does not
// block.
func (c *ClosedLoop) Settle(n int) {
	c.free.Add(int64(n))
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// take waits for room and takes it, for at most so many records. It returns 0
// when the load is over: taken records are all, or its time is up.
func (c *ClosedLoop) take(ctx context.Context, p *pace.Pacer, clock *pace.Clock, start int64, taken uint64, most int) (int, error) {
	if c.total > 0 {
		most = int(min(uint64(most), c.total-taken))
	}
	end := int64(0)
	if c.span > 0 {
		end = start + c.span
	}
	for most > 0 && (end == 0 || clock.Now() < end) {
		if free := c.free.Load(); free > 0 {
			n := min(int(free), most)
			c.free.Add(-int64(n)) // nobody else takes
			return n, nil
		}
		if err := p.Wait(ctx, end, c.wake); err != nil {
			return 0, err
		}
	}
	return 0, ctx.Err()
}
