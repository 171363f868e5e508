package leases_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/consumers/leases"
)

// TestBalance has members come and go.
func TestBalance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, parts := newTable(), shards(5)
		two := func(o *leases.Options) { o.Expect = 2 }
		a := join(t, s, "a", parts, two)
		amounts(t, "expecting another", "3", a)
		b := join(t, s, "b", parts, two)
		amounts(t, "both there", "2 3", a, b)
		if a.ready != 1 || b.ready != 1 {
			t.Errorf("ready %d and %d times", a.ready, b.ready)
		}
		sleep(4 * lease)
		amounts(t, "later", "2 3", a, b)
		c := join(t, s, "c", parts, nil)
		amounts(t, "a third", "0 2 3", a, b, c)
		sleep(5 * third)
		amounts(t, "a third, later", "1 2 2", a, b, c)
		if n := a.Counters()["leases_handed_off"]; n != 1 {
			t.Errorf("handed %d off", n)
		}
		b.leave()
		sleep(6 * third)
		amounts(t, "one left", "2 3", a, c) // as b's share is taken by whoever comes first
		if held := a.Kill(); held != len(a.reading()) {
			t.Errorf("killed with %d", held)
		}
		if err := <-a.ended; err != nil {
			t.Error(err)
		}
		sleep(lease - 2*third)
		if n := len(c.reading()); n > 3 {
			t.Errorf("within the duration of the dead one's leases it has %d", n)
		}
		sleep(4 * third)
		amounts(t, "one died", "5", c)
		for _, m := range []*member{a, b, c} {
			if n := m.Counters()["leases_lost"]; n > 0 {
				t.Errorf("lost %d", n)
			}
		}
		c.leave()
		for _, p := range parts {
			if l := stored(t, s, p.ID); l.Owner != "" || l.Outgoing != "" {
				t.Errorf("left behind: %+v", l)
			}
		}
	})
}

// TestCheckpoints follows the checkpoint of one lease through a handoff and a
// crash.
func TestCheckpoints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, parts := newTable(), shards(1)
		a := join(t, s, "a", parts, func(o *leases.Options) { o.CheckpointRecords = 10 })
		ctx := t.Context()
		a.Processed(ctx, "s0", at("1"), 9)
		if p := stored(t, s, "s0").Position; p.Start != kload.TrimHorizon {
			t.Errorf("checkpoint %v before it was due", p)
		}
		a.Processed(ctx, "s0", at("2"), 1)
		if p := stored(t, s, "s0").Position; p != at("2") {
			t.Errorf("checkpoint %v when the records were enough", p)
		}
		a.Processed(ctx, "s0", at("3"), 1)
		sleep(3 * third)
		if l := stored(t, s, "s0"); l.Position != at("3") || l.Switches != 0 || l.Counter < 4 {
			t.Errorf("after the interval, without records: %+v", l)
		}
		a.Processed(ctx, "s0", at("4"), 1)
		a.leave()
		b := join(t, s, "b", parts, nil)
		reads(t, "taken over", " | s0", &member{}, b)
		if b.from()["s0"] != at("4") {
			t.Errorf("begins at %v", b.from()["s0"])
		}
		b.Processed(ctx, "s0", at("5"), 1)
		b.Kill()
		c := join(t, s, "c", parts, nil)
		sleep(lease + third)
		if c.from()["s0"] != at("4") {
			t.Errorf("after a crash it begins at %v, want the last checkpoint", c.from()["s0"])
		}
		if b.Holds("s0") || !c.Holds("s0") {
			t.Error("the dead one holds the lease")
		}
		b.Processed(ctx, "s0", at("6"), 1)
		b.Release(ctx, "s0")
		if l := stored(t, s, "s0"); l.Owner != "c" || l.Position != at("4") || l.Switches != 2 {
			t.Errorf("the dead one has changed the lease: %+v", l)
		}
		c.leave()
	})
}

