package scenarios

import (
	"fmt"
	"strings"
	"time"

	"github.com/kload/kload/internal/conf"
	"github.com/kload/kload/internal/local/latency"
	"github.com/kload/kload/internal/units"
	"github.com/kload/kload/producer"
)

// Spec is a scenario file, version kload/v1: what flows from a load through a
// stream to consumers, and what is expected of it. Plug-ins keep their own
// configuration (registry.go); zero values are the documented defaults.
type Spec struct {
	APIVersion        string              `yaml:"apiVersion" required:"true" enum:"kload/v1" help:"version of this format"`
	Name              string              `yaml:"name" required:"true" help:"name of the scenario, part of the run directory's name"`
	Description       string              `yaml:"description" help:"the question the scenario answers"`
	Seed              uint64              `yaml:"seed" default:"1" help:"seed of everything random"`
	Target            Target              `yaml:"target" help:"the Kinesis endpoint to run against"`
	Stream            Stream              `yaml:"stream" help:"the stream in the middle"`
	Load              conf.Map[Load]      `yaml:"load" required:"true" help:"what goes into the stream, by name"`
	Consumers         conf.Map[Consumer]  `yaml:"consumers" help:"who reads the stream, by name"`
	Phases            []Phase             `yaml:"phases" help:"named stretches of the run, one after the other; one phase called run if absent"`
	Actions           []Action            `yaml:"actions" help:"what happens while the loads run, at times of its own"`
	Expect            []Expect            `yaml:"expect" help:"expectations on the results, such as reader.e2e.read.p99 < 1s"`
	MinDeliveredRatio float64             `yaml:"min_delivered_ratio" default:"0.99" help:"least share of scheduled records acknowledged in time; below it the run exits 4"`
	Search            *Search             `yaml:"search" help:"look for the highest rate at which the scenario passes"`
	Matrix            conf.Map[[]Setting] `yaml:"matrix" keys:"path" help:"run every combination of these settings, such as stream.shards: [2, 4]"`
	StopWhen          string              `yaml:"stop_when" help:"condition as in expect: once it is true of a run, the further values of the matrix's last setting are skipped"`
	Budget            Budget              `yaml:"budget" help:"what a run on AWS may cost"`
	DrainTimeout      time.Duration       `yaml:"drain_timeout" default:"30s" help:"how long late records may still be sent after the schedule, and then how long consumers may still read"`
}

// Target is the endpoint of a run.
type Target struct {
	Kind     string        `yaml:"kind" default:"local" enum:"local|aws" help:"local: the embedded target, no account needed; aws: the real service"`
	Process  string        `yaml:"process" default:"own" enum:"own|shared" help:"local: in a child process, with figures of its own, or inside kload"`
	Limits   Limits        `yaml:"limits" help:"local: limits per shard; off switches them off"`
	Latency  latency.Model `yaml:"latency" help:"local: how long calls take and records stay hidden; off, aws-like, or by class of operations"`
	Store    units.Bytes   `yaml:"store" default:"256MiB" help:"local: most bytes the target keeps; the oldest records are trimmed"`
	Region   string        `yaml:"region" help:"aws: region; the SDK's default chain if absent"`
	Profile  string        `yaml:"profile" help:"aws: profile of the shared configuration"`
	Endpoint string        `yaml:"endpoint" help:"aws: URL of another Kinesis-compatible service"`
}

// Validate refuses settings of the other kind, which would have no effect.
func (t *Target) Validate() []conf.Issue {
	var issues []conf.Issue
	for _, aws := range []struct{ field, value string }{{"region", t.Region}, {"profile", t.Profile}, {"endpoint", t.Endpoint}} {
		if t.Kind == "local" && aws.value != "" {
			issues = append(issues, conf.Issue{Field: aws.field, Msg: "has no effect on the embedded target", Hint: "remove it, or set target.kind: aws"})
		}
	}
	if t.Store < 4<<20 {
		issues = append(issues, conf.Issue{Field: "store", Msg: "must be at least 4MiB"})
	}
	return issues
}

