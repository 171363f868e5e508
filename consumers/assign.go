package consumers

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/shard"
)

// Partitions lists what there is to read. See [kload.Assignments].
func (c *Consumer) Partitions(ctx context.Context) ([]kload.Partition, error) {
	return c.o.Opener.Partitions(ctx)
}

// Assign starts reading a partition. See [kload.Assignments].
func (c *Consumer) Assign(ctx context.Context, p kload.Partition, from kload.Position) error {
	r := c.book(p.ID, from)
	if r == nil {
		return fmt.Errorf("assigning %s: %w", p.ID, errBeingRead)
	}
	if err := c.open(ctx, p, r); err != nil {
		c.forget(r)
		return fmt.Errorf("assigning %s: %w", p.ID, err)
	}
	return nil
}

// Revoke stops reading a partition. See [kload.Assignments].
func (c *Consumer) Revoke(ctx context.Context, partition string) error {
	c.mu.Lock()
	r := c.readings[partition]
	c.mu.Unlock()
	if r == nil {
		return nil
	}
	r.cancel()
	r.worker.poller.hasten(r)
	select {
	case <-r.closed:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("revoking %s: %w", partition, ctx.Err())
	}
}

// readAll opens everything that may be read at the start.
func (c *Consumer) readAll(ctx context.Context) error {
	parts, err := c.o.Opener.Partitions(ctx)
	if err != nil {
		return err
	}
	c.mu.Lock()
	free := c.lineage.List(parts)
	c.mu.Unlock()
	g, opening := errgroup.WithContext(ctx)
	for _, p := range free {
		r := c.book(p.ID, p.From)
		g.Go(func() error {
			err := c.open(opening, p, r)
			if err != nil {
				c.forget(r)
			}
			return err
		})
	}
	return g.Wait()
}

// book makes a partition known as being read before it is opened: in between, a
// consumer that has read its parents would look caught up. It returns nil if it
// is known already.
func (c *Consumer) book(id string, from kload.Position) *reading {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.readings[id] != nil {
		return nil
	}
	r := &reading{id: id, from: from, closed: make(chan struct{}), place: -1}
	r.wants = func() int64 { return r.expects(c) }
	c.begin(r)
	r.worker = c.workers[c.turn%len(c.workers)]
	c.turn++
	c.readings[id] = r
	c.live.Add(1)
	return r
}

// forget takes a reading off the books, as the last thing that happens to it.
func (c *Consumer) forget(r *reading) {
	c.mu.Lock()
	delete(c.readings, r.id)
	c.mu.Unlock()
	r.cancel()
	close(r.closed)
	c.live.Done()
}

// open positions a reader on a booked partition and starts reading. After an
// error it is the caller's to forget.
func (c *Consumer) open(ctx context.Context, p kload.Partition, r *reading) error {
	if p.HasRange {
		r.owned = (*shard.Range)(&p.Range)
		c.o.Tap.Ledger.SetRange(p.ID, *r.owned)
	}
	c.o.Tap.Ledger.Restarted(p.ID) // explains what comes again, if it was read before
	var err error
	if r.reader, err = c.position(ctx, p, r.from); err != nil {
		return err
	}
	r.worker.take(r)
	return nil
}

// position opens a reader and tells the host, for few partitions at a time.
func (c *Consumer) position(ctx context.Context, p kload.Partition, from kload.Position) (kload.Reader, error) {
	select {
	case c.opening <- struct{}{}:
		defer func() { <-c.opening }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	reader, err := c.o.Opener.Open(ctx, p.ID, from)
	if err != nil {
		return nil, err
	}
	if host, ok := c.o.Host.(kload.Assignee); ok {
		if err := host.Assigned(ctx, p, from); err != nil {
			return nil, errors.Join(fmt.Errorf("assigning %s: %w", p.ID, err), reader.Close())
		}
	}
	return reader, nil
}

// finish ends a reading whose batches have all been processed. end says that its
// partition has ended, which frees its children; they are booked before it is
// forgotten.
func (c *Consumer) finish(running context.Context, r *reading, end bool, children []kload.Partition) {
	c.fail(running.Err, "closing "+r.id, r.reader.Close())
	if host, ok := c.o.Host.(kload.Assignee); ok {
		c.fail(running.Err, "revoking "+r.id, host.Revoked(context.WithoutCancel(running), r.id))
	}
	if _, coordinated := c.o.Host.(kload.Coordinator); end && !coordinated {
		c.mu.Lock()
		freed := c.lineage.End(r.id, children)
		c.mu.Unlock()
		for _, p := range freed {
			child := c.book(p.ID, p.From)
			go func() {
				if err := c.open(running, p, child); err != nil {
					c.fail(running.Err, "opening "+p.ID, err)
					c.forget(child)
				}
			}()
		}
	}
	c.forget(r)
}
