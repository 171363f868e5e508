package consumers_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/consumers"
	"github.com/kload/kload/internal/hdr"
	"github.com/kload/kload/internal/ledger"
	"github.com/kload/kload/internal/trace"
)

// fenced is a group that may process only so many batches.
type fenced struct {
	*group
	left atomic.Int64
}

// Holds is of [kload.Fenced].
func (f *fenced) Holds(string) bool { return f.left.Add(-1) >= 0 }

// TestFenced drops what a host may not process, before the ledger has seen it.
func TestFenced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := newInput(t, "p")
		for _, payload := range []string{"1", "2", "3"} {
			in.add("p", payload)
		}
		in.end("p")
		f := &fenced{group: &group{diary: new(diary)}}
		f.left.Store(2)
		f.coordinate = func(ctx context.Context, a kload.Assignments, ready func()) error {
			ready()
			return a.Assign(ctx, kload.Partition{ID: "p"}, kload.Position{})
		}
		c := newConsumer(in, f, nil)
		fail(t, c.Run(t.Context(), func() {}))
		if r := c.report(); r.Untraced != 2 || !f.has("process p 2") || f.has("process p 3") || f.has("end p before 0 children") || !f.has("revoked p <nil>") {
			t.Errorf("account %+v, diary %q", r, f.entries)
		}
		in.allReleased()
	})
}

// newGroup has a member for each host.
func newGroup(in kload.Opener, hosts ...kload.Host) *consumers.Group {
	l := ledger.New(run)
	return consumers.NewGroup(consumers.Options{
		Name: "c", Opener: in, Tap: consumers.TapOptions{
			Trace: trace.NewReader(trace.Prefix), Ledger: l.AddConsumer("c"), Run: run, Hops: hdr.NewSet("c", kload.HopFetch, kload.HopE2ERead),
			Arrived: func(*kload.Batch) {},
		},
	}, hosts...)
}

// waiting is a member that reads one partition until its context ends.
func waiting(partition string) *group {
	g := &group{diary: new(diary)}
	g.coordinate = func(ctx context.Context, a kload.Assignments, ready func()) error {
		<-time.After(time.Second)
		if err := a.Assign(ctx, kload.Partition{ID: partition}, kload.Position{}); err != nil {
			return err
		}
		ready()
		<-ctx.Done()
		return nil
	}
	return g
}

// TestGroup has members run together: one is stopped, one fails.
func TestGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := newInput(t, "a", "b", "c")
		a, b, c := waiting("a"), waiting("b"), waiting("c")
		g := newGroup(in, a, b, c)
		var ready atomic.Int64
		ended := make(chan error, 1)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { ended <- g.Run(ctx, func() { ready.Add(1) }) }()
		<-time.After(2 * time.Second)
		if n := ready.Load(); n != 1 {
			t.Errorf("ready %d times", n)
		}
		if g.CaughtUp(time.Now().UnixNano()) {
			t.Error("caught up with partitions of which nothing was read")
		}
		g.Pause()
		g.Resume()
		g.Stop(1)
		synctest.Wait()
		if !b.has("revoked b <nil>") || a.has("revoked a <nil>") {
			t.Errorf("stopped one: %q, %q", a.entries, b.entries)
		}
		cancel()
		if err := <-ended; err != nil || !c.has("revoked c <nil>") {
			t.Errorf("%v, %q", err, c.entries)
		}
		in.allReleased()
	})
	synctest.Test(t, func(t *testing.T) {
		in := newInput(t, "a")
		broken := &group{diary: new(diary)}
		want := errors.New("broken")
		broken.coordinate = func(context.Context, kload.Assignments, func()) error { return want }
		other := waiting("a")
		if err := newGroup(in, other, broken).Run(t.Context(), func() { t.Error("it was ready") }); !errors.Is(err, want) {
			t.Error(err)
		}
	})
}
