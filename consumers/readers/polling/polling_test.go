package polling_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/consumers/readers/polling"
	"github.com/kload/kload/internal/invariants"
	"github.com/kload/kload/internal/pace"
)

const every = 200 * time.Millisecond

// script is a Kinesis client that answers as told and takes notes.
type script struct {
	began time.Time
	// records answers the n-th GetRecords call, counted from 0.
	records func(n int) (*kinesis.GetRecordsOutput, error)
	// lists answers ListShards, one call after the other.
	lists []func() (*kinesis.ListShardsOutput, error)

	calls     []string // when GetRecords was called, since the start
	iterators []string // what GetShardIterator was asked
	listed    []string // what ListShards was asked
}

func (s *script) GetRecords(_ context.Context, in *kinesis.GetRecordsInput, _ ...func(*kinesis.Options)) (*kinesis.GetRecordsOutput, error) {
	s.calls = append(s.calls, time.Since(s.began).String())
	if *in.Limit != 100 {
		return nil, fmt.Errorf("limit %d", *in.Limit)
	}
	return s.records(len(s.calls) - 1)
}

func (s *script) GetShardIterator(_ context.Context, in *kinesis.GetShardIteratorInput, _ ...func(*kinesis.Options)) (*kinesis.GetShardIteratorOutput, error) {
	ask := string(in.ShardIteratorType)
	if in.StartingSequenceNumber != nil {
		ask += " " + *in.StartingSequenceNumber
	}
	if in.Timestamp != nil {
		ask += " " + in.Timestamp.Sub(s.began).String()
	}
	s.iterators = append(s.iterators, ask)
	return &kinesis.GetShardIteratorOutput{ShardIterator: aws.String("i")}, nil
}

func (s *script) ListShards(_ context.Context, in *kinesis.ListShardsInput, _ ...func(*kinesis.Options)) (*kinesis.ListShardsOutput, error) {
	ask := aws.ToString(in.StreamName) + aws.ToString(in.NextToken)
	if in.ShardFilter != nil {
		ask += " " + string(in.ShardFilter.Type)
	}
	s.listed = append(s.listed, ask)
	return s.lists[len(s.listed)-1]()
}

// page is an answer with records of the given sequence numbers.
func page(sequences ...string) *kinesis.GetRecordsOutput {
	out := &kinesis.GetRecordsOutput{NextShardIterator: aws.String("i"), MillisBehindLatest: aws.Int64(7)}
	for _, seq := range sequences {
		out.Records = append(out.Records, types.Record{
			Data: []byte("data " + seq), PartitionKey: aws.String("key"), SequenceNumber: aws.String(seq),
			ApproximateArrivalTimestamp: aws.Time(time.UnixMilli(5)),
		})
	}
	return out
}

func empty(int) (*kinesis.GetRecordsOutput, error) { return page(), nil }

// scripted runs f in virtual time.
func scripted(t *testing.T, f func(t *testing.T, s *script, open func(start string, fresh bool) *polling.Opener)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &script{began: time.Now(), records: empty}
		f(t, s, func(start string, fresh bool) *polling.Opener {
			return polling.New(polling.Options{
				API: s, Stream: "s", Clock: pace.NewClock(), Fresh: fresh,
				Config: polling.Config{Every: polling.Interval(every), Start: start, Limit: 100},
			})
		})
	})
}

