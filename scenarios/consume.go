package scenarios

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"strings"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/consumers"
	"github.com/kload/kload/internal/hdr"
	"github.com/kload/kload/internal/ledger"
	"github.com/kload/kload/internal/trace"
)

// consumerRun is one consumer under way.
type consumerRun struct {
	name     string
	ledger   *ledger.Consumer
	hops     *hdr.Set
	opener   kload.Opener
	sink     kload.Sink
	router   *consumers.Router // the sink, if it is several
	host     kload.Host
	consumer *consumers.Group
	err      error // how it ended; read after the readers have
	behind   bool  // it was stopped before it had read everything
}

// addConsumer builds one consumer. Its reading starts with execute. After an
// error too, what was opened is there to be closed.
func (r *run) addConsumer(ctx context.Context, name string, spec Consumer) error {
	c := &consumerRun{name: name, ledger: r.ledger.AddConsumer(name), hops: hdr.NewSet(name, consumerHops(spec.Read.Config)...)}
	r.consumers = append(r.consumers, c)
	reg := newRegistry()
	var err error
	c.opener, err = build(reg.readers, spec.Read, readerEnv{
		client: r.endpoint.client, stream: r.plan.spec.Stream.Name, clock: r.clock, hops: c.hops,
		name: ownName(name), run: r.id, until: r.began.Add(r.plan.longest()), note: r.note, fresh: r.endpoint.created, readBytes: r.plan.readBytes(),
	})
	if err != nil {
		return fmt.Errorf("opening the reader of consumer %s: %w", name, err)
	}
	dir, err := r.dir.SinkPath()
	if err != nil {
		return err
	}
	if err := c.openSinks(&spec, dir, r.inject.sinkDrop); err != nil {
		return fmt.Errorf("opening the sink of consumer %s: %w", name, err)
	}
	c.host, err = build(reg.hosts, spec.Host, hostEnv{
		sink: lossy(c.sink, r.inject.sinkDrop[name]), ledger: c.ledger, hops: c.hops, clock: r.clock, phase: r.phases.of(), handler: r.handlers(name, spec.Sinks.Names()),
		dialing: dialing{ctx, r.endpoint.how}, name: ownName(name) + "-" + r.id, fresh: r.endpoint.created, event: r.event,
	})
	if err != nil {
		return fmt.Errorf("opening the host of consumer %s: %w", name, err)
	}
	c.consumer = consumers.NewGroup(r.consumerOptions(c, spec), members(c.host)...)
	return nil
}

// ownName returns the beginning of the names of what a consumer makes at the target,
// of the characters that services allow in names.
func ownName(consumer string) string {
	plain := strings.Map(func(c rune) rune {
		if validStreamName(string(c)) {
			return c
		}
		return '-'
	}, consumer)
	return "kload-" + plain[:min(len(plain), 64)]
}

// longest is how long the run takes at most, by a wide margin.
func (p *plan) longest() time.Duration {
	const day = 24 * time.Hour
	span, known := p.span()
	if !known {
		return 7 * day
	}
	return day + 2*span + p.spec.DrainTimeout
}

func (r *run) consumerOptions(c *consumerRun, spec Consumer) consumers.Options {
	o := consumers.Options{
		Name: c.name, Opener: c.opener, Clock: r.clock, Workers: min(2, runtime.GOMAXPROCS(0)), PlainByKey: true,
		Memory: int64(spec.Memory),
		Strays: consumers.Range(spec.Range),
		Tap: consumers.TapOptions{
			Ledger: c.ledger, Run: r.number, Number: len(r.consumers) - 1, Hops: c.hops, Phase: r.phases.of(), Arrived: r.arrived,
		},
	}
	var carriers []trace.Carrier
	for _, l := range r.loads {
		carriers = append(carriers, l.plan.carrier)
		if l.natural != nil {
			o.Tap.Indexes = append(o.Tap.Indexes, l.natural)
		}
		o.PlainByKey = o.PlainByKey && l.plan.byKey
	}
	o.Tap.Trace = trace.NewReader(carriers...)
	if drop, dup := r.inject.drop[c.name], r.inject.dup[c.name]; drop+dup > 0 {
		o.Inject = consumers.NewInjector(drop, dup)
	}
	return o
}

// arrived joins a batch with what the loads know of its stream records.
func (r *run) arrived(b *kload.Batch) {
	r.arrivals.Seen(b, r.joined)
}

// caughtUp reports whether everything stored by the time since (Unix ns) has been
// processed. A host that shares the work must be sure that somebody reads
// everything, before and after the readers were asked: partitions change hands.
func (c *consumerRun) caughtUp(since int64) bool {
	settled := func() bool {
		g, ok := c.host.(interface{ Settled() bool })
		return !ok || g.Settled()
	}
	return settled() && c.consumer.CaughtUp(since) && settled()
}

// counters gathers what reader, host and sink have to account for.
func (c *consumerRun) counters() map[string]uint64 {
	out := c.consumer.Counters()
	for _, part := range []any{c.opener, c.host, c.sink} {
		if p, ok := part.(kload.Counted); ok {
			maps.Copy(out, p.Counters())
		}
	}
	return out
}

// close completes the host, which closes its sink and books what that stored,
// and undoes what the reader did to the target.
func (c *consumerRun) close(ctx context.Context) error {
	var err error
	switch {
	case c.host != nil:
		err = c.host.Close(ctx)
	case c.sink != nil:
		err = c.sink.Close()
	}
	if c.opener != nil {
		undoing, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUp)
		defer cancel()
		err = errors.Join(err, c.opener.Close(undoing))
	}
	if err != nil {
		return fmt.Errorf("closing consumer %s: %w", c.name, err)
	}
	return nil
}
