package kinesis_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kload/kload/internal/local/kinesis"
)

func TestIteratorExpires(t *testing.T) {
	bubble(t, kinesis.Config{}, func(t *testing.T, _ *kinesis.Server, c *sdk.Client) {
		create(t, c, "s", 1)
		it := iterator(t, c, sdk.GetShardIteratorInput{ShardIteratorType: "LATEST"})
		<-time.After(5 * time.Minute)
		renewed := read(t.Context(), t, c, it).NextShardIterator
		<-time.After(time.Millisecond)
		_, err := c.GetRecords(t.Context(), &sdk.GetRecordsInput{ShardIterator: it})
		expired, ok := errors.AsType[*types.ExpiredIteratorException](err)
		if !ok {
			t.Fatalf("after 5 minutes and 1 ms: %v", err)
		}
		const want = "Iterator expired. The iterator was created at time Sat Jan 01 00:00:00 UTC 2000 while right now it is " +
			"Sat Jan 01 00:05:00 UTC 2000 which is further in the future than the tolerated delay of 300000 milliseconds."
		if *expired.Message != want {
			t.Errorf("message %q", *expired.Message)
		}
		<-time.After(5*time.Minute - time.Millisecond)
		read(t.Context(), t, c, renewed) // fails the test if it expired
	})
}

// TestWriteLimit sends three times what a shard takes, for ten seconds.
func TestWriteLimit(t *testing.T) {
	tests := []struct {
		name               string
		size, batch        int
		every              time.Duration
		perSecond, tokenOf float64 // the budget, and what one record takes of it
	}{
		{"records", 10, 300, 100 * time.Millisecond, kinesis.WriteRecordsPerShard, 1},
		{"bytes", 10 << 10, 30, 100 * time.Millisecond, kinesis.WriteBytesPerShard, 10<<10 + 1},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, kinesis.Config{}, func(t *testing.T, s *kinesis.Server, c *sdk.Client) {
				create(t, c, "s", 1)
				in := &sdk.PutRecordsInput{StreamName: aws.String("s")}
				for range tc.batch {
					in.Records = append(in.Records, types.PutRecordsRequestEntry{Data: make([]byte, tc.size), PartitionKey: aws.String("k")})
				}
				accepted, refused := 0, 0
				for range 100 {
					out, err := c.PutRecords(t.Context(), in)
					if err != nil {
						t.Fatal(err)
					}
					accepted += tc.batch - int(*out.FailedRecordCount)
					refused += checkThrottles(t, out)
					<-time.After(tc.every)
				}
				depth := tc.perSecond / tc.tokenOf
				if want := 10 * depth; math.Abs(float64(accepted)-want) > depth {
					t.Errorf("accepted %d records in 10 s, want %.0f ± %.0f", accepted, want, depth)
				}
				if st := s.Stats(); st.RecordsIn != uint64(accepted) || st.ThrottledWrites != uint64(refused) {
					t.Errorf("stats %+v, accepted %d, refused %d", st, accepted, refused)
				}
			})
		})
	}
}

func checkThrottles(t *testing.T, out *sdk.PutRecordsOutput) (n int) {
	t.Helper()
	for _, r := range out.Records {
		if r.ErrorCode == nil {
			continue
		}
		n++
		if *r.ErrorCode != "ProvisionedThroughputExceededException" || r.SequenceNumber != nil ||
			*r.ErrorMessage != "Rate exceeded for shard shardId-000000000000 in stream s under account 000000000000." {
			t.Fatalf("refused record %+v: %s", r, *r.ErrorMessage)
		}
	}
	if n != int(*out.FailedRecordCount) {
		t.Fatalf("%d records refused, FailedRecordCount %d", n, *out.FailedRecordCount)
	}
	return n
}

