package pace

import (
	"context"
	"time"
)

// minTick is the shortest sleep worth taking: timers on Linux fire about 0.6 ms
// late anyway, and everything that became due meanwhile goes out together.
const minTick = 500 * time.Microsecond

// Pacer waits for points on a run's clock. It belongs to one goroutine.
type Pacer struct {
	clock *Clock
	timer *time.Timer
}

// NewPacer returns a pacer on the given clock.
func NewPacer(c *Clock) *Pacer { return &Pacer{clock: c} }

// Until sleeps until the clock reaches the Unix time at (ns), never less than
// half a millisecond when it sleeps at all, and returns the time then. It
// returns early only with ctx's error.
func (p *Pacer) Until(ctx context.Context, at int64) (now int64, err error) {
	now = p.clock.Now()
	for now < at {
		if err := p.sleep(ctx, max(minTick, time.Duration(at-now))); err != nil {
			return p.clock.Now(), err
		}
		now = p.clock.Now()
	}
	return now, ctx.Err()
}

// Wait sleeps until the clock reaches at (ns; 0 means no time), until wake
// delivers, or until ctx ends, whichever is first. It returns ctx's error only.
func (p *Pacer) Wait(ctx context.Context, at int64, wake <-chan struct{}) error {
	var due <-chan time.Time
	if at != 0 {
		d := time.Duration(at - p.clock.Now())
		if d <= 0 {
			return ctx.Err()
		}
		p.arm(max(minTick, d))
		defer p.timer.Stop()
		due = p.timer.C
	}
	select {
	case <-due:
	case <-wake:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// Sleep waits for d, or until ctx ends.
func (p *Pacer) Sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	return p.sleep(ctx, d)
}

func (p *Pacer) sleep(ctx context.Context, d time.Duration) error {
	p.arm(d)
	select {
	case <-p.timer.C:
		return nil
	case <-ctx.Done():
		p.timer.Stop()
		return ctx.Err()
	}
}

func (p *Pacer) arm(d time.Duration) {
	if p.timer == nil {
		p.timer = time.NewTimer(d)
		return
	}
	p.timer.Reset(d)
}

// Deadline returns a context that ends after left nanoseconds.
func (p *Pacer) Deadline(ctx context.Context, left int64) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, time.Duration(left))
}
