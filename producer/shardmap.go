package producer

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/pace"
	"github.com/kload/kload/internal/shard"
)

// Waits before a shard map that could not be read is asked for again. Source:
// aws/kinesis/core/shard_map.h of the Amazon Kinesis Producer Library.
const (
	refreshBackoff    = time.Second
	refreshBackoffCap = 30 * time.Second
)

// shardMap reads the open shards of a stream into a snapshot.
func shardMap(ctx context.Context, api API, stream string, epoch uint64) (*shard.Map, error) {
	shards, err := awsclient.ListShards(ctx, api, stream)
	if err != nil {
		return nil, err
	}
	m, err := shard.NewMap(epoch, shards)
	if err != nil {
		return nil, fmt.Errorf("mapping the shards of stream %s: %w", stream, err)
	}
	return m, nil
}

// refresher is how senders ask for a newer shard map and wait for it.
type refresher struct {
	wanted chan struct{} // holds a token when a map was proved wrong

	mu    sync.Mutex
	wrong uint64        // the epoch of that map
	tried chan struct{} // closed and replaced after each attempt to read a map
}

func newRefresher() *refresher {
	return &refresher{wanted: make(chan struct{}, 1), tried: make(chan struct{})}
}

// want asks for a newer map than the one of the given epoch.
func (r *refresher) want(epoch uint64) {
	r.mu.Lock()
	r.wrong = max(r.wrong, epoch)
	r.mu.Unlock()
	select {
	case r.wanted <- struct{}{}:
	default:
	}
}

// about returns the epoch of the newest map that was proved wrong.
func (r *refresher) about() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.wrong
}

// next returns a channel that is closed when a map was read, or could not be.
func (r *refresher) next() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tried
}

func (r *refresher) done() {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.tried)
	r.tried = make(chan struct{})
}

// refreshMaps replaces the shard map when it was proved wrong, and now and then.
// The old one serves meanwhile. One that cannot be read is asked for again after
// a while; what is found out in between does not make that sooner.
func (p *Producer) refreshMaps(ctx context.Context) {
	pacer := pace.NewPacer(p.o.Clock)
	backoff := refreshBackoff
	wake, next := p.refresh.wanted, p.afterwards()
	for pacer.Wait(ctx, next, wake) == nil {
		now := p.o.Clock.Now()
		if asked := next == 0 || now < next; asked && p.refresh.about() != p.shardMap().Epoch() {
			continue // the map it was about has been replaced meanwhile
		}
		err := p.refreshMap(ctx)
		p.refresh.done()
		wake, next = p.refresh.wanted, p.afterwards()
		if err == nil {
			backoff = refreshBackoff
			continue
		}
		p.stats.mapRefreshFailed.Add(1)
		wake, next = nil, p.o.Clock.Now()+int64(backoff)
		backoff = min(refreshBackoffCap, backoff*3/2)
	}
}

// afterwards returns when the shard map is to be read again in any case, 0 for
// never.
func (p *Producer) afterwards() int64 {
	if p.o.Config.MapRefresh == 0 {
		return 0
	}
	return p.o.Clock.Now() + int64(p.o.Config.MapRefresh)
}

// refreshMap reads the shard map and puts it into force if it differs.
func (p *Producer) refreshMap(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.o.Config.RequestTimeout)
	defer cancel()
	old := p.shardMap()
	m, err := shardMap(ctx, p.o.API, p.o.Stream, old.Epoch()+1)
	if err != nil {
		return err
	}
	turned := p.checkDistribution(ctx)
	if turned || !old.Same(m) {
		p.stats.mapRefreshed.Add(1)
		p.install(m)
	}
	return nil
}

// install puts a shard map into force. Nothing is accepted meanwhile, so that no
// record of a key overtakes an earlier one that was mapped by the old map.
func (p *Producer) install(m *shard.Map) {
	p.intake.Lock()
	defer p.intake.Unlock()
	for i := range p.agg.lanes {
		p.seal(i, flushReshard)
	}
	p.agg = p.newAggregator(m)
	p.queue.remap(m)
}

func (p *Producer) newAggregator(m *shard.Map) *aggregator {
	cfg := p.o.Config.Aggregation
	cfg.Enabled = cfg.Enabled && !p.stats.aggregationOff.Load()
	return newAggregator(cfg, m, p.pool, p.books, p.stats, p.o.Seed)
}

// shardMap returns the map in force.
func (p *Producer) shardMap() *shard.Map {
	p.intake.RLock()
	defer p.intake.RUnlock()
	return p.agg.shards
}

// misplaced books a record that was acknowledged in another shard than
// predicted, and reports whether some of its user records may not belong there.
// Records sent under a map that was replaced meanwhile are no reason to read it
// again.
func (p *Producer) misplaced(r *streamRecord, id string) bool {
	if p.stats.aggregationOff.Load() {
		return false // the stream distributes records as it likes
	}
	p.stats.mispredicted.Add(1)
	m := p.shardMap()
	if m.Epoch() == r.mapEpoch {
		p.refresh.want(m.Epoch())
	}
	if p.o.Config.WrongShard == wrongShardAccept || r.span.Start == r.span.End {
		return false
	}
	return !holds(m, id, r.span)
}

// holds reports whether a shard is known to own all of a span of hash keys.
func holds(m *shard.Map, id string, span shard.Range) bool {
	i, ok := m.Find(id)
	return ok && m.At(i).Range.Contains(span.Start) && m.At(i).Range.Contains(span.End)
}

// newerMap waits until a shard map was read after the one of the given epoch, or
// could not be, and returns the one in force.
func (p *Producer) newerMap(ctx context.Context, epoch uint64) *shard.Map {
	ctx, cancel := context.WithTimeout(ctx, p.o.Config.RequestTimeout)
	defer cancel()
	tried := p.refresh.next()
	if m := p.shardMap(); m.Epoch() != epoch {
		return m
	}
	select {
	case <-tried:
	case <-ctx.Done():
	}
	return p.shardMap()
}

// describer is the call that tells how a stream distributes records.
type describer interface {
	DescribeStreamSummary(context.Context, *kinesis.DescribeStreamSummaryInput, ...func(*kinesis.Options)) (*kinesis.DescribeStreamSummaryOutput, error)
}

// checkDistribution switches aggregation off when the stream distributes records
// as it likes: consumers would drop the records of an aggregate that belong to
// other shards. It says whether it did. Producers are often not allowed to ask;
// such a stream is taken to follow partition keys, the default.
func (p *Producer) checkDistribution(ctx context.Context) (turned bool) {
	api, ok := p.o.API.(describer)
	if !ok || p.stats.aggregationOff.Load() {
		return false
	}
	out, err := api.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: aws.String(p.o.Stream)})
	if err != nil || out.StreamDescriptionSummary == nil ||
		out.StreamDescriptionSummary.RecordDistributionStrategy != types.RecordDistributionStrategyAuto {
		return false
	}
	p.stats.aggregationOff.Store(true)
	if p.o.Event != nil {
		p.o.Event("aggregation_off", map[string]any{
			"stream": p.o.Stream, "reason": "record distribution AUTO: consumers would drop aggregated records",
		})
	}
	return true
}
