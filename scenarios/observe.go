package scenarios

import (
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/hdr"
	"github.com/kload/kload/internal/ledger"
	"github.com/kload/kload/producer"
	"github.com/kload/kload/results"
)

// progress ticks once a second while a run is under way: it writes the interval
// to the run directory and shows a line to the user.
type progress struct {
	r     *run
	stop  chan struct{}
	ended chan struct{}
	acked uint64 // at the last tick
	at    int64
}

// startCollecting opens the logs of the run directory and starts ticking.
func (r *run) startCollecting() error {
	sets := make([]*hdr.Set, 0, len(r.loads)+len(r.consumers))
	for _, l := range r.loads {
		sets = append(sets, l.hops)
	}
	for _, c := range r.consumers {
		sets = append(sets, c.hops)
	}
	var err error
	if r.collector, err = results.NewCollector(r.dir, time.Unix(0, r.clock.Now()), r.sample, sets...); err != nil {
		return err
	}
	r.progress = &progress{r: r, stop: make(chan struct{}), ended: make(chan struct{}), at: r.clock.Now()}
	go r.progress.run()
	return nil
}

func (p *progress) run() {
	defer close(p.ended)
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			p.tick()
		case <-p.stop:
			return
		}
	}
}

// tick writes one interval. A result that cannot be written is noted once; the
// run goes on.
func (p *progress) tick() {
	now := p.r.clock.Now()
	if err := p.r.collector.Tick(time.Unix(0, now)); err != nil {
		p.r.note("%v", err)
	}
	p.r.checkpoint()
	if p.r.o.Progress == nil {
		return
	}
	s := p.sample(now)
	if err := p.r.o.Progress.Update(s); err != nil {
		p.r.o.Progress = nil // nobody is looking any more
	}
}

// close ends the ticking and takes the line away.
func (p *progress) close() {
	close(p.stop)
	<-p.ended
	if p.r.o.Progress != nil {
		p.r.o.Progress.Clear() //nolint:errcheck // a terminal that is gone
	}
}

func (p *progress) sample(now int64) results.ProgressSample {
	r := p.r
	books := r.ledger.Count()
	s := results.ProgressSample{Outstanding: r.ledger.Missing(), WriteProblems: len(r.dir.Incomplete())}
	if start := r.start.Load(); start != 0 && now > start {
		s.Elapsed = time.Duration(now - start)
	}
	s.Phase, s.Total = r.phaseAt(now)
	for i, l := range books.Loads {
		s.Scheduled += l.Scheduled
		s.Acked += l.Acked
		s.Rejected += l.Rejected
		s.Unknown += l.Unknown
		s.Throttled += r.loads[i].stats().Throttled
	}
	if dt := now - p.at; dt > 0 && s.Acked >= p.acked {
		s.AckedPerS = float64(s.Acked-p.acked) / (float64(dt) / 1e9)
	}
	p.acked, p.at = s.Acked, now
	p.replays(&s)
	for _, l := range r.loads {
		s.ResponseP99 = max(s.ResponseP99, l.hops.LastQuantile(kload.HopResponse, 99))
	}
	for _, c := range r.consumers {
		s.EndToEndP99 = max(s.EndToEndP99, c.hops.LastQuantile(kload.HopE2ERead, 99))
	}
	return s
}

// replays adds how far replays have come: the source time of the one that is
// furthest behind, the lag, and when it will be over if it goes on like this.
func (p *progress) replays(s *results.ProgressSample) {
	for _, l := range p.r.loads {
		source := l.replayed()
		if source == nil {
			continue
		}
		at := source.Progress()
		if s.SourceTime.IsZero() || at.Source.Before(s.SourceTime) {
			s.SourceTime = at.Source
		}
		s.Lag = max(s.Lag, l.hops.LastQuantile(kload.HopGenLag, 99))
		s.Left = max(s.Left, at.Left(s.Elapsed))
	}
}

// phaseAt names the phase at a time and the length of the whole schedule, 0 when
// it is not known.
func (r *run) phaseAt(now int64) (string, time.Duration) {
	var total time.Duration
	for _, l := range r.loads {
		if l.plan.schedule == nil {
			total = 0
			break
		}
		total = max(total, time.Duration(l.plan.schedule.Span()))
	}
	start := r.start.Load()
	switch {
	case start == 0:
		return "starting", total
	case r.ended.Load() != 0:
		return "draining", total
	}
	return r.plan.phases[r.phases.at(time.Duration(now-start))].Name, total
}

// stats returns the ingress's counters, where it has them.
func (l *loadRun) stats() producer.Stats {
	if p, ok := l.ingress.(interface{ Stats() producer.Stats }); ok {
		return p.Stats()
	}
	return producer.Stats{}
}

// sample is one line of series.ndjson.
func (r *run) sample() map[string]any {
	books := r.ledger.Count()
	loads, consumers := map[string]any{}, map[string]any{}
	for i, l := range books.Loads {
		st := r.loads[i].stats()
		loads[l.Name] = map[string]uint64{
			"scheduled": l.Scheduled, "sent": l.Sent, "acked": l.Acked, "rejected": l.Rejected, "unknown": l.Unknown,
			"bytes": l.Bytes, "stream_records": l.StreamRecords, "requests": st.Requests, "attempts": st.Attempts, "throttled": st.Throttled,
		}
	}
	for _, c := range books.Consumers {
		consumers[c.Name] = consumerSeries(c)
	}
	p := currentProcess()
	return map[string]any{
		"load": loads, "consumers": consumers, "missing": r.ledger.Missing(),
		"process": map[string]any{"cpu_s": p.cpu, "rss_bytes": p.maxRSS, "allocated_bytes": p.allocated},
	}
}

func consumerSeries(c ledger.ConsumerReport) map[string]uint64 {
	return map[string]uint64{
		"read": c.Read, "read_unique": c.ReadUnique, "duplicates": c.Duplicates, "redelivered": c.Redelivered,
		"reordered": c.Reordered, "misrouted": c.Misrouted, "corrupt": c.Corrupt, "ok": c.OK, "sunk": c.Sunk,
	}
}

// event writes a line to events.ndjson, if the run got as far as opening it.
func (r *run) event(kind string, fields map[string]any) {
	if r.collector == nil {
		return
	}
	if err := r.collector.Event(time.Unix(0, r.clock.Now()), kind, fields); err != nil {
		r.note("%v", err)
	}
}
