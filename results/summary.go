// Package results turns what a run measured into files, a verdict and text.
//
// A run owns a [Dir], its directory. While it runs, a [Collector] is ticked once
// a second: it appends the interval's histograms to latency.hlog and the
// counters to series.ndjson, so that a killed run can still be reported. At the
// end the caller fills in a [Summary], adds what each compiled [Expectation] has
// judged, lets it [Summary.Judge] the run, and writes it: as summary.json, as
// percentile files and Go benchmark lines, and as text with [WriteText].
//
// Runs are read back with [Load] or [Open], also those that were killed before
// their end, and judged against each other by [Compare]; [Baselines] keeps some.
//
// # When results cannot be written
//
// A full disk does not end a run. Every failed write is reported with its path,
// the measurement goes on in memory, and the summary lists what is missing.
package results

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"

	"github.com/kload/kload/internal/hdr"
)

// Schema identifies the format of summary.json.
const Schema = "kload/summary/v1"

// Summary is the result of one run, the content of summary.json and of
// kload run --json. Fields are only ever added.
type Summary struct {
	Schema   string  `json:"schema"`
	Scenario string  `json:"scenario"`
	RunID    string  `json:"run_id"`
	Target   Target  `json:"target"`
	Seed     uint64  `json:"seed"`
	Verdict  Verdict `json:"verdict"`
	ExitCode int     `json:"exit_code"`
	// Reasons lists everything that speaks against the run, worst kind first.
	Reasons []string `json:"reasons,omitempty"`
	// InvalidReason says why the run proves nothing, for instance because the
	// target trimmed data that nobody had read.
	InvalidReason string `json:"invalid_reason,omitempty"`
	// UnreachableReason says why the target could not be used.
	UnreachableReason string `json:"unreachable_reason,omitempty"`
	Interrupted       bool   `json:"interrupted,omitempty"`
	// Aborted says which expectation ended the run early, where one did.
	Aborted string `json:"aborted,omitempty"`
	// Error says what broke the run off before its end; see Break.
	Error string `json:"error,omitempty"`
	// Inject lists the faults that were injected on purpose.
	Inject []string `json:"inject,omitempty"`
	// Cleanup says what could not be cleaned up after the run.
	Cleanup string `json:"cleanup,omitempty"`
	// Broken lists identities of the ledger that do not hold: a defect of kload.
	Broken []string `json:"broken,omitempty"`
	// Incomplete lists the results that could not be written, with the reason.
	Incomplete []string `json:"incomplete,omitempty"`

	Phases    []Phase                    `json:"phases"`
	Load      map[string]*LoadCounts     `json:"load"`
	Consumers map[string]*ConsumerCounts `json:"consumers"`
	Hops      map[string]HopStats        `json:"hops"` // keyed owner/hop
	Expect    []ExpectResult             `json:"expect"`
	Process   Processes                  `json:"process"`
	Clock     *Clock                     `json:"clock,omitempty"`
}

// Target says what the run ran against.
type Target struct {
	Kind   string `json:"kind"`   // local or aws
	Detail string `json:"detail"` // limits, latency model and seed; or region and host
}

// Phase is one phase of the run as it happened. A run with several has figures
// of each. Hops hold the records that were due in the phase, where it was
// measured; Counts what happened while it lasted, by owner and counter, and in
// the last one also during the drain.
type Phase struct {
	Name   string                       `json:"name"`
	WallS  float64                      `json:"wall_s"`
	Hops   map[string]HopStats          `json:"hops,omitempty"` // keyed owner/hop
	Counts map[string]map[string]uint64 `json:"counts,omitempty"`
}