// TestFence has a worker stand still for longer than its lease lasts.
func TestFence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared, parts := newTable(), shards(2)
		mine := &table{Store: shared}
		a := join(t, mine, "a", parts, nil)
		reads(t, "alone", "s0,s1", a)
		a.Processed(t.Context(), "s0", at("1"), 1)
		b := join(t, shared, "b", parts, nil)
		thaw := mine.freeze()
		sleep(3 * third)
		sleep(2 * third)
		reads(t, "one stands still", "s0,s1", b)
		if a.Holds("s0") || a.Holds("s1") || !b.Holds("s0") {
			t.Error("the one that stood still still holds its leases")
		}
		thaw()
		a.Processed(t.Context(), "s0", at("9"), 1)
		sleep(third)
		if l := stored(t, shared, "s0"); l.Position == at("1") || l.Position == at("9") {
			t.Errorf("it has changed the lease: %+v", l)
		}
		sleep(6 * third)
		amounts(t, "it takes part again", "1 1", a, b)
		if n := a.Counters(); n["batches_fenced"] != 2 || n["leases_lost"] != 2 {
			t.Errorf("counters %v", n)
		}
		a.leave()
		b.leave()
	})
}

// At no time do two workers believe that they hold a lease, however the calls of
// one are delayed.
func TestOneHolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared, parts := newTable(), shards(1)
		mine := &table{Store: shared}
		a, b := join(t, mine, "a", parts, nil), join(t, shared, "b", parts, nil)
		for i := range 20 {
			thaw := mine.freeze()
			for range 100 * (1 + i%5) {
				sleep(lease / 100 / 2)
				if a.Holds("s0") && b.Holds("s0") {
					t.Fatal("both hold the lease")
				}
			}
			thaw()
			sleep(lease)
		}
		if a.Counters()["leases_lost"] == 0 {
			t.Error("it never lost the lease")
		}
		a.leave()
		b.leave()
	})
}

// TestHandoff has the old owner take its time, and die meanwhile.
func TestHandoff(t *testing.T) {
	for _, dies := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s, parts := newTable(), shards(2)
			a := join(t, s, "a", parts, nil)
			a.revoke = 8 * time.Second
			b := join(t, s, "b", parts, nil)
			sleep(2*third + 4*time.Second) // b asks, a has heard
			amounts(t, "asked", "0 2", a, b)
			for _, id := range []string{"s0", "s1"} {
				a.Processed(t.Context(), id, at("7"), 1)
				if !a.Holds(id) {
					t.Error("the old owner may not finish")
				}
			}
			if dies {
				a.Kill()
				sleep(lease + 2*third)
				amounts(t, "the old owner died, the lease is waited for", "1", b)
				sleep(handoff)
				amounts(t, "not for ever", "2", b)
				b.leave()
				return
			}
			sleep(8*time.Second + 3*third)
			amounts(t, "handed off", "1 1", a, b)
			for id, from := range b.from() {
				if from != at("7") {
					t.Errorf("%s begins at %v", id, from)
				}
			}
			if n := a.Counters(); n["leases_handed_off"] != 1 || n["leases_lost"] != 0 {
				t.Errorf("counters %v", n)
			}
			a.leave()
			b.leave()
		})
	}
}

// TestChildren reads children when all their parents have been.
func TestChildren(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTable()
		m := join(t, s, "a", shards(2), nil)
		merged := kload.Partition{ID: "m", Parents: []string{"s0", "s1"}}
		m.end("s0", merged)
		sleep(2 * lease)
		reads(t, "one parent ended", "s1", m)
		m.end("s1", merged)
		reads(t, "both ended", "m", m) // at once
		if m.from()["m"].Start != kload.TrimHorizon {
			t.Errorf("begins at %v", m.from()["m"])
		}
		want := kload.Lease{Partition: "s0", Position: kload.Position{Start: kload.AtEnd}, Children: []string{"m"}}
		got := stored(t, s, "s0")
		got.Counter = 0
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("the ended one (-want +got)\n%s", d)
		}
		if !leases.Covered([]*leases.Worker{m.Worker}) {
			t.Error("everything is read, but not covered")
		}
		m.Kill()
		if leases.Covered([]*leases.Worker{m.Worker}) {
			t.Error("covered by the dead")
		}
	})
}

