package kcl_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/kload/kload"
	"github.com/kload/kload/consumers"
	"github.com/kload/kload/consumers/checkpoints/memory"
	"github.com/kload/kload/consumers/hosts/kcl"
	"github.com/kload/kload/consumers/readers/polling"
	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/hdr"
	"github.com/kload/kload/internal/invariants"
	"github.com/kload/kload/internal/ledger"
	"github.com/kload/kload/internal/local/kinesis"
	"github.com/kload/kload/internal/memnet"
	"github.com/kload/kload/internal/pace"
	"github.com/kload/kload/internal/shard"
	"github.com/kload/kload/internal/trace"
)

const (
	run    = 7
	stream = "s"
)

// crowd is a stream under load and the processes that share it.
type crowd struct {
	*testing.T
	client *awsclient.Client
	rand   *rand.Rand
	store  kload.Store
	ledger *ledger.Ledger
	load   *ledger.Load
	books  *ledger.Consumer
	hops   *hdr.Set
	count  int

	mu      sync.Mutex
	seq     uint64
	procs   []*process
	batches int
}

func newCrowd(t *testing.T, seed uint64) *crowd {
	server, err := kinesis.New(kinesis.Config{Limits: kinesis.Limits{Off: true}})
	if err != nil {
		t.Fatal(err)
	}
	l, stop := memnet.Serve(server)
	t.Cleanup(stop)
	client, err := awsclient.New(t.Context(), awsclient.Options{Local: true, Endpoint: "http://kinesis.local", Dial: l.Dial})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	c := &crowd{
		T: t, client: client, rand: rand.New(rand.NewPCG(seed, 1)), store: memory.New(), ledger: ledger.New(run),
		hops: hdr.NewSet("c", kload.HopFetch, kload.HopE2ERead),
	}
	c.load = c.ledger.AddLoad("load", ledger.LoadOptions{Ordered: true, ByKey: true})
	c.books = c.ledger.AddConsumer("c")
	if _, err := client.Control.CreateStream(t.Context(), &sdk.CreateStreamInput{StreamName: aws.String(stream), ShardCount: aws.Int32(4)}); err != nil {
		t.Fatal(err)
	}
	return c
}

// process is one of the crowd: a member with a consumer and a view of the leases of
// its own. All of it can stand still.
type process struct {
	kload.Store
	name     string
	crowd    *crowd
	host     *kcl.Host
	consumer *consumers.Consumer
	cancel   context.CancelFunc
	ended    chan error

	mu    sync.Mutex
	still chan struct{} // nil unless it stands still
}

func (p *process) wait() {
	p.mu.Lock()
	still := p.still
	p.mu.Unlock()
	if still != nil {
		<-still
	}
}

// freeze has the process stand still for a while.
func (p *process) freeze(d time.Duration) {
	still := make(chan struct{})
	p.mu.Lock()
	p.still = still
	p.mu.Unlock()
	<-time.After(d)
	p.mu.Lock()
	p.still = nil
	p.mu.Unlock()
	close(still)
}

func (p *process) Leases(ctx context.Context) ([]kload.Lease, error) {
	p.wait()
	return p.Store.Leases(ctx)
}

func (p *process) Update(ctx context.Context, old, next kload.Lease) (kload.Lease, error) {
	p.wait()
	return p.Store.Update(ctx, old, next)
}

// Process is the work: it takes a while, and nobody else may be about to do it.
func (p *process) Process(_ context.Context, b *kload.Batch) error {
	p.crowd.begun(p, b.Partition)
	<-time.After(20 * time.Millisecond)
	p.wait()
	return nil
}

func (p *process) Close() error { return nil }

// inner is a process as a host.
type inner struct{ *process }

func (inner) Close(context.Context) error { return nil }

// begun checks that whoever begins a batch is the only holder of the lease.
func (c *crowd) begun(p *process, partition string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.batches++
	for _, q := range c.procs {
		if holds := q.host.Holds(partition); holds != (q == p) {
			c.Errorf("%s: %s processes a batch of %s, %s holds its lease: %v", time.Now().Format(time.StampMilli), p.name, partition, q.name, holds)
		}
	}
}

// join starts a process.
func (c *crowd) join() {
	c.count++
	p := &process{Store: c.store, name: fmt.Sprint("w", c.count), crowd: c, ended: make(chan error, 1)}
	clock := pace.NewClock()
	p.host = kcl.New(kcl.Options{Config: config(1), Store: p, Inner: inner{p}, Clock: clock, Name: p.name})
	p.consumer = consumers.New(consumers.Options{
		Name: "c", Host: p.host, Clock: clock, PlainByKey: true,
		Opener: polling.New(polling.Options{
			API: c.client.Over(awsclient.CBOR), Stream: stream, Clock: clock,
			Config: polling.Config{Every: polling.Interval(500 * time.Millisecond), Limit: 1000, Start: "trim_horizon"},
		}),
		Tap: consumers.TapOptions{
			Trace: trace.NewReader(trace.Prefix), Ledger: c.books, Run: run, Hops: c.hops, Arrived: func(*kload.Batch) {},
		},
	})
	ctx, cancel := context.WithCancel(c.Context())
	p.cancel = cancel
	c.mu.Lock()
	c.procs = append(c.procs, p)
	c.mu.Unlock()
	go func() { p.ended <- p.consumer.Run(ctx, func() {}) }()
}

