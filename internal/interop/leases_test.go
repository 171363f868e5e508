//go:build interop

package interop_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/kload/kload"
	"github.com/kload/kload/consumers"
	"github.com/kload/kload/consumers/checkpoints/dynamodb"
	"github.com/kload/kload/consumers/hosts/kcl"
	"github.com/kload/kload/consumers/readers/polling"
	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/hdr"
	"github.com/kload/kload/internal/ledger"
	"github.com/kload/kload/internal/pace"
	"github.com/kload/kload/internal/trace"
)

// relay is records that one application after the other reads, each going on where
// the one before stopped.
type relay struct {
	*testing.T
	client *awsclient.Client
	sent   int

	mu   sync.Mutex
	seen map[string]string // who has processed each record
	by   map[string]int
	news chan struct{}
}

// put puts aggregated records.
func (r *relay) put(n int) {
	r.Helper()
	recs := make([]kload.Record, n)
	for i := range recs {
		recs[i] = kload.Record{Data: fmt.Append(nil, "record ", r.sent+i), Key: fmt.Append(nil, "key ", i), Seq: uint64(i)}
	}
	r.sent += n
	produce(r.T, r.client, "s", recs)
}

// saw notes that somebody has processed a record, which nobody may have before.
func (r *relay) saw(who, payload string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if before := r.seen[payload]; before != "" {
		r.Errorf("%s processes %q, which %s has", who, payload, before)
	}
	r.seen[payload] = who
	r.by[who]++
	select {
	case r.news <- struct{}{}:
	default:
	}
}

func (r *relay) complete() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.seen) == r.sent
}

// theirs has the KCL go on until it has seen everything.
func (r *relay) theirs(who string, p *program, work func()) {
	r.Helper()
	p.start()
	work()
	for !r.complete() {
		var line kclLine
		p.read(&line)
		r.saw(who, string(line.Data))
	}
	p.done()
}

// Process is of [kload.Host]: what kload does with records.
func (r *relay) Process(_ context.Context, b *kload.Batch) error {
	for i := range b.Users {
		r.saw("kload", string(b.Users[i].Data))
	}
	return nil
}

func (*relay) Close(context.Context) error { return nil }

// ours has kload go on until it has seen everything.
func (r *relay) ours(endpoint string, work func()) {
	r.Helper()
	store, err := dynamodb.Open(r.Context(), dynamodb.Config{Table: "polling", Endpoint: endpoint}, awsclient.Options{Local: true})
	if err != nil {
		r.Fatal(err)
	}
	clock := pace.NewClock()
	host := kcl.New(kcl.Options{Store: store, Inner: r, Clock: clock, Name: "kload", Config: kcl.Config{
		Members: 1, Lease: 2 * time.Second, Handoff: 5 * time.Second, CheckpointEvery: time.Second,
	}})
	c := consumers.New(consumers.Options{
		Name: "kload", Host: host, Clock: clock,
		Opener: polling.New(polling.Options{
			API: r.client.Over(awsclient.JSON), Stream: "s", Clock: clock,
			Config: polling.Config{Every: polling.Interval(250 * time.Millisecond), Limit: 10_000, Start: "trim_horizon"},
		}),
		Tap: consumers.TapOptions{
			Trace: trace.NewReader(), Ledger: ledger.New(1).AddConsumer("c"), Hops: hdr.NewSet("c", kload.HopFetch, kload.HopE2ERead),
			Arrived: func(*kload.Batch) {},
		},
	})
	ctx, stop := context.WithTimeout(r.Context(), time.Minute)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx, func() {}) }()
	work()
	for !r.complete() && ctx.Err() == nil {
		select {
		case <-r.news:
		case <-ctx.Done():
			r.Errorf("kload does not come to the end: %v of %d records", r.by, r.sent)
		}
	}
	stop()
	if err := <-ended; err != nil {
		r.Error(err)
	}
	if err := host.Close(r.Context()); err != nil {
		r.Error(err)
	}
}

// TestLeasesContinue has KCL 3 and kload take turns on one lease table, while
// shards are split and merged: each goes on exactly where the other stopped, in
// the middle of aggregates too, and with the children of what the other has ended.
func TestLeasesContinue(t *testing.T) {
	dynamo := startDynamoDBLocal(t)
	at := startTarget(t)
	r := &relay{T: t, client: at.newClient(t), seen: map[string]string{}, by: map[string]int{}, news: make(chan struct{}, 1)}
	createStream(t, r.client, "s", 1)
	run := func() *program {
		p := java(t, "Kcl.java", "s", "polling").use(at)
		p.env("AWS_ENDPOINT_URL_DYNAMODB", dynamo)
		return p
	}
	const n = 1000
	r.theirs("KCL", run(), func() { r.put(n) })
	r.ours(dynamo, func() {
		r.put(n)
		splitAndMerge(t, r.client, "s", func() { r.put(n) })
		r.put(n)
	})
	r.theirs("KCL again", run(), func() {
		_, err := r.client.Control.SplitShard(t.Context(), &kinesis.SplitShardInput{
			StreamName: aws.String("s"), ShardToSplit: aws.String("shardId-000000000003"), NewStartingHashKey: aws.String("170141183460469231731687303715884105728"),
		})
		if err != nil {
			t.Fatal(err)
		}
		r.put(n)
	})
	r.ours(dynamo, func() { r.put(n) })
	if r.by["KCL"] != n || r.by["KCL again"] != n || r.by["kload"] != 4*n {
		t.Errorf("records by who processed them: %v", r.by)
	}
}
