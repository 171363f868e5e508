// Package a8m drives github.com/a8m/kinesis-producer as it is published: the
// producer that Go programs usually have, as the baseline to compare with.
//
// It runs in a process of its own, this executable under [ChildVerb], because it
// panics in goroutines of its own: a crash costs the records that were with it,
// not the run, and its CPU and memory are its own figures. Records go there
// through a pipe and outcomes come back. The library has no acknowledgements, so
// the outcomes are those of the calls that it makes: see putter.
//
// What the library is known to get wrong is measured, not mended: it keeps the
// partition key of the first record of an aggregate only, loses the whole request
// on one error, retries failed entries for ever, and flushes by a ticker.
package a8m

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/conf"
	"github.com/kload/kload/internal/pace"
	"github.com/kload/kload/internal/units"
	"github.com/kload/kload/producer"
)

// Config configures the library under its own names and with its own defaults.
type Config struct {
	FlushInterval       time.Duration `yaml:"flush_interval" default:"5s" help:"how often what is buffered is sent, FlushInterval"`
	AggregateBatchSize  units.Bytes   `yaml:"aggregate_batch_size" default:"50KiB" help:"records above it are sent as they are; the library fills aggregates up to 1MiB whatever this says"`
	AggregateBatchCount uint32        `yaml:"aggregate_batch_count" default:"4294967295" help:"most user records in an aggregate"`
	BatchCount          int           `yaml:"batch_count" default:"500" help:"stream records per request"`
	BatchSize           units.Bytes   `yaml:"batch_size" default:"5MiB" help:"data and partition keys per request"`
	BacklogCount        int           `yaml:"backlog_count" default:"500" help:"stream records that wait for a request"`
}

// Limits of the library's configuration.
const (
	mostConnections = 256
	mostBatch       = 500
	mostBatchBytes  = 5 << 20
	mostAggregate   = 1 << 20
)

// Validate reports settings at which the library panics.
func (c *Config) Validate() []conf.Issue {
	var issues []conf.Issue
	add := func(bad bool, field, msg string) {
		if bad {
			issues = append(issues, conf.Issue{Field: field, Msg: msg})
		}
	}
	add(c.FlushInterval <= 0, "flush_interval", "must be positive")
	add(c.AggregateBatchSize < 1 || c.AggregateBatchSize > mostAggregate, "aggregate_batch_size", "must be between 1B and 1MiB")
	add(c.AggregateBatchCount < 1, "aggregate_batch_count", "must be at least 1")
	add(c.BatchCount < 1 || c.BatchCount > mostBatch, "batch_count", "must be between 1 and 500")
	add(c.BatchSize < 1 || c.BatchSize > mostBatchBytes, "batch_size", "must be between 1B and 5MiB")
	add(c.BacklogCount < 1, "backlog_count", "must be at least 1")
	return issues
}

// Capabilities says what the library can do.
func (c *Config) Capabilities() producer.Capabilities {
	return producer.Capabilities{
		MaxRecord: mostAggregate,
		Packing:   producer.Packing{Bytes: mostAggregate, Linger: c.FlushInterval},
		Settings:  []string{"connections", "request_timeout"},
	}
}

// API is the part of the Kinesis client that the library uses.
type API interface {
	PutRecords(context.Context, *kinesis.PutRecordsInput, ...func(*kinesis.Options)) (*kinesis.PutRecordsOutput, error)
}

// Options says where to put records and whom to tell.
type Options struct {
	Config      Config
	Stream      string
	Connections int           // requests at once, up to 256
	Timeout     time.Duration // of one attempt
	Memory      int           // bytes of records accepted but not yet decided
	// Client and Wire are for the client of the process. Auto is JSON, which the
	// SDK speaks when nobody changes it.
	Client awsclient.Options
	Wire   awsclient.Wire
	// API, if not nil, has the library run in this process, with this client: for
	// virtual time. A crash of the library is then a crash of this process.
	API      API
	Clock    *pace.Clock
	Outcomes kload.OutcomeFunc
	// Event is told of a crash, as driver_crashed with a reason.
	Event func(kind string, details map[string]any)
}

// New starts the library and returns when it is ready for records.
func New(ctx context.Context, o Options) (*Ingress, error) {
	if o.Connections > mostConnections {
		return nil, kload.WithHint(fmt.Errorf("%w: the driver a8m makes at most %d requests at once", kload.ErrInvalid, mostConnections), "lower ingress.kinesis.connections")
	}
	l, err := launch(ctx, &o)
	if err != nil {
		return nil, fmt.Errorf("starting the driver a8m: %w", err)
	}
	g := newIngress(o, l)
	g.work.Go(func() { _ = g.out.drain(l.in) }) // the reader learns why it ended
	g.work.Go(func() { g.read(l.out) })
	first, err := json.Marshal(settings{
		Config: o.Config, Stream: o.Stream, Connections: o.Connections, Timeout: o.Timeout, Wire: o.Wire,
		Region: o.Client.Region, Profile: o.Client.Profile, Endpoint: o.Client.Endpoint, Local: o.Client.Local,
	})
	if err != nil {
		return nil, fmt.Errorf("starting the driver a8m: %w", err)
	}
	g.out.add(frameSettings, func(b []byte) []byte { return append(b, first...) })
	select {
	case <-g.ready:
		return g, nil
	case <-g.ended:
		err = cmp.Or(g.failure(), errors.New("its process ended: "+g.crashReason()))
	case <-ctx.Done():
		err = ctx.Err()
	}
	g.shut(true)
	return nil, fmt.Errorf("starting the driver a8m: %w", err)
}
