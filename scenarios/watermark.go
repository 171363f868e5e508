package scenarios

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/pace"
	"github.com/kload/kload/internal/shard"
)

// How the Java replayer sends watermarks: once a second to each open shard, of
// which it looks up the list every ten seconds, with this partition key.
const (
	watermarkEvery = time.Second
	shardsEvery    = 10 * time.Second
	watermarkKey   = "23"
)

// watermarks sends a replay's watermarks beside its load.
type watermarks struct {
	run     *run
	load    *loadRun
	shards  []shard.Shard
	sent    atomic.Uint64
	skipped atomic.Uint64 // throttled or failed ones: the next second's says more
}

// startWatermarks sends watermarks until the returned function is called. It does
// nothing for a load without.
func (r *run) startWatermarks(ctx context.Context, l *loadRun) (stop func()) {
	if s := l.replayed(); s == nil {
		return func() {}
	} else if _, on := s.Watermark(""); !on {
		return func() {}
	}
	w := &watermarks{run: r, load: l}
	l.watermarks = w
	var g sync.WaitGroup
	ending, end := context.WithCancel(ctx)
	g.Go(func() { w.loop(ending) })
	return func() {
		end()
		g.Wait()
	}
}

func (w *watermarks) loop(ctx context.Context) {
	pacer := pace.NewPacer(w.run.clock)
	for n := 0; ; n++ {
		if n%int(shardsEvery/watermarkEvery) == 0 {
			w.refresh(ctx)
		}
		w.send(ctx)
		if pacer.Sleep(ctx, watermarkEvery) != nil {
			return
		}
	}
}

// refresh lists the shards; if that fails, those known stay.
func (w *watermarks) refresh(ctx context.Context) {
	shards, err := awsclient.ListShards(ctx, w.run.endpoint.client.Control, w.run.plan.spec.Stream.Name)
	switch {
	case err == nil:
		w.shards = shards
	case ctx.Err() == nil:
		w.run.note("load %s: watermarks go to the shards known so far: %v", w.load.plan.name, err)
	}
}

func (w *watermarks) send(ctx context.Context) {
	source := w.load.replayed()
	var g sync.WaitGroup
	for _, s := range w.shards {
		event, _ := source.Watermark(s.ID)
		g.Go(func() {
			_, err := w.run.endpoint.client.Data.PutRecord(ctx, &kinesis.PutRecordInput{
				StreamName: aws.String(w.run.plan.spec.Stream.Name), Data: event,
				PartitionKey: aws.String(watermarkKey), ExplicitHashKey: aws.String(shard.FormatHash(s.Range.Start)),
			})
			switch {
			case err == nil:
				w.sent.Add(1)
			case ctx.Err() == nil:
				w.skipped.Add(1)
			}
		})
	}
	g.Wait()
}

// counters returns what was sent; a nil watermarks has nothing.
func (w *watermarks) counters() map[string]uint64 {
	if w == nil {
		return nil
	}
	return map[string]uint64{"watermarks_sent": w.sent.Load(), "watermarks_skipped": w.skipped.Load()}
}
