package scenarios

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/kload/kload/consumers/readers/fanout"
	"github.com/kload/kload/consumers/readers/polling"
	"github.com/kload/kload/internal/conf"
	localkinesis "github.com/kload/kload/internal/local/kinesis"
	"github.com/kload/kload/internal/units"
	"github.com/kload/kload/producer"
)

// validator collects what is wrong with a scenario beyond single settings.
type validator struct {
	spec     *Spec
	doc      *conf.Document
	broken   conf.Problems // what did not decode
	withheld []string      // what cannot be judged before other problems are mended
	problems conf.Problems
}

// sound reports whether all at or below path decoded, and all it lies in, and
// nothing else keeps it from being judged.
func (v *validator) sound(path string) bool {
	for _, w := range v.withheld {
		if within(w, path) || within(path, w) {
			return false
		}
	}
	for _, p := range v.broken {
		if within(p.Path, path) || within(path, p.Path) {
			return false
		}
	}
	return true
}

// within reports whether path is outer or lies below it.
func within(path, outer string) bool {
	return outer == "" || path == outer || strings.HasPrefix(path, outer+".")
}

func (v *validator) problem(path, msg, hint string) {
	v.problems = append(v.problems, v.doc.Problem(path, msg, hint))
}

func (v *validator) err() error {
	if len(v.problems)+len(v.broken) == 0 {
		return nil
	}
	return v.broken.With(v.problems)
}

// aggregateOverhead is what the aggregated format adds per user record beside
// key and trace: field headers and table indexes.
const aggregateOverhead = 12

// capacity checks the loads, each and all together, against what the shards
// accept. A load whose record size is not known beforehand is not checked.
func (v *validator) capacity(p *plan) {
	limits := v.spec.Target.Limits
	if v.spec.Target.Kind == "aws" {
		limits = serviceLimits()
	}
	if limits.Off || v.spec.Target.Kind == "aws" && !v.spec.Stream.Create {
		return // without limits, or with a stream whose shards are not ours to know
	}
	var all demand
	checked, before := 0, len(v.problems)
	for i := range p.loads {
		l := &p.loads[i]
		if l.spec.AllowThrottling || l.schedule == nil {
			continue
		}
		checked++
		d := l.demand()
		v.fits(&d, limits, "load."+l.name+".rate")
		all.records += d.records
		all.streamRecords += d.streamRecords
		all.bytes += d.bytes
	}
	if checked > 1 && len(v.problems) == before {
		v.fits(&all, limits, "load")
	}
}

func serviceLimits() Limits {
	return Limits{
		WriteBytes: 1 << 20, WriteRecords: units.Rate{N: 1000, Per: 1e9},
		ReadBytes: 2 << 20, ReadCalls: units.Rate{N: 5, Per: 1e9},
	}
}

// demand is what a load asks of the shards at its peak, per second.
type demand struct {
	records       float64
	streamRecords float64 // 0 where aggregation makes them few
	bytes         float64 // 0 where the size of a record is not known
	oneShard      bool    // all of it goes to one shard
}

func (l *loadPlan) demand() demand {
	d := demand{records: l.peak}
	_, d.oneShard = l.keys.(*producer.ConstKeys)
	size := l.carrier.Overhead()
	if l.can.Packing.Bytes > 0 {
		size += aggregateOverhead
	} else {
		d.streamRecords = d.records
	}
	if sized, ok := sourceConfig(l.spec).(sizedConfig); ok {
		d.bytes = d.records * float64(sized.RecordBytes()+size)
	}
	return d
}