func TestPutRecordThrottle(t *testing.T) {
	bubble(t, kinesis.Config{Limits: kinesis.Limits{WriteRecords: 2}}, func(t *testing.T, _ *kinesis.Server, c *sdk.Client) {
		create(t, c, "s", 2)
		put := func(hash string) error {
			_, err := c.PutRecord(t.Context(), &sdk.PutRecordInput{
				StreamName: aws.String("s"), Data: []byte("x"), PartitionKey: aws.String("k"), ExplicitHashKey: &hash,
			})
			return err
		}
		errs := []error{put("0"), put("0"), put("0"), put("340282366920938463463374607431768211455")}
		<-time.After(500 * time.Millisecond)
		errs = append(errs, put("0"))
		for i, err := range errs {
			_, throttled := errors.AsType[*types.ProvisionedThroughputExceededException](err)
			if (err != nil) != (i == 2) || throttled != (i == 2) {
				t.Errorf("put %d: %v", i, err)
			}
		}
	})
}

// readsGranted polls every 50 ms and returns when calls were answered.
func readsGranted(t *testing.T, c *sdk.Client, it *string, polls int) (granted []time.Duration) {
	t.Helper()
	start := time.Now()
	for range polls {
		_, err := c.GetRecords(t.Context(), &sdk.GetRecordsInput{ShardIterator: it})
		throttled, ok := errors.AsType[*types.ProvisionedThroughputExceededException](err)
		switch {
		case err == nil:
			granted = append(granted, time.Since(start))
		case !ok || *throttled.Message != "Rate exceeded for Shard - 000000000000/s/shardId-000000000000":
			t.Fatal(err)
		}
		<-time.After(50 * time.Millisecond)
	}
	return granted
}

func TestReadCallLimit(t *testing.T) {
	bubble(t, kinesis.Config{}, func(t *testing.T, s *kinesis.Server, c *sdk.Client) {
		create(t, c, "s", 2)
		it := iterator(t, c, sdk.GetShardIteratorInput{ShardIteratorType: "LATEST"})
		granted := readsGranted(t, c, it, 200)
		if n := len(granted); n < 50 || n > 55 {
			t.Errorf("%d calls answered in 10 s, want 50 and one second's depth", n)
		}
		other := iterator(t, c, sdk.GetShardIteratorInput{ShardIteratorType: "LATEST", ShardId: aws.String("shardId-000000000001")})
		read(t.Context(), t, c, other) // another shard has a budget of its own
		if st := s.Stats(); st.ThrottledReads != uint64(200-len(granted)) {
			t.Errorf("stats %+v, %d granted", st, len(granted))
		}
	})
}

// TestReadByteLimit reads 3 MiB answers from a 2 MiB/s shard, then a full one.
func TestReadByteLimit(t *testing.T) {
	bubble(t, kinesis.Config{Limits: kinesis.Limits{WriteBytes: 1 << 30}}, func(t *testing.T, _ *kinesis.Server, c *sdk.Client) {
		create(t, c, "s", 1)
		for range 12 {
			if _, err := c.PutRecord(t.Context(), &sdk.PutRecordInput{
				StreamName: aws.String("s"), Data: make([]byte, 1<<20-1), PartitionKey: aws.String("k"),
			}); err != nil {
				t.Fatal(err)
			}
		}
		start := iterator(t, c, sdk.GetShardIteratorInput{ShardIteratorType: "TRIM_HORIZON"})
		total := 0
		for range 80 { // four seconds
			if out, err := c.GetRecords(t.Context(), &sdk.GetRecordsInput{ShardIterator: start, Limit: aws.Int32(3)}); err == nil {
				total += len(out.Records)
			}
			<-time.After(50 * time.Millisecond)
		}
		// The last answer may start with a drop left and go 3 MiB into debt.
		if total < 8 || total > 8+2+3 {
			t.Errorf("read %d MiB in 4 s, want 8 and at most a second's depth and an answer more", total)
		}
		<-time.After(10 * time.Second)
		out := read(t.Context(), t, c, start)
		if len(out.Records) != 10 || *out.MillisBehindLatest < 14000 {
			t.Fatalf("full answer has %d records, %d ms behind", len(out.Records), *out.MillisBehindLatest)
		}
		granted := readsGranted(t, c, out.NextShardIterator, 110)
		if len(granted) == 0 || granted[0] != 5*time.Second {
			t.Errorf("first call answered after a full answer: %v, want 5s", granted)
		}
	})
}

