//go:build unix

package producer_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	a8m "github.com/a8m/kinesis-producer"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"golang.org/x/sync/errgroup"

	"github.com/kload/kload/test/bench/rows"
)

// What the peers pack together, by the KPL's example.
const (
	aggregate = 51200
	perCall   = 100 // aggregates: requests of 5 MB
)

// putAggregator gives the records to four of a8m's aggregators and their output
// to the SDK as it comes. Nobody predicts shards or keeps track of records.
func putAggregator(ctx context.Context, e *rows.Env, size int) (*rows.Figures, error) {
	client := stock(e)
	put := func(n int) error {
		var g errgroup.Group
		for range 4 {
			g.Go(func() error { return aggregateAndPut(ctx, client, newFeed(size), n/4) })
		}
		return g.Wait()
	}
	n := e.Bytes / size / 4 * 4
	if err := put(n); err != nil {
		return nil, err
	}
	m := rows.Now()
	if err := put(n); err != nil {
		return nil, err
	}
	return m.Since(n, size), nil
}

func aggregateAndPut(ctx context.Context, client *kinesis.Client, f *feed, n int) error {
	var agg a8m.Aggregator
	var entries []types.PutRecordsRequestEntry
	for i := range n {
		data, key := f.next()
		agg.Put(data, string(key))
		if agg.Size()+f.size < aggregate && i < n-1 {
			continue
		}
		entry, err := agg.Drain()
		if err != nil {
			return fmt.Errorf("aggregating: %w", err)
		}
		if entries = append(entries, *entry); len(entries) < perCall && i < n-1 {
			continue
		}
		if err := putAll(ctx, client, entries); err != nil {
			return err
		}
		entries = entries[:0]
	}
	return nil
}

func putAll(ctx context.Context, client *kinesis.Client, entries []types.PutRecordsRequestEntry) error {
	out, err := client.PutRecords(ctx, &kinesis.PutRecordsInput{StreamName: aws.String("s"), Records: entries})
	switch {
	case err != nil:
		return fmt.Errorf("putting records: %w", err)
	case len(out.Records) != len(entries) || aws.ToInt32(out.FailedRecordCount) != 0:
		return fmt.Errorf("%d results for %d records, %d failed", len(out.Records), len(entries), aws.ToInt32(out.FailedRecordCount))
	}
	return nil
}

// counting counts what a8m's producer gets acknowledged.
type counting struct {
	*kinesis.Client
	bytes, failed atomic.Int64
}

func (c *counting) PutRecords(ctx context.Context, in *kinesis.PutRecordsInput, opts ...func(*kinesis.Options)) (*kinesis.PutRecordsOutput, error) {
	out, err := c.Client.PutRecords(ctx, in, opts...)
	if err != nil {
		c.failed.Add(1)
		return out, err
	}
	for i := range in.Records {
		c.bytes.Add(int64(len(in.Records[i].Data)))
	}
	return out, nil
}

// silent is a logger for a8m's producer.
type silent struct{}

func (silent) Info(string, ...a8m.LogValue)         {}
func (silent) Error(string, error, ...a8m.LogValue) {}

// putA8M puts the records with a8m's producer as it comes. It is not stopped,
// which may panic or never return; its records have arrived when enough bytes
// have.
func putA8M(ctx context.Context, e *rows.Env, size int) (*rows.Figures, error) {
	client := &counting{Client: stock(e)}
	p := a8m.New(&a8m.Config{StreamName: "s", Client: client, Logger: silent{}, FlushInterval: 50 * time.Millisecond})
	p.Start()
	f := newFeed(size)
	put := func(n int) error {
		want := client.bytes.Load() + int64(n*size)
		for range n {
			data, key := f.next()
			if err := p.Put(data, string(key)); err != nil {
				return fmt.Errorf("putting a record: %w", err)
			}
		}
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for client.bytes.Load() < want {
			if client.failed.Load() > 0 {
				return errors.New("a batch was lost to one failed call")
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	}
	n := e.Bytes / size
	if err := put(n); err != nil {
		return nil, err
	}
	m := rows.Now()
	if err := put(n); err != nil {
		return nil, err
	}
	return m.Since(n, size), nil
}
