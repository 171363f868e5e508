package consumers_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/consumers"
	"github.com/kload/kload/internal/kpl"
	"github.com/kload/kload/internal/trace"
)

// group is a host that coordinates by a script, and notes what it is told.
type group struct {
	*diary
	coordinate func(ctx context.Context, a kload.Assignments, ready func()) error
	process    func(b *kload.Batch)
	assignErr  error
}

func (g *group) Process(_ context.Context, b *kload.Batch) error {
	if g.process != nil {
		g.process(b)
	}
	for i := range b.Users {
		g.note("process %s %s", b.Partition, b.Users[i].Data)
	}
	if b.End {
		g.note("end %s before %d children", b.Partition, len(b.Children))
	}
	return nil
}

func (g *group) Assigned(_ context.Context, p kload.Partition, from kload.Position) error {
	g.note("assigned %s %s", p.ID, from.Start)
	return g.assignErr
}

func (g *group) Revoked(ctx context.Context, partition string) error {
	g.note("revoked %s %v", partition, ctx.Err())
	return nil
}

func (*group) Close(context.Context) error { return nil }

// Coordinate is of [kload.Coordinator].
func (g *group) Coordinate(ctx context.Context, a kload.Assignments, ready func()) error {
	return g.coordinate(ctx, a, ready)
}

// assignee is a group without coordination.
type assignee struct{ g *group }

func (a assignee) Process(ctx context.Context, b *kload.Batch) error { return a.g.Process(ctx, b) }

func (a assignee) Close(context.Context) error { return nil }

func (a assignee) Assigned(ctx context.Context, p kload.Partition, from kload.Position) error {
	return a.g.Assigned(ctx, p, from)
}

func (a assignee) Revoked(ctx context.Context, partition string) error {
	return a.g.Revoked(ctx, partition)
}

// TestAssignee follows what a host is told of a shard that is split and of one
// that is still open at the end of the run.
func TestAssignee(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := newInput(t, "a")
		in.add("a", "1")
		in.end("a", kload.Partition{ID: "b", Parents: []string{"a"}})
		in.add("b", "2")
		g := &group{diary: new(diary)}
		ctx, cancel := context.WithCancel(t.Context())
		wait := background(ctx, newConsumer(in, assignee{g}, nil))
		synctest.Wait()
		cancel()
		if err := wait(); err != nil {
			t.Error(err)
		}
		want := []string{
			"assigned a at_run_start", "process a 1", "end a before 1 children", "revoked a <nil>",
			"assigned b trim_horizon", "process b 2", "revoked b <nil>",
		}
		if diff := cmp.Diff(want, g.entries); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		in.allReleased()
	})
}

func TestAssigneeFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := newInput(t, "a")
		broken := errors.New("broken")
		err := newConsumer(in, assignee{&group{diary: new(diary), assignErr: broken}}, nil).Run(t.Context(), func() { t.Error("it was ready") })
		if !errors.Is(err, broken) || in.count("close a") != 1 {
			t.Errorf("%v, closed %d times", err, in.count("close a"))
		}
	})
}

