package handler

import (
	"context"
	"fmt"
	"runtime"
	"time"
)

// spend takes the time that handling the batch takes: all of it at once, as the
// host sees only how long the batch took.
func (e *evaluator) spend(ctx context.Context) error {
	c := &e.c.Cost
	times := time.Duration(e.attempts)
	if c.Per == "batch" {
		times = 1
	}
	if wait := times*c.Wait + e.waiting; wait > 0 {
		if err := e.pacer.Sleep(ctx, wait); err != nil {
			return fmt.Errorf("waiting in the handler: %w", err)
		}
	}
	if c.CPU > 0 {
		return burn(ctx, times*c.CPU)
	}
	return nil
}

// burn uses up processor time, measured as such where the system says how much a
// thread has had: waiting for a processor is not counted in.
func burn(ctx context.Context, d time.Duration) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	until := used() + d
	for used() < until {
		if ctx.Err() != nil {
			return fmt.Errorf("working in the handler: %w", ctx.Err())
		}
		churn()
	}
	return nil
}

// churn takes about two microseconds.
func churn() {
	x := uint64(1)
	for range 1000 {
		x = mix(x)
	}
	runtime.KeepAlive(x)
}
