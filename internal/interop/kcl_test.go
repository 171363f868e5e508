//go:build interop

package interop_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/kpl"
	"github.com/kload/kload/internal/shard"
)

const kclPhase = 3000 // user records

// kclLine is one user record as a KCL application saw it.
type kclLine struct {
	Application, Shard, Key string
	Hash                    *string
	Data                    []byte
	Aggregated              bool
	Arrived                 int64
}

// TestKCL lets KCL applications follow a stream of our aggregates through a split
// and a merge. KCL drops an aggregate of which one user record belongs to another
// shard, as the test makes sure of; so it judges our shard prediction too.
func TestKCL(t *testing.T) {
	dynamo := startNode(t, "dynalite")
	at := startTarget(t)
	client := at.newClient(t)
	createStream(t, client, "s", 1)

	kcl := java(t, "Kcl.java", "s").use(at)
	kcl.env("AWS_ENDPOINT_URL_DYNAMODB", dynamo)
	kcl.start()
	follow := kclFollower{program: kcl, want: map[string]kclLine{}, seen: map[string]int{}}
	follow.phase(func(recs []kload.Record) { produce(t, client, "s", recs) })
	splitAndMerge(t, client, "s", func() {
		putStray(t, client, "s")
		follow.phase(func(recs []kload.Record) { produce(t, client, "s", recs) })
	})
	follow.phase(func(recs []kload.Record) { produce(t, client, "s", recs) })
	kcl.done() // prints nothing more: nothing twice
}

// putStray puts an aggregate of two user records that belong to two shards.
func putStray(t *testing.T, c *awsclient.Client, stream string) {
	t.Helper()
	first, last := kload.HashKey{}, kload.HashKey{Hi: math.MaxUint64, Lo: math.MaxUint64}
	var e kpl.Encoder
	e.Reset(nil)
	e.Add([]byte("a"), first, true, nil, []byte("KCL must drop this"))
	e.Add([]byte("b"), last, true, nil, []byte("KCL must drop that"))
	_, err := c.Data.PutRecord(t.Context(), &kinesis.PutRecordInput{
		StreamName: aws.String(stream), PartitionKey: aws.String("a"), Data: e.Seal(),
		ExplicitHashKey: aws.String(shard.FormatHash(first)),
	})
	if err != nil {
		t.Fatal(err)
	}
}

// kclFollower holds what KCL applications print against what was sent.
type kclFollower struct {
	*program
	want   map[string]kclLine // by payload
	seen   map[string]int     // by application and payload
	phases int
}

// phase sends records and waits until both applications have each of them once.
func (f *kclFollower) phase(send func([]kload.Record)) {
	f.Helper()
	f.phases++
	recs := f.records()
	send(recs)
	for range 2 * len(recs) {
		var got kclLine
		f.read(&got)
		want := f.want[string(got.Data)]
		want.Application, want.Shard, want.Arrived = got.Application, got.Shard, got.Arrived
		if diff := cmp.Diff(want, got); diff != "" {
			f.Fatalf("(-sent +seen):\n%s", diff)
		}
		of := got.Application + " " + string(got.Data)
		if f.seen[of]++; f.seen[of] != 1 {
			f.Errorf("%s saw it %d times", of, f.seen[of])
		}
	}
}

// records makes records with partition keys and, for one in four, explicit hash
// keys all over the range.
func (f *kclFollower) records() []kload.Record {
	rng := rand.New(rand.NewPCG(5, uint64(f.phases)))
	recs := make([]kload.Record, kclPhase)
	for i := range recs {
		data := fmt.Appendf(nil, "%d-%d-", f.phases, i)
		data = append(data, randomBytes(rng)...)
		r := kload.Record{Data: data, Key: []byte(randomKey(rng, 500)), Seq: uint64(i)}
		line := kclLine{Key: string(r.Key), Data: data, Aggregated: true}
		if i%4 == 0 {
			r.Hash, r.HasHash = kload.HashKey{Hi: rng.Uint64(), Lo: rng.Uint64()}, true
			line.Hash = new(shard.FormatHash(r.Hash))
		}
		recs[i], f.want[string(data)] = r, line
	}
	return recs
}
