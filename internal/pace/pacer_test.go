package pace_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kload/kload/internal/pace"
)

func TestPacerUntil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := pace.NewClock()
		p := pace.NewPacer(clock)
		start := clock.Now()

		if now, err := p.Until(t.Context(), start-1); err != nil || now != start {
			t.Errorf("past: slept to %d with %v, want no sleep", now-start, err)
		}
		at := start + int64(250*time.Millisecond)
		if now, err := p.Until(t.Context(), at); err != nil || now != at {
			t.Errorf("future: woke at %d with %v, want %d", now-start, err, at-start)
		}
		now := clock.Now()
		if woke, err := p.Until(t.Context(), now+1); err != nil || woke != now+int64(500*time.Microsecond) {
			t.Errorf("short waits share a tick: woke after %d with %v", woke-now, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		now = clock.Now()
		woke, err := p.Until(ctx, now+int64(time.Hour))
		if !errors.Is(err, context.DeadlineExceeded) || woke != now+int64(time.Second) {
			t.Errorf("cancelled: woke after %d with %v", woke-now, err)
		}
	})
}

func TestClockStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := pace.NewClock()
		if err := pace.NewPacer(c).Sleep(t.Context(), time.Minute); err != nil {
			t.Fatal(err)
		}
		if got := c.Step(); got != 0 {
			t.Errorf("Step() = %v with an undisturbed wall clock, want 0", got)
		}
	})
}
