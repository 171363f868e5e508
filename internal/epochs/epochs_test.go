package epochs_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/kload/kload/internal/epochs"
)

// record is an open record; its number is its epoch.
type record uint64

func (r record) Epoch() uint64 { return uint64(r) }

// TestAwait flushes while records of earlier and later epochs are open: a flush
// waits for those up to its own, for no later ones.
func TestAwait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := epochs.New()
		if err := b.Await(t.Context(), b.Cut()); err != nil {
			t.Errorf("nothing open: %v", err)
		}
		first := record(b.Begin(2))
		b.More(first.Epoch(), 1)
		cut := b.Cut()
		second := record(b.Begin(1))
		if cut != first.Epoch() || second != first+1 {
			t.Fatalf("cut %d after epoch %d, then %d", cut, first, second)
		}
		done := make(chan error, 1)
		go func() { done <- b.Await(t.Context(), cut) }()
		for _, ended := range [][]record{{first, first}, {second}} {
			epochs.End(b, ended)
			synctest.Wait()
			if len(done) > 0 {
				t.Fatalf("the flush ended with a record open")
			}
		}
		epochs.End(b, []record{first})
		if err := <-done; err != nil {
			t.Error(err)
		}
		b.Begin(1)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := b.Await(ctx, b.Cut()); err == nil {
			t.Error("an ended context does not end the wait")
		}
	})
}
