package awsclient_test

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go/logging"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload/internal/awscbor"
	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/invariants"
	"github.com/kload/kload/internal/memnet"
	"github.com/kload/kload/internal/sigv4"
)

// dataAPI is what both the SDK's client and a caller have.
type dataAPI interface {
	GetRecords(context.Context, *kinesis.GetRecordsInput, ...func(*kinesis.Options)) (*kinesis.GetRecordsOutput, error)
	GetShardIterator(context.Context, *kinesis.GetShardIteratorInput, ...func(*kinesis.Options)) (*kinesis.GetShardIteratorOutput, error)
	PutRecord(context.Context, *kinesis.PutRecordInput, ...func(*kinesis.Options)) (*kinesis.PutRecordOutput, error)
	PutRecords(context.Context, *kinesis.PutRecordsInput, ...func(*kinesis.Options)) (*kinesis.PutRecordsOutput, error)
}

func getRecords(ctx context.Context, api dataAPI, iterator string, opts ...func(*kinesis.Options)) (*kinesis.GetRecordsOutput, error) {
	return api.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: aws.String(iterator), Limit: aws.Int32(7)}, opts...)
}

// dataCalls makes one of each, PutRecords with more than is copied for the transport.
var dataCalls = []func(context.Context, dataAPI) error{
	func(ctx context.Context, api dataAPI) error {
		_, err := getRecords(ctx, api, "i")
		return err
	},
	func(ctx context.Context, api dataAPI) error {
		_, err := api.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{
			StreamName: aws.String("s"), ShardId: aws.String("i"), ShardIteratorType: types.ShardIteratorTypeLatest,
		})
		return err
	},
	func(ctx context.Context, api dataAPI) error {
		_, err := api.PutRecord(ctx, &kinesis.PutRecordInput{StreamName: aws.String("s"), Data: []byte("d"), PartitionKey: aws.String("k")})
		return err
	},
	func(ctx context.Context, api dataAPI) error {
		_, err := api.PutRecords(ctx, &kinesis.PutRecordsInput{
			StreamName: aws.String("s"), Records: []types.PutRecordsRequestEntry{{Data: bytes.Repeat([]byte("d"), 40<<10), PartitionKey: aws.String("k")}},
		})
		return err
	},
}

// request is one as it arrived.
type request struct {
	Path   string
	Header http.Header
	Body   string
}

var uuid4 = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

// TestCallerIsTheSDK sends the same calls through a client of the SDK and through
// a caller: what arrives is the same, in both wires, and the signature is right.
func TestCallerIsTheSDK(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []request
		ids := map[string]bool{}
		keys := sigv4.New(sigv4.Key{ID: "local", Secret: "local"}).For("us-east-1", "kinesis")
		l, stop := memnet.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if _, err := keys.VerifyBody(r, body, time.Now()); err != nil {
				t.Error(err)
			}
			if id := r.Header.Get("Amz-Sdk-Invocation-Id"); uuid4.MatchString(id) {
				ids[id] = true
			}
			r.Header.Del("Authorization")         // which covers
			r.Header.Del("Amz-Sdk-Invocation-Id") // the random one
			got = append(got, request{r.URL.Path, r.Header, string(body)})
			w.Header().Set("Content-Type", r.Header.Get("Content-Type"))
			_, _ = w.Write(map[bool][]byte{true: awscbor.AppendMap(nil, 0), false: []byte("{}")}[r.Header.Get("Content-Type") == awscbor.Media])
		}))
		defer stop()
		c, err := awsclient.New(t.Context(), awsclient.Options{Local: true, Endpoint: "http://kinesis.local:80/some where", Dial: l.Dial})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for _, wire := range []awsclient.Wire{awsclient.CBOR, awsclient.JSON} {
			caller := c.Over(wire)
			for range 2 { // the second with a kept stack
				got = nil
				for _, api := range []dataAPI{caller.Client, caller} {
					for _, call := range dataCalls {
						if err := call(t.Context(), api); err != nil {
							t.Fatal(err)
						}
					}
				}
				if d := cmp.Diff(got[:4], got[4:]); d != "" || got[0].Header.Get("Amz-Sdk-Request") != "attempt=1; max=1" {
					t.Errorf("%s: -SDK +caller\n%s", wire, d)
				}
			}
		}
		if c.Calls() != 32 || c.Attempts() != 32 || len(ids) != 32 {
			t.Errorf("%d calls, %d attempts, %d invocations", c.Calls(), c.Attempts(), len(ids))
		}
	})
}

