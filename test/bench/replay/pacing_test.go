//go:build linux

package replay_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
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
	times     int // in each round
	rounds    []map[string]float64
}

// rates are what pacing is measured at.
func rates() []*pacing {
	return []*pacing{{perSecond: 1_000, times: 1}, {perSecond: promised, times: 3}, {perSecond: 100_000, times: 1}}
}

// mostLate is how many times that of the bare loop the replay's 99th percentile
// may be, at the rate for which that is promised.
const (
	mostLate = 1.3
	promised = 10_000
)

// turns is how often the replay and the bare loop take turns in one process, so
// that what else the machine does concerns both alike.
const turns = 5

// percentiles are the units of what a process says of each way.
func percentiles() []string { return []string{"p1-µs", "p50-µs", "p99-µs"} }

// round measures in a fresh process.
func (p *pacing) round(t *testing.T, out io.Writer, turn time.Duration) {
	t.Helper()
	v := child(t, "pacing", fmt.Sprint(p.perSecond), turn.String())
	if v["early"] > 0 || v["rows"] != turns*float64(p.perSecond)*turn.Seconds() {
		t.Errorf("at %d/s %v rows, %v of them early", p.perSecond, v["rows"], v["early"])
	}
	p.rounds = append(p.rounds, v)
	for _, way := range []string{"replay", "bare"} {
		fmt.Fprintf(out, "BenchmarkPacing/%s/rate=%d-%d \t1", way, p.perSecond, runtime.GOMAXPROCS(0))
		for _, unit := range percentiles() {
			fmt.Fprintf(out, "\t%12.5g %s", v[way+" "+unit], unit)
		}
		fmt.Fprintln(out)
	}
}

// median returns the middle of what the rounds measured.
func (p *pacing) median(of func(v map[string]float64) float64) float64 {
	var all []float64
	for _, v := range p.rounds {
		all = append(all, of(v))
	}
	return median(all)
}

// report prints medians against the bars. The ratio is of two turns that followed
// each other.
func (p *pacing) report(out io.Writer) {
	p1 := p.median(func(v map[string]float64) float64 { return v["replay p1-µs"] })
	p99 := p.median(func(v map[string]float64) float64 { return v["replay p99-µs"] })
	bare := p.median(func(v map[string]float64) float64 { return v["bare p99-µs"] })
	ratio := p.median(func(v map[string]float64) float64 { return v["ratio"] })
	bar := ""
	if p.perSecond == promised {
		bar = fmt.Sprintf(", at most %g: %s", mostLate, verdict(ratio <= mostLate))
	}
	fmt.Fprintf(out, "late at %d/s: p1 %.4g µs, at least 0: %s; p99 %.4g µs, of the bare loop %.4g µs, ratio %.3g%s\n",
		p.perSecond, p1, verdict(p1 >= 0), p99, bare, ratio, bar)
}

// late measures both ways in turn and returns the medians of the turns: a neighbour
// that takes the processor for a while decides single ones.
func late(perSecond int, turn time.Duration) (map[string]float64, error) {
	values, of := map[string]float64{}, map[string][]float64{}
	for range turns {
		l, err := paced(context.Background(), evenly(perSecond, turn))
		if err != nil {
			return nil, err
		}
		slices.Sort(l.ns)
		early, _ := slices.BinarySearch(l.ns, 0)
		values["early"] += float64(early)
		values["rows"] += float64(len(l.ns))
		bare := slept(perSecond, turn)
		slices.Sort(bare)
		for i, percent := range []int{1, 50, 99} {
			unit := percentiles()[i]
			of["replay "+unit] = append(of["replay "+unit], float64(l.ns[len(l.ns)*percent/100])/1e3)
			of["bare "+unit] = append(of["bare "+unit], float64(bare[len(bare)*percent/100])/1e3)
		}
	}
	for unit, v := range of {
		values[unit] = median(v)
	}
	for i, v := range of["bare p99-µs"] {
		of["ratio"] = append(of["ratio"], of["replay p99-µs"][i]/v)
	}
	values["ratio"] = median(of["ratio"])
	return values, nil
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

// paced replays the built-in trips, as often as it takes.
func paced(ctx context.Context, cfg replay.Config) (*lateness, error) {
	src, err := replay.Open(ctx, cfg, replay.Options{})
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

// slept sleeps until the next of a schedule's records is due and then notes how
// late all are that are due.
func slept(perSecond int, span time.Duration) (ns []int64) {
	clock, timer := pace.NewClock(), time.NewTimer(0)
	<-timer.C
	schedule := pace.Constant(uint64(perSecond), time.Second, span)
	ns = make([]int64, 0, schedule.Total())
	start := clock.Now()
	for n := uint64(0); n < schedule.Total(); {
		now := clock.Now()
		if due := start + schedule.At(n); now < due {
			timer.Reset(time.Duration(due - now))
			<-timer.C
			now = clock.Now()
		}
		for due := schedule.Due(now - start); n < due; n++ {
			ns = append(ns, now-start-schedule.At(n))
		}
	}
	return ns
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
