package fanout_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kload/kload"
	"github.com/kload/kload/consumers/readers/fanout"
	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/hdr"
	local "github.com/kload/kload/internal/local/kinesis"
	"github.com/kload/kload/internal/memnet"
	"github.com/kload/kload/internal/pace"
)

const (
	stream  = "s"
	first   = "shardId-000000000000"
	ownName = "made-up-7f3a2b1c-until-20000102T0000Z"
)

// rig is the embedded target with a stream, and what reads it.
type rig struct {
	*testing.T
	target *local.Server
	api    *awsclient.Client // that nobody counts
	clock  *pace.Clock
	hops   *hdr.Set
	arn    string // of the stream
	began  time.Time
	script func(n int, w *pusher) // answers the n-th subscription, from 0, in place of the target

	mu    sync.Mutex
	calls []string // about consumers, "operation @ time since the beginning"
}

// bubble runs f in virtual time.
func bubble(t *testing.T, c local.Config, f func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		server, err := local.New(c)
		if err != nil {
			t.Fatal(err)
		}
		r := &rig{T: t, target: server, clock: pace.NewClock(), hops: hdr.NewSet("c", kload.HopResubscribe)}
		r.api = r.client(server)
		if _, err := r.api.Control.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: aws.String(stream), ShardCount: aws.Int32(1)}); err != nil {
			t.Fatal(err)
		}
		<-time.After(max(1, c.StateDelay))
		out, err := r.api.Control.DescribeStreamSummary(t.Context(), &kinesis.DescribeStreamSummaryInput{StreamName: aws.String(stream)})
		if err != nil {
			t.Fatal(err)
		}
		r.arn, r.began = *out.StreamDescriptionSummary.StreamARN, time.Now()
		f(r)
	})
}

func (r *rig) client(h http.Handler) *awsclient.Client {
	l, stop := memnet.Serve(h)
	r.Cleanup(stop)
	c, err := awsclient.New(r.Context(), awsclient.Options{Local: true, Endpoint: "http://kinesis.local", Dial: l.Dial})
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(c.Close)
	return c
}

// ServeHTTP notes the calls about consumers and answers as the script says, or
// the target.
func (r *rig) ServeHTTP(w http.ResponseWriter, rq *http.Request) {
	_, op, _ := strings.Cut(rq.Header.Get("X-Amz-Target"), ".")
	r.mu.Lock()
	n := 0
	for _, c := range r.calls {
		if strings.HasPrefix(c, op) {
			n++
		}
	}
	if strings.Contains(op, "Consumer") || op == "SubscribeToShard" {
		r.calls = append(r.calls, fmt.Sprint(op, " @ ", time.Since(r.began).Round(time.Millisecond)))
	}
	r.mu.Unlock()
	if op == "SubscribeToShard" && r.script != nil {
		p := &pusher{w: w, rq: rq, start: startOf(rq)}
		p.frame("event", "initial-response", "{}")
		r.script(n, p)
		return
	}
	r.target.ServeHTTP(w, rq)
}

// called returns the calls so far that contain a text.
func (r *rig) called(text string) (list []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.calls {
		if strings.Contains(c, text) {
			list = append(list, c)
		}
	}
	return list
}

func (r *rig) opener(consumer string) *fanout.Opener { return fanout.New(r.options(consumer)) }

// options are those of a run that is over a day after the clock of a bubble starts.
func (r *rig) options(consumer string) fanout.Options {
	return fanout.Options{
		Client: r.client(r), Stream: stream, Clock: r.clock, Hops: r.hops, Fresh: true,
		Name: "made-up", Run: "7f3a2b1c", Until: time.Date(2000, 1, 2, 0, 0, 59, 0, time.UTC),
		Config: fanout.Config{Consumer: consumer, Start: "at_run_start"},
	}
}

// read opens the first shard from its start and passes each batch to f until it
// says that it has enough, or reading fails.
func (r *rig) read(op *fanout.Opener, f func(b *kload.Batch) (more bool)) error {
	r.Helper()
	rd, err := op.Open(r.Context(), first, kload.Position{Start: kload.TrimHorizon})
	if err != nil {
		return err
	}
	defer func() {
		if err := rd.Close(); err != nil {
			r.Error(err)
		}
	}()
	for {
		b, err := rd.Next(r.Context())
		if err != nil {
			return err
		}
		more := f(b)
		b.Release()
		if !more {
			return nil
		}
	}
}