// Limits are the limits per shard of the embedded target. The defaults are the
// service's (docs/TERMS.md#shard).
type Limits struct {
	Off          bool           `yaml:"off" help:"no limits at all"`
	WriteBytes   units.ByteRate `yaml:"write_bytes" default:"1MiB/s" help:"data and partition keys written"`
	WriteRecords units.Rate     `yaml:"write_records" default:"1000/s" help:"stream records written"`
	ReadBytes    units.ByteRate `yaml:"read_bytes" default:"2MiB/s" help:"data read, by all pollers together"`
	ReadCalls    units.Rate     `yaml:"read_calls" default:"5/s" help:"GetRecords calls, by all pollers together"`
}

// Validate checks that each limit lets something through within a second, the
// depth of the buckets that enforce them.
func (l *Limits) Validate() []conf.Issue {
	var issues []conf.Issue
	for _, limit := range []struct {
		field string
		rate  float64
	}{
		{"write_bytes", float64(l.WriteBytes)},
		{"write_records", l.WriteRecords.PerSecond()},
		{"read_bytes", float64(l.ReadBytes)},
		{"read_calls", l.ReadCalls.PerSecond()},
	} {
		if limit.rate < 1 {
			issues = append(issues, conf.Issue{Field: limit.field, Msg: "must be at least 1 per second", Hint: "write limits: off to have none"})
		}
	}
	return issues
}

// UnmarshalScalar accepts "off" and "service".
func (l *Limits) UnmarshalScalar(text string) error {
	switch text {
	case "off":
		l.Off = true
		return nil
	case "service":
		return nil
	}
	return fmt.Errorf("unknown limits %q: write off, service, or {write_bytes: 1MiB/s, …}", text)
}

// Pattern is the short form for the schema.
func (Limits) Pattern() string { return "^(off|service)$" }

// Stream is the stream of a run.
type Stream struct {
	Name   string `yaml:"name" default:"kload" help:"stream name"`
	Shards int    `yaml:"shards" default:"1" help:"number of shards to create"`
	Create bool   `yaml:"create" default:"true" help:"create the stream; it must not exist. false uses one that does"`
	// MaxRecord needs more than 1 MiB seldom, and then costs a shard seconds.
	MaxRecord   units.Bytes `yaml:"max_record" default:"1MiB" help:"largest stream record, data and partition key, that it takes: up to 10MiB, set when it is created"`
	DeleteAfter bool        `yaml:"delete_after" default:"true" help:"delete the stream afterwards, if this run created it"`
}

// Validate checks the name and the number of shards.
func (s *Stream) Validate() []conf.Issue {
	var issues []conf.Issue
	if !validStreamName(s.Name) {
		issues = append(issues, conf.Issue{
			Field: "name", Msg: fmt.Sprintf("%q is no stream name", s.Name),
			Hint: "use 1 to 128 letters, digits, and _ . -",
		})
	}
	if s.Shards < 1 || s.Shards > 10_000 {
		issues = append(issues, conf.Issue{Field: "shards", Msg: "must be between 1 and 10000"})
	}
	if s.MaxRecord < producer.DefaultMaxRecord || s.MaxRecord > producer.LargestRecord || s.MaxRecord%units.KiB != 0 {
		issues = append(issues, conf.Issue{Field: "max_record", Msg: "must be between 1MiB and 10MiB, in whole KiB"})
	}
	return issues
}

func validStreamName(s string) bool {
	for _, r := range s {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		if !letter && r != '_' && r != '.' && r != '-' {
			return false
		}
	}
	return len(s) >= 1 && len(s) <= 128
}

