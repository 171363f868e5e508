package consumers

import (
	"cmp"
	"context"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/kload/kload"
)

// Group is one consumer of one or more members, each with a host of its own, as
// the processes of an application are that share the work. They have one ledger.
// Its methods are safe for concurrent use.
type Group struct {
	members []*Consumer

	mu   sync.Mutex           // guards what follows
	ends []context.CancelFunc // of the members
}

// NewGroup prepares a group, which runs once, with a member for each host; the
// one in o is not used, and its byte budget is shared out evenly. The opener and the hosts stay the caller's to close.
func NewGroup(o Options, hosts ...kload.Host) *Group {
	g := &Group{}
	o.Memory = cmp.Or(o.Memory, DefaultMemory) / int64(max(1, len(hosts)))
	for _, h := range hosts {
		o.Host = h
		g.members = append(g.members, New(o))
		g.ends = append(g.ends, func() {})
	}
	return g
}

// Run runs all members, and calls ready when all of them are. The first that fails
// ends the others. See [Consumer.Run].
func (g *Group) Run(ctx context.Context, ready func()) error {
	running, within := errgroup.WithContext(ctx)
	var left atomic.Int64
	left.Store(int64(len(g.members)))
	for i, m := range g.members {
		ctx, end := context.WithCancel(within)
		g.mu.Lock()
		g.ends[i] = end
		g.mu.Unlock()
		running.Go(func() error {
			defer end()
			return m.Run(ctx, func() {
				if left.Add(-1) == 0 {
					ready()
				}
			})
		})
	}
	return running.Wait()
}

// Stop ends one member, counted from 0, as the end of Run's context does. The
// others go on.
func (g *Group) Stop(member int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ends[member]()
}

// Pause has all members stop fetching. See [Consumer.Pause].
func (g *Group) Pause() {
	for _, m := range g.members {
		m.Pause()
	}
}

// Resume goes on fetching.
func (g *Group) Resume() {
	for _, m := range g.members {
		m.Resume()
	}
}

// CaughtUp reports whether all members have. See [Consumer.CaughtUp]. It knows
// nothing of partitions that no member is reading.
func (g *Group) CaughtUp(since int64) bool {
	for _, m := range g.members {
		if !m.CaughtUp(since) {
			return false
		}
	}
	return true
}

// Counters returns the sums of the members' counters. Call it after Run. See
// [Consumer.Counters].
func (g *Group) Counters() map[string]uint64 {
	sum := map[string]uint64{}
	for _, m := range g.members {
		for name, n := range m.Counters() {
			sum[name] += n
		}
	}
	return sum
}
