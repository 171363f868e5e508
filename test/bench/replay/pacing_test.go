//go:build linux

package replay_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/ledger"
	"github.com/kload/kload/internal/pace"
	"github.com/kload/kload/internal/trace"
	"github.com/kload/kload/internal/units"
	"github.com/kload/kload/producer"
	"github.com/kload/kload/replay"
)

// pacing is what is compared at one rate: how late the trips are that a replay
// sends, and how late a bare loop is that sends nothing on the same schedule.
type pacing struct {
	perSecond int
	bare      []float64 // microseconds late at the 99th percentile, a value for each round
	replayed  []float64
	earliest  []float64 // the replay's 1st percentile
}

// rates are what pacing is measured at.
func rates() []*pacing {
	return []*pacing{{perSecond: 1_000}, {perSecond: 10_000}, {perSecond: 100_000}}
}

// mostLate is how much later a replay may be than the bare loop.
const mostLate = 1.3

// round measures the replay and the bare loop, which goes first in every other
// round.
func (p *pacing) round(t *testing.T, out io.Writer, i int, span time.Duration) {
	t.Helper()
	ways := []string{"paced", "slept"}
	if i%2 == 1 {
		slices.Reverse(ways)
	}
	for _, way := range ways {
		v := child(t, way, fmt.Sprint(p.perSecond), span.String())
		if v["early"] > 0 || v["p1-µs"] < 0 || v["rows"] != float64(p.perSecond)*span.Seconds() {
			t.Errorf("%s at %d/s: %v", way, p.perSecond, v)
		}
		fmt.Fprintf(out, "BenchmarkPacing/%s/rate=%d \t1", way, p.perSecond)
		for _, unit := range []string{"p1-µs", "p50-µs", "p99-µs"} {
			fmt.Fprintf(out, "\t%12.5g %s", v[unit], unit)
		}
		fmt.Fprintln(out)
		if way == "slept" {
			p.bare = append(p.bare, v["p99-µs"])
			continue
		}
		p.replayed = append(p.replayed, v["p99-µs"])
		p.earliest = append(p.earliest, v["p1-µs"])
	}
}

// report prints the medians against the bars. That of the ratios is of the two
// that each round measured in turn, which what else the machine does concerns
// alike.
func (p *pacing) report(out io.Writer) {
	ratios := make([]float64, len(p.bare))
	for i := range ratios {
		ratios[i] = p.replayed[i] / p.bare[i]
	}
	fmt.Fprintf(out, "pacing at %d/s: p1 %.4g µs, at least 0: %s; p99 %.4g µs, bare loop %.4g µs, ratio %.3g, at most %g: %s\n",
		p.perSecond, slices.Min(p.earliest), verdict(slices.Min(p.earliest) >= 0),
		median(p.replayed), median(p.bare), median(ratios), mostLate, verdict(median(ratios) <= mostLate))
}

// lateness is an ingress that takes everything and notes how many nanoseconds
// after their time records come.
type lateness struct {
	clock *pace.Clock
	ns    []int64
}

func (l *lateness) PutBatch(_ context.Context, recs []kload.Record) (int, error) {
	now := l.clock.Now()
	for i := range recs {
		l.ns = append(l.ns, now-recs[i].Intended)
	}
	return len(recs), nil
}

func (l *lateness) Flush(context.Context) error { return nil }
func (l *lateness) Close(context.Context) error { return nil }

// figures returns microseconds, and how many records came early.
func (l *lateness) figures() map[string]float64 {
	slices.Sort(l.ns)
	at := func(percent int) float64 { return float64(l.ns[len(l.ns)*percent/100]) / 1e3 }
	early, _ := slices.BinarySearch(l.ns, 0)
	return map[string]float64{"rows": float64(len(l.ns)), "early": float64(early), "p1-µs": at(1), "p50-µs": at(50), "p99-µs": at(99)}
}

// paced replays the built-in trips, as often as it takes.
func paced(ctx context.Context, cfg replay.Config) (*lateness, error) {
	src, err := replay.New(cfg)
	if err != nil {
		return nil, err
	}
	in := &lateness{clock: pace.NewClock(), ns: make([]int64, 0, cfg.Limit)}
	load := producer.NewLoad(producer.LoadOptions{
		Source: src, Carrier: trace.None, Run: 1, Ingress: in, Clock: in.clock,
		Ledger: ledger.New(1).AddLoad("trips", ledger.LoadOptions{Counted: true}),
	})
	_, err = load.Run(ctx, in.clock.Now()+int64(10*time.Millisecond))
	return in, errors.Join(err, src.Close())
}

// evenly is the replay at a rate for so long.
func evenly(perSecond int, span time.Duration) replay.Config {
	return replay.Config{
		Rate: units.Rate{N: int64(perSecond), Per: time.Second}, Loop: replay.Forever,
		Limit: units.Count(float64(perSecond) * span.Seconds()),
	}
}

// slept sleeps until the next of a schedule's records is due and then counts all
// that are.
func slept(perSecond int, span time.Duration) *lateness {
	l := &lateness{clock: pace.NewClock(), ns: make([]int64, 0, int(float64(perSecond)*span.Seconds()))}
	schedule, timer := pace.Constant(uint64(perSecond), time.Second, span), time.NewTimer(0)
	<-timer.C
	start := l.clock.Now()
	for n := uint64(0); n < schedule.Total(); {
		now := l.clock.Now()
		if due := start + schedule.At(n); now < due {
			timer.Reset(time.Duration(due - now))
			<-timer.C
			now = l.clock.Now()
		}
		for due := schedule.Due(now - start); n < due; n++ {
			l.ns = append(l.ns, now-start-schedule.At(n))
		}
	}
	return l
}

// TestNeverEarly replays in virtual time, where timers are exact: no trip comes
// before its time, and none later than the shortest sleep after it.
func TestNeverEarly(t *testing.T) {
	const tick = 500 * time.Microsecond
	speedup := func(text string) replay.Config {
		s, err := replay.ParseSpeedup(text)
		if err != nil {
			t.Fatal(err)
		}
		return replay.Config{Speedup: s, Limit: 15_000, Loop: replay.Forever}
	}
	for _, cfg := range []replay.Config{
		evenly(1_000, 3*time.Second), evenly(10_000, 2*time.Second), evenly(100_000, time.Second), evenly(99_991, time.Second),
		speedup("6480"), speedup("0.37"), speedup("86399.999"),
	} {
		synctest.Test(t, func(t *testing.T) {
			got, err := paced(t.Context(), cfg)
			if err != nil || len(got.ns) != int(cfg.Limit) {
				t.Fatalf("%d of %d rows, with %v", len(got.ns), cfg.Limit, err)
			}
			if early, late := time.Duration(slices.Min(got.ns)), time.Duration(slices.Max(got.ns)); early < 0 || late > tick {
				t.Errorf("rate %v, speedup %v: rows leave from %v to %v after they are due, want 0 to %v", cfg.Rate, cfg.Speedup, early, late, tick)
			}
		})
	}
}