// Load is one producer: a source, when its records are due, and how they enter.
type Load struct {
	Source          conf.Choice `yaml:"source" choice:"source" required:"true" help:"where the records come from"`
	Rate            Rate        `yaml:"rate" help:"when records are due; recorded sources bring their own times"`
	Total           units.Count `yaml:"total" help:"stop after so many records; 0 for no limit"`
	InFlight        int         `yaml:"in_flight" help:"closed loop: no rate, but so many records under way, each outcome making room for the next"`
	Pacing          string      `yaml:"pacing" default:"efficient" enum:"efficient|precise|spin" help:"how due times are waited for: sleeping, sleeping and then spinning, or spinning on a whole core"`
	Keys            conf.Choice `yaml:"keys" choice:"keys" help:"partition keys; the source's own if absent, else uniform over 10k"`
	Ingress         conf.Choice `yaml:"ingress" choice:"ingress" default:"kinesis" help:"the way into the stream"`
	Trace           string      `yaml:"trace" default:"tag" enum:"tag|json|prefix|natural|none" help:"how a record carries its identity: beside the payload in the aggregate, as a JSON attribute, as a 32-byte header, by an id that it has anyway, or not at all"`
	Natural         Natural     `yaml:"natural" help:"how trace: natural knows records"`
	OnSaturation    string      `yaml:"on_saturation" default:"block" enum:"block|shed|abort" help:"what becomes of due records when the ingress's memory is used up: they wait, which counts as their latency; they are left out and counted as shed; or the run ends"`
	AllowThrottling bool        `yaml:"allow_throttling" help:"accept a rate above what the shards take"`
}

// Natural says by which of its attributes a record is known that carries no trace.
type Natural struct {
	ID      string      `yaml:"id" help:"top-level attribute of the JSON payload that tells each record from all others"`
	Entries units.Count `yaml:"entries" default:"256k" help:"records remembered, 40 bytes each; more sent and not yet read by all consumers make the run invalid"`
}

// Consumer is one application that reads the stream.
type Consumer struct {
	Read   conf.Choice `yaml:"read" choice:"reader" default:"polling" help:"how records are fetched"`
	Range  string      `yaml:"range" default:"keep" enum:"keep|drop_stray|kcl" help:"user records in aggregates of another shard, as an old shard map makes them: kept and counted, dropped, or dropped with all of their aggregate, as the Kinesis Client Library does"`
	Memory units.Bytes `yaml:"memory" default:"48MiB" help:"bytes of stream records fetched and not yet processed; above it fetching waits, and counts as fetches_held"`
	Host   conf.Choice `yaml:"host" choice:"host" default:"plain" help:"what runs the handler"`
	Sink   conf.Choice `yaml:"sink" choice:"sink" help:"where handled records go; if neither this nor sinks is there, they are counted and discarded"`
	// Sinks are in the order of the file.
	Sinks conf.Map[conf.Choice] `yaml:"sinks" choice:"sink" help:"several sinks by name, in place of one: the handler's route says which of them a record goes to"`
}

// Validate checks the byte budget, and that sinks are named in one place and so that
// expectations can name them.
func (c *Consumer) Validate() []conf.Issue {
	var issues []conf.Issue
	if c.Memory < units.MiB {
		issues = append(issues, conf.Issue{Field: "memory", Msg: "must be at least 1MiB"})
	}
	if c.Sink.Kind != "" && c.Sinks.Len() > 0 {
		issues = append(issues, conf.Issue{Field: "sink", Msg: "every record goes to one of sinks", Hint: "make it one of them, or remove sinks"})
	}
	for _, name := range c.Sinks.Names() {
		if strings.Contains(name, "-") {
			issues = append(issues, conf.Issue{Field: "sinks." + name, Msg: "expectations take the hyphen for a minus", Hint: "write " + strings.ReplaceAll(name, "-", "_")})
		}
	}
	return issues
}

// Phase is a named stretch of the run.
type Phase struct {
	Name    string        `yaml:"name" required:"true" help:"name in results"`
	For     time.Duration `yaml:"for" required:"true" help:"length"`
	Measure bool          `yaml:"measure" default:"true" help:"whether its records count for latencies; the ledger counts them always"`
}

// Validate checks the length.
func (p *Phase) Validate() []conf.Issue {
	if p.For <= 0 {
		return []conf.Issue{{Field: "for", Msg: "must be positive"}}
	}
	return nil
}
