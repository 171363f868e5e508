package scenarios

import (
	"errors"
	"fmt"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/consumers"
	"github.com/kload/kload/consumers/readers/polling"
	"github.com/kload/kload/internal/conf"
	"github.com/kload/kload/internal/pace"
	"github.com/kload/kload/internal/trace"
	"github.com/kload/kload/internal/units"
	"github.com/kload/kload/producer"
	"github.com/kload/kload/replay"
	"github.com/kload/kload/results"
)

// maxSpan bounds a load's schedule: its times must fit into 64 bits of
// nanoseconds, with room to calculate.
const maxSpan = 10 * 365 * 24 * time.Hour

// grace is how long after the schedule's end an acknowledgement still counts as
// delivered in time.
const grace = 2 * time.Second

// plan is a scenario worked out: what Run carries out and explain prints.
type plan struct {
	spec    *Spec
	loads   []loadPlan
	phases  []Phase // never empty
	actions []actionPlan
	expect  []expectation
	resumes bool // on the stream of an earlier step of a search
	// forecast is nil where nothing is known of the shards beforehand.
	forecast *forecast
}

// loadPlan is one load worked out.
type loadPlan struct {
	name     string
	spec     Load
	schedule pace.Schedule // nil for timed, unpaced and closed-loop loads
	peak     float64       // highest rate of the schedule, records per second
	sizes    []float64     // of a sample of its records, in the stream; empty for loads without a schedule
	unpaced  bool
	onLag    producer.LagPolicy // of a timed source, whose records may be so late
	maxLag   time.Duration
	inFlight int           // closed loop, 0 for none
	span     time.Duration // of a closed loop, 0 for no limit
	carrier  trace.Carrier
	keys     producer.KeyerConfig // nil keeps the source's keys
	byKey    bool                 // the partition key alone decides the shard
	ingress  *kinesisIngress
	can      producer.Capabilities // of the driver
}

// Sources may implement these on their configuration, to tell the plan what it
// cannot know.
type (
	// timedConfig is a source whose records bring their own times.
	timedConfig interface {
		// Unpaced says that it wants no pacing at all.
		Unpaced() bool
	}
	// lagConfig is a timed source that says what becomes of its schedule when
	// records are late.
	lagConfig interface {
		Lag() (policy string, most time.Duration)
	}
	// keyedConfig is a source whose records have keys of their own.
	keyedConfig interface {
		// ByKey says that their partition keys alone decide the shards.
		ByKey() bool
	}
	// keyedIf is a source whose records may have keys of their own.
	keyedIf interface{ Keyed() bool }
	// sizedConfig is a source that knows how large its records are on average.
	sizedConfig interface{ RecordBytes() int }
	// largestConfig is a source that knows how large its largest record is.
	largestConfig interface{ LargestBytes() int }
	// opaqueConfig is a source whose records may be no JSON objects.
	opaqueConfig interface{ Opaque() bool }
)

// sourceConfig returns the configuration of a load's source, of the generator
// itself where that is the source.
func sourceConfig(l Load) any {
	if g, ok := l.Source.Config.(*generators); ok {
		one, _ := g.chosen()
		return one.config
	}
	return l.Source.Config
}

// newPlan works out a decoded scenario, or returns everything that stands in
// its way: broken is what did not decode, which is left out here.
func newPlan(s *Spec, doc *conf.Document, broken conf.Problems) (*plan, error) {
	v := &validator{spec: s, doc: doc, broken: broken}
	if v.search() {
		s = s.atRate(s.Search.From.PerSecond()) // the plan is that of the first step
		v.spec = s
	} else if s.Search != nil { // it would give loads their rate, and the phases
		v.withheld = []string{"load", "phases", "expect", "actions"}
	}
	p := &plan{spec: s, phases: s.Phases}
	if s.Load.Len() == 0 && v.sound("load") {
		v.problem("load", "there is no load", "name one: load: {events: {source: …}}")
	}
	for name, l := range s.Load.All() {
		if v.sound("load." + name) {
			p.loads = append(p.loads, v.load(name, l))
		}
	}
	if len(p.phases) == 0 {
		p.phases = []Phase{{Name: "run", Measure: true}}
	}
	if v.sound("target") && v.sound("stream") && v.sound("phases") {
		v.capacity(p)
	}
	v.forecast(p)
	if v.sound("target") && v.sound("consumers") {
		v.readers()
		v.subscribers()
		v.stores()
		v.sinks()
	}
	if v.sound("load") {
		v.handlers(p)
	}
	v.names()
	v.latency()
	if v.sound("load") && v.sound("phases") {
		v.actions(p)
	}
	if v.sound("load") && v.sound("consumers") {
		p.expect = v.expectations(p)
	}
	return p, v.err()
}