func openShard(t *testing.T, op *polling.Opener, from kload.Position) kload.Reader {
	t.Helper()
	r, err := op.Open(t.Context(), "shardId-0", from)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// next calls the reader when it is due, until it has an answer.
func next(t *testing.T, r kload.Reader) *kload.Batch {
	t.Helper()
	for {
		if d := time.Duration(r.(kload.Polled).Due() - time.Now().UnixNano()); d > 0 {
			<-time.After(d)
		}
		b, err := r.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if b != nil {
			return b
		}
	}
}

// TestRhythm gives calls a duration each and checks when the following ones
// are made.
func TestRhythm(t *testing.T) {
	ms := time.Millisecond
	tests := []struct {
		name   string
		took   []time.Duration
		refuse bool
		want   string
	}{
		{"instant", make([]time.Duration, 4), false, "0s 200ms 400ms 600ms"},
		{"the interval is from call to call", []time.Duration{150 * ms, 50 * ms, 199 * ms, 0}, false, "0s 200ms 400ms 600ms"},
		{"a little late is made up for", []time.Duration{210 * ms, 0, 0, 0}, false, "0s 210ms 400ms 600ms"},
		{"no burst after a slow call", []time.Duration{0, 700 * ms, 0, 0, 0}, false, "0s 200ms 900ms 1.08s 1.28s"},
		{"always too slow", []time.Duration{300 * ms, 300 * ms, 300 * ms, 0}, false, "0s 300ms 600ms 900ms"},
		{"refused calls keep the interval", make([]time.Duration, 4), true, "0s 200ms 400ms 600ms"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			scripted(t, func(t *testing.T, s *script, open func(string, bool) *polling.Opener) {
				s.records = func(n int) (*kinesis.GetRecordsOutput, error) {
					if tc.took[n] > 0 {
						<-time.After(tc.took[n])
					}
					if tc.refuse && n < len(tc.took)-1 {
						return nil, &types.ProvisionedThroughputExceededException{}
					}
					return page(), nil
				}
				op := open("latest", false)
				r := openShard(t, op, kload.Position{})
				for len(s.calls) < len(tc.took) {
					next(t, r).Release()
				}
				if got := strings.Join(s.calls, " "); got != tc.want {
					t.Errorf("called at %s, want %s", got, tc.want)
				}
				if n := op.Stats().Throttled; tc.refuse && n != 3 {
					t.Errorf("%d throttled, want 3", n)
				}
			})
		})
	}
}

// TestShardsTakeTurns opens shards one after the other, which takes a while: each
// has its turn within the next interval, and many share turns.
func TestShardsTakeTurns(t *testing.T) {
	scripted(t, func(t *testing.T, _ *script, open func(string, bool) *polling.Opener) {
		const every = 200 * time.Millisecond
		op := open("latest", false)
		began, shards := time.Now(), map[time.Duration]int{}
		var first []string
		for range 96 {
			due := time.Unix(0, openShard(t, op, kload.Position{}).(kload.Polled).Due())
			in := time.Until(due)
			if in < 0 || in >= every {
				t.Errorf("the first call of a shard is due in %v", in)
			}
			turn := due.Sub(began) % every
			if shards[turn]++; len(first) < 9 {
				first = append(first, turn.String())
			}
			<-time.After(9 * time.Millisecond)
		}
		const want = "0s 100ms 50ms 150ms 25ms 125ms 75ms 175ms 12.5ms"
		if got := strings.Join(first, " "); got != want {
			t.Errorf("turns at %s of the interval, want %s", got, want)
		}
		for turn, n := range shards {
			if n != 3 {
				t.Errorf("%d shards have the turn at %v, want 3", n, turn)
			}
		}
	})
}

