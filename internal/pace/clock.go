package pace

import "time"

// Clock is the one clock of a run: Unix nanoseconds that advance with the
// monotonic clock, so that a step of the host's wall clock cannot bend a
// latency. Create one per run; it is safe for concurrent use.
type Clock struct {
	base time.Time
	unix int64
}

// NewClock anchors a clock to the wall time of this moment.
func NewClock() *Clock {
	now := time.Now()
	return &Clock{base: now, unix: now.UnixNano()}
}

// Now returns the time in Unix nanoseconds.
func (c *Clock) Now() int64 { return c.unix + int64(time.Since(c.base)) }

// Step returns how far the wall clock has moved away from this clock since
// NewClock. Other processes read the wall clock, so hops measured against them
// are off by this much.
func (c *Clock) Step() time.Duration {
	now := time.Now()
	wall := now.UnixNano() - c.unix
	return time.Duration(wall) - now.Sub(c.base)
}
