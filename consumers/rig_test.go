package consumers_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/consumers"
	"github.com/kload/kload/internal/hdr"
	"github.com/kload/kload/internal/ledger"
	"github.com/kload/kload/internal/trace"
)

const run = 7 // number of the run under test

// diary notes what happened, in order. It is safe for concurrent use.
type diary struct {
	mu      sync.Mutex
	entries []string
}

func (d *diary) note(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.entries = append(d.entries, fmt.Sprintf(format, args...))
}

func (d *diary) has(entry string) bool { return d.index(entry) >= 0 }

func (d *diary) index(entry string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Index(d.entries, entry)
}

func (d *diary) count(entry string) (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range d.entries {
		if e == entry {
			n++
		}
	}
	return n
}

// input is a scripted [kload.Opener]. A reader hands out the batches of its
// partition; after them it fails if it is told to, else it waits for its context.
type input struct {
	*testing.T
	diary
	listed  []string
	ranges  map[string]kload.HashRange // where they are known
	from    kload.Position             // of what is listed
	polled  bool                       // readers are
	most    int64                      // calls of polled readers at a time
	calls   atomic.Int64
	batches map[string][]*kload.Batch
	gates   map[string]chan struct{} // a reader waits for its gate before each batch
	openErr map[string]error
	readErr map[string]error
	handed  sync.Map // *kload.Batch → struct{}: handed out and not recycled
}

func newInput(t *testing.T, listed ...string) *input {
	return &input{
		T: t, listed: listed, batches: map[string][]*kload.Batch{}, gates: map[string]chan struct{}{},
		openErr: map[string]error{}, readErr: map[string]error{},
	}
}

// add appends a batch of one stream record to a partition.
func (in *input) add(partition, payload string) *kload.Batch {
	b := &kload.Batch{
		Partition: partition, Behind: 1,
		Records: []kload.StreamRecord{{Data: []byte(payload), Key: []byte("key")}},
	}
	in.batches[partition] = append(in.batches[partition], b)
	return b
}

// end appends the last batch of a partition. It is empty, as it often is.
func (in *input) end(partition string, children ...kload.Partition) {
	in.batches[partition] = append(in.batches[partition], &kload.Batch{Partition: partition, End: true, Children: children})
}

func (in *input) Partitions(context.Context) (list []kload.Partition, err error) {
	for _, id := range in.listed {
		keys, known := in.ranges[id]
		list = append(list, kload.Partition{ID: id, From: in.from, Range: keys, HasRange: known})
	}
	return list, in.openErr["*"]
}

func (in *input) Open(_ context.Context, partition string, from kload.Position) (kload.Reader, error) {
	in.note("open %s %v", partition, from.Start)
	if gate := in.gates["open "+partition]; gate != nil {
		<-gate
	}
	in.mu.Lock()
	r := &scripted{in: in, partition: partition, left: in.batches[partition]}
	in.batches[partition] = nil // whoever opens it again finds nothing new
	in.mu.Unlock()
	if in.polled {
		return &polled{scripted: r, due: time.Now().UnixNano()}, in.openErr[partition]
	}
	return r, in.openErr[partition]
}

func (in *input) Close(context.Context) error { return nil }

// recycle spoils a batch for whoever still holds it.
func (in *input) recycle(b *kload.Batch) {
	if _, out := in.handed.LoadAndDelete(b); !out {
		in.Errorf("a batch of %s was released twice", b.Partition)
	}
	for i := range b.Records {
		clear(b.Records[i].Data)
	}
	b.Partition, b.End, b.Children, b.Records, b.Users = "recycled", false, nil, nil, nil
}

// allReleased fails the test if somebody kept a batch.
func (in *input) allReleased() {
	in.Helper()
	in.handed.Range(func(b, _ any) bool {
		in.Errorf("a batch of %s was not released", b.(*kload.Batch).Partition)
		return true
	})
}

type scripted struct {
	in        *input
	partition string
	left      []*kload.Batch
}

func (r *scripted) Next(ctx context.Context) (*kload.Batch, error) {
	if gate := r.in.gates[r.partition]; gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	switch err := r.in.readErr[r.partition]; {
	case len(r.left) > 0:
	case err != nil:
		return nil, err
	default:
		<-ctx.Done()
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	b := r.left[0]
	r.left = r.left[1:]
	b.Recycle = r.in.recycle
	r.in.handed.Store(b, struct{}{})
	r.in.note("fetch %s", r.partition)
	return b, nil
}

func (r *scripted) Close() error {
	r.in.note("close %s", r.partition)
	return nil
}

// polled is called every tenth of a second, and every other time is not answered.
type polled struct {
	*scripted
	due  int64
	turn int
}

func (p *polled) Due() int64 { return p.due }

func (p *polled) Next(ctx context.Context) (*kload.Batch, error) {
	p.in.mu.Lock()
	p.in.most = max(p.in.most, p.in.calls.Add(1))
	if now := time.Now().UnixNano(); now < p.due {
		p.in.Errorf("%s was called %d ns early", p.partition, p.due-now)
	}
	p.in.mu.Unlock()
	defer p.in.calls.Add(-1)
	p.due += int64(100 * time.Millisecond)
	<-time.After(time.Millisecond)
	p.turn++
	if p.turn%2 == 1 || len(p.left) == 0 {
		return nil, nil
	}
	return p.scripted.Next(ctx)
}

// host is a [kload.Host] made of a function, for batches with records.
type host func(ctx context.Context, b *kload.Batch) error

func (h host) Process(ctx context.Context, b *kload.Batch) error {
	if len(b.Users) == 0 {
		return nil
	}
	return h(ctx, b)
}

func (host) Close(context.Context) error { return nil }

func ignore(context.Context, *kload.Batch) error { return nil }

// consumer is a consumer under test with its books.
type consumer struct {
	*consumers.Consumer
	ledger *ledger.Ledger
	load   *ledger.Load
	hops   *hdr.Set
}

// newConsumer has one load of this run, number 1. with may change the options.
func newConsumer(in kload.Opener, h kload.Host, with func(*consumers.Options)) *consumer {
	c := &consumer{ledger: ledger.New(run), hops: hdr.NewSet("c", kload.HopFetch, kload.HopE2ERead)}
	c.load = c.ledger.AddLoad("load", ledger.LoadOptions{})
	o := consumers.Options{
		Name: "c", Opener: in, Host: h,
		Tap: consumers.TapOptions{
			Trace: trace.NewReader(trace.Prefix, trace.Tag), Ledger: c.ledger.AddConsumer("c"), Run: run, Hops: c.hops,
			Arrived: func(*kload.Batch) {},
		},
	}
	if with != nil {
		with(&o)
	}
	c.Consumer = consumers.New(o)
	return c
}

func (c *consumer) report() ledger.ConsumerReport { return c.ledger.Verify().Consumers[0] }

// stamped is a payload with a trace in front.
func stamped(s trace.Stamp, payload string) []byte {
	data, err := trace.Prefix.AppendStamped(nil, []byte(payload), s)
	if err != nil {
		panic(err)
	}
	return data
}
