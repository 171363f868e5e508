//go:build unix

package producer_test

import (
	"context"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/ledger"
	"github.com/kload/kload/internal/pace"
	"github.com/kload/kload/internal/proc"
	"github.com/kload/kload/internal/sizes"
	"github.com/kload/kload/internal/trace"
	"github.com/kload/kload/producer"
	"github.com/kload/kload/producer/generate/opaque"
)

// pacingSpan is how long each way of pacing runs at each rate.
const pacingSpan = 5 * time.Second

// BenchmarkPacing offers constant rates to an ingress that takes everything, in
// three ways: kload's load loop, a bare loop that sleeps until each record's
// time on an absolute schedule, and a wait for a token per record. It reports the
// share of the schedule that left before the schedule's end, how late records
// left, and the share of one core that it took. One run is one measurement: use
// -benchtime=1x.
func BenchmarkPacing(b *testing.B) {
	for _, c := range []struct {
		name string
		rate uint64
	}{{"1k", 1e3}, {"10k", 1e4}, {"100k", 1e5}, {"1M", 1e6}} {
		b.Run("rate="+c.name, func(b *testing.B) {
			for _, way := range []struct {
				name string
				run  func(*testing.B, uint64) *lateness
			}{{"kload", loadLoop}, {"sleep", sleepLoop}, {"wait", waitLoop}} {
				b.Run(way.name, func(b *testing.B) {
					for b.Loop() {
						before := proc.CPUTime()
						l := way.run(b, c.rate)
						cpu := proc.CPUTime() - before
						total := float64(c.rate) * pacingSpan.Seconds()
						b.ReportMetric(0, "ns/op")
						b.ReportMetric(100*float64(l.inTime)/total, "%delivered")
						b.ReportMetric(l.quantile(0.5), "p50-µs")
						b.ReportMetric(l.quantile(0.99), "p99-µs")
						b.ReportMetric(100*cpu.Seconds()/pacingSpan.Seconds(), "%core")
					}
				})
			}
		})
	}
}

// loadLoop paces as kload does, with 250-byte records that carry a trace.
func loadLoop(b *testing.B, perSecond uint64) *lateness {
	clock := pace.NewClock()
	start := clock.Now() + int64(10*time.Millisecond)
	in := &nullIngress{clock: clock, late: newLateness(start)}
	source, err := opaque.New(&opaque.Config{Size: sizes.Config{Fixed: 250}}, 1)
	if err != nil {
		b.Fatal(err)
	}
	load := producer.NewLoad(producer.LoadOptions{
		Source:   source,
		Schedule: pace.Constant(perSecond, time.Second, pacingSpan),
		Keys:     (&producer.UniformKeys{N: 10_000}).Keyer(1),
		Carrier:  trace.Prefix, Run: 1, Ingress: in, Clock: clock,
		Ledger: ledger.New(1).AddLoad("load", ledger.LoadOptions{Counted: true}),
	})
	if _, err := load.Run(b.Context(), start); err != nil {
		b.Fatal(err)
	}
	return in.late
}

// sleepLoop sleeps until the next record is due and then sends all that are. At
// rates where the next one is due almost at once it hardly sleeps at all, which
// is where kload's shortest tick costs lateness and saves CPU.
func sleepLoop(_ *testing.B, perSecond uint64) *lateness {
	clock, timer := pace.NewClock(), time.NewTimer(0)
	<-timer.C
	schedule := pace.Constant(perSecond, time.Second, pacingSpan)
	start := clock.Now()
	late := newLateness(start)
	for n := uint64(0); n < schedule.Total(); {
		now := clock.Now()
		if due := start + schedule.At(n); now < due {
			timer.Reset(time.Duration(due - now))
			<-timer.C
			now = clock.Now()
		}
		for due := schedule.Due(now - start); n < due; n++ {
			late.add(now, start+schedule.At(n))
		}
	}
	return late
}

// waitLoop waits for a token per record until the schedule's end.
func waitLoop(b *testing.B, perSecond uint64) *lateness {
	clock, limiter := pace.NewClock(), rate.NewLimiter(rate.Limit(perSecond), 1)
	schedule := pace.Constant(perSecond, time.Second, pacingSpan)
	start := clock.Now()
	late := newLateness(start)
	for n := range schedule.Total() {
		if err := limiter.Wait(b.Context()); err != nil {
			b.Fatal(err)
		}
		now := clock.Now()
		if now > start+int64(pacingSpan) {
			break
		}
		late.add(now, start+schedule.At(n))
	}
	return late
}

// nullIngress takes everything and notes how late it is.
type nullIngress struct {
	clock *pace.Clock
	late  *lateness
}

func (n *nullIngress) PutBatch(_ context.Context, recs []kload.Record) (int, error) {
	now := n.clock.Now()
	for i := range recs {
		n.late.add(now, recs[i].Intended)
	}
	return len(recs), nil
}

func (n *nullIngress) Flush(context.Context) error { return nil }
func (n *nullIngress) Close(context.Context) error { return nil }

// lateness counts records by whole microseconds after their time; 1 s and more
// are one.
type lateness struct {
	end    int64 // of the schedule
	count  []uint32
	n      uint64
	inTime uint64 // records that left before the end
}

func newLateness(start int64) *lateness {
	return &lateness{end: start + int64(pacingSpan), count: make([]uint32, 1e6+1)}
}

func (l *lateness) add(now, due int64) {
	l.count[min((now-due)/1e3, 1e6)]++
	l.n++
	if now <= l.end {
		l.inTime++
	}
}

// quantile returns microseconds.
func (l *lateness) quantile(q float64) float64 {
	rank, seen := uint64(q*float64(l.n)), uint64(0)
	for us, c := range l.count {
		if seen += uint64(c); seen > rank {
			return float64(us)
		}
	}
	return 0
}
