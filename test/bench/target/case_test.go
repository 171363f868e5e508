package target_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kload/kload/internal/awscbor"
	"github.com/kload/kload/internal/awsclient"
)

// bench is one thing measured of every server.
type bench struct {
	name string
	unit string
	bar  float64 // kload must not be above
	// calls by server; a server not named is left out, and one with a single call
	// has it in the first round only: it takes seconds. The tiny run makes 2.
	calls map[string]int
	run   func(ctx context.Context, s *server, stream string, calls int) (float64, error)
}

func benches() []bench {
	return []bench{
		{
			"PutRecords/wire=json/records=500x1KiB", "cpu-ns/record", 3000,
			map[string]int{"kload": 200, "kload-data": 200, "null": 200, "kinesalite": 4, "kinesis-local": 1},
			putRecords(false, 500, 1<<10, 500),
		},
		{
			"PutRecords/wire=cbor/records=100x50KiB", "cpu-s/GB", 0.8,
			map[string]int{"kload": 60, "kload-data": 60, "null": 60, "kinesalite": 2, "kinesis-local": 1},
			putRecords(true, 100, 50<<10, 100*50<<10),
		},
		{
			"GetRecords/wire=cbor/page=10MiB", "cpu-s/GB", 0.8,
			map[string]int{"kload": 40, "null": 40},
			getRecords(true),
		},
		{
			"GetRecords/wire=json/page=10MiB", "cpu-s/GB", 0,
			map[string]int{"kload": 20, "null": 20, "kinesalite": 2},
			getRecords(false),
		},
		{
			"PutRecord/p50", "ns", 600e3,
			map[string]int{"kload": 1000, "kload-data": 1000, "null": 1000, "kinesalite": 200, "kinesis-local": 10},
			putRecord,
		},
		{
			"SubscribeToShard/put-to-event/p50", "ns", 600e3,
			map[string]int{"kload": 500},
			push,
		},
	}
}

// cost returns the CPU time that f costs the server, in ns.
func cost(s *server, f func() error) (float64, error) {
	before, err := cpuOf(s.pid)
	if err != nil {
		return 0, fmt.Errorf("reading the CPU time of %s: %w", s.name, err)
	}
	if err := f(); err != nil {
		return 0, err
	}
	after, err := cpuOf(s.pid)
	return float64(after - before), err
}

// putRecords measures calls of so many records, by record if per is their
// number, by byte (so that ns/B is s/GB) if it is their size.
func putRecords(cbor bool, records, size, per int) func(context.Context, *server, string, int) (float64, error) {
	return func(ctx context.Context, s *server, stream string, calls int) (float64, error) {
		if err := create(ctx, s, stream, 4); err != nil {
			return 0, err
		}
		body := putBody(cbor, stream, records, size)
		cpu, err := cost(s, func() error {
			for range calls {
				if _, err := s.call("PutRecords", cbor, records, body); err != nil {
					return err
				}
			}
			return nil
		})
		return cpu / float64(calls*per), err
	}
}

func putBody(cbor bool, stream string, records, size int) []byte {
	data := bytes.Repeat([]byte("kload load test "), size/16)
	if !cbor {
		b := fmt.Appendf(nil, `{"StreamName":%q,"Records":[`, stream)
		for i := range records {
			if i > 0 {
				b = append(b, ',')
			}
			b = fmt.Appendf(b, `{"Data":%q,"PartitionKey":"partition-key-%04d"}`, base64.StdEncoding.EncodeToString(data), i)
		}
		return append(b, "]}"...)
	}
	b := awscbor.AppendText(awscbor.AppendText(awscbor.AppendMap(nil, 2), "StreamName"), stream)
	b = awscbor.AppendList(awscbor.AppendText(b, "Records"), records)
	for i := range records {
		b = awscbor.AppendBytes(awscbor.AppendText(awscbor.AppendMap(b, 2), "Data"), data)
		b = awscbor.AppendText(awscbor.AppendText(b, "PartitionKey"), fmt.Sprintf("partition-key-%04d", i))
	}
	return b
}

