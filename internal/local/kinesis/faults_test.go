package kinesis_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/local/faults"
	"github.com/kload/kload/internal/local/kinesis"
)

func inject(t *testing.T, s *kinesis.Server, f faults.Fault) int {
	t.Helper()
	if f.Share == 0 {
		f.Share = 100
	}
	id, err := s.Inject(f)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// stored returns how many records shard 0 holds.
func stored(t *testing.T, c *sdk.Client) int {
	t.Helper()
	return len(read(t.Context(), t, c, iterator(t, c, sdk.GetShardIteratorInput{ShardIteratorType: "TRIM_HORIZON"})).Records)
}

// TestInjectedErrors has every operation with a code of its own refused in the
// service's words, without effect.
func TestInjectedErrors(t *testing.T) {
	bubble(t, kinesis.Config{}, func(t *testing.T, s *kinesis.Server, c *sdk.Client) {
		create(t, c, "s", 1)
		it := iterator(t, c, sdk.GetShardIteratorInput{ShardIteratorType: "TRIM_HORIZON"})
		put := func() error {
			_, err := c.PutRecord(t.Context(), &sdk.PutRecordInput{StreamName: aws.String("s"), PartitionKey: aws.String("k"), Data: []byte("x")})
			return err
		}
		get := func() error {
			_, err := c.GetRecords(t.Context(), &sdk.GetRecordsInput{ShardIterator: it})
			return err
		}
		list := func() error {
			_, err := c.ListShards(t.Context(), &sdk.ListShardsInput{StreamName: aws.String("s")})
			return err
		}
		for _, tt := range []struct {
			fault   faults.Fault
			call    func() error
			class   awsclient.Class
			message string
		}{
			{faults.Fault{On: []string{"PutRecord"}, Error: "ProvisionedThroughputExceededException"}, put, awsclient.Throttled, "Rate exceeded for shard shardId-000000000000 in stream s under account 000000000000."},
			{faults.Fault{On: []string{"put"}, Records: "ProvisionedThroughputExceededException", Shard: "shardId-000000000000"}, put, awsclient.Throttled, "Rate exceeded for shard shardId-000000000000"},
			{faults.Fault{On: []string{"put"}, Records: "InternalFailure"}, put, awsclient.Ambiguous, "Internal Service Failure"},
			{faults.Fault{On: []string{"put"}, Error: "ServiceUnavailable"}, put, awsclient.Ambiguous, "503"},
			{faults.Fault{On: []string{"get"}, Error: "ProvisionedThroughputExceededException", Stream: "s", Shard: "shardId-000000000000"}, get, awsclient.Throttled, "Rate exceeded for Shard - 000000000000/s/shardId-000000000000"},
			{faults.Fault{On: []string{"GetRecords"}, Error: "ExpiredIteratorException"}, get, awsclient.Fatal, "tolerated delay of 300000 milliseconds"},
			{faults.Fault{On: []string{"control"}, Error: "LimitExceededException", Stream: "s"}, list, awsclient.Throttled, "Rate exceeded for stream s under account 000000000000."},
		} {
			id := inject(t, s, tt.fault)
			err := tt.call()
			if class, _ := awsclient.Classify(err); class != tt.class || !strings.Contains(err.Error(), tt.message) {
				t.Errorf("%s: class %d, %v", tt.fault.String(), class, err)
			}
			if e, err := s.Lift(id); err != nil || e.Hits != 1 {
				t.Errorf("%s: %+v, %v", tt.fault.String(), e, err)
			}
			if err := tt.call(); err != nil {
				t.Errorf("%s: lifted, and still %v", tt.fault.String(), err)
			}
		}
		if n := stored(t, c); n != 4 {
			t.Errorf("%d records stored, want one for each put that was not refused", n)
		}
		if _, err := s.Lift(1); !errors.Is(err, kload.ErrInvalid) {
			t.Errorf("lifted twice: %v", err)
		}
		if _, err := s.Inject(faults.Fault{On: []string{"Put"}, Error: "x", Share: 100}); !errors.Is(err, kload.ErrInvalid) {
			t.Errorf("an operation that is not there: %v", err)
		}
		if got := s.Stats().Faults; len(got) != 7 || got[2].ID != 3 {
			t.Errorf("effects %+v", got)
		}
	})
}

// A malformed request is refused for what it is, whatever is to go wrong.
func TestMalformedIsNotJudged(t *testing.T) {
	bubble(t, kinesis.Config{}, func(t *testing.T, s *kinesis.Server, c *sdk.Client) {
		create(t, c, "s", 1)
		id := inject(t, s, faults.Fault{On: []string{"put"}, Cut: faults.BeforeCommit})
		_, err := c.PutRecord(t.Context(), &sdk.PutRecordInput{StreamName: aws.String("s"), PartitionKey: aws.String(strings.Repeat("k", 257)), Data: []byte("x")})
		if api, ok := errors.AsType[smithy.APIError](err); !ok || api.ErrorCode() != "ValidationException" {
			t.Errorf("error %v", err)
		}
		if e, err := s.Lift(id); err != nil || e.Judged != 0 {
			t.Errorf("effect %+v, %v", e, err)
		}
	})
}

// TestCuts cuts connections of HTTP/1.1 and, in a stream of its own each, of
// HTTP/2: the client sees no answer, and the record is stored or not.
func TestCuts(t *testing.T) {
	s, err := kinesis.New(kinesis.Config{})
	if err != nil {
		t.Fatal(err)
	}
	ts := httptest.NewUnstartedServer(s)
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	ts.Config.Protocols = protocols
	ts.Start()
	t.Cleanup(ts.Close)
	http2 := new(http.Protocols)
	http2.SetUnencryptedHTTP2(true)
	for _, transport := range []*http.Transport{{}, {Protocols: http2}} {
		c := newSDK(ts.URL, transport)
		name := fmt.Sprintf("h2-%t", transport.Protocols != nil)
		create(t, c, name, 1)
		for _, tt := range []struct {
			cut    faults.Cut
			stored uint64
		}{{faults.BeforeCommit, 0}, {faults.AfterCommit, 1}, {faults.MidBody, 1}} {
			before := s.Stats().RecordsIn
			id := inject(t, s, faults.Fault{On: []string{"PutRecord"}, Cut: tt.cut})
			out, err := c.PutRecord(t.Context(), &sdk.PutRecordInput{StreamName: &name, PartitionKey: aws.String("k"), Data: []byte("x")},
				func(o *sdk.Options) { o.Retryer = aws.NopRetryer{} })
			if class, code := awsclient.Classify(err); class != awsclient.Ambiguous {
				t.Errorf("%s %s: %+v, %v (%s)", name, tt.cut, out, err, code)
			}
			if got := s.Stats().RecordsIn - before; got != tt.stored {
				t.Errorf("%s %s: %d records stored, want %d", name, tt.cut, got, tt.stored)
			}
			if _, err := s.Lift(id); err != nil {
				t.Error(err)
			}
		}
		transport.CloseIdleConnections()
	}
}

// TestSubscriptionFaults has the stream of a subscription go wrong at an event.
// Whoever resumes behind the last event received misses nothing.
func TestSubscriptionFaults(t *testing.T) {
	for _, tt := range []struct {
		name     string
		fault    faults.Fault
		received string // before the stream ends
		failed   string // in the error
	}{
		{"exception", faults.Fault{Error: "InternalFailure", Frame: 2}, "a", "Internal Service Failure"},
		{"cut before", faults.Fault{Cut: faults.BeforeCommit, Frame: 2}, "a", "EOF"},
		{"cut after", faults.Fault{Cut: faults.AfterCommit, Frame: 2}, "ab", "EOF"},
		{"cut amid", faults.Fault{Cut: faults.MidBody, Frame: 2}, "a", "EOF"},
		{"cut at once", faults.Fault{Cut: faults.MidBody, Frame: faults.Each}, "", "EOF"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, kinesis.Config{}, func(t *testing.T, s *kinesis.Server, c *sdk.Client) {
				create(t, c, "s", 1)
				arn := register(t, c, "app").ConsumerARN
				tt.fault.On = []string{"SubscribeToShard"}
				id := inject(t, s, tt.fault)
				sub := subscribe(t, c, arn, 0, from("TRIM_HORIZON"))
				for _, text := range []string{"a", "b", "c"} {
					putOne(t, c, "0", text)
					<-time.After(time.Second)
				}
				var got string
				position := from("TRIM_HORIZON")
				for e := sub.next(); e != nil; e = sub.next() {
					got += pushed(e)
					position = types.StartingPosition{Type: "AFTER_SEQUENCE_NUMBER", SequenceNumber: e.ContinuationSequenceNumber}
				}
				if err := sub.stream.Err(); got != tt.received || err == nil && tt.failed != "EOF" || err != nil && !strings.Contains(err.Error(), tt.failed) {
					t.Errorf("received %q, then %v", got, err)
				}
				sub.stream.Close()
				if e, err := s.Lift(id); err != nil || e.Hits != 1 {
					t.Errorf("effect %+v, %v", e, err)
				}
				<-time.After(5 * time.Second)
				again := subscribe(t, c, arn, 0, position)
				for len(got) < 3 {
					e := again.next()
					if e == nil {
						t.Fatalf("ends after %q", got)
					}
					got += pushed(e)
				}
				again.stream.Close()
				if got != "abc" {
					t.Errorf("received %q in all", got)
				}
			})
		})
	}
}