// phaseSpan is the length of all phases, at most a little above maxSpan.
func phaseSpan(phases []Phase) time.Duration {
	var sum time.Duration
	for _, p := range phases {
		sum = min(sum+min(p.For, maxSpan), maxSpan+1)
	}
	return sum
}

// load works out one load.
func (v *validator) load(name string, l Load) loadPlan {
	path := "load." + name
	p := loadPlan{name: name, spec: l}
	p.carrier, _ = trace.ParseCarrier(l.Trace)        // the decoder knows the values
	p.ingress, _ = l.Ingress.Config.(*kinesisIngress) // the only kind there is
	p.can = p.ingress.Capabilities()
	if c, ok := sourceConfig(l).(lagConfig); ok {
		var policy string
		policy, p.maxLag = c.Lag()
		p.onLag = producer.LagPolicy(policy)
	}
	v.recorded(path, &p)
	v.schedule(path, &p)
	v.keys(path, &p)
	v.payload(path, &p)
	v.driver(path, &p)
	v.natural(path, &p)
	return p
}

// natural checks what trace: natural needs.
func (v *validator) natural(path string, p *loadPlan) {
	n := p.spec.Natural
	switch {
	case p.carrier != trace.Natural:
	case n.ID == "":
		v.problem(path+".trace", "trace: natural needs to know the records' id", "set natural: {id: NAME} to an attribute that tells each record from all others")
	case n.Entries < 1 || n.Entries > maxNatural:
		v.problem(path+".natural.entries", "must be between 1 and 64M", "set it to the records sent and not yet read by all consumers, at most")
	case p.spec.OnSaturation == string(producer.Shed):
		v.problem(path+".on_saturation", "trace: natural remembers records before it is known whether they are shed", "set on_saturation: block or abort, or another trace")
	}
}

// maxNatural bounds the memory of an index: 2.5 GiB.
const maxNatural = 64 << 20

// longestKey is room for a partition key, and for the envelope of a tagged
// record, which repeats it.
const longestKey = 2*256 + 64

// payload checks that records fit into a stream, and that nothing needs a JSON
// payload of a source that has none.
func (v *validator) payload(path string, p *loadPlan) {
	largest, hint := int(v.spec.Stream.MaxRecord), "set size: %dB or less"
	if p.can.MaxRecord > 0 {
		largest = min(largest, p.can.MaxRecord)
	} else if largest < producer.LargestRecord {
		hint += ", or a larger stream.max_record"
	}
	room := largest - p.carrier.Overhead() - longestKey
	if cfg, ok := sourceConfig(p.spec).(largestConfig); ok && cfg.LargestBytes() > room {
		v.problem(path+".source.generate.opaque.size", fmt.Sprintf("with its key and its trace the record is larger than %s, the most that stream and driver take", units.Bytes(largest)),
			fmt.Sprintf(hint, room))
	}
	if cfg, ok := sourceConfig(p.spec).(opaqueConfig); !ok || !cfg.Opaque() {
		return
	}
	if p.carrier == trace.JSON || p.carrier == trace.Natural {
		v.problem(path+".trace", "opaque payloads are not JSON", "set trace: prefix, or trace: tag with aggregation")
	}
	switch p.keys.(type) {
	case *producer.FieldKeys, *producer.TemplateKeys:
		where := ".keys"
		if p.ingress.Key != "" {
			where = ".ingress.kinesis.key"
		}
		v.problem(path+where, "opaque payloads have no fields", "use keys: uniform, const or random_hash")
	}
}

