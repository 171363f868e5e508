package scenarios

import (
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/hdr"
	"github.com/kload/kload/internal/ledger"
	"github.com/kload/kload/internal/pace"
	"github.com/kload/kload/internal/trace"
	"github.com/kload/kload/producer"
	"github.com/kload/kload/results"
)

// arrivalSlots is how many stream records may wait for the join of their two
// halves, per run: 3 MiB. Those dropped are counted.
const arrivalSlots = 1 << 17

// loadRun is one load under way.
type loadRun struct {
	plan     *loadPlan
	index    int // among the run's loads
	source   kload.Source
	keys     producer.Keyer // nil keeps the source's keys
	ingress  kload.Ingress
	ledger   *ledger.Load
	hops     *hdr.Set
	rec      *hdr.Recorder
	arrive   *hdr.Recorder    // apart: it is locked under the arrivals' lock
	arrivals *ledger.Arrivals // of the run
	natural  *trace.Index     // nil but for trace: natural
	joined   ledger.EmitFunc
	closed   *producer.ClosedLoop // nil for an open loop
	phase    func(t0 int64) int   // see consumers.TapOptions
	slots    slots
	phases   int
	shards   map[string]uint64 // acknowledged user records by shard, under the lock of rec
	heat     *heat             // nil where nobody asks which shard is hottest

	result     producer.LoadResult // once the load has ended
	watermarks *watermarks         // nil for a load without
}

// addLoad opens a load's books. Nothing runs yet.
func (r *run) addLoad(p *loadPlan) *loadRun {
	l := &loadRun{
		plan:  p,
		index: len(r.loads),
		ledger: r.ledger.AddLoad(p.name, ledger.LoadOptions{
			Counted: p.carrier == trace.None,
			Ordered: p.ingress.Ordered && p.byKey,
			ByKey:   p.byKey,
		}),
		hops:     hdr.NewSet(p.name, loadHops()...),
		arrivals: r.arrivals,
		joined:   r.joined,
		phase:    r.phases.of(),
		slots:    r.slots(),
		phases:   len(r.plan.phases),
		shards:   map[string]uint64{},
		heat:     r.acting.heat,
	}
	l.rec, l.arrive = l.hops.NewRecorder(), l.hops.NewRecorder()
	if p.carrier == trace.Natural {
		l.natural = trace.NewIndex(p.spec.Natural.ID, int(p.spec.Natural.Entries), r.plan.spec.Consumers.Len())
	}
	if p.inFlight > 0 {
		l.closed = producer.NewClosedLoop(p.inFlight, uint64(p.spec.Total), p.span)
	}
	return l
}

// open makes a load's source and ingress.
func (r *run) open(ctx context.Context, l *loadRun) error {
	reg, seed := newRegistry(), seedFor(r.plan.spec.Seed, l.plan.name)
	var err error
	env := sourceEnv{seed: seed, replay: r.endpoint.recordings(ctx), resume: r.resumeAt(l)}
	if l.source, err = build(reg.sources, l.plan.spec.Source, env); err != nil {
		return fmt.Errorf("opening the source of load %s: %w", l.plan.name, err)
	}
	if s, ok := l.source.(interface{ From() string }); ok && strings.HasPrefix(s.From(), "s3:") {
		r.note("load %s replays %s", l.plan.name, s.From())
	}
	l.keys = l.plan.keyer(seed)
	l.ingress, err = build(reg.ingresses, l.plan.spec.Ingress, ingressEnv{
		dialing: dialing{ctx, r.endpoint.how}, client: r.endpoint.client, stream: r.plan.spec.Stream.Name, maxRecord: int(r.plan.spec.Stream.MaxRecord),
		clock: r.clock, seed: seed, outcomes: l.outcomes,
		event: func(kind string, details map[string]any) {
			r.note("load %s: %s: %v", l.plan.name, kind, details["reason"])
			r.event(kind, map[string]any{"load": l.plan.name, "reason": details["reason"]})
		},
	})
	if err != nil {
		return fmt.Errorf("opening the ingress of load %s: %w", l.plan.name, err)
	}
	return nil
}

// seedFor derives a load's seed, so that two loads of one run differ.
func seedFor(seed uint64, name string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(name))
	return seed ^ h.Sum64()
}

// send runs the load's schedule.
func (r *run) send(ctx context.Context, l *loadRun, start int64) error {
	schedule := l.plan.schedule
	if schedule != nil && l.plan.spec.Rate.Arrival == "poisson" {
		schedule = pace.Poisson(schedule, seedFor(r.plan.spec.Seed, l.plan.name))
	}
	pacing, _ := pace.ParseMode(l.plan.spec.Pacing) // the decoder knows the values
	load := producer.NewLoad(producer.LoadOptions{
		Source: l.source, Schedule: schedule, Unpaced: l.plan.unpaced, Closed: l.closed, Pacing: pacing, Keys: l.keys,
		Carrier: l.plan.carrier, Index: l.natural, Run: r.number, Ingress: l.ingress, Ledger: l.ledger, Clock: r.clock,
		OnSaturation: producer.Saturation(l.plan.spec.OnSaturation), Grace: int64(grace), Overtime: int64(r.plan.spec.DrainTimeout),
		OnLag: l.plan.onLag, MaxLag: int64(l.plan.maxLag),
	})
	stop := r.startWatermarks(ctx, l)
	defer stop()
	var err error
	if l.result, err = load.Run(ctx, start); err != nil {
		return fmt.Errorf("load %s: %w", l.plan.name, err)
	}
	return nil
}

