package consumers_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/consumers"
	"github.com/kload/kload/consumers/sinks/discard"
	"github.com/kload/kload/consumers/sinks/sinktest"
	"github.com/kload/kload/internal/invariants"
)

func TestRouterConforms(t *testing.T) {
	sinktest.Run(t, func(*testing.T) (kload.Sink, func() []string) {
		r := consumers.NewRouter()
		for _, name := range sinktest.Routes() {
			r.Add(name, discard.New())
		}
		return r, nil
	})
}

// noted is a sink that notes what it is given, and fails if it is told to.
type noted struct {
	discard.Sink
	got  []string
	fail error
}

func (n *noted) Write(ctx context.Context, b *kload.Batch, users []kload.Delivery) error {
	for i := range users {
		n.got = append(n.got, b.Partition+" "+string(users[i].Data))
	}
	return errors.Join(n.fail, n.Sink.Write(ctx, b, users))
}

func (n *noted) Close() error { return errors.Join(n.fail, n.Sink.Close()) }

func (n *noted) Counters() map[string]uint64 { return map[string]uint64{"writes": uint64(len(n.got))} }

// routedTo returns user records numbered from 0 with the given routes.
func routedTo(names ...string) (users []kload.Delivery) {
	for i, name := range names {
		users = append(users, kload.Delivery{Data: fmt.Append(nil, i), Route: name})
	}
	return users
}

func TestRouter(t *testing.T) {
	a, b := &noted{}, &noted{}
	r := consumers.NewRouter()
	r.Add("a", a)
	r.Add("b", consumers.LoseWrites(b, 1)) // which must show
	write := func(names ...string) error {
		return r.Write(t.Context(), &kload.Batch{Partition: "p"}, routedTo(names...))
	}
	if err := errors.Join(write("a", "b", "b", "a", "b"), write(), write("a")); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([][]string{{"p 0", "p 3", "p 0"}, {"p 2", "p 4"}}, [][]string{a.got, b.got}); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if d := cmp.Diff([]consumers.Routed{{Name: "a", Given: 3, Written: 3}, {Name: "b", Given: 3, Written: 2}}, r.Routed()); d != "" || r.Written() != 5 {
		t.Errorf("%d written (-want +got)\n%s", r.Written(), d)
	}
	if d := cmp.Diff(map[string]uint64{"writes": 3}, r.Counters()); d != "" { // the other's are hidden
		t.Errorf("(-want +got)\n%s", d)
	}
	if err := write("a", "c"); !errors.Is(err, kload.ErrInvalid) || r.Written() != 5 {
		t.Errorf("%v, %d written", err, r.Written())
	}
	a.fail = errors.New("no room")
	if err := write("b", "a"); !errors.Is(err, a.fail) || err.Error() != "writing to sink a: no room" || len(b.got) != 2 {
		t.Errorf("%v, b got %q", err, b.got)
	}
	if err := r.Close(); !errors.Is(err, a.fail) || err.Error() != "sink a: no room" {
		t.Errorf("closing: %v", err)
	}
	if err := b.Sink.Write(t.Context(), nil, nil); !errors.Is(err, kload.ErrClosed) {
		t.Errorf("b is not closed: %v", err)
	}
}

// TestRouterAllocates nothing for records.
func TestRouterAllocates(t *testing.T) {
	r := consumers.NewRouter()
	r.Add("a", discard.New())
	r.Add("b", discard.New())
	users := routedTo("a", "a", "b", "a", "b", "b")
	b := &kload.Batch{}
	got := testing.AllocsPerRun(100, func() {
		if err := r.Write(t.Context(), b, users); err != nil {
			t.Error(err)
		}
	})
	if got > 0 && !invariants.Enabled {
		t.Errorf("%v allocations for a write", got)
	}
}
