package attempt_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/attempt"
	"github.com/kload/kload/internal/awsclient"
)

// TestHistory follows a record from its first attempt to its outcome.
func TestHistory(t *testing.T) {
	const throttle = "ProvisionedThroughputExceededException"
	tests := []struct {
		name string
		does func(h *attempt.History)
		lost kload.Status
		want kload.Outcome // but for the status
	}{
		{"never sent", func(h *attempt.History) { h.Code = "Closed" }, kload.Rejected, kload.Outcome{Code: "Closed"}},
		{"throttled twice", func(h *attempt.History) {
			for at := range int64(2) {
				h.Begin()
				h.Began(5 + at)
				h.Refused(throttle)
			}
		}, kload.Rejected, kload.Outcome{Attempts: 2, FirstAttempt: 5, LastAttempt: 6, Code: throttle}},
		{"an entry failed, then throttled", func(h *attempt.History) {
			h.Begin()
			h.Refused("InternalFailure")
			h.Begin()
			h.Refused(throttle)
		}, kload.Unknown, kload.Outcome{Attempts: 2, Ambiguous: 1, Code: throttle}},
		{"cut", func(h *attempt.History) {
			h.Begin()
			h.Failed(awsclient.Ambiguous, "Timeout")
		}, kload.Unknown, kload.Outcome{Attempts: 1, Ambiguous: 1, Code: "Timeout"}},
		{"refused as a whole", func(h *attempt.History) {
			h.Begin()
			h.Failed(awsclient.Fatal, "AccessDeniedException")
		}, kload.Rejected, kload.Outcome{Attempts: 1, Code: "AccessDeniedException"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var h attempt.History
			tt.does(&h)
			if got := h.Lost(); got != tt.lost {
				t.Errorf("lost as %v, want %v", got, tt.lost)
			}
			if d := cmp.Diff(tt.want, h.Outcome(0, nil)); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
		})
	}
}

// TestAgain holds the range of the waits: nothing to 25 ms after the first attempt,
// twice as much after each further one, 2 s at most.
func TestAgain(t *testing.T) {
	var h attempt.History
	for made, want := range map[int]time.Duration{1: 25 * time.Millisecond, 2: 50 * time.Millisecond, 5: 400 * time.Millisecond, 8: 2 * time.Second, 5000: 2 * time.Second} {
		h.Made = made
		for _, u := range []float64{0, 0.5, 1} {
			h.Again(1000, u)
			if got := time.Duration(h.NotBefore - 1000); got != time.Duration(u*float64(want)) {
				t.Errorf("after %d attempts, %g of the range: %v, want that of %v", made, u, got, want)
			}
		}
	}
}