// echo answers GetRecords with what was asked for.
func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("Content-Type", awscbor.Media)
	from := bytes.LastIndexByte(body[:len(body)-1], 'r') + 2 // behind "ShardIterator" and the head of its value
	_, _ = w.Write(awscbor.AppendText(awscbor.AppendText(awscbor.AppendMap(nil, 1), "NextShardIterator"), string(body[from:len(body)-1])))
}

// TestCallerAtOnce makes calls at the same time, each of which gets its own answer,
// also after others.
func TestCallerAtOnce(t *testing.T) {
	against(t, echo, func(t *testing.T, c *awsclient.Client) {
		caller := c.Over(awsclient.CBOR)
		var calls sync.WaitGroup
		for i := range 8 {
			calls.Go(func() {
				var out []*kinesis.GetRecordsOutput
				for range 20 {
					o, err := getRecords(t.Context(), caller, string(rune('a'+i)))
					if err != nil {
						t.Error(err)
						return
					}
					out = append(out, o)
				}
				for _, o := range out {
					if got := aws.ToString(o.NextShardIterator); got != string(rune('a'+i)) {
						t.Errorf("call %d has the answer of %q", i, got)
					}
				}
			})
		}
		calls.Wait()
	})
}

// writes counts the writes to a connection.
type writes struct {
	net.Conn
	n *atomic.Int64
}

func (w writes) Write(b []byte) (int, error) {
	w.n.Add(1)
	return w.Conn.Write(b)
}

// TestSmallRequests writes a small request, header and body, in one piece.
func TestSmallRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, stop := memnet.Serve(http.HandlerFunc(echo))
		defer stop()
		var n atomic.Int64
		c, err := awsclient.New(t.Context(), awsclient.Options{
			Local: true, Endpoint: "http://kinesis.local",
			Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
				conn, err := l.Dial(ctx, network, addr)
				return writes{conn, &n}, err
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for range 5 {
			if _, err := getRecords(t.Context(), c.Over(awsclient.CBOR), "i"); err != nil {
				t.Fatal(err)
			}
		}
		if n.Load() != 5 {
			t.Errorf("%d writes for 5 requests", n.Load())
		}
	})
}

// TestCallerSkew has a service whose clock is wrong: from the second call on requests
// are signed for that, and say until when the call lasts, as the SDK does, unless the
// answer comes from a cache or late or its date cannot be read.
func TestCallerSkew(t *testing.T) {
	answers := []struct {
		ahead   time.Duration
		header  http.Header
		takes   time.Duration
		handler http.HandlerFunc
	}{
		{ahead: 1 * time.Hour},
		{ahead: 2 * time.Hour},
		{ahead: 3 * time.Hour, header: http.Header{"Age": {"1"}}},
		{header: http.Header{"Date": {"now"}}},
		{ahead: 4 * time.Hour, takes: 16 * time.Minute},
		{ahead: 5 * time.Hour, takes: 14 * time.Minute},
		{ahead: -6 * time.Hour, handler: refusal(400, "RequestTimeTooSkewed")},
		{},
	}
	for _, off := range []bool{false, true} {
		calls := 0
		var dates, ttls []time.Duration // from now on
		against(t, func(w http.ResponseWriter, r *http.Request) {
			at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
			if err != nil {
				t.Error(err)
			}
			dates, ttls = append(dates, time.Until(at)), append(ttls, 0)
			if _, ttl, ok := strings.Cut(r.Header.Get("Amz-Sdk-Request"), "; ttl="); ok {
				if at, err = time.Parse("20060102T150405Z", ttl); err != nil {
					t.Error(err)
				}
				ttls[len(ttls)-1] = time.Until(at)
			}
			a := answers[calls%len(answers)]
			calls++
			if a.takes > 0 {
				<-time.After(a.takes)
			}
			w.Header().Set("Date", time.Now().Add(a.ahead).UTC().Format(http.TimeFormat))
			maps.Copy(w.Header(), a.header)
			if a.handler == nil {
				a.handler = echo
			}
			a.handler(w, r)
		}, func(t *testing.T, c *awsclient.Client) {
			from := c.Over(awsclient.CBOR).Options()
			caller := awsclient.NewCaller(kinesis.New(from, func(o *kinesis.Options) {
				o.Protocol, o.DisableClockSkewCorrection = from.Protocol, off
			}))
			for _, api := range []dataAPI{caller.Client, caller} {
				for range answers {
					ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
					_, _ = getRecords(ctx, api, "i") // the last but one fails
					cancel()
				}
			}
		})
		var want []time.Duration
		for _, ahead := range []time.Duration{0, 1, 2, 2, 2, 2, 5, -6} {
			if off {
				ahead = 0
			}
			want = append(want, ahead*time.Hour)
		}
		if n := len(answers); !slices.Equal(dates[:n], want) || !slices.Equal(dates[n:], want) {
			t.Errorf("the SDK signed for %v,\nthe caller for %v, want\n%v", dates[:n], dates[n:], want)
		}
		if d := cmp.Diff(ttls[:len(answers)], ttls[len(answers):]); d != "" || off == (ttls[1] > 0) {
			t.Errorf("-SDK +caller\n%s", d)
		}
	}
}

