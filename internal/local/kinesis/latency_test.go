package kinesis_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/local/faults"
	"github.com/kload/kload/internal/local/kinesis"
	"github.com/kload/kload/internal/local/latency"
)

func model(t *testing.T, text string) latency.Model {
	t.Helper()
	m, err := latency.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestServiceTime has fifty calls at once take as long as one, and a record
// be there before its put is answered.
func TestServiceTime(t *testing.T) {
	bubble(t, kinesis.Config{Latency: model(t, "put=100ms,PutRecords=50ms,control=1s")}, func(t *testing.T, _ *kinesis.Server, c *sdk.Client) {
		start := time.Now()
		create(t, c, "s", 1)
		if took := time.Since(start); took != time.Second {
			t.Errorf("creating a stream takes %s", took)
		}
		start = time.Now()
		var group sync.WaitGroup
		for range 50 {
			group.Go(func() { putOne(t, c, "0", "x") })
		}
		<-time.After(50 * time.Millisecond)
		out := read(t.Context(), t, c, iterator(t, c, sdk.GetShardIteratorInput{ShardIteratorType: "TRIM_HORIZON"}))
		group.Wait()
		if took := time.Since(start); took != 100*time.Millisecond {
			t.Errorf("fifty puts at once take %s", took)
		}
		if n := len(out.Records); n != 50 || !out.Records[49].ApproximateArrivalTimestamp.Equal(start) {
			t.Errorf("%d records were there halfway through", n)
		}
		start = time.Now()
		if _, err := c.PutRecords(t.Context(), &sdk.PutRecordsInput{StreamName: aws.String("s"), Records: []types.PutRecordsRequestEntry{}}); err == nil || time.Since(start) != 50*time.Millisecond {
			t.Errorf("a refusal takes %s: %v", time.Since(start), err)
		}
	})
}

// TestServiceTimeIsRepeatable draws the same times under the same seed.
func TestServiceTimeIsRepeatable(t *testing.T) {
	times := func(seed uint64) (list []time.Duration) {
		bubble(t, kinesis.Config{Latency: model(t, "put=lognormal(p50=4ms,p99=25ms)"), Seed: seed}, func(t *testing.T, _ *kinesis.Server, c *sdk.Client) {
			create(t, c, "s", 1)
			for range 10 {
				start := time.Now()
				putOne(t, c, "0", "x")
				list = append(list, time.Since(start))
			}
		})
		return list
	}
	first, again, other := times(1), times(1), times(2)
	same := 0
	for i := range first {
		if first[i] != again[i] {
			t.Errorf("put %d takes %s, then %s", i, first[i], again[i])
		}
		if first[i] == other[i] {
			same++
		}
	}
	if same == len(first) {
		t.Error("the seed makes no difference")
	}
}

// TestPropagation hides fresh records from every kind of reader.
func TestPropagation(t *testing.T) {
	bubble(t, kinesis.Config{Latency: model(t, "propagation=100ms")}, func(t *testing.T, _ *kinesis.Server, c *sdk.Client) {
		create(t, c, "s", 1)
		arn := register(t, c, "app").ConsumerARN
		sub := subscribe(t, c, arn, 0, from("TRIM_HORIZON"))
		start := time.Now()
		putOne(t, c, "0", "a")
		it := iterator(t, c, sdk.GetShardIteratorInput{ShardIteratorType: "TRIM_HORIZON"})
		latest := iterator(t, c, sdk.GetShardIteratorInput{ShardIteratorType: "LATEST"})
		if out := read(t.Context(), t, c, it); len(out.Records) != 0 || *out.MillisBehindLatest != 0 {
			t.Errorf("at once: %d records, %d ms behind", len(out.Records), *out.MillisBehindLatest)
		} else {
			it = out.NextShardIterator
		}
		<-time.After(50 * time.Millisecond)
		putOne(t, c, "0", "b")
		<-time.After(51 * time.Millisecond)
		if out := read(t.Context(), t, c, it); strings.Join(payloads(out), "") != "a" || *out.MillisBehindLatest != 0 {
			t.Errorf("after 101 ms: %q, %d ms behind", payloads(out), *out.MillisBehindLatest)
		}
		<-time.After(50 * time.Millisecond)
		// The tip was before a when the iterator was made: nobody could see a then.
		if out := read(t.Context(), t, c, latest); strings.Join(payloads(out), "") != "ab" {
			t.Errorf("from the tip: %q", payloads(out))
		}
		for _, want := range []string{"a", "b"} {
			e := sub.next()
			arrived := e.Records[0].ApproximateArrivalTimestamp
			if pushed(e) != want || time.Since(start) > time.Second || arrived.Sub(start) > time.Second {
				t.Errorf("pushed %q after %s", pushed(e), time.Since(start))
			}
		}
		pushedAt := make(chan time.Time, 1)
		go func() {
			sub.next()
			pushedAt <- time.Now()
		}()
		start = time.Now()
		putOne(t, c, "0", "c")
		if took := (<-pushedAt).Sub(start); took < 100*time.Millisecond || took > 102*time.Millisecond {
			t.Errorf("pushed after %s", took)
		}
		sub.stream.Close()
	})
}

// TestPropagationAtShardEnd reads a closed shard to its end: it does not end
// before its last record was seen.
func TestPropagationAtShardEnd(t *testing.T) {
	bubble(t, kinesis.Config{Latency: model(t, "propagation=100ms")}, func(t *testing.T, _ *kinesis.Server, c *sdk.Client) {
		create(t, c, "s", 1)
		it := iterator(t, c, sdk.GetShardIteratorInput{ShardIteratorType: "TRIM_HORIZON"})
		putOne(t, c, "0", "a")
		if _, err := c.SplitShard(t.Context(), &sdk.SplitShardInput{
			StreamName: aws.String("s"), ShardToSplit: aws.String("shardId-000000000000"), NewStartingHashKey: aws.String("5"),
		}); err != nil {
			t.Fatal(err)
		}
		out := read(t.Context(), t, c, it)
		if len(out.Records) != 0 || out.NextShardIterator == nil {
			t.Errorf("it ended before its record was seen: %+v", out)
		}
		<-time.After(time.Second)
		if out = read(t.Context(), t, c, out.NextShardIterator); len(out.Records) != 1 || out.NextShardIterator != nil || len(out.ChildShards) != 2 {
			t.Errorf("its end: %+v", out)
		}
	})
}

// TestHeldAnswers lets go of answers held back when their client goes and when
// the server ends.
func TestHeldAnswers(t *testing.T) {
	bubble(t, kinesis.Config{}, func(t *testing.T, s *kinesis.Server, c *sdk.Client) {
		create(t, c, "s", 1)
		inject(t, s, faults.Fault{On: []string{"ListShards"}, Delay: latency.Constant(time.Minute)})
		call := func(ctx context.Context) error {
			_, err := c.ListShards(ctx, &sdk.ListShardsInput{StreamName: aws.String("s")})
			return err
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := call(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a client that gives up: %v", err)
		}
		start := time.Now()
		time.AfterFunc(2*time.Second, s.EndSubscriptions)
		if err := call(t.Context()); err != nil || time.Since(start) != 2*time.Second {
			t.Errorf("answered after %s: %v", time.Since(start), err)
		}
	})
}

func TestLatencyOfUnknownOperation(t *testing.T) {
	_, err := kinesis.New(kinesis.Config{Latency: model(t, "PutRecordz=1ms")})
	if !errors.Is(err, kload.ErrInvalid) || !strings.Contains(err.Error(), "PutRecordz") {
		t.Errorf("error %v", err)
	}
}