// outcomes books what became of records and records the hops of the way in. It
// is called concurrently by the ingress.
func (l *loadRun) outcomes(out []kload.Outcome) {
	l.ledger.Outcomes(out)
	l.heat.add(out)
	if s := l.replayed(); s != nil {
		s.Outcomes(out)
	}
	l.rec.Lock()
	for i := range out {
		l.measure(&out[i])
	}
	l.rec.Unlock()
	if l.closed != nil {
		for i := range out {
			l.closed.Settle(len(out[i].Records))
		}
	}
	byPhase(out, l.phase, func(phase int, out []kload.Outcome) {
		l.arrivals.Sent(l.slots.slot(l.index, phase), out, l.joined)
	})
}

// measure counts a stream record for its shard, whatever its phase, and records
// its hops. Times shared by all its user records are recorded once, weighted.
func (l *loadRun) measure(o *kload.Outcome) {
	phase, n := -1, int64(0)
	if o.Status == kload.Acked {
		l.shards[o.Shard] += uint64(len(o.Records))
	}
	for i := range o.Records {
		r := &o.Records[i]
		if l.phase != nil {
			in := l.phase(r.Intended)
			if in < 0 {
				continue
			}
			if in != phase {
				l.shared(o, n)
				l.rec.In(in)
				phase, n = in, 0
			}
		}
		n++
		l.rec.Record(kload.HopGenLag, r.Accepted-r.Intended)
		if o.Status == kload.Acked {
			l.rec.Record(kload.HopBuffer, o.FirstAttempt-r.Accepted)
			l.rec.Record(kload.HopResponse, o.Acked-r.Intended)
		}
	}
	l.shared(o, n)
	l.rec.In(-1)
}

// shared records the times of a stream record that n of its user records share.
func (l *loadRun) shared(o *kload.Outcome, n int64) {
	if o.Status == kload.Acked {
		l.rec.RecordN(kload.HopRetry, o.LastAttempt-o.FirstAttempt, n)
		l.rec.RecordN(kload.HopPut, o.Acked-o.LastAttempt, n)
	}
}

// joined records a stream record whose start and arrival are both known.
func (r *run) joined(slot int, t4MinusT2 int64, users int) {
	load, phase := r.slots().split(slot)
	l := r.loads[load]
	l.arrive.Lock()
	l.arrive.In(phase)
	l.arrive.RecordN(kload.HopArrive, t4MinusT2, int64(users))
	l.arrive.Unlock()
}

func (r *run) slots() slots { return slots{len(r.plan.loads)} }

// shardCounts says where the load's records went, nil when none was stored.
func (l *loadRun) shardCounts(of int) *results.ShardCounts {
	l.rec.Lock()
	defer l.rec.Unlock()
	if len(l.shards) == 0 {
		return nil
	}
	c := &results.ShardCounts{Acked: maps.Clone(l.shards), Of: of}
	all := uint64(0)
	for _, shard := range slices.Sorted(maps.Keys(l.shards)) {
		all += l.shards[shard]
		if l.shards[shard] > l.shards[c.Busiest] {
			c.Busiest = shard
		}
	}
	c.Share = float64(l.shards[c.Busiest]) / float64(all)
	return c
}

// producerDetail is what the summary says of a load's producer beyond counters;
// nil for another ingress.
func (l *loadRun) producerDetail() *results.ProducerDetail {
	p, ok := l.ingress.(*producer.Producer)
	if !ok {
		return nil
	}
	st := p.Stats()
	return &results.ProducerDetail{
		Flushed: st.FlushedBy(), FillRatio: st.FillRatio, Attempts: st.AttemptedBy(),
		Errors: st.Errors, ThrottledShards: st.ThrottledBy, KPL: p.KPLMetrics(),
	}
}

// counters gathers what source and keyer have to account for.
func (l *loadRun) counters() map[string]uint64 {
	out := map[string]uint64{}
	for phase := -1; phase < l.phases; phase++ {
		out["arrive_dropped"] += l.arrivals.DroppedOf(l.slots.slot(l.index, phase))
	}
	if l.plan.judgesLag() {
		out["lag_slips"], out["lag_slipped_ns"], out["lag_dropped"] = l.result.Slips, uint64(l.result.Slipped), l.result.Dropped
	}
	maps.Copy(out, l.watermarks.counters())
	for _, part := range []any{l.source, l.keys, l.ingress} {
		if c, ok := part.(kload.Counted); ok {
			maps.Copy(out, c.Counters())
		}
	}
	return out
}