// put writes a record.
func (r *rig) put(payload string) {
	r.Helper()
	_, err := r.api.Data.PutRecord(context.WithoutCancel(r.Context()), &kinesis.PutRecordInput{
		StreamName: aws.String(stream), PartitionKey: aws.String("key"), Data: []byte(payload),
	})
	if err != nil {
		r.Error(err)
	}
}

func (r *rig) register(name string) string {
	r.Helper()
	out, err := r.api.Control.RegisterStreamConsumer(r.Context(), &kinesis.RegisterStreamConsumerInput{StreamARN: &r.arn, ConsumerName: &name})
	if err != nil {
		r.Fatal(err)
	}
	return *out.Consumer.ConsumerARN
}

func (r *rig) deregister(name string) {
	r.Helper()
	if _, err := r.api.Control.DeregisterStreamConsumer(r.Context(), &kinesis.DeregisterStreamConsumerInput{StreamARN: &r.arn, ConsumerName: &name}); err != nil {
		r.Fatal(err)
	}
}

// registered returns the names of the registered consumers.
func (r *rig) registered() (names []string) {
	r.Helper()
	out, err := r.api.Control.ListStreamConsumers(r.Context(), &kinesis.ListStreamConsumersInput{StreamARN: &r.arn})
	if err != nil {
		r.Fatal(err)
	}
	for _, c := range out.Consumers {
		if c.ConsumerStatus != types.ConsumerStatusDeleting {
			names = append(names, *c.ConsumerName)
		}
	}
	return names
}

// close closes an opener.
func (r *rig) close(op *fanout.Opener) {
	r.Helper()
	if err := op.Close(r.Context()); err != nil {
		r.Errorf("closing: %v", err)
	}
}

// pusher writes an event stream with AWS's own encoder.
type pusher struct {
	w     http.ResponseWriter
	rq    *http.Request
	start string // where the client asked to be pushed records from
}

func (p *pusher) frame(message, kind, payload string) { p.raw(encode(message, kind, payload)) }

func (p *pusher) raw(b []byte) {
	_, _ = p.w.Write(b)
	_ = http.NewResponseController(p.w).Flush()
}

// wait leaves the stream open until the client goes.
func (p *pusher) wait() { <-p.rq.Context().Done() }

func encode(message, kind, payload string) []byte {
	m := eventstream.Message{Payload: []byte(payload)}
	m.Headers.Set(":message-type", eventstream.StringValue(message))
	switch message {
	case "error":
		m.Headers.Set(":error-code", eventstream.StringValue(kind))
		m.Headers.Set(":error-message", eventstream.StringValue(payload))
	default:
		m.Headers.Set(":"+message+"-type", eventstream.StringValue(kind))
		m.Headers.Set(":content-type", eventstream.StringValue("application/x-amz-json-1.1"))
	}
	var buf bytes.Buffer
	if err := eventstream.NewEncoder().Encode(&buf, m); err != nil {
		panic(err)
	}
	return buf.Bytes()
}

// event is the payload of an event with records of the given sequence numbers.
func event(next string, sequences ...string) string {
	var records []string
	for _, seq := range sequences {
		records = append(records, fmt.Sprintf(`{"Data":"ZGF0YQ==","PartitionKey":"key","SequenceNumber":"%s","ApproximateArrivalTimestamp":1.5}`, seq))
	}
	return fmt.Sprintf(`{"Records":[%s],"ContinuationSequenceNumber":"%s","MillisBehindLatest":0}`, strings.Join(records, ","), next)
}

func startOf(rq *http.Request) string {
	var in struct {
		StartingPosition struct{ Type, SequenceNumber string }
	}
	if err := json.NewDecoder(rq.Body).Decode(&in); err != nil {
		return err.Error()
	}
	return strings.TrimSpace(in.StartingPosition.Type + " " + in.StartingPosition.SequenceNumber)
}
