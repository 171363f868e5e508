package handler_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/consumers/handler"
)

// TestFailing fails on the second of three records.
func TestFailing(t *testing.T) {
	const ok, dead = kload.OK, kload.DeadLettered
	tests := []struct {
		config                    string
		want                      kload.HandlerResult
		attempts, failed, retries uint64
	}{
		{`fail_on: "id == 1"`, dead, 3, 1, 0},
		{`fail_on: "id == 9"`, ok, 3, 0, 0},
		{`{fail_on: "id == 1", on_error: dead_letter}`, dead, 3, 1, 0},
		{`{fail_on: "id == 1", on_error: retry}`, dead, 5, 3, 2},
		{`{fail_on: "id == 1", on_error: {do: retry, attempts: 1}}`, dead, 3, 1, 0},
		{`{fail_on: {when: "id == 1", times: 1}, on_error: retry}`, ok, 4, 1, 1},
		{`{fail_on: {when: "id == 1", times: 2}, on_error: retry}`, ok, 5, 2, 2},
		{`{fail_on: {when: "id == 1", times: 3}, on_error: retry}`, dead, 5, 3, 2},
		{`{fail_on: {when: "id == 1", share: 100%}}`, dead, 3, 1, 0},
		{`{filter: "id != 1", fail_on: "id == 1"}`, kload.Filtered, 2, 0, 0}, // what is left out cannot fail
	}
	for _, tt := range tests {
		t.Run(tt.config, func(t *testing.T) {
			r := newRig(t, tt.config)
			if d := cmp.Diff([]kload.HandlerResult{ok, tt.want, ok}, r.handle(t, numbered(3))); d != "" {
				t.Errorf("results (-want +got)\n%s", d)
			}
			want := map[string]uint64{
				"handler_attempts": tt.attempts, "handler_failed_attempts": tt.failed, "handler_retries": tt.retries, "expression_errors": 0,
			}
			if d := cmp.Diff(want, r.Counters()); d != "" {
				t.Errorf("counters (-want +got)\n%s", d)
			}
		})
	}
}

// TestShare fails on the share of the records that the seed chooses, on the same
// ones however they come.
func TestShare(t *testing.T) {
	const n, share = 20_000, 0.1
	for _, traced := range []bool{true, false} {
		b := numbered(n)
		for i := range b.Users {
			b.Users[i].Traced = traced
		}
		r := newRig(t, "fail_on: 10%")
		results := r.handle(t, b)
		failed := 0
		for _, got := range results {
			if got == kload.DeadLettered {
				failed++
			}
		}
		if sigma := math.Sqrt(n * share * (1 - share)); math.Abs(float64(failed)-n*share) > 4*sigma {
			t.Errorf("traced %v: failed on %d of %d", traced, failed, n)
		}
		slices.Reverse(b.Users)
		again := r.handle(t, b)
		slices.Reverse(again)
		if !slices.Equal(results, again) {
			t.Errorf("traced %v: failed on others when they came in another order", traced)
		}
	}
}

// TestFailTheBatch leaves a batch as it was, and names the record.
func TestFailTheBatch(t *testing.T) {
	for config, cause := range map[string]error{
		`{transform: {set: {a: "1"}}, on_error: fail, fail_on: "id == 2"}`:    handler.ErrFailed,
		`{transform: {set: {a: "1 + (id == 2 ? nope : 1)"}}, on_error: fail}`: nil,
	} {
		r := newRig(t, config)
		b := numbered(4)
		err := r.Handle(t.Context(), b, make([]kload.HandlerResult, 4))
		at, ok := errors.AsType[*handler.RecordError](err)
		if !ok || at.Index != 2 || cause != nil && !errors.Is(err, cause) {
			t.Errorf("%s: got %v", config, err)
		}
		if d := cmp.Diff(numbered(4).Users, b.Users); d != "" || len(r.failures) != 1 {
			t.Errorf("%s: failures %q, changed (-want +got)\n%s", config, r.failures, d)
		}
	}
}

// TestWaits holds how long a batch of ten records takes, three of them filtered.
func TestWaits(t *testing.T) {
	for config, want := range map[string]time.Duration{
		`cost: 2ms`:                       20 * time.Millisecond,
		`{filter: "id > 2", cost: 2ms}`:   14 * time.Millisecond,
		`{filter: "id > 99", cost: 2ms}`:  0,
		`{cost: {wait: 5ms, per: batch}}`: 5 * time.Millisecond,
		`{cost: {cpu: 10us}}`:             0, // no time passes while something works
		`{cost: 1ms, fail_on: "id == 1"}`: 10 * time.Millisecond,
		`{cost: 1ms, fail_on: "id == 1", on_error: {do: retry, attempts: 4, backoff: 100ms}}`:    313 * time.Millisecond,
		`{cost: 1ms, fail_on: {when: "id < 2", times: 1}, on_error: {do: retry, backoff: 50ms}}`: 112 * time.Millisecond,
		`{cost: {wait: 1ms, per: batch}, fail_on: "id < 2", on_error: {do: retry, backoff: 1s}}`: 4001 * time.Millisecond,
	} {
		t.Run(config, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, config)
				began := time.Now()
				r.handle(t, numbered(10))
				if got := time.Since(began); got != want {
					t.Errorf("took %v, want %v", got, want)
				}
			})
		})
	}
}

// TestEndsEarly gives up waiting and working when it is told to.
func TestEndsEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, config := range []string{"cost: 1h", "cost: {cpu: 1000h}"} {
			r := newRig(t, config)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := r.Handle(ctx, numbered(10), make([]kload.HandlerResult, 10)); !errors.Is(err, context.Canceled) {
				t.Errorf("%s: got %v", config, err)
			}
		}
	})
}