// getRecords measures pages of 10 MiB in records of 50 KiB, by byte of data.
func getRecords(cbor bool) func(context.Context, *server, string, int) (float64, error) {
	return func(ctx context.Context, s *server, stream string, calls int) (float64, error) {
		if err := create(ctx, s, stream, 1); err != nil {
			return 0, err
		}
		for range 3 {
			if s.null() {
				break
			}
			if _, err := s.call("PutRecords", false, 0, putBody(false, stream, 70, 50<<10)); err != nil {
				return 0, err
			}
		}
		text, err := s.call("GetShardIterator", false, 0, fmt.Appendf(nil,
			`{"StreamName":%q,"ShardId":"shardId-000000000000","ShardIteratorType":"TRIM_HORIZON"}`, stream))
		var it struct{ ShardIterator string }
		if err == nil {
			err = json.Unmarshal(text, &it)
		}
		if err != nil {
			return 0, err
		}
		body := fmt.Appendf(nil, `{"ShardIterator":%q}`, it.ShardIterator)
		if cbor {
			body = awscbor.AppendText(awscbor.AppendText(awscbor.AppendMap(nil, 1), "ShardIterator"), it.ShardIterator)
		}
		cpu, err := cost(s, func() error {
			for range calls {
				answer, err := s.call("GetRecords", cbor, 0, body)
				if err != nil {
					return err
				}
				if len(answer) < 99<<20/10 { // whole records
					return fmt.Errorf("%s: a page of %d bytes", s.name, len(answer))
				}
			}
			return nil
		})
		return cpu / float64(calls*10<<20), err
	}
}

// putRecord measures the SDK's calls one after the other.
func putRecord(ctx context.Context, s *server, stream string, calls int) (float64, error) {
	if err := create(ctx, s, stream, 1); err != nil {
		return 0, err
	}
	c, err := awsclient.New(ctx, awsclient.Options{Endpoint: s.endpoint, Local: true})
	if err != nil {
		return 0, err
	}
	defer c.Close()
	in := &sdk.PutRecordInput{StreamName: &stream, PartitionKey: aws.String("k"), Data: make([]byte, 1<<10)}
	var took []time.Duration
	for range calls {
		start := time.Now()
		if _, err := c.Data.PutRecord(ctx, in); err != nil {
			return 0, err
		}
		took = append(took, time.Since(start))
	}
	return p50(took), nil
}

func p50(took []time.Duration) float64 {
	slices.Sort(took)
	return float64(took[len(took)/2])
}

// push measures how long after a PutRecord was sent the consumer has its event:
// the way from the handler to the consumer, and that to the handler besides.
func push(ctx context.Context, s *server, stream string, calls int) (_ float64, err error) {
	if err := create(ctx, s, stream, 1); err != nil {
		return 0, err
	}
	c, err := awsclient.New(ctx, awsclient.Options{Endpoint: s.endpoint, Local: true})
	if err != nil {
		return 0, err
	}
	defer c.Close()
	reg, err := c.Control.RegisterStreamConsumer(ctx, &sdk.RegisterStreamConsumerInput{
		StreamARN: aws.String("arn:aws:kinesis:us-east-1:000000000000:stream/" + stream), ConsumerName: aws.String("c"),
	})
	if err != nil {
		return 0, err
	}
	sub, err := c.Data.SubscribeToShard(ctx, &sdk.SubscribeToShardInput{
		ConsumerARN: reg.Consumer.ConsumerARN, ShardId: aws.String(shardID),
		StartingPosition: &types.StartingPosition{Type: types.ShardIteratorTypeLatest},
	})
	if err != nil {
		return 0, err
	}
	events := sub.GetStream()
	defer func() { err = errors.Join(err, events.Close()) }()
	in := &sdk.PutRecordInput{StreamName: &stream, PartitionKey: aws.String("k"), Data: make([]byte, 1<<10)}
	var took []time.Duration
	for range calls {
		sent := time.Now()
		failed := make(chan error, 1)
		go func() {
			_, err := c.Data.PutRecord(ctx, in)
			failed <- err
		}()
		for records := 0; records == 0; {
			e, ok := <-events.Events()
			v, is := e.(*types.SubscribeToShardEventStreamMemberSubscribeToShardEvent)
			if !ok || !is {
				return 0, fmt.Errorf("the subscription ended with %T: %w", e, events.Err())
			}
			records = len(v.Value.Records)
		}
		took = append(took, time.Since(sent))
		if err := <-failed; err != nil {
			return 0, err
		}
	}
	return p50(took), nil
}

// create makes a stream and waits until it can be used.
func create(ctx context.Context, s *server, stream string, shards int) error {
	if s.null() {
		return nil
	}
	if _, err := s.call("CreateStream", false, 0, fmt.Appendf(nil, `{"StreamName":%q,"ShardCount":%d}`, stream, shards)); err != nil {
		return err
	}
	for {
		text, err := s.call("DescribeStreamSummary", false, 0, fmt.Appendf(nil, `{"StreamName":%q}`, stream))
		if err != nil || bytes.Contains(text, []byte(`"ACTIVE"`)) {
			return err
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// remove deletes a stream.
func remove(t *testing.T, s *server, stream string) {
	t.Helper()
	if s.null() {
		return
	}
	if _, err := s.call("DeleteStream", false, 0, fmt.Appendf(nil, `{"StreamName":%q,"EnforceConsumerDeletion":true}`, stream)); err != nil {
		t.Error(err)
	}
}
