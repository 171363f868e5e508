// Package kcl is the host that shares a stream among workers by leases, as
// applications of the Kinesis Client Library (KCL) do: each worker processes the
// shards whose leases it has, another goes on at the last checkpoint when it dies.
// What becomes of the records themselves is the business of another host, which
// it wraps.
//
// A record is delivered at least once. What was processed after the last
// checkpoint of a worker that died comes again.
package kcl

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/consumers/handler"
	"github.com/kload/kload/consumers/leases"
	"github.com/kload/kload/internal/conf"
	"github.com/kload/kload/internal/pace"
)

// Config configures the host.
type Config struct {
	Members           int           `yaml:"members" default:"1" help:"workers of this process; those of other processes that use the same store come on top"`
	Store             conf.Choice   `yaml:"store" choice:"store" default:"memory" help:"where the leases are kept: in memory, in files for the processes of one machine, or in a DynamoDB table with the layout of KCL 3"`
	Lease             time.Duration `yaml:"lease" default:"10s" help:"how long a worker keeps a lease that it does not renew; it renews every third of it"`
	Handoff           time.Duration `yaml:"handoff" default:"30s" help:"how long a worker that was promised a lease waits for the owner to finish"`
	CheckpointEvery   time.Duration `yaml:"checkpoint_every" default:"5s" help:"time between two checkpoints of a shard"`
	CheckpointRecords int           `yaml:"checkpoint_records" help:"checkpoint after so many records too; 0 for by time only"`
	SkipOnError       bool          `yaml:"skip_on_error" help:"do as KCL does when processRecords throws: log it, skip the batch and go on with the next. Its records are lost. Otherwise the run ends"`
	handler.Config
}

// Validate checks that the times go together.
func (c *Config) Validate() []conf.Issue {
	issues := c.Config.Validate()
	positive := func(field string, ok bool) {
		if !ok {
			issues = append(issues, conf.Issue{Field: field, Msg: "must be positive"})
		}
	}
	positive("members", c.Members > 0)
	positive("checkpoint_every", c.CheckpointEvery > 0)
	if c.CheckpointRecords < 0 {
		issues = append(issues, conf.Issue{Field: "checkpoint_records", Msg: "must not be negative"})
	}
	if c.Lease < 100*time.Millisecond {
		issues = append(issues, conf.Issue{Field: "lease", Msg: "must be at least 100ms", Hint: "KCL's is 10s"})
	}
	if c.Handoff <= c.Lease {
		issues = append(issues, conf.Issue{Field: "handoff", Msg: "must be longer than lease", Hint: "else the new owner begins while the old one may still be processing; KCL's is 30s"})
	}
	return issues
}

// CounterNames lists what the host counts.
func (c *Config) CounterNames() []string {
	return slices.Concat(leases.CounterNames(), []string{"batches_skipped", "records_skipped"}, c.Config.CounterNames())
}

// Options says what the members share.
type Options struct {
	Config Config
	Store  kload.Store // closed with the host
	Inner  kload.Host  // does the work; safe for concurrent use, done with a batch when it returns
	Clock  *pace.Clock
	Name   string // which no other process uses; the members' names begin with it
	// Event is told of batches that are skipped; nil drops it.
	Event func(kind string, details map[string]any)
}

// Host is all members of this process. As a [kload.Host] it is the first of them.
type Host struct {
	*Member
	o       Options
	members []*Member
}

// New returns the host.
func New(o Options) *Host {
	h := &Host{o: o}
	for i := range o.Config.Members {
		h.members = append(h.members, &Member{o: &h.o, worker: leases.New(leases.Options{
			Store: o.Store, Owner: fmt.Sprintf("%s-%d", o.Name, i+1), Clock: o.Clock,
			Duration: o.Config.Lease, Handoff: o.Config.Handoff, Expect: o.Config.Members,
			CheckpointEvery: o.Config.CheckpointEvery, CheckpointRecords: o.Config.CheckpointRecords,
		})})
	}
	h.Member = h.members[0]
	return h
}

// Members returns the hosts of the members, each of which wants a consumer of its
// own.
func (h *Host) Members() []kload.Host {
	list := make([]kload.Host, len(h.members))
	for i, m := range h.members {
		list[i] = m
	}
	return list
}

// Kill has a member, counted from 0, die without a word once the batches that it
// is processing are done. It returns how many leases it had.
func (h *Host) Kill(member int) (leases int) { return h.members[member].worker.Kill() }

// Settled reports whether everything that was not read to its end is being read by
// a member of this process.
func (h *Host) Settled() bool {
	workers := make([]*leases.Worker, len(h.members))
	for i, m := range h.members {
		workers[i] = m.worker
	}
	return leases.Covered(workers)
}

// Counters returns the sums over all members.
func (h *Host) Counters() map[string]uint64 {
	sum := map[string]uint64{}
	for _, m := range h.members {
		counts := m.worker.Counters()
		maps.Copy(counts, map[string]uint64{"batches_skipped": m.batches.Load(), "records_skipped": m.records.Load()})
		for name, n := range counts {
			sum[name] += n
		}
	}
	if inner, ok := h.o.Inner.(kload.Counted); ok {
		maps.Copy(sum, inner.Counters())
	}
	return sum
}

// Close closes the host inside and the store.
func (h *Host) Close(ctx context.Context) error {
	return errors.Join(h.o.Inner.Close(ctx), h.o.Store.Close())
}

// Member is one worker. It implements [kload.Host], [kload.Coordinator],
// [kload.Assignee] and [kload.Fenced].
type Member struct {
	o                *Options
	worker           *leases.Worker
	batches, records atomic.Uint64 // skipped
}

// Coordinate has the partitions read whose leases the member has. See
// [kload.Coordinator].
func (m *Member) Coordinate(ctx context.Context, a kload.Assignments, ready func()) error {
	return m.worker.Run(ctx, a, ready)
}

// Holds says whether the member still has the lease of a partition. See
// [kload.Fenced].
func (m *Member) Holds(partition string) bool { return m.worker.Holds(partition) }

// Process has a batch processed, and then sets the checkpoint if it is time. See
// [kload.Host].
func (m *Member) Process(ctx context.Context, b *kload.Batch) error {
	if err := m.o.Inner.Process(ctx, b); err != nil {
		if !m.o.Config.SkipOnError {
			return err
		}
		m.skip(b, err)
	}
	if n := len(b.Users); n > 0 {
		m.worker.Processed(ctx, b.Partition, b.After(&b.Users[n-1]), n)
	}
	if b.End {
		m.worker.Ended(ctx, b.Partition, b.Children)
	}
	return nil
}

// skip counts a batch that failed and is passed over.
func (m *Member) skip(b *kload.Batch, err error) {
	m.batches.Add(1)
	m.records.Add(uint64(len(b.Users)))
	if m.o.Event != nil {
		m.o.Event("batch_skipped", map[string]any{"partition": b.Partition, "records": len(b.Users), "error": err.Error()})
	}
}

// Assigned does nothing: the lease has been taken.
func (*Member) Assigned(context.Context, kload.Partition, kload.Position) error { return nil }

// Revoked sets the checkpoint and gives the lease away. See [kload.Assignee].
func (m *Member) Revoked(ctx context.Context, partition string) error {
	m.worker.Release(ctx, partition)
	return nil
}

// Close does nothing: what the members share is closed with [Host].
func (*Member) Close(context.Context) error { return nil }
