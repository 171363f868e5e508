package producer

import (
	"context"
	"fmt"

	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/shard"
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

// refreshMap replaces the shard map of the given epoch, in the background and
// once at a time; the old one serves meanwhile. A failed refresh keeps the old
// map: the next misprediction tries again.
func (p *Producer) refreshMap(ctx context.Context, wrong uint64) {
	p.mu.Lock()
	epoch := p.agg.shards.Epoch()
	p.mu.Unlock()
	// Records sent under a map that was replaced meanwhile prove nothing.
	if epoch != wrong || !p.stale.CompareAndSwap(false, true) {
		return
	}
	p.others.Go(func() {
		defer p.stale.Store(false)
		ctx, cancel := context.WithTimeout(ctx, p.o.Config.RequestTimeout)
		defer cancel()
		m, err := shardMap(ctx, p.o.API, p.o.Stream, epoch+1)
		if err != nil {
			p.stats.mapRefreshFailed.Add(1)
			return
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.agg.setMap(m)
		p.enqueue()
	})
}