// TestCoordinator moves partitions in and out from outside, with readers of both
// kinds.
func TestCoordinator(t *testing.T) {
	for _, polled := range []bool{false, true} {
		t.Run(fmt.Sprintf("polled=%v", polled), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				in := newInput(t, "a", "b", "c")
				in.polled = polled
				for i := range 3 {
					in.add("a", fmt.Sprint(i))
				}
				in.add("b", "4")
				in.end("b", kload.Partition{ID: "child", Parents: []string{"b"}})
				g := &group{diary: new(diary)}
				g.process = func(*kload.Batch) { <-time.After(time.Millisecond) }
				g.coordinate = func(ctx context.Context, a kload.Assignments, ready func()) error {
					parts, err := a.Partitions(ctx)
					if err != nil || len(parts) != 3 {
						t.Errorf("%v, %v", parts, err)
					}
					at := kload.Position{Start: kload.After, Sequence: "seven", Sub: 3}
					fail(t, a.Assign(ctx, parts[0], at), a.Assign(ctx, parts[1], kload.Position{}))
					if err := a.Assign(ctx, parts[0], at); err == nil {
						t.Error("a partition was assigned twice")
					}
					ready()
					<-time.After(time.Second)
					fail(t, a.Revoke(ctx, "a"), a.Revoke(ctx, "b"), a.Revoke(ctx, "unknown"))
					if !g.has("revoked a <nil>") || in.count("close a") != 1 {
						t.Error("Revoke returned before its end")
					}
					fail(t, a.Assign(ctx, parts[0], kload.Position{Start: kload.Latest}))
					<-ctx.Done()
					return nil
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				ready := 0
				if err := newConsumer(in, g, nil).Run(ctx, func() { ready++ }); err != nil || ready != 1 {
					t.Errorf("%v, ready %d times", err, ready)
				}
				var ofA []string
				for _, e := range g.entries {
					if strings.Contains(e, " a ") {
						ofA = append(ofA, e)
					}
				}
				want := []string{
					"assigned a after", "process a 0", "process a 1", "process a 2", "revoked a <nil>",
					"assigned a latest", "revoked a <nil>",
				}
				if diff := cmp.Diff(want, ofA); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				if !g.has("end b before 1 children") || in.has("open child trim_horizon") || in.has("open c at_run_start") {
					t.Errorf("host %q, input %q", g.entries, in.entries)
				}
				in.allReleased()
			})
		})
	}
}

func fail(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
}

func TestCoordinatorFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := newInput(t, "a")
		broken := errors.New("broken")
		in.openErr["z"] = broken
		g := &group{diary: new(diary)}
		g.coordinate = func(ctx context.Context, a kload.Assignments, _ func()) error {
			if err := a.Assign(ctx, kload.Partition{ID: "a"}, kload.Position{}); err != nil {
				return err
			}
			return a.Assign(ctx, kload.Partition{ID: "z"}, kload.Position{})
		}
		err := newConsumer(in, g, nil).Run(t.Context(), func() { t.Error("it was ready") })
		if !errors.Is(err, broken) || err.Error() != "consumer c: coordinating: assigning z: broken" {
			t.Error(err)
		}
		if !g.has("revoked a <nil>") || in.count("close a") != 1 {
			t.Errorf("host %q, input %q", g.entries, in.entries)
		}
	})
}

// TestPause has a consumer pause between batches, and stop or be revoked while it
// is paused.
func TestPause(t *testing.T) {
	for _, polled := range []bool{false, true} {
		t.Run(fmt.Sprintf("polled=%v", polled), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				in := newInput(t, "p", "q", "r")
				in.polled = polled
				for _, id := range in.listed {
					for range 100 {
						in.add(id, "x")
					}
				}
				var processed atomic.Int64
				c := newConsumer(in, host(func(context.Context, *kload.Batch) error {
					processed.Add(1)
					<-time.After(time.Millisecond)
					return nil
				}), nil)
				ctx, cancel := context.WithCancel(t.Context())
				wait := background(ctx, c)
				<-time.After(120 * time.Millisecond)
				c.Pause()
				c.Pause() // again makes no difference
				<-time.After(time.Second)
				before := processed.Load()
				<-time.After(time.Minute)
				if got := processed.Load(); got != before || before < 3 || before > 250 {
					t.Errorf("%d batches, and %d a minute later", before, got)
				}
				c.Resume()
				<-time.After(time.Minute)
				if got := processed.Load(); got != 300 {
					t.Errorf("%d batches of 300 processed", got)
				}
				c.Pause()
				fail(t, c.Revoke(t.Context(), "p"))
				cancel()
				fail(t, wait())
				in.allReleased()
			})
		})
	}
}