// TestCreate finds leases of before, of which some have been cleaned up.
func TestCreate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTable()
		for _, l := range []kload.Lease{
			{Partition: "b", Parents: []string{"a"}, Position: at("5")}, // a's is gone
			{Partition: "d", Position: kload.Position{Start: kload.AtEnd}},
		} {
			if _, err := s.Create(t.Context(), l); err != nil {
				t.Fatal(err)
			}
		}
		latest := kload.Position{Start: kload.Latest}
		m := join(t, s, "w", []kload.Partition{
			{ID: "a", From: kload.Position{Start: kload.AtEnd}},
			{ID: "c", From: latest},
			{ID: "b", Parents: []string{"a"}, From: latest},
			{ID: "d", From: latest},
			{ID: "e", Parents: []string{"d"}, From: latest},
			{ID: "f", Parents: []string{"gone"}, From: latest},
		}, nil)
		want := map[string]kload.Position{"b": at("5"), "c": latest, "e": {Start: kload.TrimHorizon}, "f": latest}
		if d := cmp.Diff(want, m.from()); d != "" {
			t.Errorf("(-want +got)\n%s", d)
		}
		m.leave()
	})
}

// TestFailures has calls fail, before or after they had their effect.
func TestFailures(t *testing.T) {
	broken := errors.New("broken")
	for _, after := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s, parts := newTable(), shards(3)
			a := join(t, s, "a", parts, nil)
			calls := map[string]int{}
			s.spoil(func(op string, _, next kload.Lease) (error, error) { // every other call for each lease
				calls[next.Partition]++
				switch {
				case calls[next.Partition]%2 == 0 || op == "list":
					return nil, nil
				case after:
					return nil, broken
				}
				return broken, nil
			})
			sleep(10 * lease)
			child := kload.Partition{ID: "child", Parents: []string{"s1"}}
			a.end("s1", child)
			a.Processed(t.Context(), "s0", at("1"), 1)
			sleep(3 * lease)
			s.spoil(nil)
			sleep(2 * lease)
			reads(t, "in the end", "child,s0,s2", a)
			if c := a.Counters(); c["lease_failures"] == 0 || c["batches_fenced"] > 0 {
				t.Errorf("counters %v", c)
			}
			if l := stored(t, s, "s0"); l.Position != at("1") || l.Owner != "a" {
				t.Errorf("lease %+v", l)
			}
			a.leave()
		})
	}
}

func TestRunFails(t *testing.T) {
	broken := errors.New("broken")
	for name, spoil := range map[string]func(*table, *member){
		"leases cannot be listed": func(s *table, _ *member) {
			s.fail = func(string, kload.Lease, kload.Lease) (error, error) { return broken, nil }
		},
		"leases cannot be created": func(s *table, _ *member) {
			s.fail = func(op string, _, _ kload.Lease) (error, error) {
				if op == "create" {
					return broken, nil
				}
				return nil, nil
			}
		},
		"a partition cannot be read": func(_ *table, m *member) { m.refuse = broken },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newTable()
				m := &member{t: t, parts: shards(1), reads: map[string]kload.Position{}}
				spoil(s, m)
				m.Worker = newWorker(s)
				if err := m.Run(t.Context(), m, func() { t.Error("it was ready") }); !errors.Is(err, broken) {
					t.Errorf("got %v", err)
				}
				if m.refuse != nil && stored(t, s, "s0").Owner != "" {
					t.Error("the lease was kept")
				}
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				if err := newWorker(s).Run(ctx, m, func() {}); err != nil {
					t.Errorf("a run that was over gave %v", err)
				}
			})
		})
	}
}
