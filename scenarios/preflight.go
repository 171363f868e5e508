package scenarios

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/shard"
	"github.com/kload/kload/internal/units"
)

// forecast is what the loads together ask of each shard at their peaks, worked
// out from a sample of the records and keys they will send.
type forecast struct {
	Loads  []string        `json:"loads"` // those that are in it; recorded data and closed loops are not
	Shards []shardForecast `json:"shards"`
}

// shardForecast is per second.
type shardForecast struct {
	Records       float64 `json:"records_per_s"`
	StreamRecords float64 `json:"stream_records_per_s"` // at most; lingering aggregates are counted as often as they can be sealed
	Bytes         float64 `json:"bytes_per_s"`          // with keys, traces and envelopes
	doubt         float64 // share of the figures that the sample may be off by
}

// Samples are drawn in batches, as a load draws its records.
const (
	sampleBatch   = 1024
	sampleBatches = 8
)

// forecast works out what the shards of a new stream will get, and refuses a hot
// shard: one whose share exceeds its limits by more than the sample may be off.
func (v *validator) forecast(p *plan) {
	if len(v.broken)+len(v.problems) > 0 {
		return
	}
	f := forecast{Shards: make([]shardForecast, v.spec.Stream.Shards)}
	tolerant := false
	for i := range p.loads {
		l := &p.loads[i]
		if l.schedule == nil {
			continue
		}
		if err := l.addTo(&f, v.spec.Seed); err != nil {
			v.problem("load."+l.name, err.Error(), hintOf(err))
			return
		}
		tolerant = tolerant || l.spec.AllowThrottling
	}
	if len(f.Loads) == 0 || !v.spec.Stream.Create {
		return
	}
	p.forecast = &f
	limits := v.spec.Target.Limits
	if v.spec.Target.Kind == "aws" {
		limits = serviceLimits()
	}
	if hot := f.hottest(limits); !limits.Off && !tolerant && f.Shards[hot].used(limits)*(1-f.Shards[hot].doubt) > 1 {
		v.problem("load", fmt.Sprintf("shard %d of %d is hot: %s", hot, len(f.Shards), f.Shards[hot].describe(limits)),
			"choose other keys, raise stream.shards, lower the rate, or set allow_throttling: true")
	}
}

// addTo samples a load's records and adds what the shards get of them.
func (l *loadPlan) addTo(f *forecast, seed uint64) error {
	ranges, err := uniformMap(len(f.Shards))
	if err != nil {
		return err
	}
	counts, bytes, n, err := l.sample(ranges, seedFor(seed, l.name))
	if err != nil || n == 0 {
		return err
	}
	f.Loads = append(f.Loads, l.name)
	for i := range counts {
		s := shardForecast{Records: l.peak * counts[i] / n, Bytes: l.peak * bytes[i] / n}
		s.StreamRecords = s.Records
		if pack := l.can.Packing; pack.Bytes > 0 {
			s.StreamRecords = min(s.Records, s.Bytes/float64(pack.Bytes)+1/max(pack.Linger.Seconds(), 1e-9))
		}
		f.Shards[i].Records += s.Records
		f.Shards[i].StreamRecords += s.StreamRecords
		f.Shards[i].Bytes += s.Bytes
		// Four standard deviations of what the shard has of the sample.
		f.Shards[i].doubt = max(f.Shards[i].doubt, min(1, 4*math.Sqrt((1-counts[i]/n)/max(counts[i], 1))))
	}
	return nil
}

// mean returns the average, of no values 0.
func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(max(len(values), 1))
}

// uniformMap is the shard map of a new stream.
func uniformMap(n int) (*shard.Map, error) {
	shards := make([]shard.Shard, n)
	for i, r := range shard.Split(n) {
		shards[i] = shard.Shard{ID: fmt.Sprintf("shardId-%012d", i), Range: r, Open: true}
	}
	m, err := shard.NewMap(1, shards)
	if err != nil {
		return nil, fmt.Errorf("mapping %d shards: %w", n, err)
	}
	return m, nil
}