// TestPosition checks where reading starts and where it goes on after the
// iterator expired, with and without a record delivered before.
func TestPosition(t *testing.T) {
	const horizon, latest, stamp = "TRIM_HORIZON", "LATEST", "AT_TIMESTAMP 0s"
	tests := []struct {
		from         kload.Position
		first, again string
	}{
		{kload.Position{}, latest, stamp},
		{kload.Position{Start: kload.Latest}, latest, stamp},
		{kload.Position{Start: kload.TrimHorizon}, horizon, horizon},
		{kload.Position{Start: kload.After, Sequence: "9", Sub: 3}, "AT_SEQUENCE_NUMBER 9", "AT_SEQUENCE_NUMBER 9"},
	}
	for _, tc := range tests {
		t.Run(tc.from.Start.String(), func(t *testing.T) {
			scripted(t, func(t *testing.T, s *script, open func(string, bool) *polling.Opener) {
				s.records = func(n int) (*kinesis.GetRecordsOutput, error) {
					switch n {
					case 1, 3:
						return nil, &types.ExpiredIteratorException{}
					case 2:
						return page("10", "11"), nil
					}
					return page(), nil
				}
				op := open("latest", false)
				<-time.After(time.Second)
				r := openShard(t, op, tc.from)
				for len(s.calls) < 5 {
					next(t, r).Release()
				}
				want := []string{tc.first, tc.again, "AFTER_SEQUENCE_NUMBER 11"}
				if diff := cmp.Diff(want, s.iterators); diff != "" {
					t.Errorf("iterators (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(polling.Stats{Calls: 3, Empty: 2, Expired: 2}, op.Stats()); diff != "" {
					t.Errorf("stats (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestBatch(t *testing.T) {
	scripted(t, func(t *testing.T, s *script, open func(string, bool) *polling.Opener) {
		s.records = func(int) (*kinesis.GetRecordsOutput, error) {
			out := page("1", "2")
			out.Records[1].ApproximateArrivalTimestamp, out.Records[1].PartitionKey = nil, nil
			return out, nil
		}
		got := next(t, openShard(t, open("latest", false), kload.Position{}))
		want := []kload.StreamRecord{
			{Data: []byte("data 1"), Key: []byte("key"), Sequence: "1", Arrived: 5e6},
			{Data: []byte("data 2"), Key: []byte{}, Sequence: "2"},
		}
		if diff := cmp.Diff(want, got.Records); diff != "" || got.Behind != 7*time.Millisecond {
			t.Errorf("behind %v, records (-want +got):\n%s", got.Behind, diff)
		}
	})
}

func TestFatalErrors(t *testing.T) {
	tests := []struct {
		err  error
		hint string
	}{
		{&types.ResourceNotFoundException{}, "create the stream"},
		{&types.AccessDeniedException{}, "permissions"},
		{&types.KMSDisabledException{}, "KMS key"},
		{&types.InvalidArgumentException{}, ""},
		{errors.New("made up"), ""},
	}
	for _, tc := range tests {
		t.Run(fmt.Sprintf("%T", tc.err), func(t *testing.T) {
			scripted(t, func(t *testing.T, s *script, open func(string, bool) *polling.Opener) {
				s.records = func(int) (*kinesis.GetRecordsOutput, error) { return nil, tc.err }
				op := open("latest", false)
				_, err := openShard(t, op, kload.Position{}).Next(t.Context())
				h, hinted := errors.AsType[*kload.HintError](err)
				if !errors.Is(err, tc.err) || !strings.Contains(err.Error(), "reading records of shardId-0: ") ||
					hinted != (tc.hint != "") || hinted && !strings.Contains(h.Hint, tc.hint) {
					t.Errorf("%v, want a hint about %q", err, tc.hint)
				}
				if diff := cmp.Diff(polling.Stats{}, op.Stats()); diff != "" || len(s.calls) != 1 {
					t.Errorf("%d calls, stats (-want +got):\n%s", len(s.calls), diff)
				}
			})
		})
	}
}

// TestCancellationIsNoFailure ends the context during a call, as every run does.
func TestCancellationIsNoFailure(t *testing.T) {
	scripted(t, func(t *testing.T, s *script, open func(string, bool) *polling.Opener) {
		ctx, cancel := context.WithCancel(t.Context())
		s.records = func(int) (*kinesis.GetRecordsOutput, error) {
			cancel()
			return nil, &types.InternalFailureException{}
		}
		op := open("latest", false)
		if _, err := openShard(t, op, kload.Position{}).Next(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if diff := cmp.Diff(polling.Stats{}, op.Stats()); diff != "" {
			t.Errorf("stats (-want +got):\n%s", diff)
		}
	})
}

// TestPartitions lists an open shard and the closed one it continues, from each
// place that reading can start at.
func TestPartitions(t *testing.T) {
	keys := &types.HashKeyRange{StartingHashKey: aws.String("0"), EndingHashKey: aws.String("9")}
	closed := types.Shard{ShardId: aws.String("old"), HashKeyRange: keys, SequenceNumberRange: &types.SequenceNumberRange{EndingSequenceNumber: aws.String("5")}}
	open := types.Shard{ShardId: aws.String("new"), HashKeyRange: keys, ParentShardId: aws.String("old"), AdjacentParentShardId: aws.String("gone")}
	answer := func(token *string, shards ...types.Shard) func() (*kinesis.ListShardsOutput, error) {
		return func() (*kinesis.ListShardsOutput, error) {
			return &kinesis.ListShardsOutput{NextToken: token, Shards: shards}, nil
		}
	}
	fail := func(err error) func() (*kinesis.ListShardsOutput, error) {
		return func() (*kinesis.ListShardsOutput, error) { return nil, err }
	}
	tests := []struct {
		start    string
		fresh    bool
		old, new kload.Start
	}{
		{"latest", false, kload.AtEnd, kload.Latest},
		{"latest", true, kload.AtEnd, kload.Latest},
		{"at_run_start", false, kload.AtEnd, kload.AtRunStart},
		{"at_run_start", true, kload.TrimHorizon, kload.TrimHorizon},
		{"trim_horizon", false, kload.TrimHorizon, kload.TrimHorizon},
	}
	for _, tc := range tests {
		t.Run(fmt.Sprintf("%s/fresh=%v", tc.start, tc.fresh), func(t *testing.T) {
			scripted(t, func(t *testing.T, s *script, opener func(string, bool) *polling.Opener) {
				s.lists = []func() (*kinesis.ListShardsOutput, error){
					answer(aws.String("more"), closed), fail(&types.LimitExceededException{}), // then all over again
					answer(aws.String("more"), closed), answer(nil, open),
					fail(&types.ResourceNotFoundException{}),
				}
				op := opener(tc.start, tc.fresh)
				got, err := op.Partitions(t.Context())
				all := kload.HashRange{End: kload.HashKey{Lo: 9}}
				want := []kload.Partition{
					{ID: "old", Range: all, HasRange: true, From: kload.Position{Start: tc.old}},
					{ID: "new", Parents: []string{"old", "gone"}, Range: all, HasRange: true, From: kload.Position{Start: tc.new}},
				}
				if diff := cmp.Diff(want, got); diff != "" || err != nil {
					t.Errorf("%v (-want +got):\n%s", err, diff)
				}
				if _, err := op.Partitions(t.Context()); !errors.Is(err, kload.ErrUnreachable) {
					t.Errorf("a missing stream: %v", err)
				}
				if diff := cmp.Diff([]string{"s", "more", "s", "more", "s"}, s.listed); diff != "" {
					t.Errorf("asked (-want +got):\n%s", diff)
				}
				counters := map[string]uint64{"get_records": 0, "empty": 0, "read_throttled": 1, "read_failed": 0, "iterators_expired": 0}
				if diff := cmp.Diff(counters, op.Counters()); diff != "" {
					t.Errorf("counters (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestReleasedBatch shows what whoever keeps a batch without retaining it gets.
func TestReleasedBatch(t *testing.T) {
	scripted(t, func(t *testing.T, s *script, open func(string, bool) *polling.Opener) {
		s.records = func(n int) (*kinesis.GetRecordsOutput, error) { return page(fmt.Sprint(n)), nil }
		r := openShard(t, open("latest", false), kload.Position{})
		b := next(t, r)
		data, key := b.Records[0].Data, b.Records[0].Key
		b.Retain()
		b.Release()
		if string(data) != "data 0" || string(key) != "key" {
			t.Errorf("a retained batch has %q, %q", key, data)
		}
		b.Release()
		if again := next(t, r); again != b || len(again.Records) != 1 || string(again.Records[0].Data) != "data 1" {
			t.Errorf("the batch was not used again: %+v", again)
		}
		if !invariants.Enabled {
			return
		}
		if string(data) != "\xDB\xDB\xDB\xDB\xDB\xDB" || string(key) != "\xDB\xDB\xDB" {
			t.Errorf("a released batch still has %q, %q", key, data)
		}
		b.Release()
		defer func() {
			if recover() == nil {
				t.Error("a second release went unnoticed")
			}
		}()
		b.Release()
	})
}

// TestLargeAnswers has a shard give half a second's and five seconds' worth.
func TestLargeAnswers(t *testing.T) {
	for _, tc := range []struct {
		name string
		rate float64
		want string
	}{
		{"no limit", 0, "0s 200ms 400ms 600ms"},
		{"paid for", 2000, "0s 500ms 5.5s 5.7s"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{began: time.Now(), records: func(n int) (*kinesis.GetRecordsOutput, error) {
					out := page("1")
					out.Records[0].Data = make([]byte, []int{997, 9_997, 0, 0}[n]) // and a key of three
					return out, nil
				}}
				op := polling.New(polling.Options{
					API: s, Stream: "s", Clock: pace.NewClock(), ReadBytes: tc.rate,
					Config: polling.Config{Every: polling.Interval(every), Limit: 100},
				})
				r := openShard(t, op, kload.Position{})
				for len(s.calls) < 4 {
					next(t, r).Release()
				}
				if got := strings.Join(s.calls, " "); got != tc.want {
					t.Errorf("called at %s, want %s", got, tc.want)
				}
			})
		})
	}
}

func TestInterval(t *testing.T) {
	for _, tc := range []struct {
		text string
		want time.Duration
		bad  string
	}{
		{"200ms", 200 * time.Millisecond, ""},
		{"kcl3", 1500 * time.Millisecond, ""},
		{"kcl-lowlat", 250 * time.Millisecond, ""},
		{"go", 250 * time.Millisecond, ""},
		{"lambda", time.Second, ""},
		{"firehose", time.Second, ""},
		{"0s", 0, ""},
		{"kcl2", 0, "unknown interval"},
		{"-1s", 0, "unknown interval"},
		{"", 0, "a duration is a number"},
		{"200", 0, "needs a unit"},
	} {
		t.Run(tc.text, func(t *testing.T) {
			var i polling.Interval
			err := i.UnmarshalText([]byte(tc.text))
			if i != polling.Interval(tc.want) || (err == nil) != (tc.bad == "") || err != nil && !strings.Contains(err.Error(), tc.bad) {
				t.Errorf("%v, %v", i, err)
			}
		})
	}
	if mean, p99 := polling.Interval(every).Floor(); mean != 100*time.Millisecond || p99 != 198*time.Millisecond {
		t.Errorf("floor %v, %v", mean, p99)
	}
}

func TestConfig(t *testing.T) {
	ok := polling.Config{Every: polling.Interval(every), Start: "latest", Limit: 10_000}
	tests := []struct {
		name  string
		with  func(*polling.Config)
		field string // at fault
	}{
		{"good", func(*polling.Config) {}, ""},
		{"fastest", func(c *polling.Config) { c.Every = polling.Interval(10 * time.Millisecond) }, ""},
		{"too fast", func(c *polling.Config) { c.Every = polling.Interval(10*time.Millisecond - 1) }, "every"},
		{"no interval", func(c *polling.Config) { c.Every = 0 }, "every"},
		{"negative interval", func(c *polling.Config) { c.Every = polling.Interval(-time.Second) }, "every"},
		{"one record", func(c *polling.Config) { c.Limit = 1 }, ""},
		{"no records", func(c *polling.Config) { c.Limit = 0 }, "limit"},
		{"too many records", func(c *polling.Config) { c.Limit = 10_001 }, "limit"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			c := ok
			tc.with(&c)
			field := ""
			for _, issue := range c.Validate() {
				field += issue.Field
			}
			if field != tc.field {
				t.Errorf("issues with %q, want %q", field, tc.field)
			}
		})
	}
}
