package consumers

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/kload/kload"
)

// Router is a sink of several: each record goes to the one that its route names. It
// is safe for concurrent use once its sinks are added.
type Router struct {
	branches []*branch
	index    map[string]int // in branches

	mu   sync.Mutex
	free [][][]kload.Delivery // by branch; as many as writes ever ran at once
}

type branch struct {
	name   string
	sink   kload.Sink
	routed atomic.Uint64
}

// NewRouter returns a router without sinks.
func NewRouter() *Router { return &Router{index: map[string]int{}} }

// Add adds a sink, which is closed with the router.
func (r *Router) Add(name string, s kload.Sink) {
	r.index[name] = len(r.branches)
	r.branches = append(r.branches, &branch{name: name, sink: s})
}

// Write gives each sink its records, one sink after the other, in their order. At an
// error it stops.
func (r *Router) Write(ctx context.Context, b *kload.Batch, users []kload.Delivery) error {
	parts := r.take()
	defer r.give(parts)
	last, at := "", -1
	for i := range users {
		if name := users[i].Route; at < 0 || name != last {
			to, known := r.index[name]
			if !known {
				return fmt.Errorf("%w: a record is routed to %q, and no sink has that name", kload.ErrInvalid, name)
			}
			last, at = name, to
		}
		parts[at] = append(parts[at], users[i])
	}
	for i, to := range r.branches {
		if len(parts[i]) == 0 {
			continue
		}
		to.routed.Add(uint64(len(parts[i])))
		if err := to.sink.Write(ctx, b, parts[i]); err != nil {
			return fmt.Errorf("writing to sink %s: %w", to.name, err)
		}
	}
	return nil
}

// take returns room to sort records in, which nobody else uses until it is given
// back.
func (r *Router) take() [][]kload.Delivery {
	r.mu.Lock()
	defer r.mu.Unlock()
	if last := len(r.free) - 1; last >= 0 {
		parts := r.free[last]
		r.free = r.free[:last]
		return parts
	}
	return make([][]kload.Delivery, len(r.branches))
}

// give takes room back, without what points into batches.
func (r *Router) give(parts [][]kload.Delivery) {
	for i := range parts {
		clear(parts[i])
		parts[i] = parts[i][:0]
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.free = append(r.free, parts)
}

// Written returns how many records all sinks have stored.
func (r *Router) Written() uint64 {
	var n uint64
	for _, to := range r.branches {
		n += to.sink.Written()
	}
	return n
}

// Routed is the account of one sink of a router, repeated sightings included.
type Routed struct {
	Name           string
	Given, Written uint64
}

// Routed returns the accounts of the sinks. What a sink was given and what it says
// that it has stored are counted apart.
func (r *Router) Routed() []Routed {
	list := make([]Routed, len(r.branches))
	for i, to := range r.branches {
		list[i] = Routed{to.name, to.routed.Load(), to.sink.Written()}
	}
	return list
}

// Counters returns the sums of what the sinks count.
func (r *Router) Counters() map[string]uint64 {
	sum := map[string]uint64{}
	for _, to := range r.branches {
		if c, ok := to.sink.(kload.Counted); ok {
			for name, n := range c.Counters() {
				sum[name] += n
			}
		}
	}
	return sum
}

// Close closes all sinks.
func (r *Router) Close() error {
	var errs []error
	for _, to := range r.branches {
		if err := to.sink.Close(); err != nil {
			errs = append(errs, fmt.Errorf("sink %s: %w", to.name, err))
		}
	}
	return errors.Join(errs...)
}