// LoadCounts is the ledger of one load, in user records unless named otherwise.
type LoadCounts struct {
	Scheduled      uint64  `json:"scheduled"`
	Sent           uint64  `json:"sent"`
	Acked          uint64  `json:"acked"`
	Rejected       uint64  `json:"rejected"`
	Unknown        uint64  `json:"unknown"`
	Shed           uint64  `json:"shed"`
	Unsent         uint64  `json:"unsent"`
	DeliveredRatio float64 `json:"delivered_ratio"`
	Bytes          uint64  `json:"bytes"`
	StreamRecords  uint64  `json:"stream_records"`
	Requests       uint64  `json:"requests"`
	Attempts       uint64  `json:"attempts"`
	Throttled      uint64  `json:"throttled"`
	// Sources holds the source's own counters, such as malformed lines.
	Sources map[string]uint64 `json:"sources,omitempty"`
	// Codes counts records that were not acknowledged by error code.
	Codes map[string]uint64 `json:"codes,omitempty"`
	// Shards says where records went, as far as acknowledgements tell; nil when
	// nothing was acknowledged.
	Shards *ShardCounts `json:"shards,omitempty"`
	// Producer says how kload's own producer worked; nil for another ingress.
	Producer *ProducerDetail `json:"producer,omitempty"`
}

// ShardCounts is how a load's acknowledged user records lie in the shards.
type ShardCounts struct {
	Acked   map[string]uint64 `json:"acked"`
	Busiest string            `json:"busiest"`
	Share   float64           `json:"share"` // of the busiest, of all of them
	Of      int               `json:"of"`    // shards that the run began with
}

// skewed is how many times an even share makes a shard worth a word.
const skewed = 1.2

// note says in words that one shard gets far more than the others, "" if none
// does. Where shards were split or merged under way there is no even share.
func (c *ShardCounts) note() string {
	if c == nil || len(c.Acked) > c.Of || c.Share*float64(c.Of) <= skewed {
		return ""
	}
	return fmt.Sprintf("%s took %.1f%% of the records, %.1f times an even share of %d shards", c.Busiest, 100*c.Share, c.Share*float64(c.Of), c.Of)
}

// ProducerDetail is how a producer packed records and what it met.
type ProducerDetail struct {
	// Flushed counts stream records by why they were sealed: size, count, linger,
	// manual, memory, reshard, close.
	Flushed map[string]uint64 `json:"flushed"`
	// FillRatio is the bytes of aggregates over what they may hold.
	FillRatio float64 `json:"fill_ratio"`
	// Attempts counts acknowledged user records by their attempts: "1" is one, "2"
	// two or three, "4" four to seven, and so on.
	Attempts        map[string]uint64 `json:"attempts"`
	Errors          map[string]uint64 `json:"errors"`           // attempts of stream records that failed, by error code
	ThrottledShards map[string]uint64 `json:"throttled_shards"` // those refused for their rate, by shard
	// KPL holds the metrics of the Amazon Kinesis Producer Library under its own
	// names.
	KPL map[string]any `json:"kpl"`
}

// ConsumerCounts is the ledger of one consumer, in user records.
type ConsumerCounts struct {
	Read         uint64 `json:"read"`
	ReadUnique   uint64 `json:"read_unique"`
	Duplicates   uint64 `json:"duplicates"`
	Redelivered  uint64 `json:"redelivered"`
	Lost         uint64 `json:"lost"`
	Unread       uint64 `json:"unread"` // acknowledged, not read when the run was stopped: perhaps still in the stream
	Reordered    uint64 `json:"reordered"`
	Misrouted    uint64 `json:"misrouted"`
	Corrupt      uint64 `json:"corrupt"`
	OK           uint64 `json:"ok"`
	Filtered     uint64 `json:"filtered"`
	DeadLettered uint64 `json:"dead_lettered"`
	Sunk         uint64 `json:"sunk"`
	Foreign      uint64 `json:"foreign"`  // stamped by another run
	Untraced     uint64 `json:"untraced"` // without a stamp
	Phantom      uint64 `json:"phantom"`  // read, but never sent or rejected
	// ByCount says that identity was not available: lost and duplicates are
	// differences of counts, and one may hide the other.
	ByCount bool `json:"by_count,omitempty"`
	// Polling is what polling adds to this consumer's latencies; nil for a reader
	// that does not poll.
	Polling *PollingFloor `json:"polling,omitempty"`
	// Sinks holds the account of each of several sinks, by name; nil for a consumer
	// with one.
	Sinks map[string]SinkCounts `json:"sinks,omitempty"`
	// Counters holds the host's and the sink's own counters.
	Counters map[string]uint64 `json:"counters,omitempty"`
}

