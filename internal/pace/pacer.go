package pace

import (
	"context"
	"runtime"
	"slices"
	"time"
)

// minTick is the shortest sleep worth taking: timers on Linux fire about 0.6 ms
// late anyway, and everything that became due meanwhile goes out together.
const minTick = 500 * time.Microsecond

// Mode is how a pacer waits for the time a record is due.
type Mode uint8

// The modes trade processor time for lateness.
const (
	// Efficient sleeps at least half a millisecond, and what became due meanwhile
	// goes out together: under a tenth of a core at any rate.
	Efficient Mode = iota
	// Precise sleeps until shortly before the time and spins for the rest: lateness
	// of microseconds at low rates, for up to a whole core at high ones.
	Precise
	// Spin never sleeps: it takes a whole core.
	Spin
)

// spinLead is how long before the time Precise stops sleeping: timers fire up to
// a millisecond late.
const spinLead = time.Millisecond

// ParseMode reads "efficient", "precise" or "spin".
func ParseMode(text string) (Mode, bool) {
	i := slices.Index([]string{"efficient", "precise", "spin"}, text)
	return Mode(max(0, i)), i >= 0
}

// Pacer waits for points on a run's clock. It belongs to one goroutine.
type Pacer struct {
	clock *Clock
	timer *time.Timer
	mode  Mode
}

// NewPacer returns an [Efficient] pacer on the given clock.
func NewPacer(c *Clock) *Pacer { return &Pacer{clock: c} }

// NewPacerIn returns a pacer that waits in the given mode. Only Efficient may be
// used in virtual time, which stands still while anybody spins.
func NewPacerIn(c *Clock, m Mode) *Pacer { return &Pacer{clock: c, mode: m} }

// Until waits until the clock reaches the Unix time at (ns), in the pacer's mode,
// and returns the time then. It returns early only with ctx's error.
func (p *Pacer) Until(ctx context.Context, at int64) (now int64, err error) {
	now = p.clock.Now()
	for now < at {
		left := time.Duration(at - now)
		switch {
		case p.mode == Efficient:
			err = p.sleep(ctx, max(minTick, left))
		case p.mode == Precise && left > spinLead:
			err = p.sleep(ctx, left-spinLead)
		default:
			runtime.Gosched()
			err = ctx.Err()
		}
		now = p.clock.Now()
		if err != nil {
			return now, err
		}
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
