package scenarios

import (
	"fmt"
	"math"

	"github.com/kload/kload/consumers/readers/polling"
	"github.com/kload/kload/internal/conf"
	"github.com/kload/kload/internal/units"
	"github.com/kload/kload/producer"
	"github.com/kload/kload/results"
)

// validator collects what is wrong with a scenario beyond single settings.
type validator struct {
	spec     *Spec
	doc      *conf.Document
	problems conf.Problems
}

func (v *validator) problem(path, msg, hint string) {
	v.problems = append(v.problems, v.doc.Problem(path, msg, hint))
}

func (v *validator) err() error {
	if len(v.problems) == 0 {
		return nil
	}
	return v.problems
}

// aggregateOverhead is what the aggregated format adds per user record beside
// key and trace: field headers and table indexes.
const aggregateOverhead = 12

// capacity checks the loads against what the shards accept. A load whose record
// size is not known beforehand is not checked.
func (v *validator) capacity(p *plan) {
	limits := v.spec.Target.Limits
	if v.spec.Target.Kind == "aws" {
		limits = serviceLimits()
	}
	if limits.Off || v.spec.Target.Kind == "aws" && !v.spec.Stream.Create {
		return // without limits, or with a stream whose shards are not ours to know
	}
	for i := range p.loads {
		l := &p.loads[i]
		if l.spec.AllowThrottling || l.schedule == nil || l.kinesis == nil {
			continue
		}
		v.loadCapacity(l, limits)
	}
}

func serviceLimits() Limits {
	return Limits{
		WriteBytes: 1 << 20, WriteRecords: units.Rate{N: 1000, Per: 1e9},
		ReadBytes: 2 << 20, ReadCalls: units.Rate{N: 5, Per: 1e9},
	}
}

func (v *validator) loadCapacity(l *loadPlan, limits Limits) {
	shards := float64(v.spec.Stream.Shards)
	of := fmt.Sprintf("%d shards", v.spec.Stream.Shards)
	if _, one := l.keys.(*producer.ConstKeys); one {
		shards, of = 1, "the one shard that a constant key goes to"
	}
	peak := peakRate(l.spec.Rate.Profile)
	path := "load." + l.name + ".rate"
	if perShard := limits.WriteRecords.PerSecond(); !l.kinesis.Aggregation.Enabled && peak > shards*perShard {
		v.problem(path, fmt.Sprintf("%s records/s exceed %s × %s", human(peak), of, limits.WriteRecords),
			fmt.Sprintf("raise stream.shards to %.0f, turn aggregation on, or set allow_throttling: true", math.Ceil(peak/perShard)))
		return
	}
	sized, ok := sourceConfig(l.spec).(sizedConfig)
	if !ok {
		return
	}
	record := sized.RecordBytes() + l.carrier.Overhead() + aggregateOverhead
	perShard := float64(limits.WriteBytes)
	if bytes := peak * float64(record); bytes > shards*perShard {
		v.problem(path, fmt.Sprintf("%s records/s of about %d B are %s/s and exceed %s × %s",
			human(peak), record, units.Size(uint64(bytes)), of, limits.WriteBytes),
			fmt.Sprintf("raise stream.shards to %.0f, or set allow_throttling: true", math.Ceil(bytes/perShard)))
	}
}

func human(rate float64) string { return units.Thousands(uint64(math.Ceil(rate))) }

// peakRate returns the highest rate of a profile in records per second.
func peakRate(profile []Segment) float64 {
	peak := 0.0
	for _, s := range profile {
		peak = max(peak, s.Constant.PerSecond())
		for _, r := range s.Ramp {
			peak = max(peak, r.PerSecond())
		}
	}
	return peak
}

// readers checks the pollers against the calls a shard answers, which they
// share.
func (v *validator) readers() {
	limit := v.spec.Target.Limits.ReadCalls.PerSecond()
	if v.spec.Target.Kind == "aws" {
		limit = serviceLimits().ReadCalls.PerSecond()
	} else if v.spec.Target.Limits.Off {
		return
	}
	var calls float64
	var last string
	pollers := 0
	for name, c := range v.spec.Consumers.All() {
		if cfg, ok := c.Read.Config.(*polling.Config); ok && !cfg.AllowThrottling {
			calls += 1 / cfg.Every.Seconds()
			pollers++
			last = name
		}
	}
	if calls > limit*1.0001 {
		v.problem("consumers."+last+".read.polling.every",
			fmt.Sprintf("%d polling consumers make %.3g calls/s on each shard, which answers %.3g to all of them together", pollers, calls, limit),
			fmt.Sprintf("poll every %.0fms or slower, or set allow_throttling: true in polling", math.Ceil(1000*float64(pollers)/limit)))
	}
}

// names checks that no load and consumer share a name: it owns their results.
func (v *validator) names() {
	for name := range v.spec.Consumers.All() {
		if _, both := v.spec.Load.Get(name); both {
			v.problem("consumers."+name, fmt.Sprintf("%q is a load and a consumer", name), "names own the results: give one of them another name")
		}
	}
	if v.spec.MinDeliveredRatio < 0 || v.spec.MinDeliveredRatio > 1 {
		v.problem("min_delivered_ratio", "must be between 0 and 1", "the default is 0.99")
	}
	if v.spec.DrainTimeout <= 0 {
		v.problem("drain_timeout", "must be positive", "the default is 30s")
	}
}

// expectations compiles them, each problem at its own line.
func (v *validator) expectations(p *plan) []results.Expectation {
	var out []results.Expectation
	names := p.names()
	for i, src := range v.spec.Expect {
		e, err := results.Compile([]string{src}, names)
		if err != nil {
			v.problem(fmt.Sprintf("expect.%d", i), err.Error(), hintOf(err))
			continue
		}
		out = append(out, e...)
	}
	return out
}
