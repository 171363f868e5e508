// Package storetest is the conformance suite of lease stores, which implement
// [kload.Store].
package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
)

// Rig returns a function that opens one store, which is empty when the rig is
// made. The suite closes what it opens.
type Rig func(t *testing.T) (open func() kload.Store)

// Run runs the suite.
func Run(t *testing.T, rig Rig) {
	single := func(test func(*testing.T, kload.Store)) func(*testing.T) {
		return func(t *testing.T) {
			s := rig(t)()
			defer s.Close()
			test(t, s)
		}
	}
	t.Run("keeps every field", single(keeps))
	t.Run("compares and sets", single(compares))
	t.Run("replaces all that can change", single(replaces))
	t.Run("deletes", single(deletes))
	t.Run("refuses what is no lease", single(refuses))
	t.Run("copies what it is given", single(copies))
	t.Run("lists many in order", single(lists))
	t.Run("lets one of many win", func(t *testing.T) {
		s := rig(t)()
		defer s.Close()
		contend(t, []kload.Store{s, s, s, s})
	})
	t.Run("is closed once and for all", single(closed))
}

// RunShared runs the suite and what is asked of stores that several processes
// share besides.
func RunShared(t *testing.T, rig Rig) {
	Run(t, rig)
	t.Run("outlives its users", func(t *testing.T) { outlives(t, rig(t)) })
	t.Run("shows each the changes of the others", func(t *testing.T) { shows(t, rig(t)) })
	t.Run("lets one of many users win", func(t *testing.T) {
		open := rig(t)
		var stores []kload.Store
		for range 4 {
			s := open()
			defer s.Close()
			stores = append(stores, s)
		}
		contend(t, stores)
	})
}

// at is the position after a user record.
func at(sequence string, sub int64) kload.Position {
	return kload.Position{Start: kload.After, Sequence: sequence, Sub: sub}
}