// keys works out who keys a load's records.
func (v *validator) keys(path string, p *loadPlan) {
	var err error
	own, keyed := sourceConfig(p.spec).(keyedConfig)
	if maybe, ok := own.(keyedIf); ok {
		keyed = maybe.Keyed()
	}
	switch {
	case p.ingress.Key != "" && p.spec.Keys.Kind != "":
		v.problem(path+".keys", "partition keys are set twice, here and in ingress.kinesis.key", "remove one")
	case p.ingress.Key != "":
		var template *producer.TemplateKeys
		if template, err = producer.ParseKeyTemplate(p.ingress.Key); err != nil {
			v.problem(path+".ingress.kinesis.key", err.Error(), hintOf(err))
			return
		}
		p.keys = template
	case p.spec.Keys.Kind != "":
		p.keys, err = build(newRegistry().keys, p.spec.Keys, none{})
		if err != nil {
			v.problem(path+".keys", err.Error(), hintOf(err))
			return
		}
	case keyed:
		p.byKey = own.ByKey()
	default:
		p.keys = &producer.UniformKeys{N: 10_000}
	}
	if p.keys != nil {
		p.byKey = p.keys.ByKey()
	}
}

// keyer makes the load's keyer; nil keeps the source's keys.
func (p *loadPlan) keyer(seed uint64) producer.Keyer {
	if p.keys == nil {
		return nil
	}
	return p.keys.Keyer(seed)
}

// readBytes is what pollers get of a shard in a second, 0 for no limit.
func (p *plan) readBytes() float64 {
	limits := p.spec.Target.Limits
	switch {
	case p.spec.Target.Kind == "aws":
		limits = serviceLimits()
	case limits.Off:
		return 0
	}
	return float64(limits.ReadBytes)
}

// pollingFloor says what polling adds to a consumer's latencies, nil if it does
// not poll.
func (p *plan) pollingFloor(consumer string) *results.PollingFloor {
	c, _ := p.spec.Consumers.Get(consumer)
	cfg, ok := c.Read.Config.(*polling.Config)
	if !ok {
		return nil
	}
	mean, p99 := cfg.Every.Floor()
	return &results.PollingFloor{Every: int64(cfg.Every), Mean: int64(mean), P99: int64(p99)}
}

// names returns what expectations may refer to.
func (p *plan) names() results.Names {
	var n results.Names
	for _, phase := range p.phases {
		n.Phases = append(n.Phases, results.PhaseName{Name: phase.Name, Measured: phase.Measure})
	}
	for _, l := range p.loads {
		n.Loads = append(n.Loads, results.Owner{
			Name: l.name, Hops: loadHops(),
			Counters: l.counterNames(),
		})
	}
	for name, c := range p.spec.Consumers.All() {
		n.Consumers = append(n.Consumers, results.Owner{
			Name: name, Hops: consumerHops(c.Read.Config), Counters: append(counterNames(consumers.CounterNames(), c.Read.Config, c.Host.Config), c.sinkCounters()...),
		})
	}
	return n
}

// counterNames lists what the load counts, as it is configured, besides what every
// load does.
func (p *loadPlan) counterNames() []string {
	names := []string{"arrive_dropped"}
	if p.judgesLag() {
		names = append(names, "lag_slips", "lag_slipped_ns", "lag_dropped")
	}
	if c, ok := sourceConfig(p.spec).(*replay.Config); ok && c.Watermarks {
		names = append(names, "watermarks_sent", "watermarks_skipped")
	}
	return counterNames(names, sourceConfig(p.spec), p.keys, p.spec.Ingress.Config)
}

// judgesLag reports whether records that come too late change the schedule.
func (p *loadPlan) judgesLag() bool { return p.onLag != "" && p.onLag != producer.CatchUp }

// counterNames lists the counters of plug-ins, which their configurations know.
func counterNames(names []string, configs ...any) []string {
	for _, c := range configs {
		if c, ok := c.(interface{ CounterNames() []string }); ok {
			names = append(names, c.CounterNames()...)
		}
	}
	return names
}

// loadHops are the hops a load records, consumerHops those of a consumer: its
// reader may have some of its own.
func loadHops() []kload.Hop {
	return []kload.Hop{kload.HopGenLag, kload.HopBuffer, kload.HopRetry, kload.HopPut, kload.HopResponse, kload.HopArrive}
}

func consumerHops(read any) []kload.Hop {
	hops := []kload.Hop{kload.HopFetch, kload.HopE2ERead, kload.HopHandle, kload.HopE2ESink}
	if own, ok := read.(interface{ Hops() []kload.Hop }); ok {
		hops = append(hops, own.Hops()...)
	}
	return hops
}

func hintOf(err error) string {
	if h, ok := errors.AsType[*kload.HintError](err); ok {
		return h.Hint
	}
	return ""
}