// SinkCounts is the account of one of several sinks, in user records, repeated
// sightings included.
type SinkCounts struct {
	Routed uint64 `json:"routed"` // the handler routed to it
	Sunk   uint64 `json:"sunk"`   // it made durable
}

// SinkCounterNames lists the counters of one of several sinks, by their names in
// expectations.
func SinkCounterNames(sink string) []string {
	return []string{"sinks." + sink + ".routed", "sinks." + sink + ".sunk"}
}

// PollingFloor is the wait that polling at an interval is predicted to add to
// fetch, whatever the service does: evenly between nothing and the interval. A
// result well below it is suspicious. Times are in nanoseconds.
type PollingFloor struct {
	Every int64 `json:"every_ns"`
	Mean  int64 `json:"mean_ns"`
	P99   int64 `json:"p99_ns"`
}

// HopStats sums up one hop of one owner. Times are in nanoseconds.
type HopStats struct {
	Count           int64   `json:"count"`
	P50             int64   `json:"p50_ns"`
	P90             int64   `json:"p90_ns"`
	P99             int64   `json:"p99_ns"`
	P999            int64   `json:"p999_ns"`
	Max             int64   `json:"max_ns"`
	Mean            float64 `json:"mean_ns"`
	OverRange       int64   `json:"over_range"`
	Negative        int64   `json:"negative"`
	BelowResolution int64   `json:"below_resolution"`
}

// Processes holds the figures of the measuring process and, where kload started
// it, of the target's process.
type Processes struct {
	Kload  ProcessStats `json:"kload"`
	Target *TargetStats `json:"target,omitempty"`
	// Driver is the process of a driver that has one of its own; nil for others,
	// whose work is part of Kload.
	Driver *TargetStats `json:"driver,omitempty"`
}

// client is what putting and reading records took: kload and the process of its
// driver together.
func (p *Processes) client() *TargetStats {
	k := &p.Kload
	both := &TargetStats{CPUS: k.CPUS, MaxRSS: k.MaxRSS, Allocated: k.Allocated, GCS: k.GCS}
	if d := p.Driver; d != nil {
		both.Add(d.CPUS, d.MaxRSS, d.Allocated, d.GCS)
	}
	return both
}

// ProcessStats is what the measuring process used.
type ProcessStats struct {
	CPUS      float64 `json:"cpu_s"`
	MaxRSS    uint64  `json:"max_rss_bytes"`
	Allocated uint64  `json:"allocated_bytes"`
	GCS       float64 `json:"gc_s"`
	WallS     float64 `json:"wall_s"`
	// SDKCalls and SDKAttempts count the data calls and the requests they sent;
	// they differ when the SDK retried behind kload's back.
	SDKCalls    uint64 `json:"sdk_calls"`
	SDKAttempts uint64 `json:"sdk_attempts"`
	// Wire is the encoding of those calls: cbor, json, or cbor+json. WireFallbacks
	// counts services that were to be spoken to in CBOR and knew only JSON.
	Wire          string `json:"wire,omitempty"`
	WireFallbacks uint64 `json:"wire_fallbacks,omitempty"`
}

// TargetStats is what another process than kload's own used; zero allocation and GC figures
// were not available.
type TargetStats struct {
	CPUS      float64 `json:"cpu_s"`
	MaxRSS    uint64  `json:"max_rss_bytes"`
	Allocated uint64  `json:"allocated_bytes,omitempty"`
	GCS       float64 `json:"gc_s,omitempty"`
}