func create(t *testing.T, s kload.Store, l kload.Lease) kload.Lease {
	t.Helper()
	stored, err := s.Create(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	return stored
}

func update(t *testing.T, s kload.Store, old, l kload.Lease) kload.Lease {
	t.Helper()
	stored, err := s.Update(t.Context(), old, l)
	if err != nil {
		t.Fatal(err)
	}
	return stored
}

// want compares all leases of a store.
func want(t *testing.T, s kload.Store, leases ...kload.Lease) {
	t.Helper()
	got, err := s.Leases(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(leases, got); len(leases)+len(got) > 0 && diff != "" {
		t.Errorf("leases (-want +got):\n%s", diff)
	}
}

func wantConflict(t *testing.T, err error) {
	t.Helper()
	var hint *kload.HintError
	if !errors.Is(err, kload.ErrConflict) || !errors.As(err, &hint) {
		t.Errorf("got error %v, want one that wraps ErrConflict and has a hint", err)
	}
}

func keeps(t *testing.T, s kload.Store) {
	want(t, s)
	full := kload.Lease{
		Partition: "shardId-000000000007", Owner: "worker 1 ü\n", Counter: 41,
		Position: at("49590338271490256608559692538361571095921575989136588898", 12),
		Outgoing: "worker 0", Switches: 3,
		Parents: []string{"shardId-000000000001", "shardId-000000000002"}, Children: []string{"shardId-000000000009"},
		Range: kload.HashRange{End: kload.HashKey{Hi: 1<<64 - 1, Lo: 1<<64 - 1}}, HasRange: true,
	}
	stored := create(t, s, full)
	full.Counter = 0
	if diff := cmp.Diff(full, stored); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
	leases := []kload.Lease{create(t, s, kload.Lease{Partition: "a"})}
	for start := kload.AtRunStart; start <= kload.AtEnd; start++ {
		p := kload.Position{Start: start}
		if start == kload.After {
			p = at("0", 0)
		}
		leases = append(leases, create(t, s, kload.Lease{Partition: fmt.Sprint("from ", start.String()), Position: p}))
	}
	slices.SortFunc(leases, func(a, b kload.Lease) int { return strings.Compare(a.Partition, b.Partition) })
	want(t, s, append(leases, stored)...)
}

func compares(t *testing.T, s kload.Store) {
	free := create(t, s, kload.Lease{Partition: "p"})
	_, err := s.Create(t.Context(), kload.Lease{Partition: "p", Owner: "late"})
	wantConflict(t, err)
	owned := free
	owned.Owner = "a"
	owned = update(t, s, free, owned)
	if owned.Counter != 1 {
		t.Errorf("counter %d after one change", owned.Counter)
	}
	renewed := update(t, s, owned, owned)
	for name, old := range map[string]kload.Lease{
		"an owner behind":    owned,
		"nobody":             free,
		"another owner":      {Partition: "p", Owner: "b", Counter: 2},
		"no owner":           {Partition: "p", Counter: 2},
		"a counter ahead":    {Partition: "p", Owner: "a", Counter: 3},
		"no such partition":  {Partition: "q", Owner: "a", Counter: 2},
		"a longer partition": {Partition: "pp", Owner: "a", Counter: 2},
	} {
		t.Run(name, func(t *testing.T) {
			next := old
			next.Owner = "thief"
			_, err := s.Update(t.Context(), old, next)
			wantConflict(t, err)
			wantConflict(t, s.Delete(t.Context(), old))
		})
	}
	want(t, s, renewed)
}

func replaces(t *testing.T, s kload.Store) {
	l := create(t, s, kload.Lease{Partition: "p", Parents: []string{"m", "n"}})
	for _, change := range []func(*kload.Lease){
		func(l *kload.Lease) { l.Owner, l.Position = "a", at("1", 0) },
		func(l *kload.Lease) { l.Position = at("1", 7) },
		func(l *kload.Lease) { l.Owner, l.Outgoing, l.Switches = "b", "a", 1 },
		func(l *kload.Lease) { l.Outgoing, l.Position, l.Switches = "", at("30", 0), 0 },
		func(l *kload.Lease) {
			l.Children, l.Range, l.HasRange = []string{"x", "y"}, kload.HashRange{Start: kload.HashKey{Lo: 5}, End: kload.HashKey{Hi: 1}}, true
		},
		func(l *kload.Lease) { l.Position = kload.Position{Start: kload.AtEnd} },
		func(l *kload.Lease) { *l = kload.Lease{Partition: l.Partition, Counter: l.Counter} },
	} {
		next := l
		change(&next)
		stored := update(t, s, l, next)
		next.Counter++
		if diff := cmp.Diff(next, stored); diff != "" {
			t.Errorf("update %d (-want +got):\n%s", next.Counter, diff)
		}
		want(t, s, next)
		l = stored
	}
}

func deletes(t *testing.T, s kload.Store) {
	old := create(t, s, kload.Lease{Partition: "p", Owner: "a"})
	other := create(t, s, kload.Lease{Partition: "q"})
	l := update(t, s, old, old)
	wantConflict(t, s.Delete(t.Context(), old))
	if err := s.Delete(t.Context(), l); err != nil {
		t.Error(err)
	}
	wantConflict(t, s.Delete(t.Context(), l))
	_, err := s.Update(t.Context(), l, l)
	wantConflict(t, err)
	want(t, s, other)
	want(t, s, create(t, s, kload.Lease{Partition: "p"}), other)
}

func refuses(t *testing.T, s kload.Store) {
	_, err := s.Create(t.Context(), kload.Lease{Owner: "a"})
	if !errors.Is(err, kload.ErrInvalid) {
		t.Errorf("a lease of no partition gave %v, want ErrInvalid", err)
	}
	l := create(t, s, kload.Lease{Partition: "p"})
	_, err = s.Update(t.Context(), l, kload.Lease{Partition: "q"})
	if !errors.Is(err, kload.ErrInvalid) {
		t.Errorf("an update to another partition gave %v, want ErrInvalid", err)
	}
	want(t, s, l)
}

func copies(t *testing.T, s kload.Store) {
	mine := kload.Lease{Partition: "p", Parents: []string{"m"}, Children: []string{"x"}}
	create(t, s, mine)
	mine.Parents[0], mine.Children[0] = "spoilt", "spoilt"
	read, err := s.Leases(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	read[0].Parents[0] = "spoilt"
	want(t, s, kload.Lease{Partition: "p", Parents: []string{"m"}, Children: []string{"x"}})
}

func lists(t *testing.T, s kload.Store) {
	var leases []kload.Lease
	for i := range 150 {
		leases = append(leases, kload.Lease{Partition: fmt.Sprintf("shardId-%012d", i), Parents: []string{strings.Repeat("p", 100)}})
	}
	for i := range leases {
		create(t, s, leases[(i*67)%len(leases)])
	}
	want(t, s, leases...)
}

// contend has workers, each with its own view, count on one lease.
func contend(t *testing.T, stores []kload.Store) {
	const each = 25
	create(t, stores[0], kload.Lease{Partition: "p"})
	var wg sync.WaitGroup
	for i, s := range stores {
		wg.Go(func() {
			for done := 0; done < each && !t.Failed(); {
				leases, err := s.Leases(t.Context())
				if err != nil || len(leases) != 1 {
					t.Errorf("%d leases, error %v", len(leases), err)
					return
				}
				next := leases[0]
				next.Owner, next.Switches = fmt.Sprint("worker ", i), next.Switches+1
				switch _, err := s.Update(t.Context(), leases[0], next); {
				case err == nil:
					done++
				case !errors.Is(err, kload.ErrConflict):
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	leases, err := stores[0].Leases(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if n := int64(each * len(stores)); leases[0].Counter != n || leases[0].Switches != n {
		t.Errorf("counter %d, switches %d after %d changes that succeeded", leases[0].Counter, leases[0].Switches, n)
	}
}

func closed(t *testing.T, s kload.Store) {
	l := create(t, s, kload.Lease{Partition: "p"})
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	_, listing := s.Leases(t.Context())
	_, creating := s.Create(t.Context(), kload.Lease{Partition: "q"})
	_, updating := s.Update(t.Context(), l, l)
	for name, err := range map[string]error{
		"reading": listing, "creating": creating, "updating": updating, "deleting": s.Delete(t.Context(), l),
	} {
		if !errors.Is(err, kload.ErrClosed) || !strings.HasPrefix(fmt.Sprint(err), name) {
			t.Errorf("%s after Close gave %v, want an error that says so and wraps ErrClosed", name, err)
		}
	}
}

func outlives(t *testing.T, open func() kload.Store) {
	s := open()
	gone := create(t, s, kload.Lease{Partition: "gone"})
	l := create(t, s, kload.Lease{Partition: "p", Position: at("7", 1), Children: []string{"x"}})
	l = update(t, s, l, l)
	if err := s.Delete(t.Context(), gone); err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		s = open()
		want(t, s, l)
		l = update(t, s, l, l)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func shows(t *testing.T, open func() kload.Store) {
	a, b := open(), open()
	defer a.Close()
	defer b.Close()
	l := create(t, a, kload.Lease{Partition: "p"})
	want(t, b, l)
	taken := l
	taken.Owner = "b"
	taken = update(t, b, l, taken)
	_, err := a.Update(t.Context(), l, l)
	wantConflict(t, err)
	want(t, a, taken)
	if err := a.Delete(t.Context(), taken); err != nil {
		t.Error(err)
	}
	want(t, b)
}
