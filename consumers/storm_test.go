package consumers_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kload/kload"
	"github.com/kload/kload/consumers"
	"github.com/kload/kload/consumers/readers/fanout"
	"github.com/kload/kload/consumers/readers/polling"
	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/hdr"
	"github.com/kload/kload/internal/local/kinesis"
	"github.com/kload/kload/internal/memnet"
	"github.com/kload/kload/internal/pace"
	"github.com/kload/kload/internal/shard"
)

// storm is a stream whose shards are split and merged all the time.
type storm struct {
	*testing.T
	client *awsclient.Client
	rand   *rand.Rand
	done   int // reshards
	kinds  map[string]int

	mu   sync.Mutex
	next map[string]int // by key: the record to come
	ends int
}

func newStorm(t *testing.T) *storm {
	server, err := kinesis.New(kinesis.Config{Limits: kinesis.Limits{Off: true}, IteratorTTL: 3 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	s := &storm{T: t, client: connected(t, server), rand: rand.New(rand.NewPCG(5, 6)), kinds: map[string]int{}, next: map[string]int{}}
	_, err = s.client.Control.CreateStream(t.Context(), &sdk.CreateStreamInput{StreamName: aws.String("s"), ShardCount: aws.Int32(4)})
	fail(t, err)
	return s
}

func connected(t *testing.T, h http.Handler) *awsclient.Client {
	l, stop := memnet.Serve(h)
	t.Cleanup(stop)
	c, err := awsclient.New(t.Context(), awsclient.Options{Local: true, Endpoint: "http://kinesis.local", Dial: l.Dial})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// reshard splits a shard, merges two neighbours or sets their number.
func (s *storm) reshard() {
	api := s.client.Control
	open, err := awsclient.ListShards(s.Context(), api, "s")
	if err != nil {
		s.Fatal(err)
	}
	slices.SortFunc(open, func(a, b shard.Shard) int { return a.Range.Start.Compare(b.Range.Start) })
	i := s.rand.IntN(len(open))
	kind := "split"
	switch at := open[i].Range; {
	case s.done%50 == 49 && s.kinds["count"] < 10:
		kind = "count"
		_, err = api.UpdateShardCount(s.Context(), &sdk.UpdateShardCountInput{
			StreamName: aws.String("s"), TargetShardCount: aws.Int32(int32(max(4, len(open)/2+1))), ScalingType: types.ScalingTypeUniformScaling,
		})
	case i+1 < len(open) && (len(open) > 24 || len(open) > 2 && s.rand.IntN(2) == 0):
		kind = "merge"
		_, err = api.MergeShards(s.Context(), &sdk.MergeShardsInput{
			StreamName: aws.String("s"), ShardToMerge: aws.String(open[i].ID), AdjacentShardToMerge: aws.String(open[i+1].ID),
		})
	default:
		middle := kload.HashKey{Hi: at.Start.Hi/2 + at.End.Hi/2, Lo: 1 << 40}
		_, err = api.SplitShard(s.Context(), &sdk.SplitShardInput{
			StreamName: aws.String("s"), ShardToSplit: aws.String(open[i].ID), NewStartingHashKey: aws.String(shard.FormatHash(middle)),
		})
	}
	if err != nil {
		s.Fatal(err)
	}
	s.kinds[kind]++
	s.done++
}

// write puts the records of one key, each when the one before is stored.
func (s *storm) write(key string, n int) {
	for i := range n {
		_, err := s.client.Data.PutRecord(s.Context(), &sdk.PutRecordInput{
			StreamName: aws.String("s"), PartitionKey: aws.String(key), Data: []byte(strconv.Itoa(i)),
		})
		if err != nil {
			s.Errorf("putting record %d of key %s: %v", i, key, err)
			return
		}
		<-time.After(100 * time.Millisecond)
	}
}

// Process checks that the records of each key come one after the other. See
// [kload.Host].
func (s *storm) Process(_ context.Context, b *kload.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range b.Users {
		key, n := string(b.Users[i].Key), string(b.Users[i].Data)
		if want := strconv.Itoa(s.next[key]); n != want {
			return fmt.Errorf("in %s record %s of key %s comes where %s should", b.Partition, n, key, want)
		}
		s.next[key]++
	}
	if b.End {
		s.ends++
	}
	return nil
}

func (*storm) Close(context.Context) error { return nil }

// TestReshardStorm changes the shards two hundred times, most of them between
// two polls: of each key every record is read, once and in order.
func TestReshardStorm(t *testing.T) {
	for name, open := range map[string]func(*awsclient.Client) kload.Opener{
		"polling": func(c *awsclient.Client) kload.Opener {
			return polling.New(polling.Options{
				API: c.Over(awsclient.CBOR), Stream: "s", Fresh: true, Clock: pace.NewClock(),
				Config: polling.Config{Every: polling.Interval(time.Second), Limit: 10},
			})
		},
		"fanout": func(c *awsclient.Client) kload.Opener {
			return fanout.New(fanout.Options{
				Client: c, Stream: "s", Fresh: true, Clock: pace.NewClock(), Name: "storm", Hops: hdr.NewSet("c", kload.HopResubscribe),
			})
		},
	} {
		t.Run(name, func(t *testing.T) { weather(t, open) })
	}
}

func weather(t *testing.T, open func(*awsclient.Client) kload.Opener) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		const keys, records, reshards = 8, 800, 200
		s := newStorm(t)
		opener := open(s.client)
		c := newConsumer(opener, s, func(o *consumers.Options) { o.PlainByKey = true })
		ctx, cancel := context.WithCancel(t.Context())
		wait := background(ctx, c)
		var writers sync.WaitGroup
		for k := range keys {
			writers.Go(func() { s.write(fmt.Sprint("key ", k), records) })
		}
		for s.done < reshards {
			<-time.After(time.Duration(1+s.rand.IntN(600)) * time.Millisecond)
			for range 1 + s.rand.IntN(5)/4*4 {
				s.reshard()
			}
		}
		writers.Wait()
		stored := time.Now().UnixNano()
		for !c.CaughtUp(stored) {
			<-time.After(time.Second)
			if time.Since(time.Unix(0, stored)) > 10*time.Minute {
				t.Fatal("the consumer does not catch up")
			}
		}
		cancel()
		if err := wait(); err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		fail(t, opener.Close(t.Context()))
		for k := range keys {
			if got := s.next[fmt.Sprint("key ", k)]; got != records {
				t.Errorf("%d records of key %d read, want %d", got, k, records)
			}
		}
		if s.ends < reshards || s.kinds["split"] < 50 || s.kinds["merge"] < 50 || s.kinds["count"] < 2 {
			t.Errorf("%d shards ended; reshards %v", s.ends, s.kinds)
		}
		if r := c.report(); r.Misrouted > 0 {
			t.Errorf("%d misrouted", r.Misrouted)
		}
	})
}