// TestSubscribeCallFaults cuts the beginning of a subscription: nobody is left
// holding the shard, and a later call is served.
func TestSubscribeCallFaults(t *testing.T) {
	bubble(t, kinesis.Config{}, func(t *testing.T, s *kinesis.Server, c *sdk.Client) {
		create(t, c, "s", 1)
		arn := register(t, c, "app").ConsumerARN
		for _, f := range []faults.Fault{{Cut: faults.BeforeCommit}, {Cut: faults.AfterCommit}, {Cut: faults.MidBody}, {Error: "ResourceInUseException"}} {
			f.On = []string{"subscribe"}
			id := inject(t, s, f)
			if sub, err := trySubscribe(t.Context(), c, arn, 0, from("LATEST")); err == nil {
				if sub.next() != nil {
					t.Errorf("%s: an event came", f.String())
				}
				sub.stream.Close()
			}
			<-time.After(5 * time.Second)
			if e, err := s.Lift(id); err != nil || e.Hits != 1 || kinesis.Watchers(s) != 0 {
				t.Errorf("%s: %+v, %v, %d subscriptions left", f.String(), e, err, kinesis.Watchers(s))
			}
		}
		sub := subscribe(t, c, arn, 0, from("LATEST"))
		if e := sub.next(); e == nil {
			t.Error("a subscription afterwards has no events")
		}
		sub.stream.Close()
	})
}

