// Package putrecords is the driver of a program that calls PutRecords by itself:
// every user record is a stream record, up to 500 of them go in one request, and
// those that the answer names as failed are sent again. What it costs beside the
// driver kpl is what aggregation saves.
package putrecords

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kload/kload/internal/awscbor/protocol"
	"github.com/kload/kload/internal/conf"
	"github.com/kload/kload/internal/units"
	"github.com/kload/kload/producer"
	"github.com/kload/kload/producer/direct"
)

// Limits of one request (docs/TERMS.md#shard).
const (
	mostRecords = 500
	mostBytes   = 10 << 20
)

// Config configures the driver.
type Config struct {
	MaxRecords int           `yaml:"max_records" default:"500" help:"records per request"`
	MaxBytes   units.Bytes   `yaml:"max_bytes" default:"10MiB" help:"data and partition keys per request"`
	Linger     time.Duration `yaml:"linger" default:"100ms" help:"how long a record waits for a full request"`
}

// Validate reports settings that the service would refuse.
func (c *Config) Validate() []conf.Issue {
	var issues []conf.Issue
	if c.MaxRecords < 1 || c.MaxRecords > mostRecords {
		issues = append(issues, conf.Issue{Field: "max_records", Msg: "must be between 1 and 500, the most one PutRecords takes"})
	}
	if c.MaxBytes < 1 || c.MaxBytes > mostBytes {
		issues = append(issues, conf.Issue{Field: "max_bytes", Msg: "must be between 1B and 10MiB, the most one PutRecords takes"})
	}
	return issues
}

// CounterNames lists what the driver counts.
func (*Config) CounterNames() []string { return direct.CounterNames() }

// Capabilities says what the driver can do.
func (*Config) Capabilities() producer.Capabilities {
	return producer.Capabilities{HashKeys: true, Settings: []string{"connections", "ttl", "request_timeout"}}
}

// API is the part of the Kinesis client that the driver uses.
type API interface {
	PutRecords(context.Context, *kinesis.PutRecordsInput, ...func(*kinesis.Options)) (*kinesis.PutRecordsOutput, error)
}

// New starts the driver. It sets what o says of requests.
func New(ctx context.Context, c Config, api API, stream string, o direct.Options) *direct.Ingress {
	o.MaxRecords, o.MaxBytes, o.Linger = c.MaxRecords, int(c.MaxBytes), c.Linger
	o.NewCall = func() direct.Call {
		var entries []types.PutRecordsRequestEntry
		return func(ctx context.Context, batch []*direct.Record, results *protocol.Results) error {
			entries = fill(entries[:0], batch)
			out, err := api.PutRecords(ctx, &kinesis.PutRecordsInput{StreamName: &stream, Records: entries})
			if err == nil {
				results.Take(out)
			}
			return err
		}
	}
	return direct.New(ctx, o)
}

func fill(entries []types.PutRecordsRequestEntry, batch []*direct.Record) []types.PutRecordsRequestEntry {
	for _, r := range batch {
		e := types.PutRecordsRequestEntry{Data: r.Data, PartitionKey: &r.Key}
		if r.HashKey != "" {
			e.ExplicitHashKey = &r.HashKey
		}
		entries = append(entries, e)
	}
	return entries
}