func TestStateDelay(t *testing.T) {
	cfg := kinesis.Config{StateDelay: time.Second, ShardQuota: 30}
	bubble(t, cfg, func(t *testing.T, _ *kinesis.Server, c *sdk.Client) {
		ctx := t.Context()
		for i := range 5 {
			create(t, c, fmt.Sprint("s", i), 5)
		}
		_, err := c.CreateStream(ctx, &sdk.CreateStreamInput{StreamName: aws.String("s5"), ShardCount: aws.Int32(1)})
		if limit, ok := errors.AsType[*types.LimitExceededException](err); !ok ||
			*limit.Message != "Only 5 streams can simultaneously be in CREATING or DELETING states" {
			t.Errorf("sixth stream: %v", err)
		}
		status := func() string {
			out, err := c.DescribeStream(ctx, &sdk.DescribeStreamInput{StreamName: aws.String("s0")})
			if err != nil {
				return "gone"
			}
			return fmt.Sprint(out.StreamDescription.StreamStatus, len(out.StreamDescription.Shards))
		}
		put := func() string {
			_, err := c.PutRecord(ctx, &sdk.PutRecordInput{StreamName: aws.String("s0"), Data: []byte("x"), PartitionKey: aws.String("k")})
			if err != nil {
				return "refused"
			}
			return "stored"
		}
		got := []string{status(), put()}
		<-time.After(time.Second)
		got = append(got, status(), put())
		_, err = c.CreateStream(ctx, &sdk.CreateStreamInput{StreamName: aws.String("s5"), ShardCount: aws.Int32(6)})
		if limit, ok := errors.AsType[*types.LimitExceededException](err); !ok || !strings.HasPrefix(*limit.Message,
			"This request would exceed the shard limit for the account 000000000000 in us-east-1. "+
				"Current shard count for the account: 25. Limit: 30. Number of additional shards that would have resulted from this request: 6. ") {
			t.Errorf("31 shards: %v", err)
		}
		if _, err := c.DeleteStream(ctx, &sdk.DeleteStreamInput{StreamName: aws.String("s0")}); err != nil {
			t.Fatal(err)
		}
		got = append(got, status(), put())
		_, err = c.DeleteStream(ctx, &sdk.DeleteStreamInput{StreamName: aws.String("s0")})
		if _, ok := errors.AsType[*types.ResourceInUseException](err); !ok {
			t.Errorf("second deletion: %v", err)
		}
		<-time.After(time.Second)
		got = append(got, status())
		if want := "CREATING0 refused ACTIVE5 stored DELETING5 refused gone"; strings.Join(got, " ") != want {
			t.Errorf("states %q, want %q", strings.Join(got, " "), want)
		}
	})
}

func TestRetention(t *testing.T) {
	bubble(t, kinesis.Config{}, func(t *testing.T, _ *kinesis.Server, c *sdk.Client) {
		create(t, c, "s", 1)
		for _, data := range []string{"old", "new"} {
			if _, err := c.PutRecord(t.Context(), &sdk.PutRecordInput{
				StreamName: aws.String("s"), Data: []byte(data), PartitionKey: aws.String("k"),
			}); err != nil {
				t.Fatal(err)
			}
			<-time.After(13 * time.Hour)
		}
		got := payloads(read(t.Context(), t, c, iterator(t, c, sdk.GetShardIteratorInput{ShardIteratorType: "TRIM_HORIZON"})))
		if len(got) != 1 || got[0] != "new" {
			t.Errorf("after 26 hours: %q", got)
		}
	})
}

func TestPageTokenExpires(t *testing.T) {
	bubble(t, kinesis.Config{}, func(t *testing.T, _ *kinesis.Server, c *sdk.Client) {
		create(t, c, "s", 2)
		first, err := c.ListShards(t.Context(), &sdk.ListShardsInput{StreamName: aws.String("s"), MaxResults: aws.Int32(1)})
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(300*time.Second + time.Millisecond)
		_, err = c.ListShards(t.Context(), &sdk.ListShardsInput{NextToken: first.NextToken})
		if _, ok := errors.AsType[*types.ExpiredNextTokenException](err); !ok {
			t.Errorf("old token: %v", err)
		}
	})
}