// TestControl judges calls with a function of the test's own.
func TestControl(t *testing.T) {
	bubble(t, kinesis.Config{}, func(t *testing.T, s *kinesis.Server, c *sdk.Client) {
		create(t, c, "s", 2)
		var seen []faults.Call
		remove := s.Control("PutRecords", func(call faults.Call) (faults.Verdict, bool) {
			seen = append(seen, call)
			return faults.Verdict{Record: func(shard string) string {
				if shard == "shardId-000000000001" {
					return "InternalFailure"
				}
				return ""
			}}, false
		})
		in := &sdk.PutRecordsInput{StreamName: aws.String("s")}
		for _, hash := range []string{"0", "340282366920938463463374607431768211455", "1"} {
			in.Records = append(in.Records, types.PutRecordsRequestEntry{Data: []byte("x"), PartitionKey: aws.String("k"), ExplicitHashKey: aws.String(hash)})
		}
		for _, failed := range []int32{1, 0} { // the function had its say
			out, err := c.PutRecords(t.Context(), in)
			if err != nil || *out.FailedRecordCount != failed || (out.Records[1].ErrorCode != nil) != (failed == 1) || out.Records[2].SequenceNumber == nil {
				t.Errorf("%+v, %v; want %d failed", out, err, failed)
			}
		}
		if len(seen) != 1 || seen[0] != (faults.Call{Operation: "PutRecords", Stream: "s"}) {
			t.Errorf("asked about %+v", seen)
		}
		remove()
	})
}

// TestClockOffset sets the clock off and back: arrival times say so and never
// decrease, budgets and iterators do not notice.
func TestClockOffset(t *testing.T) {
	bubble(t, kinesis.Config{}, func(t *testing.T, s *kinesis.Server, c *sdk.Client) {
		create(t, c, "s", 1)
		start := time.Now()
		putOne(t, c, "0", "a")
		id := inject(t, s, faults.Fault{Clock: faults.Offset(time.Minute)})
		putOne(t, c, "0", "b")
		<-time.After(time.Second)
		if _, err := s.Lift(id); err != nil {
			t.Fatal(err)
		}
		putOne(t, c, "0", "c")
		<-time.After(2 * time.Minute)
		putOne(t, c, "0", "d")
		out := read(t.Context(), t, c, iterator(t, c, sdk.GetShardIteratorInput{ShardIteratorType: "TRIM_HORIZON"}))
		var after []time.Duration
		for _, r := range out.Records {
			after = append(after, r.ApproximateArrivalTimestamp.Sub(start).Round(time.Second))
		}
		if got := fmt.Sprint(after); got != "[0s 1m0s 1m0s 2m1s]" || *out.MillisBehindLatest != 0 {
			t.Errorf("arrivals %s, %d ms behind", got, *out.MillisBehindLatest)
		}
		// It is behind: what is now to us has not come to it.
		inject(t, s, faults.Fault{Clock: faults.Offset(-time.Minute)})
		_, err := c.GetShardIterator(t.Context(), &sdk.GetShardIteratorInput{
			StreamName: aws.String("s"), ShardId: aws.String("shardId-000000000000"), ShardIteratorType: "AT_TIMESTAMP", Timestamp: aws.Time(time.Now()),
		})
		if err == nil || !strings.Contains(err.Error(), "cannot be greater than the currentTimestampInMillis") {
			t.Errorf("a time a minute ahead of the target's: %v", err)
		}
	})
}
