package producer_test

import (
	"context"
	"testing"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/pace"
	"github.com/kload/kload/producer"
	"github.com/kload/kload/producer/drivertest"
)

// rig is a producer on a scripted stream. Make it inside a bubble.
type rig struct {
	*producer.Producer
	kinesis *drivertest.Kinesis
	book    *drivertest.Book
	clock   *pace.Clock
	pacer   *pace.Pacer
	put     uint64
}

func newRig(t *testing.T, cfg producer.Config, shards int, script drivertest.Script) *rig {
	t.Helper()
	k := drivertest.NewKinesis(shards, script)
	return newRigOn(t, cfg, k, k)
}

// newRigOn is newRig with something between the producer and its stream.
func newRigOn(t *testing.T, cfg producer.Config, k *drivertest.Kinesis, api producer.API) *rig {
	t.Helper()
	return newRigOf(t, producer.Options{API: api, Config: cfg}, k)
}

// newRigOf fills in what all rigs have in common.
func newRigOf(t *testing.T, o producer.Options, k *drivertest.Kinesis) *rig {
	t.Helper()
	r := &rig{kinesis: k, book: drivertest.NewBook(), clock: pace.NewClock()}
	r.pacer = pace.NewPacer(r.clock)
	o.Stream, o.Clock, o.Seed, o.Outcomes = "demo", r.clock, 1, r.book.Outcomes
	var err error
	r.Producer, err = producer.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // for a test that gave up: nothing may be left in the bubble
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		r.Close(ended)
	})
	return r
}

// send puts records, all of which must be accepted.
func (r *rig) send(t *testing.T, recs []kload.Record) {
	t.Helper()
	n, err := r.PutBatch(t.Context(), recs)
	r.put += uint64(n)
	if err != nil || n != len(recs) {
		t.Fatalf("PutBatch accepted %d of %d records: %v", n, len(recs), err)
	}
}

func (r *rig) sleep(t *testing.T, d time.Duration) {
	t.Helper()
	if err := r.pacer.Sleep(t.Context(), d); err != nil {
		t.Fatal(err)
	}
}

// finish closes the producer and checks every outcome against the stream.
func (r *rig) finish(t *testing.T) {
	t.Helper()
	r.finishPlaced(t, true)
}

// finishPlaced is finish for a producer that may leave records in a wrong shard.
func (r *rig) finishPlaced(t *testing.T, placed bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	if err := r.Close(ctx); err != nil {
		t.Errorf("Close gave %v", err)
	}
	r.book.Closed()
	r.book.Check(t, r.kinesis, r.put)
	if placed {
		r.book.CheckPlaced(t, r.kinesis)
	}
}

// checkOrder holds that what consumers see first of each key is in order.
func (r *rig) checkOrder(t *testing.T) {
	t.Helper()
	last, seen := map[string]uint64{}, map[uint64]bool{}
	for _, s := range r.kinesis.Stored() {
		if seen[s.Seq] || s.Misrouted {
			continue
		}
		if l, ok := last[s.Key]; ok && s.Seq < l {
			t.Fatalf("key %s: record %d is stored after %d", s.Key, s.Seq, l)
		}
		last[s.Key], seen[s.Seq] = s.Seq, true
	}
}
