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

// TestModes holds that no mode returns early, and that spinning ends with its
// context.
func TestModes(t *testing.T) {
	clock := pace.NewClock()
	for _, mode := range []pace.Mode{pace.Efficient, pace.Precise, pace.Spin} {
		p := pace.NewPacerIn(clock, mode)
		for _, ahead := range []time.Duration{-1, 0, 30 * time.Microsecond, 3 * time.Millisecond} {
			at := clock.Now() + int64(ahead)
			if now, err := p.Until(t.Context(), at); err != nil || now < at {
				t.Errorf("mode %d: returned %d ns early with %v", mode, at-now, err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		if _, err := p.Until(ctx, clock.Now()+int64(time.Hour)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("mode %d: ended with %v", mode, err)
		}
		cancel()
	}
	for text, want := range map[string]pace.Mode{"efficient": pace.Efficient, "precise": pace.Precise, "spin": pace.Spin} {
		if got, ok := pace.ParseMode(text); got != want || !ok {
			t.Errorf("ParseMode(%s) = %d, %v", text, got, ok)
		}
	}
	if _, ok := pace.ParseMode("busy"); ok {
		t.Error("a mode called busy")
	}
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

func TestPacerWait(t *testing.T) {
	tests := []struct {
		name  string
		ended bool          // the context has ended
		at    time.Duration // from now; 0 for no time
		wake  time.Duration // 0 for never
		want  time.Duration
		err   error
	}{
		{"due", false, 3 * time.Second, 0, 3 * time.Second, nil},
		{"due at once, in a tick", false, time.Microsecond, 0, 500 * time.Microsecond, nil},
		{"past", false, -time.Second, 0, 0, nil},
		{"woken before", false, 3 * time.Second, time.Second, time.Second, nil},
		{"woken, no time", false, 0, time.Hour, time.Hour, nil},
		{"ended", true, time.Hour, time.Hour, 0, context.Canceled},
		{"ended, past", true, -time.Second, 0, 0, context.Canceled},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				clock, wake := pace.NewClock(), make(chan struct{}, 1)
				p, start, at := pace.NewPacer(clock), clock.Now(), int64(0)
				if tt.at != 0 {
					at = start + int64(tt.at)
				}
				if tt.wake != 0 {
					defer time.AfterFunc(tt.wake, func() { wake <- struct{}{} }).Stop()
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if tt.ended {
					cancel()
				}
				err := p.Wait(ctx, at, wake)
				if got := time.Duration(clock.Now() - start); got != tt.want || !errors.Is(err, tt.err) {
					t.Errorf("woke after %v with %v, want %v with %v", got, err, tt.want, tt.err)
				}
			})
		})
	}
}
