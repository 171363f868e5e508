package readertest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/awscbor"
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
	env    Env
	opener kload.Opener
	writer *awsclient.Client // whose calls never fail
	faults *faults
	made   int // records put so far
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
		r := &rig{T: t, faults: &faults{next: server}}
		r.writer = r.client(server)
		_, err = r.writer.Control.CreateStream(t.Context(), &sdk.CreateStreamInput{StreamName: aws.String(stream), ShardCount: &s.shards})
		if err != nil {
			t.Fatal(err)
		}
		r.env = Env{Client: r.client(r.faults), Stream: stream, Clock: pace.NewClock(), Fresh: s.fresh}
		r.opener = open(r.env)
		f(r)
		r.faults.set(1, nil)
		if err := r.opener.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("closing the opener: %v", err)
		}
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
	r.Cleanup(func() {
		if err := rd.Close(); err != nil {
			r.Error(err)
		}
	})
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

// faults stands before the target and spoils calls.
type faults struct {
	next http.Handler

	mu    sync.Mutex
	calls int
	fault http.HandlerFunc // nil: none
	every int              // spoils one call in so many
}

// set spoils one call in every so many from now on; a nil fault none.
func (f *faults) set(every int, fault http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault, f.every, f.calls = fault, every, 0
}

func (f *faults) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.calls++
	spoil := f.fault
	if spoil != nil && f.calls%f.every != 0 {
		spoil = nil
	}
	f.mu.Unlock()
	if spoil == nil {
		spoil = f.next.ServeHTTP
	}
	spoil(w, r)
}

// atTip reports whether an answer in CBOR has no records and none to come.
func atTip(body []byte) bool {
	records, behind := 0, int64(-1)
	d := awscbor.NewDecoder(body)
	for n := d.Map(); d.Next(&n); {
		switch string(d.Name()) {
		case "Records":
			for l := d.List(); d.Next(&l); records++ {
				d.Skip()
			}
		case "MillisBehindLatest":
			behind = d.Int()
		default:
			d.Skip()
		}
	}
	return d.Finish() == nil && records == 0 && behind == 0
}

// lastAnswer is the answer in CBOR that ends a shard.
func lastAnswer(children []types.ChildShard) []byte {
	b := awscbor.AppendList(awscbor.AppendText(awscbor.AppendMap(nil, 3), "Records"), 0)
	b = awscbor.AppendInt(awscbor.AppendText(b, "MillisBehindLatest"), 0)
	b = awscbor.AppendList(awscbor.AppendText(b, "ChildShards"), len(children))
	for _, c := range children {
		b = awscbor.AppendText(awscbor.AppendText(awscbor.AppendMap(b, 3), "ShardId"), *c.ShardId)
		b = awscbor.AppendList(awscbor.AppendText(b, "ParentShards"), len(c.ParentShards))
		for _, p := range c.ParentShards {
			b = awscbor.AppendText(b, p)
		}
		b = awscbor.AppendMap(awscbor.AppendText(b, "HashKeyRange"), 2)
		b = awscbor.AppendText(awscbor.AppendText(b, "StartingHashKey"), *c.HashKeyRange.StartingHashKey)
		b = awscbor.AppendText(awscbor.AppendText(b, "EndingHashKey"), *c.HashKeyRange.EndingHashKey)
	}
	return b
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

// endShard closes the shard that is read once it is read to its tip: the target
// itself does not reshard.
func (f *faults) endShard(children []types.ChildShard) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		rec := httptest.NewRecorder()
		f.next.ServeHTTP(rec, r)
		body := rec.Body.Bytes()
		var answer map[string]any
		get, media := strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".GetRecords"), rec.Header().Get("Content-Type")
		switch {
		case get && media == awscbor.Media && atTip(body):
			body = lastAnswer(children)
		case get && json.Unmarshal(body, &answer) == nil && answer["MillisBehindLatest"] == 0.0:
			delete(answer, "NextShardIterator")
			var list []map[string]any
			for _, c := range children {
				list = append(list, map[string]any{"ShardId": *c.ShardId, "ParentShards": c.ParentShards, "HashKeyRange": map[string]string{
					"StartingHashKey": *c.HashKeyRange.StartingHashKey, "EndingHashKey": *c.HashKeyRange.EndingHashKey,
				}})
			}
			answer["ChildShards"] = list
			body, _ = json.Marshal(answer)
		}
		w.Header().Set("Content-Type", media)
		w.WriteHeader(rec.Code)
		_, _ = w.Write(body)
	}
}
