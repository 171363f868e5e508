package ledger_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/ledger"
)

// TestConcurrent has several senders and readers at work on one ledger while
// somebody watches.
func TestConcurrent(t *testing.T) {
	const workers, each, size = 4, 40, 500
	l := ledger.New(1)
	load := l.AddLoad("events", ledger.LoadOptions{})
	consumers := []*ledger.Consumer{l.AddConsumer("a"), l.AddConsumer("b")}
	var wg sync.WaitGroup
	for w := range workers {
		part := func(n int) []uint64 {
			seqs := make([]uint64, size)
			for i := range seqs {
				seqs[i] = uint64((n*workers+w)*size + i)
			}
			return seqs
		}
		wg.Go(func() {
			for n := range each {
				load.Sent(size)
				load.Outcomes([]kload.Outcome{outcome(1, kload.Acked, part(n)...)})
			}
		})
		for _, c := range consumers {
			wg.Go(func() {
				for n := range each {
					c.Sight(batch(fmt.Sprint(w), n*size, part(n)...), nil)
					c.Handled(size, 0, 0)
					c.Sunk(size)
				}
			})
		}
	}
	wg.Go(func() {
		for range 100 {
			l.Missing()
			l.Settled()
			l.Count()
		}
	})
	wg.Wait()
	load.Schedule(workers * each * size)
	const total = workers * each * size
	r := l.Verify()
	for i, name := range []string{"a", "b"} {
		want := ledger.ConsumerReport{Name: name, Read: total, ReadUnique: total, OK: total, Sunk: total}
		if diff := cmp.Diff(want, r.Consumers[i]); diff != "" {
			t.Error(diff)
		}
	}
	if l.Missing() != 0 || !l.Settled() || len(r.Broken) > 0 || r.Loads[0].DeliveredRatio != 1 {
		t.Errorf("Missing %d, Settled %v, broken %q, load %+v", l.Missing(), l.Settled(), r.Broken, r.Loads[0])
	}
}

// cycle is a steady state: each call takes 1,000 records through a ledger with
// five consumers.
type cycle struct {
	load      *ledger.Load
	consumers []*ledger.Consumer
	outcomes  []kload.Outcome
	batch     *kload.Batch
	intact    []bool
}

const cycleRecords = 1000

func newCycle(o ledger.LoadOptions) *cycle {
	l := ledger.New(1)
	c := &cycle{load: l.AddLoad("events", o), intact: make([]bool, cycleRecords)}
	for i := range 5 {
		c.consumers = append(c.consumers, l.AddConsumer(fmt.Sprint(i)))
	}
	seqs := make([]uint64, cycleRecords)
	for i := range seqs {
		seqs[i] = uint64(i)
		c.intact[i] = true
	}
	c.batch = batch("p", 0, seqs...)
	for i := range c.batch.Users {
		c.batch.Users[i].Key = fmt.Append(nil, "key", i%317)
	}
	for at := 0; at < cycleRecords; at += 100 {
		c.outcomes = append(c.outcomes, outcome(1, kload.Acked, seqs[at:at+100]...))
	}
	return c
}

func (c *cycle) acknowledge() {
	c.load.Sent(cycleRecords)
	c.load.Outcomes(c.outcomes)
	for _, o := range c.outcomes {
		for i := range o.Records {
			o.Records[i].Seq += cycleRecords
		}
	}
}

func (c *cycle) sight() {
	for _, consumer := range c.consumers {
		consumer.Sight(c.batch, c.intact)
	}
	for i := range c.batch.Users {
		c.batch.Users[i].Seq += cycleRecords
	}
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	c := newCycle(ledger.LoadOptions{Ordered: true})
	allocs := testing.AllocsPerRun(300, func() {
		c.acknowledge()
		c.sight()
	})
	// One block in 65 calls: its directory entry, not its bitmaps.
	if allocs >= 1 {
		t.Errorf("%v allocations per 1,000 records; want less than one", allocs)
	}
}

func BenchmarkLedger(b *testing.B) {
	for _, ordered := range []bool{false, true} {
		name := "unordered"
		if ordered {
			name = "ordered"
		}
		b.Run("sight/"+name, func(b *testing.B) {
			c := newCycle(ledger.LoadOptions{Ordered: ordered})
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				c.acknowledge()
				b.StartTimer()
				c.sight()
			}
			perRecord(b, 5*cycleRecords)
		})
	}
	b.Run("outcomes/5consumers", func(b *testing.B) {
		c := newCycle(ledger.LoadOptions{})
		b.ReportAllocs()
		for b.Loop() {
			c.acknowledge()
			b.StopTimer()
			c.sight()
			b.StartTimer()
		}
		perRecord(b, cycleRecords)
	})
	b.Run("whole/5consumers", func(b *testing.B) {
		c := newCycle(ledger.LoadOptions{Ordered: true})
		b.ReportAllocs()
		for b.Loop() {
			c.acknowledge()
			c.sight()
		}
		perRecord(b, cycleRecords)
	})
}

func perRecord(b *testing.B, records int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*records), "ns/record")
}

func BenchmarkVerify(b *testing.B) {
	c := newCycle(ledger.LoadOptions{})
	l := ledger.New(1)
	c.load, c.consumers = l.AddLoad("events", ledger.LoadOptions{}), []*ledger.Consumer{l.AddConsumer("a")}
	for range 1000 {
		c.acknowledge()
		c.sight()
	}
	for b.Loop() {
		l.Verify()
	}
}

func BenchmarkArrivals(b *testing.B) {
	a := ledger.NewArrivals(1 << 14)
	outcomes := make([]kload.Outcome, 1000)
	batch := &kload.Batch{Partition: "shardId-000000000000", Records: make([]kload.StreamRecord, len(outcomes))}
	for i := range outcomes {
		seq := fmt.Sprintf("4966%052d", i)
		outcomes[i] = kload.Outcome{Status: kload.Acked, Shard: batch.Partition, Sequence: seq}
		batch.Records[i] = kload.StreamRecord{Sequence: seq, Arrived: 1}
	}
	n := 0
	emit := func(int, int64, int) { n++ }
	b.ReportAllocs()
	for b.Loop() {
		a.Sent(0, outcomes, emit)
		a.Seen(batch, emit)
	}
	perRecord(b, len(outcomes))
}