// leave ends a process, by force or in good order.
func (c *crowd) leave(i int, killed bool) {
	c.mu.Lock()
	p := c.procs[i]
	c.procs = slices.Delete(slices.Clone(c.procs), i, i+1)
	c.mu.Unlock()
	if killed {
		p.host.Kill(0)
	}
	p.cancel()
	if err := <-p.ended; err != nil {
		c.Error(err)
	}
}

// disturb has something happen to one of the processes.
func (c *crowd) disturb() {
	i := c.rand.IntN(len(c.procs))
	switch n := c.rand.IntN(8); {
	case len(c.procs) < 2, n < 3 && len(c.procs) < 6:
		c.join()
	case n < 5:
		c.leave(i, n == 3)
	default:
		c.procs[i].freeze(time.Duration(1+c.rand.IntN(25)) * time.Second)
	}
}

// reshard splits a shard or merges two neighbours.
func (c *crowd) reshard() {
	api := c.client.Control
	open, err := awsclient.ListShards(c.Context(), api, stream)
	if err != nil {
		c.Fatal(err)
	}
	slices.SortFunc(open, func(a, b shard.Shard) int { return a.Range.Start.Compare(b.Range.Start) })
	i := c.rand.IntN(len(open))
	if i+1 < len(open) && (len(open) > 8 || c.rand.IntN(2) == 0) {
		_, err = api.MergeShards(c.Context(), &sdk.MergeShardsInput{
			StreamName: aws.String(stream), ShardToMerge: aws.String(open[i].ID), AdjacentShardToMerge: aws.String(open[i+1].ID),
		})
	} else {
		middle := kload.HashKey{Hi: open[i].Range.Start.Hi/2 + open[i].Range.End.Hi/2, Lo: 1 << 40}
		_, err = api.SplitShard(c.Context(), &sdk.SplitShardInput{
			StreamName: aws.String(stream), ShardToSplit: aws.String(open[i].ID), NewStartingHashKey: aws.String(shard.FormatHash(middle)),
		})
	}
	if err != nil {
		c.Fatal(err)
	}
}

// write puts records of one key, each when the one before is stored.
func (c *crowd) write(over <-chan struct{}, key string) {
	for {
		c.mu.Lock()
		seq := c.seq
		c.seq++
		c.load.Sent(1)
		c.mu.Unlock()
		data, err := trace.Prefix.AppendStamped(nil, []byte("payload"), trace.Stamp{Run: run, Producer: 1, Seq: seq})
		if err != nil {
			c.Error(err)
			return
		}
		_, err = c.client.Data.PutRecord(c.Context(), &sdk.PutRecordInput{StreamName: aws.String(stream), PartitionKey: aws.String(key), Data: data})
		if err != nil {
			c.Errorf("putting record %d: %v", seq, err)
			return
		}
		c.load.Outcomes([]kload.Outcome{{Status: kload.Acked, Attempts: 1, Records: []kload.Receipt{{Producer: 1, Seq: seq}}}})
		select {
		case <-over:
			return
		case <-time.After(400 * time.Millisecond):
		}
	}
}

// TestCrowd has processes join, leave, die and stand still while shards are split
// and merged: nobody processes what another may, the order of each key holds, and
// every record comes, again only after a restart.
func TestCrowd(t *testing.T) {
	seeds, events := uint64(3), 60
	if testing.Short() || invariants.Enabled { // the race detector makes it ten times slower
		seeds, events = 1, 24
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { storm(newCrowd(t, seed), events) })
		})
	}
}

func storm(c *crowd, events int) {
	c.join()
	c.join()
	over := make(chan struct{})
	var writers sync.WaitGroup
	for k := range 8 {
		writers.Go(func() { c.write(over, fmt.Sprint("key ", k)) })
	}
	for i := range events {
		<-time.After(time.Duration(1+c.rand.IntN(12_000)) * time.Millisecond)
		if i%4 == 3 {
			c.reshard()
			continue
		}
		c.disturb()
	}
	close(over)
	writers.Wait()
	for deadline := time.Now().Add(5 * time.Minute); c.ledger.Missing() > 0 && time.Now().Before(deadline); {
		<-time.After(time.Second)
	}
	<-time.After(time.Minute) // for what may come twice
	for len(c.procs) > 0 {
		c.leave(0, false)
	}
	r := c.ledger.Count().Consumers[0]
	if r.Lost != 0 || r.Duplicates != 0 || r.Reordered != 0 || r.Misrouted != 0 || r.ReadUnique != c.seq {
		c.Errorf("of %d records: account %+v", c.seq, r)
	}
	if r.Redelivered == 0 || c.count < 5 {
		c.Errorf("%d processes, %d redelivered: nothing happened", c.count, r.Redelivered)
	}
	c.Logf("%d records, %d redelivered, %d processes, %d batches", c.seq, r.Redelivered, c.count, c.batches)
}
