package kinesis_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"golang.org/x/sync/errgroup"

	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/invariants"
	"github.com/kload/kload/internal/local/faults"
	"github.com/kload/kload/internal/local/kinesis"
	"github.com/kload/kload/internal/shard"
)

// writer puts one record for each of its keys in turn, the same again until it
// is acknowledged: order per key is up to the target.
type writer struct {
	index, keys, rounds int
	stored              []uint16 // acknowledged, by key: rounds
	doubted             []uint16 // attempts that may have been stored although they failed, by record
	last                []int    // reader: the last round seen, by key
	seen                []uint16 // reader: sightings, by record
	mu                  sync.Mutex
}

func newWriter(index, keys, rounds int) *writer {
	w := &writer{
		index: index, keys: keys, rounds: rounds, stored: make([]uint16, keys), doubted: make([]uint16, keys*rounds),
		last: make([]int, keys), seen: make([]uint16, keys*rounds),
	}
	for i := range w.last {
		w.last[i] = -1
	}
	return w
}

func (w *writer) entry(key, round int) types.PutRecordsRequestEntry {
	data := binary.BigEndian.AppendUint32(nil, uint32(w.index))
	data = binary.BigEndian.AppendUint32(data, uint32(key))
	data = binary.BigEndian.AppendUint32(data, uint32(round))
	return types.PutRecordsRequestEntry{Data: data, PartitionKey: aws.String(fmt.Sprintf("w%d-%d", w.index, key))}
}

// run writes everything, and calls progress for each request answered.
func (w *writer) run(ctx context.Context, c *sdk.Client, progress func()) error {
	for round := range w.rounds {
		var open []int
		for key := range w.keys {
			open = append(open, key)
		}
		for len(open) > 0 {
			in := &sdk.PutRecordsInput{StreamName: aws.String("s")}
			for _, key := range open {
				in.Records = append(in.Records, w.entry(key, round))
			}
			out, err := c.PutRecords(ctx, in)
			if err != nil {
				if err := w.refused(err, open, round); err != nil {
					return err
				}
				continue
			}
			progress()
			var again []int
			for i, r := range out.Records {
				if r.ErrorCode != nil {
					again = append(again, open[i])
				} else {
					w.stored[open[i]]++
				}
			}
			open = again
		}
	}
	return nil
}

// refused books a failed request. What the target refused it has not stored;
// when the connection was cut nobody knows.
func (w *writer) refused(err error, open []int, round int) error {
	class, code := awsclient.Classify(err)
	switch {
	case class == awsclient.Fatal, class == awsclient.Cancelled:
		return err
	case code == "ConnectionLost":
		for _, key := range open {
			w.doubted[key*w.rounds+round]++
		}
	}
	return nil
}

// sight books a record read.
func (w *writer) sight(key, round int) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if round < w.last[key] {
		return fmt.Errorf("key %d of writer %d: round %d after %d", key, w.index, round, w.last[key])
	}
	w.last[key] = round
	w.seen[key*w.rounds+round]++
	return nil
}

// verdict compares what was read with what was acknowledged.
func (w *writer) verdict() (duplicates int, err error) {
	for i, n := range w.seen {
		switch extra := int(n) - 1; {
		case extra < 0:
			return 0, fmt.Errorf("writer %d lost round %d of key %d", w.index, i%w.rounds, i/w.rounds)
		case extra > int(w.doubted[i]):
			return 0, fmt.Errorf("writer %d has round %d of key %d %d times, %d attempts are in doubt", w.index, i%w.rounds, i/w.rounds, n, w.doubted[i])
		default:
			duplicates += extra
		}
	}
	return duplicates, nil
}

