// Package file is the store of leases that the processes of one machine share: a
// directory with a log to which each change is appended.
//
// A change is made under a lock of the system (flock), after what others have
// appended was read, so that any number of stores, in any number of processes,
// see the same leases. The lock ends with the process that holds it: kill -9
// leaves at most half an entry behind, which the next user of the log removes.
// Checkpoints are synced before the call returns and survive the machine. Who owns
// a lease is not synced, because a crash of the machine ends all owners.
//
// Once most of the log is history, a new one is written beside it, with one
// entry per lease, and renamed over it.
package file

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/consumers/checkpoints"
)

// lockPoll is how often a store tries for the lock while another holds it, which
// takes milliseconds. openTimeout is how long opening waits for one that hangs.
const (
	lockPoll    = time.Millisecond
	openTimeout = 10 * time.Second
)

// Config configures the store.
type Config struct {
	Dir string `yaml:"dir" required:"true" help:"directory of the leases; processes of this machine that share it share the work"`
}

// Store is a [kload.Store]. Make it with [Open].
type Store struct {
	turn   chan struct{} // holds one token while somebody uses what follows
	lock   *os.File
	log    *log
	closed bool
}

// Open opens the leases in a directory, which is created if need be.
func Open(ctx context.Context, c Config) (*Store, error) {
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("creating the directory of the leases: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(c.Dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the lock of the leases: %w", err)
	}
	s := &Store{turn: make(chan struct{}, 1), lock: lock, log: newLog(c.Dir)}
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	err = s.alone(ctx, func() error { return nil })
	if err != nil {
		lock.Close()
		s.log.close()
		return nil, fmt.Errorf("opening the leases in %s: %w", c.Dir, err)
	}
	return s, nil
}

// Leases implements [kload.Store].
func (s *Store) Leases(ctx context.Context) (leases []kload.Lease, err error) {
	err = s.alone(ctx, func() error {
		leases = s.log.leases.Sorted()
		return nil
	})
	if err != nil {
		return nil, checkpoints.ListFailed(err)
	}
	return leases, nil
}

// Create implements [kload.Store].
func (s *Store) Create(ctx context.Context, l kload.Lease) (kload.Lease, error) {
	return s.change(ctx, checkpoints.Create(l))
}

// Update implements [kload.Store].
func (s *Store) Update(ctx context.Context, old, l kload.Lease) (kload.Lease, error) {
	return s.change(ctx, checkpoints.Update(old, l))
}

// Delete implements [kload.Store].
func (s *Store) Delete(ctx context.Context, old kload.Lease) error {
	_, err := s.change(ctx, checkpoints.Delete(old))
	return err
}

func (s *Store) change(ctx context.Context, c checkpoints.Change) (l kload.Lease, err error) {
	err = s.alone(ctx, func() error {
		if l, err = c.On(s.log.leases); err != nil {
			return err
		}
		return s.log.put(c.Partition, l)
	})
	if err != nil {
		return kload.Lease{}, c.Failed(err)
	}
	return l, nil
}

// alone calls f while no other store, in this process or another, uses the log,
// and with all that is in it read.
func (s *Store) alone(ctx context.Context, f func() error) error {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.turn }()
	if s.closed {
		return kload.ErrClosed
	}
	if err := s.acquire(ctx); err != nil {
		return err
	}
	if err := s.log.catchUp(); err != nil {
		return errors.Join(err, unlock(s.lock))
	}
	return errors.Join(f(), unlock(s.lock))
}

// acquire waits for the lock.
func (s *Store) acquire(ctx context.Context) error {
	for {
		ok, err := tryLock(s.lock)
		if err != nil {
			return fmt.Errorf("locking %s: %w", s.lock.Name(), err)
		}
		if ok {
			return nil
		}
		select {
		case <-time.After(lockPoll):
		case <-ctx.Done():
			return kload.WithHint(fmt.Errorf("waiting for the lock %s: %w", s.lock.Name(), ctx.Err()),
				"another process holds it: end that if it hangs")
		}
	}
}

// Torn returns how many bytes of interrupted writes this store has removed.
// Nobody had been told of those.
func (s *Store) Torn() int64 {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	return s.log.torn
}

// Close implements [kload.Store].
func (s *Store) Close() error {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	if s.closed {
		return nil
	}
	s.closed = true
	if err := errors.Join(s.log.close(), s.lock.Close()); err != nil {
		return fmt.Errorf("closing the leases: %w", err)
	}
	return nil
}
