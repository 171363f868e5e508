// Package discard is the sink that counts records and keeps nothing: the
// ceiling for what a consumer can do.
package discard

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/kload/kload"
)

// Config configures the sink. It has no settings.
type Config struct{}

// Sink counts records. It is safe for concurrent use.
type Sink struct {
	written atomic.Uint64
	closed  atomic.Bool
}

// New returns the sink.
func New() *Sink { return new(Sink) }

// Write counts the records.
func (s *Sink) Write(_ context.Context, _ *kload.Batch, users []kload.Delivery) error {
	if s.closed.Load() {
		return fmt.Errorf("counting records: %w", kload.ErrClosed)
	}
	s.written.Add(uint64(len(users)))
	return nil
}

// Written returns how many records were counted.
func (s *Sink) Written() uint64 { return s.written.Load() }

// Close ends counting.
func (s *Sink) Close() error {
	s.closed.Store(true)
	return nil
}