// Add counts another process in.
func (t *TargetStats) Add(cpuSeconds float64, maxRSS, allocated uint64, gcSeconds float64) {
	t.CPUS += cpuSeconds
	t.MaxRSS += maxRSS
	t.Allocated += allocated
	t.GCS += gcSeconds
}

// Clock states how far the clocks behind the latencies can be trusted.
type Clock struct {
	StepsNs []int64 `json:"steps_ns,omitempty"` // jumps of the wall clock seen during the run
}

// ExpectResult is the outcome of one expectation. Value shows what it looked at.
type ExpectResult struct {
	Expr   string `json:"expr"`
	Result string `json:"result"` // pass or fail
	Value  string `json:"value"`
}

// Passed reports whether the expectation was met.
func (e ExpectResult) Passed() bool { return e.Result == resultPass }

// NewSummary returns a summary with the schema set and its maps made.
func NewSummary(scenario, runID string) *Summary {
	return &Summary{
		Schema: Schema, Scenario: scenario, RunID: runID,
		Phases: []Phase{}, Expect: []ExpectResult{},
		Load: map[string]*LoadCounts{}, Consumers: map[string]*ConsumerCounts{}, Hops: map[string]HopStats{},
	}
}

// AddTotals puts an owner's histograms into the summary. Hops that saw no value
// at all are left out.
func (s *Summary) AddTotals(owner string, totals []hdr.HopTotal) {
	addTotals(s.Hops, owner, totals)
}

func addTotals(hops map[string]HopStats, owner string, totals []hdr.HopTotal) {
	for _, t := range totals {
		if t.Count == 0 && !t.Any() {
			continue
		}
		hops[owner+"/"+t.Hop.String()] = hopStats(t)
	}
}

func hopStats(t hdr.HopTotal) HopStats {
	return HopStats{
		Count: t.Count, P50: t.P50, P90: t.P90, P99: t.P99, P999: t.P999, Max: t.Max, Mean: math.Round(t.Mean),
		OverRange: t.OverRange, Negative: t.Negative, BelowResolution: t.BelowResolution,
	}
}

// wall returns the length of all phases in seconds.
func (s *Summary) wall() float64 {
	var sum float64
	for _, p := range s.Phases {
		sum += p.WallS
	}
	return sum
}

// counter is a named number of a ledger.
type counter struct {
	name  string
	value float64
}

// counters lists the numeric fields of a ledger under their JSON names, in
// order, followed by the entries of its maps. v points to a struct.
func counters(v any) []counter {
	var out []counter
	rv := reflect.ValueOf(v).Elem()
	for i := range rv.NumField() {
		name, _, _ := strings.Cut(rv.Type().Field(i).Tag.Get("json"), ",")
		switch f := rv.Field(i); f.Kind() {
		case reflect.Uint64:
			out = append(out, counter{name, float64(f.Uint())})
		case reflect.Float64:
			out = append(out, counter{name, f.Float()})
		case reflect.Map:
			out = append(out, sinkCounters(f)...)
			m, _ := reflect.TypeAssert[map[string]uint64](f) // others hold no counters
			for _, k := range slices.Sorted(maps.Keys(m)) {
				out = append(out, counter{k, float64(m[k])})
			}
		}
	}
	return out
}

// sinkCounters returns the counters of a field that holds the accounts of sinks.
func sinkCounters(f reflect.Value) (out []counter) {
	m, _ := reflect.TypeAssert[map[string]SinkCounts](f) // others hold none
	for _, name := range slices.Sorted(maps.Keys(m)) {
		names := SinkCounterNames(name)
		out = append(out, counter{names[0], float64(m[name].Routed)}, counter{names[1], float64(m[name].Sunk)})
	}
	return out
}
