package kinesis_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/local/kinesis"
)

// subscribed is a live subscription with the SDK's client.
type subscribed struct {
	stream *sdk.SubscribeToShardEventStream
}

func trySubscribe(ctx context.Context, c *sdk.Client, arn *string, shard int, start types.StartingPosition) (*subscribed, error) {
	// The SDK's streams of one client share a decoder without locking, harmlessly
	// but for the race detector: a client of its own for each.
	out, err := sdk.New(c.Options()).SubscribeToShard(ctx, &sdk.SubscribeToShardInput{
		ConsumerARN: arn, ShardId: aws.String(fmt.Sprintf("shardId-%012d", shard)), StartingPosition: &start,
	})
	if err != nil {
		return nil, err
	}
	return &subscribed{out.GetStream()}, nil
}

func subscribe(t *testing.T, c *sdk.Client, arn *string, shard int, start types.StartingPosition) *subscribed {
	t.Helper()
	s, err := trySubscribe(t.Context(), c, arn, shard, start)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// next returns the next event, nil at the end.
func (s *subscribed) next() *types.SubscribeToShardEvent {
	if e, ok := (<-s.stream.Events()).(*types.SubscribeToShardEventStreamMemberSubscribeToShardEvent); ok {
		return &e.Value
	}
	return nil
}

// drain reads to the end.
func (s *subscribed) drain() {
	for e := s.next(); e != nil; {
		e = s.next()
	}
}

func pushed(e *types.SubscribeToShardEvent) string {
	if e == nil {
		return "end"
	}
	var list []string
	for _, r := range e.Records {
		list = append(list, string(r.Data))
	}
	return strings.Join(list, "")
}

func from(kind types.ShardIteratorType) types.StartingPosition {
	return types.StartingPosition{Type: kind}
}

func TestSubscribe(t *testing.T) {
	bubble(t, kinesis.Config{}, func(t *testing.T, s *kinesis.Server, c *sdk.Client) {
		create(t, c, "s", 1)
		arn := register(t, c, "app").ConsumerARN
		sub := subscribe(t, c, arn, 0, from("TRIM_HORIZON"))
		in := &sdk.PutRecordsInput{StreamName: aws.String("s")}
		for i := range 5 {
			in.Records = append(in.Records, types.PutRecordsRequestEntry{Data: []byte{byte('a' + i)}, PartitionKey: aws.String("k")})
		}
		<-time.After(time.Second)
		put, err := c.PutRecords(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		e := sub.next()
		if pushed(e) != "abcde" || *e.MillisBehindLatest != 0 || e.ChildShards != nil ||
			*e.ContinuationSequenceNumber != *put.Records[4].SequenceNumber || *e.Records[0].SequenceNumber != *put.Records[0].SequenceNumber {
			t.Errorf("first event %+v", e)
		}
		last := *e.ContinuationSequenceNumber
		for i := range 3 {
			e := sub.next()
			if pushed(e) != "" || *e.ContinuationSequenceNumber <= last {
				t.Errorf("idle event %d: %q, %s after %s", i, pushed(e), *e.ContinuationSequenceNumber, last)
			}
			last = *e.ContinuationSequenceNumber
		}
		sub.stream.Close()
		synctest.Wait() // until the service knows: it would push what is put to it as well
		for _, kind := range []types.ShardIteratorType{"AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER"} {
			putOne(t, c, "0", string(kind))
			again := subscribe(t, c, arn, 0, types.StartingPosition{Type: kind, SequenceNumber: &last})
			e := again.next()
			if got := pushed(e); got != string(kind) {
				t.Errorf("%s an idle stream's number: %q", kind, got)
			}
			<-time.After(10 * time.Second)
			last = *again.next().ContinuationSequenceNumber
			again.stream.Close()
			synctest.Wait()
		}
		if st := s.Stats(); st.RecordsOut != 7 || st.Requests["SubscribeToShard"] != 3 {
			t.Errorf("stats %+v", st)
		}
	})
}

func TestSubscriptionLifeAndTakeover(t *testing.T) {
	bubble(t, kinesis.Config{}, func(t *testing.T, _ *kinesis.Server, c *sdk.Client) {
		create(t, c, "s", 1)
		arn := register(t, c, "app").ConsumerARN
		start := time.Now()
		sub := subscribe(t, c, arn, 0, from("LATEST"))
		sub.drain()
		if life := time.Since(start); life != 5*time.Minute || sub.stream.Err() != nil {
			t.Errorf("ended after %v with %v", life, sub.stream.Err())
		}
		old := subscribe(t, c, arn, 0, from("LATEST"))
		const busy = "Another active subscription exists for this consumer: 000000000000:s:shardId-000000000000:app"
		<-time.After(5*time.Second - time.Millisecond)
		_, err := trySubscribe(t.Context(), c, arn, 0, from("LATEST"))
		if early, ok := errors.AsType[*types.ResourceInUseException](err); !ok || *early.Message != busy {
			t.Errorf("after less than 5 s: %v", err)
		}
		<-time.After(time.Millisecond)
		sub = subscribe(t, c, arn, 0, from("LATEST"))
		old.drain()
		if evicted, ok := errors.AsType[*types.ResourceInUseException](old.stream.Err()); !ok || *evicted.Message != busy {
			t.Errorf("the old stream ended with %v", old.stream.Err())
		}
		putOne(t, c, "0", "x")
		if got := pushed(sub.next()); got != "x" {
			t.Errorf("the new stream got %q", got)
		}
		if _, err := c.DeregisterStreamConsumer(t.Context(), &sdk.DeregisterStreamConsumerInput{ConsumerARN: arn}); err != nil {
			t.Fatal(err)
		}
		sub.drain()
		if gone, ok := errors.AsType[*types.ResourceNotFoundException](sub.stream.Err()); !ok {
			t.Errorf("after deregistration: %v", gone)
		}
	})
}

func TestSubscribeBeforeActive(t *testing.T) {
	bubble(t, kinesis.Config{StateDelay: time.Second}, func(t *testing.T, _ *kinesis.Server, c *sdk.Client) {
		create(t, c, "s", 1)
		<-time.After(time.Second)
		arn := register(t, c, "app").ConsumerARN
		_, err := trySubscribe(t.Context(), c, arn, 0, from("LATEST"))
		if busy, ok := errors.AsType[*types.ResourceInUseException](err); !ok ||
			*busy.Message != "Consumer app with creation timestamp 946684801 under stream: s, account 000000000000 is not in ACTIVE status." {
			t.Errorf("while CREATING: %v", err)
		}
	})
}

func TestSubscriptionShardEnd(t *testing.T) {
	bubble(t, kinesis.Config{}, func(t *testing.T, _ *kinesis.Server, c *sdk.Client) {
		create(t, c, "s", 1)
		arn := register(t, c, "app").ConsumerARN
		sub := subscribe(t, c, arn, 0, from("TRIM_HORIZON"))
		putOne(t, c, "0", "x")
		got := []string{pushed(sub.next())}
		split(t, c, 0, half)
		e := sub.next()
		got = append(got, pushed(e), pushed(sub.next()))
		if diff := cmp.Diff([]string{"x", "", "end"}, got); diff != "" || sub.stream.Err() != nil {
			t.Errorf("%v, -want +got:\n%s", sub.stream.Err(), diff)
		}
		if e.ContinuationSequenceNumber != nil || len(e.ChildShards) != 2 || *e.ChildShards[1].HashKeyRange.StartingHashKey != half ||
			*e.MillisBehindLatest != 0 || len(e.ChildShards[0].ParentShards) != 1 {
			t.Errorf("last event %+v", e)
		}
		<-time.After(5 * time.Second)
		e = subscribe(t, c, arn, 0, from("TRIM_HORIZON")).next()
		if pushed(e) != "x" || e.ContinuationSequenceNumber != nil || len(e.ChildShards) != 2 {
			t.Errorf("a closed shard's only event %+v", e)
		}
	})
}

// TestSubscriptionRate pushes 20 MiB to two consumers, at 2 MiB/s each, beside
// a poller with a budget of its own.
func TestSubscriptionRate(t *testing.T) {
	bubble(t, kinesis.Config{Limits: kinesis.Limits{WriteBytes: 1 << 30}}, func(t *testing.T, _ *kinesis.Server, c *sdk.Client) {
		create(t, c, "s", 1)
		arns := []*string{register(t, c, "a").ConsumerARN, register(t, c, "b").ConsumerARN}
		for range 40 {
			putOne(t, c, "0", strings.Repeat("x", 1<<19-1))
		}
		start := time.Now()
		took := make(chan time.Duration)
		for _, arn := range arns {
			sub := subscribe(t, c, arn, 0, from("TRIM_HORIZON"))
			go func() {
				n := 0
				for n < 40 {
					e := sub.next()
					if e == nil {
						break
					}
					n += len(e.Records)
				}
				took <- time.Since(start)
			}()
		}
		read(t.Context(), t, c, iterator(t, c, sdk.GetShardIteratorInput{ShardIteratorType: "TRIM_HORIZON"}))
		for range arns {
			// A second's depth is there at once, and the last event may go into debt.
			if d := <-took; d < 8*time.Second || d > 10*time.Second {
				t.Errorf("20 MiB took %v", d)
			}
		}
	})
}

// TestSlowReader has one consumer that does not read and one that does.
func TestSlowReader(t *testing.T) {
	cfg := kinesis.Config{Limits: kinesis.Limits{Off: true}}
	bubble(t, cfg, func(t *testing.T, s *kinesis.Server, c *sdk.Client) {
		create(t, c, "s", 1)
		slow := subscribe(t, c, register(t, c, "slow").ConsumerARN, 0, from("TRIM_HORIZON"))
		quick := subscribe(t, c, register(t, c, "quick").ConsumerARN, 0, from("TRIM_HORIZON"))
		const records = 200
		for i := range records {
			putOne(t, c, "0", fmt.Sprint(i)+strings.Repeat(".", 100<<10))
			want := strconv.Itoa(i)
			if got, _, _ := strings.Cut(pushed(quick.next()), "."); got != want {
				t.Fatalf("the quick one got %s, want %s", got, want)
			}
		}
		// The slow one was sent its first events and waits with one more.
		if out := s.Stats().RecordsOut; out > records+60 {
			t.Errorf("%d records were taken from the store for %d", out, records)
		}
		for n := 0; n < records; {
			e := slow.next()
			for _, r := range e.Records {
				if got, _, _ := strings.Cut(string(r.Data), "."); got != strconv.Itoa(n) {
					t.Fatalf("the slow one got %s, want %d", got, n)
				}
				n++
			}
		}
	})
}

// TestResume cuts a subscription a hundred times.
func TestResume(t *testing.T) {
	cfg := kinesis.Config{Limits: kinesis.Limits{Off: true}, ResubscribeAfter: time.Nanosecond}
	bubble(t, cfg, func(t *testing.T, _ *kinesis.Server, c *sdk.Client) {
		create(t, c, "s", 1)
		arn := register(t, c, "app").ConsumerARN
		start, want := from("TRIM_HORIZON"), 0
		for round := range 100 {
			<-time.After(time.Duration(1+round%7) * time.Second)
			ctx, cancel := context.WithCancel(t.Context())
			sub, err := trySubscribe(ctx, c, arn, 0, start)
			if err != nil {
				t.Fatal(err)
			}
			for i := range 3 {
				putOne(t, c, "0", strconv.Itoa(3*round+i))
			}
			for events := 0; events <= round%3; events++ {
				e := sub.next()
				for _, r := range e.Records {
					if string(r.Data) != strconv.Itoa(want) {
						t.Fatalf("round %d: got %s, want %d", round, r.Data, want)
					}
					want++
				}
				start = types.StartingPosition{Type: "AFTER_SEQUENCE_NUMBER", SequenceNumber: e.ContinuationSequenceNumber}
			}
			cancel()
			sub.stream.Close()
		}
		if want < 200 {
			t.Errorf("read %d records only", want)
		}
	})
}

// TestSubscribeOverTCP uses the loopback interface.
func TestSubscribeOverTCP(t *testing.T) {
	t.Run("HTTP/1.1", func(t *testing.T) {
		s, c := serve(t, kinesis.Config{})
		testSubscribeOver(t, s, c)
	})
	t.Run("h2c", func(t *testing.T) {
		s, err := kinesis.New(kinesis.Config{})
		if err != nil {
			t.Fatal(err)
		}
		ts := httptest.NewUnstartedServer(s)
		ts.Config.Protocols = new(http.Protocols)
		ts.Config.Protocols.SetHTTP1(true)
		ts.Config.Protocols.SetUnencryptedHTTP2(true)
		ts.Start()
		defer ts.Close()
		transport := &http.Transport{Protocols: new(http.Protocols)}
		transport.Protocols.SetUnencryptedHTTP2(true)
		defer transport.CloseIdleConnections()
		testSubscribeOver(t, s, newSDK(ts.URL, transport))
	})
}

// newSDK returns a client that the SDK alone configures.
func newSDK(endpoint string, transport *http.Transport) *sdk.Client {
	return sdk.New(sdk.Options{
		Region: "us-east-1", BaseEndpoint: &endpoint, HTTPClient: &http.Client{Transport: transport}, Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	})
}

func testSubscribeOver(t *testing.T, s *kinesis.Server, c *sdk.Client) {
	defer s.EndSubscriptions()
	create(t, c, "s", 1)
	sub := subscribe(t, c, register(t, c, "app").ConsumerARN, 0, from("LATEST"))
	for range 20 {
		putOne(t, c, "0", "x")
		if got := pushed(sub.next()); got != "x" {
			t.Fatalf("got %q", got)
		}
	}
	s.EndSubscriptions()
	if got := pushed(sub.next()); got != "end" || sub.stream.Err() != nil {
		t.Errorf("after the end: %q, %v", got, sub.stream.Err())
	}
}

// TestSubscriptionsEnd has clients go away, and a stream.
func TestSubscriptionsEnd(t *testing.T) {
	bubble(t, kinesis.Config{}, func(t *testing.T, s *kinesis.Server, c *sdk.Client) {
		create(t, c, "s", 2)
		arn := register(t, c, "app").ConsumerARN
		ctx, cancel := context.WithCancel(t.Context())
		if _, err := trySubscribe(ctx, c, arn, 0, from("LATEST")); err != nil {
			t.Fatal(err)
		}
		stays := subscribe(t, c, arn, 1, from("LATEST"))
		<-time.After(time.Second)
		got := []int{kinesis.Watchers(s)}
		cancel()
		<-time.After(time.Second)
		got = append(got, kinesis.Watchers(s))
		if diff := cmp.Diff([]int{2, 1}, got); diff != "" {
			t.Errorf("subscriptions (-want +got):\n%s", diff)
		}
		if _, err := c.DeleteStream(t.Context(), &sdk.DeleteStreamInput{StreamName: aws.String("s"), EnforceConsumerDeletion: aws.Bool(true)}); err != nil {
			t.Fatal(err)
		}
		stays.drain()
		if _, ok := errors.AsType[*types.ResourceNotFoundException](stays.stream.Err()); !ok {
			t.Errorf("a deleted stream's subscription ended with %v", stays.stream.Err())
		}
	})
}

// BenchmarkPush measures from a put's answer to the consumer's channel, over
// the loopback interface.
func BenchmarkPush(b *testing.B) {
	s, err := kinesis.New(kinesis.Config{Limits: kinesis.Limits{Off: true}})
	if err != nil {
		b.Fatal(err)
	}
	ts := httptest.NewServer(s)
	defer ts.Close()
	defer s.EndSubscriptions()
	client, err := awsclient.New(b.Context(), awsclient.Options{Local: true, Endpoint: ts.URL})
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	c := client.Data
	caller := callerOf(s)
	caller.must(b, "CreateStream", `{"StreamName":"s","ShardCount":1}`, nil)
	caller.must(b, "RegisterStreamConsumer", `{"StreamARN":"`+streamARN+`","ConsumerName":"app"}`, nil)
	d, err := c.DescribeStreamConsumer(b.Context(), &sdk.DescribeStreamConsumerInput{StreamARN: aws.String(streamARN), ConsumerName: aws.String("app")})
	if err != nil {
		b.Fatal(err)
	}
	sub, err := trySubscribe(b.Context(), c, d.ConsumerDescription.ConsumerARN, 0, from("LATEST"))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		caller.must(b, "PutRecord", `{"StreamName":"s","PartitionKey":"k","Data":"AAAA"}`, nil)
		for e := sub.next(); len(e.Records) == 0; {
			e = sub.next()
		}
	}
}
