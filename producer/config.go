package producer

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/conf"
	"github.com/kload/kload/internal/units"
)

// Limits of the service that bound the configuration (docs/TERMS.md#shard).
const (
	maxAggregate     = 1 << 20  // data + partition key of an aggregate
	maxEntries       = 500      // records per PutRecords
	maxRequestBytes  = 10 << 20 // data + partition keys per PutRecords
	aggregateMinimum = 64       // below this not even a header and a digest fit usefully
	envelopeBytes    = 96       // most that aggregation adds to one record beside its key and tag
)

// Sizes of a stream record, its partition key included, of which a stream is set
// to take the larger ones (UpdateMaxRecordSize).
const (
	DefaultMaxRecord = 1 << 20
	LargestRecord    = 10 << 20
)

// Choices of the configuration.
const (
	keyLetter = "a"
	keyRandom = "random"

	wrongShardAccept = "accept"
)

// DefaultConfig returns the configuration of a scenario that sets nothing: that
// of the KPL, with back-pressure.
func DefaultConfig() Config {
	return Config{
		Aggregation: Aggregation{
			Enabled: true, MaxBytes: 50 << 10, MaxCount: 10_000, Linger: 100 * time.Millisecond, PartitionKey: "first",
		},
		Collection:  Collection{MaxRecords: maxEntries, MaxBytes: 2 << 20},
		Connections: 8, TTL: 30 * time.Second, RequestTimeout: 10 * time.Second, Memory: 64 << 20,
		Gate: gateAIMD, WrongShard: "kpl", MapRefresh: time.Minute,
	}
}

// Config configures the kinesis ingress. Begin with [DefaultConfig]: a field left
// out is 0, which most have no use for. Key and Wire are for scenarios: [New]
// takes records with their keys, and a client with its encoding ([Tuned]).
type Config struct {
	Aggregation    Aggregation   `yaml:"aggregation" help:"packing of user records into stream records, KPL format"`
	Collection     Collection    `yaml:"collection" help:"packing of stream records into PutRecords requests"`
	Key            string        `yaml:"key" help:"partition key from a field of the record, such as {pickup_location_id}; same as keys: {field: …}"`
	Wire           string        `yaml:"wire" default:"auto" enum:"auto|cbor|json" help:"encoding of requests; auto is cbor with AWS and the embedded target, json with another endpoint"`
	Connections    int           `yaml:"connections" default:"8" help:"PutRecords requests in flight at most"`
	Ordered        bool          `yaml:"ordered" default:"false" help:"promise order per partition key: at most one stream record per shard in flight"`
	TTL            time.Duration `yaml:"ttl" default:"30s" help:"how long a record is retried, from when it was accepted; 0s for ever"`
	RequestTimeout time.Duration `yaml:"request_timeout" default:"10s" help:"deadline of one PutRecords attempt"`
	Memory         units.Bytes   `yaml:"memory" default:"64MiB" help:"bytes of records accepted but not yet decided; above it on_saturation of the load decides"`
	Gate           string        `yaml:"gate" default:"aimd" enum:"aimd|kpl|none" help:"what holds stream records back per shard: a rate lowered by throttles and raised again, the KPL's fixed 150% of what a shard takes, or nothing"`
	FailThrottled  bool          `yaml:"fail_if_throttled" default:"false" help:"reject a throttled record at once instead of retrying it"`
	WrongShard     string        `yaml:"wrong_shard" default:"kpl" enum:"kpl|accept" help:"an aggregate acknowledged in a shard that not all its records belong to, as after a reshard: send it again, which duplicates, or leave it, although KCL drops such records"`
	MapRefresh     time.Duration `yaml:"map_refresh" default:"1m" help:"how often the shard map is read again without a reason; 0s never"`
}

// Aggregation configures KPL aggregation.
type Aggregation struct {
	Enabled  bool          `yaml:"enabled" default:"true" help:"pack many user records into one stream record"`
	MaxBytes units.Bytes   `yaml:"max_bytes" default:"50KiB" help:"largest aggregate, digest included"`
	MaxCount int           `yaml:"max_count" default:"10000" help:"most user records in one aggregate"`
	Linger   time.Duration `yaml:"linger" default:"100ms" help:"how long the first record of an aggregate waits for more"`
	// PartitionKey decides nothing: aggregates have an explicit hash key. Some
	// consumers, such as Lambda's parallelization factor, spread load by it.
	PartitionKey string `yaml:"partition_key" default:"first" enum:"first|a|random" help:"partition key of an aggregate: that of its first record, the letter a as the KPL has it, or a random one"`
}

// Collection configures PutRecords requests.
type Collection struct {
	MaxRecords int         `yaml:"max_records" default:"500" help:"stream records per request"`
	MaxBytes   units.Bytes `yaml:"max_bytes" default:"2MiB" help:"data and partition keys per request; the service takes 10MiB"`
}

// CounterNames lists what [Producer.Counters] counts.
func (*Config) CounterNames() []string {
	return counterNames()
}

// check is Validate for configurations that no file was decoded into. An empty
// choice is the default one.
func (c *Config) check() error {
	issues := c.Validate()
	for _, f := range []struct {
		name, value string
		of          []string
	}{
		{"aggregation.partition_key", c.Aggregation.PartitionKey, []string{"first", keyLetter, keyRandom}},
		{"gate", c.Gate, []string{gateAIMD, gateKPL, gateNone}},
		{"wrong_shard", c.WrongShard, []string{"kpl", wrongShardAccept}},
	} {
		if f.value != "" && !slices.Contains(f.of, f.value) {
			issues = append(issues, conf.Issue{Field: f.name, Msg: fmt.Sprintf("%q is not allowed", f.value), Hint: "use one of: " + strings.Join(f.of, ", ")})
		}
	}
	errs := make([]error, len(issues))
	for i, issue := range issues {
		errs[i] = kload.WithHint(fmt.Errorf("%w: %s: %s", kload.ErrInvalid, issue.Field, issue.Msg), issue.Hint)
	}
	return errors.Join(errs...)
}

// Validate reports settings the service would refuse.
func (c *Config) Validate() []conf.Issue {
	var issues []conf.Issue
	add := func(bad bool, field, msg, hint string) {
		if bad {
			issues = append(issues, conf.Issue{Field: field, Msg: msg, Hint: hint})
		}
	}
	a, col := c.Aggregation, c.Collection
	add(a.MaxBytes < aggregateMinimum || a.MaxBytes > maxAggregate, "aggregation.max_bytes",
		"must be between 64B and 1MiB, the size of a stream record that every stream takes", "KPL uses 50KiB")
	add(a.MaxCount < 1, "aggregation.max_count", "must be at least 1", "")
	add(a.Linger < 0, "aggregation.linger", "must not be negative", "")
	add(col.MaxRecords < 1 || col.MaxRecords > maxEntries, "collection.max_records",
		"must be between 1 and 500, the most one PutRecords takes", "")
	add(col.MaxBytes < 1 || col.MaxBytes > maxRequestBytes, "collection.max_bytes",
		"must be between 1B and 10MiB, the most one PutRecords takes", "")
	add(c.Connections < 1 || c.Connections > 1024, "connections", "must be between 1 and 1024", "")
	add(c.TTL < 0, "ttl", "must not be negative", "KPL uses 30s; 0s retries for ever")
	add(c.MapRefresh < 0, "map_refresh", "must not be negative", "0s reads the shard map only when it was proved wrong")
	add(c.RequestTimeout <= 0, "request_timeout", "must be positive", "")
	add(c.Memory < DefaultMaxRecord, "memory", "must be at least 1MiB, the size of one record", "")
	return issues
}