// fits reports a demand above the limits.
func (v *validator) fits(d *demand, limits Limits, path string) {
	shards := v.spec.Stream.Shards
	of := fmt.Sprintf("%d shards", shards)
	switch {
	case d.oneShard:
		shards, of = 1, "the one shard that a constant key goes to"
	case shards == 1:
		of = "1 shard"
	}
	remedy := func(need float64, more string) string {
		if d.oneShard {
			return "choose other keys" + more + ", or set allow_throttling: true"
		}
		return fmt.Sprintf("raise stream.shards to %.0f%s, or set allow_throttling: true", math.Ceil(need), more)
	}
	if per := limits.WriteRecords.PerSecond(); d.streamRecords > float64(shards)*per {
		v.problem(path, fmt.Sprintf("%s records/s exceed %s × %s", human(d.streamRecords), of, limits.WriteRecords),
			remedy(d.streamRecords/per, ", turn aggregation on"))
		return
	}
	if per := float64(limits.WriteBytes); d.bytes > float64(shards)*per {
		v.problem(path, fmt.Sprintf("%s records/s of about %.0f B are %s/s and exceed %s × %s",
			human(d.records), d.bytes/d.records, units.Size(uint64(d.bytes)), of, limits.WriteBytes), remedy(d.bytes/per, ""))
	}
}

func human(rate float64) string { return units.Thousands(uint64(math.Ceil(rate))) }

// subscribers checks that no two consumers want the same subscriptions: each
// would take over the other's again and again.
func (v *validator) subscribers() {
	taken := map[string]string{}
	for name, c := range v.spec.Consumers.All() {
		cfg, ok := c.Read.Config.(*fanout.Config)
		if !ok || cfg.Consumer == "" {
			continue
		}
		if other := taken[cfg.Consumer]; other != "" {
			v.problem("consumers."+name+".read.fanout.consumer", fmt.Sprintf("consumer %s reads as %q too, and a shard has one subscription for each registered consumer", other, cfg.Consumer),
				"give each a registered consumer of its own, or leave the setting out")
		}
		taken[cfg.Consumer] = name
	}
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
			calls += 1e9 / float64(cfg.Every)
			pollers++
			last = name
		}
	}
	if calls > limit*1.0001 {
		who := "it makes"
		if pollers > 1 {
			who = fmt.Sprintf("%d polling consumers make", pollers)
		}
		v.problem("consumers."+last+".read.polling.every",
			fmt.Sprintf("%s %.3g calls/s on each shard, which answers %.3g to all its readers together", who, calls, limit),
			fmt.Sprintf("poll every %.0fms or slower, or set allow_throttling: true in polling", math.Ceil(1000*float64(pollers)/limit)))
	}
}

// latency checks that there is every operation that a latency is given for.
func (v *validator) latency() {
	known := localkinesis.Operations()
	for name := range v.spec.Target.Latency.Operations.All() {
		if v.sound("target") && !slices.Contains(known, name) {
			v.problem("target.latency.operations."+name, fmt.Sprintf("the embedded target has no operation %q", name), "operations have names such as PutRecords")
		}
	}
}

// maxPhases bounds the memory for the latencies of phases.
const maxPhases = 50

// names checks that no two things that results are about share a name, and the
// settings of the whole scenario.
func (v *validator) names() {
	for name := range v.spec.Consumers.All() {
		if _, both := v.spec.Load.Get(name); both {
			v.problem("consumers."+name, fmt.Sprintf("%q is a load and a consumer", name), "names own the results: give one of them another name")
		}
	}
	if len(v.spec.Phases) > maxPhases {
		v.problem("phases", fmt.Sprintf("there are more than %d", maxPhases), "each takes 2 MiB for its latencies: join some")
	}
	phases := map[string]bool{}
	for i, p := range v.spec.Phases {
		if v.sound("phases") && phases[p.Name] {
			v.problem(fmt.Sprintf("phases.%d.name", i), fmt.Sprintf("there are two phases called %q", p.Name), "give one of them another name")
		}
		phases[p.Name] = true
	}
	if v.sound("min_delivered_ratio") && v.spec.MinDeliveredRatio < 0 || v.spec.MinDeliveredRatio > 1 {
		v.problem("min_delivered_ratio", "must be between 0 and 1", "the default is 0.99")
	}
	if v.spec.DrainTimeout <= 0 && v.sound("drain_timeout") {
		v.problem("drain_timeout", "must be positive", "the default is 30s")
	}
}
