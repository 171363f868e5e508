// Package memory is the store of leases that ends with its process: for a
// consumer whose workers are all in one process and that begins anew with each
// run.
package memory

import (
	"context"
	"sync"

	"github.com/kload/kload"
	"github.com/kload/kload/consumers/checkpoints"
)

// Store is a [kload.Store]. Make it with [New].
type Store struct {
	mu     sync.Mutex // guards what follows
	leases checkpoints.Table
	closed bool
}

// New returns an empty store.
func New() *Store { return &Store{leases: checkpoints.Table{}} }

// Leases implements [kload.Store].
func (s *Store) Leases(context.Context) ([]kload.Lease, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, checkpoints.ListFailed(kload.ErrClosed)
	}
	return s.leases.Sorted(), nil
}

// Create implements [kload.Store].
func (s *Store) Create(_ context.Context, l kload.Lease) (kload.Lease, error) {
	return s.change(checkpoints.Create(l))
}

// Update implements [kload.Store].
func (s *Store) Update(_ context.Context, old, l kload.Lease) (kload.Lease, error) {
	return s.change(checkpoints.Update(old, l))
}

// Delete implements [kload.Store].
func (s *Store) Delete(_ context.Context, old kload.Lease) error {
	_, err := s.change(checkpoints.Delete(old))
	return err
}

func (s *Store) change(c checkpoints.Change) (kload.Lease, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return kload.Lease{}, c.Failed(kload.ErrClosed)
	}
	l, err := c.On(s.leases)
	if err == nil {
		s.leases.Put(c.Partition, l)
	}
	return l, err
}

// Close implements [kload.Store].
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}