// reshardOnce splits or merges once. What is refused is left at that.
func reshardOnce(ctx context.Context, c *sdk.Client, rnd *rand.Rand) error {
	open, err := awsclient.ListShards(ctx, c, "s")
	if err != nil {
		return nil // injected
	}
	i := rnd.IntN(len(open))
	if len(open) < 4 || len(open) < 24 && rnd.IntN(2) == 0 {
		r := open[i].Range
		at := r.Start
		at.Hi += rnd.Uint64N(max(1, r.End.Hi-r.Start.Hi)) + 1
		_, err = c.SplitShard(ctx, &sdk.SplitShardInput{
			StreamName: aws.String("s"), ShardToSplit: &open[i].ID, NewStartingHashKey: aws.String(shard.FormatHash(at)),
		})
	} else if i+1 < len(open) {
		_, err = c.MergeShards(ctx, &sdk.MergeShardsInput{StreamName: aws.String("s"), ShardToMerge: &open[i].ID, AdjacentShardToMerge: &open[i+1].ID})
	}
	if _, code := awsclient.Classify(err); err != nil && code == "" {
		return err
	}
	return nil
}

// readToEnd reads a shard from its beginning, whatever goes wrong on the way.
func readToEnd(ctx context.Context, c *sdk.Client, id string, writers []*writer) error {
	var it *string
	var last string // sequence number
	for {
		if it == nil {
			in := &sdk.GetShardIteratorInput{StreamName: aws.String("s"), ShardId: &id, ShardIteratorType: "TRIM_HORIZON"}
			if last != "" {
				in.ShardIteratorType, in.StartingSequenceNumber = "AFTER_SEQUENCE_NUMBER", &last
			}
			out, err := c.GetShardIterator(ctx, in)
			if err != nil {
				return err
			}
			it = out.ShardIterator
		}
		out, err := c.GetRecords(ctx, &sdk.GetRecordsInput{ShardIterator: it, Limit: aws.Int32(500)})
		if class, code := awsclient.Classify(err); err != nil && code == "ExpiredIteratorException" {
			it = nil
			continue
		} else if err != nil && class == awsclient.Fatal {
			return err
		} else if err != nil {
			continue
		}
		for _, r := range out.Records {
			if *r.SequenceNumber <= last {
				return fmt.Errorf("shard %s: %s follows %s", id, *r.SequenceNumber, last)
			}
			last = *r.SequenceNumber
			d := r.Data
			w := writers[binary.BigEndian.Uint32(d)]
			if err := w.sight(int(binary.BigEndian.Uint32(d[4:])), int(binary.BigEndian.Uint32(d[8:]))); err != nil {
				return fmt.Errorf("shard %s: %w", id, err)
			}
		}
		if it = out.NextShardIterator; it == nil || *out.MillisBehindLatest == 0 && len(out.Records) == 0 {
			return nil
		}
	}
}