// seen counts what passes it.
type seen int

func (s *seen) BeforeTransmit(context.Context, *smithyhttp.InterceptorContext) error {
	*s++
	return nil
}

// TestCallerOptions takes the SDK's way for a call with options of its own, and for
// a client with interceptors or a log.
func TestCallerOptions(t *testing.T) {
	against(t, answer(200, "application/x-amz-json-1.1", "{}", nil), func(t *testing.T, c *awsclient.Client) {
		caller, used := c.Over(awsclient.CBOR), 0
		mark := func(*kinesis.Options) { used++ }
		_, _ = caller.GetRecords(t.Context(), new(kinesis.GetRecordsInput), mark)
		_, _ = caller.GetShardIterator(t.Context(), new(kinesis.GetShardIteratorInput), mark)
		_, _ = caller.PutRecord(t.Context(), new(kinesis.PutRecordInput), mark)
		_, _ = caller.PutRecords(t.Context(), new(kinesis.PutRecordsInput), mark)
		if used != 4 {
			t.Errorf("options of %d of 4 calls used", used)
		}
		var s seen
		var log bytes.Buffer
		from := caller.Options()
		for _, set := range []func(*kinesis.Options){
			func(o *kinesis.Options) { o.Interceptors.AddBeforeTransmit(&s) },
			func(o *kinesis.Options) { o.ClientLogMode, o.Logger = aws.LogRequest, logging.NewStandardLogger(&log) },
		} {
			caller := awsclient.NewCaller(kinesis.New(from, func(o *kinesis.Options) { o.Protocol = from.Protocol }, set))
			for range 2 {
				if _, err := getRecords(t.Context(), caller, "i"); err != nil {
					t.Error(err)
				}
			}
		}
		if n := strings.Count(log.String(), "POST /"); s != 2 || n != 2 {
			t.Errorf("%d of 2 calls seen, %d logged", s, n)
		}
	})
}

// TestCallerOfRetries leaves retries to the SDK, whose client has them on.
func TestCallerOfRetries(t *testing.T) {
	calls := 0
	against(t, func(w http.ResponseWriter, r *http.Request) {
		if calls++; calls == 1 {
			refusal(500, "InternalFailure")(w, r)
			return
		}
		answer(200, "application/x-amz-json-1.1", "{}", nil)(w, r)
	}, func(t *testing.T, c *awsclient.Client) {
		if _, err := getRecords(t.Context(), awsclient.NewCaller(c.Control), "i"); err != nil || calls != 2 {
			t.Errorf("%d requests, %v", calls, err)
		}
	})
}

// canned is a transport with one answer.
type canned []byte

func (c canned) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {awscbor.Media}}, Request: r,
		Body: io.NopCloser(bytes.NewReader(c)), ContentLength: int64(len(c)),
	}, nil
}

// offline returns a caller whose transport has one answer, with no records.
func offline(tb testing.TB) *awsclient.Caller {
	tb.Helper()
	c, err := awsclient.New(tb.Context(), awsclient.Options{Local: true, Endpoint: "http://kinesis.local"})
	if err != nil {
		tb.Fatal(err)
	}
	from := c.Over(awsclient.CBOR).Options()
	return awsclient.NewCaller(kinesis.New(from, func(o *kinesis.Options) {
		o.Protocol = from.Protocol
		o.HTTPClient = awsclient.NewIsolating(canned(awscbor.AppendMap(nil, 0)), new(atomic.Uint64))
	}))
}

// TestCallerAllocations bounds what a call allocates, with a transport that makes
// four of the allocations. The SDK's client makes 280.
func TestCallerAllocations(t *testing.T) {
	if invariants.Enabled {
		t.Skip("nothing is reused then")
	}
	caller := offline(t)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := getRecords(t.Context(), caller, "i"); err != nil {
			t.Fatal(err)
		}
	}); n > 32 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkCaller measures a call without the network.
func BenchmarkCaller(b *testing.B) {
	caller := offline(b)
	for name, api := range map[string]dataAPI{"sdk": caller.Client, "caller": caller} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := getRecords(b.Context(), api, "i"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
