package readertest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/local/kinesis"
	"github.com/kload/kload/internal/memnet"
	"github.com/kload/kload/internal/pace"
)

const stream = "s"

// setup says what a test starts from.
type setup struct {
	shards int32
	fresh  bool // the run made the stream
	ttl    time.Duration
}

// rig is an opener under test with the target it reads.
type rig struct {
	*testing.T
	env     Env
	opener  kload.Opener
	target  *kinesis.Server
	writer  *awsclient.Client // whose calls never fail
	faults  *faults
	readers []kload.Reader // opened and to be closed
	made    int            // records put so far
}

// bubble runs f in virtual time. It fails if f leaves a goroutine.
func bubble(t *testing.T, open Factory, s setup, f func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		server, err := kinesis.New(kinesis.Config{
			Limits: kinesis.Limits{WriteRecords: 1e6, WriteBytes: 1 << 30}, IteratorTTL: s.ttl,
		})
		if err != nil {
			t.Fatal(err)
		}
		r := &rig{T: t, target: server, faults: &faults{next: server, rng: rand.New(rand.NewPCG(1, 1))}}
		r.writer = r.client(server)
		_, err = r.writer.Control.CreateStream(t.Context(), &sdk.CreateStreamInput{StreamName: aws.String(stream), ShardCount: &s.shards})
		if err != nil {
			t.Fatal(err)
		}
		r.env = Env{Client: r.client(r.faults), Stream: stream, Clock: pace.NewClock(), Fresh: s.fresh}
		r.opener = open(r.env)
		f(r)
		r.finish()
	})
}