// sample draws records as the load will, keeps their sizes, and counts them and
// their bytes per shard.
func (l *loadPlan) sample(m *shard.Map, seed uint64) (counts, bytes []float64, n float64, err error) {
	source, err := build(newRegistry().sources, l.spec.Source, sourceEnv{seed: seed, replay: unread})
	if err != nil {
		return nil, nil, 0, fmt.Errorf("sampling its records: %w", err)
	}
	defer source.Close()
	counts, bytes = make([]float64, m.Len()), make([]float64, m.Len())
	each := float64(l.carrier.Overhead())
	if l.can.Packing.Bytes > 0 {
		each += aggregateOverhead
	}
	recs := make([]kload.Record, sampleBatch)
	keys := l.keyer(seed)
	for range sampleBatches {
		clear(recs)
		got, err := source.Next(context.Background(), recs)
		if err != nil {
			return counts, bytes, n, nil // it ends early
		}
		if keys != nil {
			if err := keys.Assign(recs[:got]); err != nil {
				return nil, nil, 0, fmt.Errorf("sampling its keys: %w", err)
			}
		}
		for i := range recs[:got] {
			r := &recs[i]
			if !r.HasHash {
				r.Hash = shard.HashOf(r.Key)
			}
			at := m.Locate(r.Hash)
			counts[at]++
			size := float64(len(r.Data)+len(r.Key)) + each
			bytes[at] += size
			l.sizes = append(l.sizes, size)
			n++
		}
	}
	return counts, bytes, n, nil
}

// forecastLines says what the shards will get, nothing where that is not known.
func (p *plan) forecastLines() []string {
	if p.forecast == nil {
		return nil
	}
	limits := p.spec.Target.Limits
	if p.spec.Target.Kind == "aws" {
		limits = serviceLimits()
	}
	return p.forecast.lines(limits)
}

// used is the share of a shard's limits that it will need: of bytes or of stream
// records, whichever is more.
func (s *shardForecast) used(l Limits) float64 {
	return max(s.Bytes/float64(l.WriteBytes), s.StreamRecords/l.WriteRecords.PerSecond())
}

func (s *shardForecast) describe(l Limits) string {
	if s.Bytes/float64(l.WriteBytes) >= s.StreamRecords/l.WriteRecords.PerSecond() {
		return fmt.Sprintf("%s records/s (%s/s) against its limit of %s", human(s.Records), units.Size(uint64(s.Bytes)), l.WriteBytes)
	}
	return fmt.Sprintf("up to %s stream records/s against its limit of %s", human(s.StreamRecords), l.WriteRecords)
}

// hottest returns the index of the shard that needs most.
func (f *forecast) hottest(l Limits) int {
	hot := 0
	for i := range f.Shards {
		if f.Shards[i].used(l) > f.Shards[hot].used(l) {
			hot = i
		}
	}
	return hot
}

// notable says when the shards are worth a table: the hottest gets a fifth more
// than its share, or needs four fifths of its limits.
func (f *forecast) notable(l Limits) bool {
	all := 0.0
	for i := range f.Shards {
		all += f.Shards[i].Bytes
	}
	hot := &f.Shards[f.hottest(l)]
	return len(f.Shards) > 1 && hot.Bytes*float64(len(f.Shards))*(1-hot.doubt) > 1.2*all || !l.Off && hot.used(l) > 0.8
}

// tableRows bounds what is printed: the hottest shards first would hide where they
// lie, so the first ones are shown.
const tableRows = 16

// lines says what the shards will get: one line, and a table where it matters.
func (f *forecast) lines(l Limits) []string {
	var all shardForecast
	for i := range f.Shards {
		all.Records += f.Shards[i].Records
		all.Bytes += f.Shards[i].Bytes
	}
	hot := f.hottest(l)
	shards := units.Thousands(uint64(len(f.Shards))) + " shards"
	if len(f.Shards) == 1 {
		shards = "1 shard"
	}
	first := fmt.Sprintf("at the peak %s records/s (%s/s) for %s", human(all.Records), units.Size(uint64(all.Bytes)), shards)
	if !l.Off {
		first += fmt.Sprintf("; the busiest needs %.0f%% of its limits", 100*f.Shards[hot].used(l))
	}
	out := []string{first}
	if !f.notable(l) {
		return out
	}
	for i := range f.Shards {
		if i == tableRows {
			return append(out, fmt.Sprintf("  … and %d more shards", len(f.Shards)-i))
		}
		s := &f.Shards[i]
		line := fmt.Sprintf("  shard %-3d %9s records/s %10s/s", i, human(s.Records), units.Size(uint64(s.Bytes)))
		if !l.Off {
			line += fmt.Sprintf(" %5.0f%% of its limits %s", 100*s.used(l), strings.Repeat("#", int(min(30, 20*s.used(l)))))
		}
		out = append(out, strings.TrimRight(line, " "))
	}
	return out
}