// TestPolled lets a poller share few goroutines among many partitions.
func TestPolled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const partitions, batches = 500, 20
		in := newInput(t)
		in.polled = true
		want := map[string][]string{}
		for p := range partitions {
			id := fmt.Sprint("shard", p)
			in.listed = append(in.listed, id)
			for i := range batches {
				want[id] = append(want[id], fmt.Sprint(i))
				in.add(id, fmt.Sprint(i))
			}
			in.end(id)
		}
		got := make(map[string][]string)
		c := newConsumer(in, host(func(_ context.Context, b *kload.Batch) error {
			got[b.Partition] = append(got[b.Partition], string(b.Users[0].Data))
			return nil
		}), func(o *consumers.Options) { o.Workers = 1 })
		began := time.Now()
		if err := c.Run(t.Context(), func() {}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		// A call takes a millisecond, and is due every hundred: 32 at a time make 500
		// in 16 ms, so that none is late by much.
		const calls = batches*2 + 1 // every other one is not answered
		if took := time.Since(began); took < calls*99*time.Millisecond || took > calls*102*time.Millisecond || in.most > 32 {
			t.Errorf("took %v, up to %d calls at a time", took, in.most)
		}
		in.allReleased()
	})
}

// TestSkips goes on behind a user record in an aggregate.
func TestSkips(t *testing.T) {
	packed := func(payloads ...string) []byte {
		var users []kpl.User
		for _, p := range payloads {
			users = append(users, kpl.User{Key: []byte("k"), Data: []byte(p)})
		}
		return aggregate(users...)
	}
	tests := []struct {
		name string
		from kload.Position
		data [][]byte // stream records 10, 11, …
		want []string
		past uint64
	}{
		{"from the start", kload.Position{}, [][]byte{packed("a", "b"), packed("c")}, []string{"a", "b", "c"}, 0},
		{"inside", kload.Position{Start: kload.After, Sequence: "10", Sub: 1}, [][]byte{packed("a", "b", "c"), packed("d", "e")}, []string{"c", "d", "e"}, 2},
		{"at its end", kload.Position{Start: kload.After, Sequence: "10", Sub: 1}, [][]byte{packed("a", "b"), packed("d", "e")}, []string{"d", "e"}, 2},
		{"a plain record", kload.Position{Start: kload.After, Sequence: "10"}, [][]byte{[]byte("a"), []byte("b")}, []string{"b"}, 1},
		{"the record is gone", kload.Position{Start: kload.After, Sequence: "9", Sub: 1}, [][]byte{packed("a", "b")}, []string{"a", "b"}, 0},
		{"nothing else", kload.Position{Start: kload.After, Sequence: "10", Sub: 1}, [][]byte{packed("a", "b")}, nil, 2},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				in := newInput(t, "p")
				in.from = tc.from
				in.batches["p"] = append(in.batches["p"], &kload.Batch{Partition: "p"}) // an empty answer comes before
				b := &kload.Batch{Partition: "p"}
				for i, data := range tc.data {
					b.Records = append(b.Records, kload.StreamRecord{Data: slices.Clone(data), Key: []byte("k"), Sequence: fmt.Sprint(10 + i)})
				}
				in.batches["p"] = append(in.batches["p"], b)
				in.end("p")
				var got []string
				c := newConsumer(in, host(func(_ context.Context, b *kload.Batch) error {
					for i := range b.Users {
						got = append(got, string(b.Users[i].Data))
					}
					return nil
				}), nil)
				fail(t, c.Run(t.Context(), func() {}))
				if diff := cmp.Diff(tc.want, got); diff != "" || c.Skipped() != tc.past {
					t.Errorf("%d skipped, want %d (-want +got):\n%s", c.Skipped(), tc.past, diff)
				}
			})
		})
	}
}

// TestChildRanges checks the routing of records in a shard born during the run.
func TestChildRanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := newInput(t, "a")
		nowhere := kload.HashRange{Start: kload.HashKey{Hi: 1}, End: kload.HashKey{Hi: 1}}
		in.end("a", kload.Partition{ID: "b", Parents: []string{"a"}, Range: nowhere, HasRange: true}, kload.Partition{ID: "c", Parents: []string{"a"}})
		for i, id := range []string{"b", "c"} {
			b := in.add(id, "")
			b.Records[0].Data = stamped(trace.Stamp{Run: run, Producer: 1, Seq: uint64(i)}, "x")
			in.end(id)
		}
		c := newConsumer(in, host(ignore), func(o *consumers.Options) { o.PlainByKey = true })
		fail(t, c.Run(t.Context(), func() {}))
		if got := c.report().Misrouted; got != 1 {
			t.Errorf("%d misrouted, want 1", got)
		}
	})
}