// finish closes what was opened, and sees that the target is as it was.
func (r *rig) finish() {
	r.Helper()
	r.faults.set(1, nil)
	for _, rd := range r.readers {
		if err := rd.Close(); err != nil {
			r.Errorf("closing a reader: %v", err)
		}
	}
	if err := r.opener.Close(r.Context()); err != nil {
		r.Errorf("closing the opener: %v", err)
	}
	out, err := r.writer.Control.DescribeStreamSummary(r.Context(), &sdk.DescribeStreamSummaryInput{StreamName: aws.String(stream)})
	if err == nil && aws.ToInt32(out.StreamDescriptionSummary.ConsumerCount) != 0 {
		r.Errorf("%d registered consumers are left", *out.StreamDescriptionSummary.ConsumerCount)
	}
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

// put writes n records and returns their payloads by shard, in order.
func (r *rig) put(n int) map[string][]string {
	r.Helper()
	in := &sdk.PutRecordsInput{StreamName: aws.String(stream)}
	for range n {
		payload := fmt.Sprint("record ", r.made)
		r.made++
		in.Records = append(in.Records, types.PutRecordsRequestEntry{Data: []byte(payload), PartitionKey: aws.String("key of " + payload)})
	}
	out, err := r.writer.Data.PutRecords(context.WithoutCancel(r.Context()), in)
	if err != nil || *out.FailedRecordCount > 0 {
		r.Fatalf("putting records: %v, %v", out, err)
	}
	written := map[string][]string{}
	for i, e := range out.Records {
		written[*e.ShardId] = append(written[*e.ShardId], string(in.Records[i].Data))
	}
	return written
}

// partitions lists what there is to read.
func (r *rig) partitions() []kload.Partition {
	r.Helper()
	parts, err := r.opener.Partitions(r.Context())
	if err != nil {
		r.Fatal(err)
	}
	return parts
}

// openOne opens the only shard where it is configured to start.
func (r *rig) openOne() *reading {
	r.Helper()
	p := r.partitions()[0]
	return r.open(p.ID, p.From)
}

func (r *rig) open(partition string, from kload.Position) *reading {
	r.Helper()
	rd, err := r.opener.Open(r.Context(), partition, from)
	if err != nil {
		r.Fatal(err)
	}
	r.readers = append(r.readers, rd)
	return &reading{rig: r, Reader: rd, partition: partition}
}

// reading is one reader under test.
type reading struct {
	*rig
	kload.Reader
	partition string
	last      string // sequence number
}

// Next calls the reader as a consumer does: one that is polled when it is due,
// until it has an answer.
func (rd *reading) Next(ctx context.Context) (*kload.Batch, error) {
	polled, ok := rd.Reader.(kload.Polled)
	if !ok {
		return rd.Reader.Next(ctx)
	}
	for {
		if _, err := pace.NewPacer(rd.env.Clock).Until(ctx, polled.Due()); err != nil {
			return nil, err
		}
		if b, err := rd.Reader.Next(ctx); b != nil || err != nil {
			return b, err
		}
	}
}

const (
	// idle is how many more answers must bring nothing new.
	idle = 3
	// patience is how long a reader may take to get over anything.
	patience = 10 * time.Minute
)

// take reads n records, and then on for a while, since nothing may come twice.
func (rd *reading) take(n int) (payloads []string) {
	rd.Helper()
	began := time.Now()
	for quiet := 0; quiet < idle; {
		if time.Since(began) > patience {
			rd.Fatalf("after %v: %d records of %d", patience, len(payloads), n)
		}
		b := rd.next()
		for i := range b.Records {
			payloads = append(payloads, rd.check(b, &b.Records[i]))
		}
		if len(payloads) >= n {
			quiet++
		}
		b.Release()
	}
	return payloads
}

// next reads one answer.
func (rd *reading) next() *kload.Batch {
	rd.Helper()
	before := rd.env.Clock.Now()
	ctx, cancel := context.WithTimeout(rd.Context(), patience)
	defer cancel()
	b, err := rd.Next(ctx)
	if err != nil {
		rd.Fatal(err)
	}
	if b.Partition != rd.partition || b.Received < before || b.Received > rd.env.Clock.Now() || b.Behind < 0 || b.End {
		rd.Errorf("%s read between %d and %d: batch %+v", rd.partition, before, rd.env.Clock.Now(), b)
	}
	return b
}

// check judges one record and returns a copy of its payload.
func (rd *reading) check(b *kload.Batch, rec *kload.StreamRecord) string {
	rd.Helper()
	payload := string(rec.Data)
	if string(rec.Key) != "key of "+payload || rec.Sequence <= rd.last || rec.Arrived <= 0 || rec.Arrived > b.Received {
		rd.Errorf("after %s: record %q, key %q, sequence %s, arrived %d, received %d",
			rd.last, payload, rec.Key, rec.Sequence, rec.Arrived, b.Received)
	}
	rd.last = rec.Sequence
	return payload
}

// payloads copies what a batch holds.
func (rd *reading) payloads(b *kload.Batch) (list []string) {
	for i := range b.Records {
		list = append(list, string(b.Records[i].Data))
	}
	return list
}

// expect takes exactly the records of the reader's shard.
func (rd *reading) expect(written ...map[string][]string) {
	rd.Helper()
	var want []string
	for _, w := range written {
		want = append(want, w[rd.partition]...)
	}
	if diff := cmp.Diff(want, rd.take(len(want))); diff != "" {
		rd.Errorf("%s (-want +got):\n%s", rd.partition, diff)
	}
}

// expectEnd takes exactly the records of the reader's shard, which then ends.
func (rd *reading) expectEnd(written map[string][]string, children ...kload.Partition) {
	rd.Helper()
	var payloads []string
	var got []kload.Partition
	for last := false; !last; {
		b, err := rd.Next(rd.Context())
		if err != nil {
			rd.Fatal(err)
		}
		for i := range b.Records {
			payloads = append(payloads, rd.check(b, &b.Records[i]))
		}
		last, got = b.End, b.Children
		b.Release()
	}
	if diff := cmp.Diff(written[rd.partition], payloads); diff != "" {
		rd.Errorf("records (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(children, got); diff != "" {
		rd.Errorf("children (-want +got):\n%s", diff)
	}
	for range 2 {
		if b, err := rd.Next(rd.Context()); !errors.Is(err, io.EOF) || b != nil {
			rd.Errorf("after the end: %v, %v", b, err)
		}
	}
}

// faults stands before the target and spoils calls.
type faults struct {
	next http.Handler

	mu    sync.Mutex
	rng   *rand.Rand
	fault http.HandlerFunc // nil: none
	every int              // spoils one call in so many, on average
	live  []context.CancelFunc
}

// set spoils one call in so many from now on, at random; a nil fault none. A fault
// also cuts off answers under way, so that readers that are pushed to call too.
func (f *faults) set(every int, fault http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault, f.every = fault, every
	if fault == nil {
		return
	}
	for _, cut := range f.live {
		cut()
	}
	f.live = nil
}

func (f *faults) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cut := context.WithCancel(r.Context())
	defer cut()
	f.mu.Lock()
	spoil := f.fault
	if spoil != nil && f.rng.IntN(f.every) > 0 {
		spoil = nil
	}
	if spoil == nil {
		spoil = f.next.ServeHTTP
		f.live = append(f.live, cut)
	}
	f.mu.Unlock()
	spoil(w, r.WithContext(ctx))
	if ctx.Err() != nil {
		panic(http.ErrAbortHandler)
	}
}

func refuse(status int, code string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"__type":%q,"message":"on purpose"}`, code)
	}
}

// hangUp closes the connection instead of answering.
func hangUp(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// hang answers never.
func hang(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // else the server does not notice that the client is gone
	<-r.Context().Done()
}

// answerHalf carries the call out and closes the connection in the middle of
// the answer.
func (f *faults) answerHalf(w http.ResponseWriter, r *http.Request) {
	rec := httptest.NewRecorder()
	f.next.ServeHTTP(rec, r)
	maps.Copy(w.Header(), rec.Header())
	_, _ = w.Write(rec.Body.Bytes()[:rec.Body.Len()/2])
	panic(http.ErrAbortHandler)
}
