package leases_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/consumers/checkpoints/memory"
	"github.com/kload/kload/consumers/leases"
	"github.com/kload/kload/internal/pace"
)

const (
	lease   = 10 * time.Second
	third   = lease/3 + time.Millisecond
	handoff = 30 * time.Second
)

// table is a store whose answers can be lost, whose changes can fail, and which
// can stand still for one worker.
type table struct {
	kload.Store

	mu    sync.Mutex // guards what follows
	fail  func(op string, old, next kload.Lease) (before, after error)
	still chan struct{} // nil unless calls wait
}

func newTable() *table { return &table{Store: memory.New()} }

func (s *table) wait(ctx context.Context) error {
	s.mu.Lock()
	still := s.still
	s.mu.Unlock()
	if still != nil {
		<-still // a process that stands still does not see its deadlines pass
	}
	return ctx.Err()
}

// freeze has calls wait until the function it returns is called.
func (s *table) freeze() (thaw func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	still := make(chan struct{})
	s.still = still
	return func() {
		s.mu.Lock()
		s.still = nil
		s.mu.Unlock()
		close(still)
	}
}

func (s *table) judge(op string, old, next kload.Lease) (before, after error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail == nil {
		return nil, nil
	}
	return s.fail(op, old, next)
}

// spoil has calls fail from now on as f says.
func (s *table) spoil(f func(op string, old, next kload.Lease) (before, after error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = f
}

func (s *table) Leases(ctx context.Context) ([]kload.Lease, error) {
	before, _ := s.judge("list", kload.Lease{}, kload.Lease{})
	if err := errors.Join(s.wait(ctx), before); err != nil {
		return nil, err
	}
	return s.Store.Leases(ctx)
}

func (s *table) Create(ctx context.Context, l kload.Lease) (kload.Lease, error) {
	before, after := s.judge("create", kload.Lease{}, l)
	if err := errors.Join(s.wait(ctx), before); err != nil {
		return kload.Lease{}, err
	}
	stored, err := s.Store.Create(ctx, l)
	return stored, errors.Join(err, after)
}

func (s *table) Update(ctx context.Context, old, next kload.Lease) (kload.Lease, error) {
	before, after := s.judge("update", old, next)
	if err := errors.Join(s.wait(ctx), before); err != nil {
		return kload.Lease{}, err
	}
	stored, err := s.Store.Update(ctx, old, next)
	return stored, errors.Join(err, after)
}

// member is a worker with what it is reading.
type member struct {
	*leases.Worker
	t      *testing.T
	parts  []kload.Partition
	ready  int
	cancel context.CancelFunc
	ended  chan error
	refuse error

	mu     sync.Mutex
	reads  map[string]kload.Position
	revoke time.Duration // how long it takes to finish the last batch
}

func newWorker(s kload.Store) *leases.Worker {
	return leases.New(leases.Options{
		Store: s, Owner: "w", Clock: pace.NewClock(), Duration: lease, Handoff: handoff, CheckpointEvery: lease, Expect: 1,
	})
}

// join starts a worker on its own view of the table.
func join(t *testing.T, s kload.Store, name string, parts []kload.Partition, with func(*leases.Options)) *member {
	o := leases.Options{
		Store: s, Owner: name, Clock: pace.NewClock(), Duration: lease, Handoff: handoff, CheckpointEvery: 5 * time.Second, Expect: 1,
	}
	if with != nil {
		with(&o)
	}
	ctx, cancel := context.WithCancel(t.Context())
	m := &member{Worker: leases.New(o), t: t, parts: parts, cancel: cancel, ended: make(chan error, 1), reads: map[string]kload.Position{}}
	go func() { m.ended <- m.Run(ctx, m, func() { m.ready++ }) }()
	synctest.Wait()
	return m
}

// leave ends a worker in good order, as the consumer around it does.
func (m *member) leave() {
	m.t.Helper()
	m.cancel()
	if err := <-m.ended; err != nil {
		m.t.Error(err)
	}
	for _, id := range m.reading() {
		m.Release(m.t.Context(), id)
	}
}

func (m *member) Partitions(context.Context) ([]kload.Partition, error) { return m.parts, nil }

func (m *member) Assign(_ context.Context, p kload.Partition, from kload.Position) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.refuse != nil {
		return m.refuse
	}
	if _, reading := m.reads[p.ID]; reading {
		m.t.Errorf("%s was assigned twice", p.ID)
	}
	m.reads[p.ID] = from
	return nil
}

func (m *member) Revoke(ctx context.Context, id string) error {
	if m.revoke > 0 {
		<-time.After(m.revoke)
	}
	m.mu.Lock()
	_, reading := m.reads[id]
	m.mu.Unlock()
	if reading {
		m.Release(context.WithoutCancel(ctx), id)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.reads, id)
	return nil
}

// reading lists what is being read.
func (m *member) reading() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	ids := make([]string, 0, len(m.reads))
	for id := range m.reads {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// from returns where reading each partition began.
func (m *member) from() map[string]kload.Position {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.reads)
}

// end has a partition read to its end.
func (m *member) end(id string, children ...kload.Partition) {
	m.Ended(m.t.Context(), id, children)
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.reads, id)
}

// reads checks what each of the members reads.
func reads(t *testing.T, when string, want string, members ...*member) {
	t.Helper()
	synctest.Wait()
	var got []string
	for _, m := range members {
		got = append(got, strings.Join(m.reading(), ","))
	}
	if s := strings.Join(got, " | "); s != want {
		t.Errorf("%s: reading %q, want %q", when, s, want)
	}
}

// amounts checks how much the members read; who has more is a matter of chance.
func amounts(t *testing.T, when string, want string, members ...*member) {
	t.Helper()
	synctest.Wait()
	var got []int
	for _, m := range members {
		got = append(got, len(m.reading()))
	}
	slices.Sort(got)
	if s := strings.Trim(fmt.Sprint(got), "[]"); s != want {
		t.Errorf("%s: the members read %s partitions, want %s", when, s, want)
	}
}

// stored returns the lease of a partition.
func stored(t *testing.T, s kload.Store, id string) kload.Lease {
	t.Helper()
	list, err := s.Leases(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range list {
		if l.Partition == id {
			return l
		}
	}
	t.Fatalf("%s has no lease", id)
	return kload.Lease{}
}

func shards(n int) (parts []kload.Partition) {
	for i := range n {
		parts = append(parts, kload.Partition{ID: fmt.Sprint("s", i), From: kload.Position{Start: kload.TrimHorizon}})
	}
	return parts
}

func at(sequence string) kload.Position {
	return kload.Position{Start: kload.After, Sequence: sequence, Sub: 2}
}

func sleep(d time.Duration) { <-time.After(d) }