// readParentsFirst reads all shards, each when those before it are read.
func readParentsFirst(ctx context.Context, c *sdk.Client, writers []*writer) (shards int, err error) {
	var all []types.Shard
	in := &sdk.ListShardsInput{StreamName: aws.String("s")}
	for in != nil {
		out, err := c.ListShards(ctx, in)
		if err != nil {
			return 0, err
		}
		all = append(all, out.Shards...)
		if in = nil; out.NextToken != nil {
			in = &sdk.ListShardsInput{NextToken: out.NextToken}
		}
	}
	done := map[string]chan struct{}{}
	for _, s := range all {
		done[*s.ShardId] = make(chan struct{})
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, s := range all {
		g.Go(func() error {
			for _, parent := range []*string{s.ParentShardId, s.AdjacentParentShardId} {
				if parent == nil {
					continue
				}
				select {
				case <-done[*parent]:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			err := readToEnd(ctx, c, *s.ShardId, writers)
			close(done[*s.ShardId])
			return err
		})
	}
	return len(all), g.Wait()
}

// trial is a load of 64 writers while shards are split and merged.
type trial struct {
	cfg          kinesis.Config
	faults       []faults.Fault
	keys, rounds int // of each writer

	server             *kinesis.Server
	duplicates, shards int
}

// run writes and reads everything. The error says what is lost, there too often
// or out of order.
func (tr *trial) run(t *testing.T) error {
	t.Helper()
	tr.cfg.Limits.Off = true
	s, err := kinesis.New(tr.cfg)
	if err != nil {
		t.Fatal(err)
	}
	tr.server = s
	ts := httptest.NewServer(s)
	defer ts.Close()
	client, err := awsclient.New(t.Context(), awsclient.Options{Local: true, Endpoint: ts.URL, Connections: 128})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	create(t, client.Data, "s", 4)
	for _, f := range tr.faults {
		inject(t, s, f)
	}
	writers, err := tr.write(t.Context(), client.Data)
	if err != nil {
		return err
	}
	if tr.shards, err = readParentsFirst(t.Context(), client.Data, writers); err != nil {
		return err
	}
	for _, w := range writers {
		n, err := w.verdict()
		if err != nil {
			return err
		}
		tr.duplicates += n
	}
	return nil
}

// write runs the writers, with a reshard for every twenty requests answered.
func (tr *trial) write(ctx context.Context, c *sdk.Client) (writers []*writer, err error) {
	var writing, resharding errgroup.Group
	answered := make(chan struct{}, 1024)
	for i := range 64 {
		w := newWriter(i, tr.keys, tr.rounds)
		writers = append(writers, w)
		writing.Go(func() error { return w.run(ctx, c, func() { answered <- struct{}{} }) })
	}
	resharding.Go(func() error {
		rnd := rand.New(rand.NewPCG(tr.cfg.Seed, 0))
		var failed error
		n := 0
		for range answered { // also after a failure: the writers wait for it
			if n++; n%20 == 0 && failed == nil {
				failed = reshardOnce(ctx, c, rnd)
			}
		}
		return failed
	})
	err = writing.Wait()
	close(answered)
	return writers, errors.Join(err, resharding.Wait())
}

// TestNothingIsLostDuplicatedOrMisordered has 64 writers put a million records
// while shards are split and merged at random and calls, records and connections
// fail. Read parents first, every acknowledged record is there, as often as its
// ambiguous attempts allow, and each key's records are in order.
func TestNothingIsLostDuplicatedOrMisordered(t *testing.T) {
	put, get := []string{"PutRecords"}, []string{"GetRecords"}
	tr := &trial{cfg: kinesis.Config{Seed: 1}, keys: 500, rounds: 32, faults: []faults.Fault{
		{On: put, Records: "InternalFailure", Share: 1},
		{On: put, Records: "ProvisionedThroughputExceededException", Share: 1},
		{On: put, Error: "ProvisionedThroughputExceededException", Share: 2},
		{On: put, Error: "InternalFailure", Share: 2},
		{On: put, Cut: faults.BeforeCommit, Share: 2},
		{On: put, Cut: faults.AfterCommit, Share: 2},
		{On: put, Cut: faults.MidBody, Share: 2},
		{On: get, Cut: faults.MidBody, Share: 10},
		{On: get, Error: "ExpiredIteratorException", Share: 10},
		{On: []string{"SplitShard", "MergeShards"}, Error: "LimitExceededException", Share: 20},
	}}
	if invariants.Enabled || testing.Short() {
		tr.keys, tr.rounds = 50, 8
	}
	if err := tr.run(t); err != nil {
		t.Fatal(err)
	}
	var hits []string
	st := tr.server.Stats()
	for _, e := range st.Faults {
		if e.Hits == 0 {
			t.Errorf("%s: never happened in %d cases", e.Fault, e.Judged)
		}
		hits = append(hits, fmt.Sprintf("%s: %d of %d", e.Fault, e.Hits, e.Judged))
	}
	records := 64 * tr.keys * tr.rounds
	if tr.duplicates == 0 || tr.shards < 8 || st.Trimmed > 0 || st.RecordsIn != uint64(records+tr.duplicates) {
		t.Errorf("%d duplicates, %d shards, stats %+v", tr.duplicates, tr.shards, st)
	}
	t.Logf("%d records, %d of them twice, in %d shards\n%s", records, tr.duplicates, tr.shards, strings.Join(hits, "\n"))
}

// TestLossAndDuplicatesAreNoticed has one record among many dropped, and one
// stored twice.
func TestLossAndDuplicatesAreNoticed(t *testing.T) {
	for want, cfg := range map[string]kinesis.Config{"lost round": {Drop: 1}, "2 times, 0 attempts are in doubt": {Dup: 1}} {
		tr := &trial{cfg: cfg, keys: 20, rounds: 3}
		if err := tr.run(t); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
}
