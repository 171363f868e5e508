package producer_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/invariants"
	"github.com/kload/kload/producer"
	"github.com/kload/kload/producer/drivertest"
)

// TestOptionsAreChecked has New refuse what would hang or panic later, such as a
// Config that was not begun with DefaultConfig and thus has no connection.
func TestOptionsAreChecked(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*producer.Options)
		want   []string // in the error; none if it is none
	}{
		{"zero configuration", func(o *producer.Options) { o.Config = producer.Config{} }, nil},
		{"empty choices", func(o *producer.Options) { o.Config.Gate, o.Config.WrongShard = "", "" }, nil},
		{"no client", func(o *producer.Options) { o.API = nil }, []string{"no API"}},
		{"no stream", func(o *producer.Options) { o.Stream = "" }, []string{"no stream"}},
		{
			"only one field", func(o *producer.Options) { o.Config = producer.Config{TTL: time.Minute} },
			[]string{"connections", "request_timeout", "memory", "collection.max_records", "aggregation.max_bytes"},
		},
		{"unknown choices", func(o *producer.Options) { o.Config.Gate, o.Config.WrongShard = "open", "drop" }, []string{`gate: "open"`, `wrong_shard: "drop"`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := producer.Options{API: drivertest.NewKinesis(1, nil), Stream: "demo", Config: producer.DefaultConfig()}
			tt.change(&o)
			p, err := producer.New(t.Context(), o)
			if err == nil {
				p.Close(t.Context())
			}
			if errors.Is(err, kload.ErrInvalid) != (len(tt.want) > 0) {
				t.Fatalf("error %v", err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %v lacks %q", err, want)
				}
			}
		})
	}
}

// TestPutFromManyGoroutines has goroutines put records one by one, in batches
// and waiting, while the stream is resharded and flushes go on. Results add up,
// and the records that one goroutine put under one key keep their order.
func TestPutFromManyGoroutines(t *testing.T) {
	const writers, each = 8, 300
	synctest.Test(t, func(t *testing.T) {
		cfg := producer.DefaultConfig()
		cfg.Ordered, cfg.Aggregation.MaxCount, cfg.Memory, cfg.TTL = true, 20, 1<<20, time.Hour
		r := newRig(t, cfg, 3, func(int, []types.PutRecordsRequestEntry) drivertest.Answer {
			return drivertest.Answer{After: 10 * time.Millisecond}
		})
		var mu sync.Mutex
		results := map[uint64]producer.Result{}
		r.OnResult(func(res producer.Result) {
			mu.Lock()
			defer mu.Unlock()
			if _, twice := results[res.Seq]; twice {
				t.Errorf("record %d has two results", res.Seq)
			}
			results[res.Seq] = res
		})
		all := (&drivertest.Feed{Size: 100, Keys: writers}).Next(writers * each) // record i is of key i % writers
		var g sync.WaitGroup
		for w := range writers {
			g.Go(func() { putInTurns(t, r, all, w, writers) })
		}
		for i := range 5 {
			r.sleep(t, 20*time.Millisecond)
			r.kinesis.Reshard(2 + i%3)
			if err := r.Flush(t.Context()); err != nil {
				t.Error(err)
			}
		}
		g.Wait()
		r.put = writers * each
		r.finish(t)
		if len(results) != writers*each {
			t.Errorf("%d results for %d records", len(results), writers*each)
		}
		r.checkOrder(t)
	})
}

// putInTurns puts every stride-th record from the first on, in all three ways.
func putInTurns(t *testing.T, r *rig, all []kload.Record, first, stride int) {
	for i, n := first, 0; i < len(all); i, n = i+stride, n+1 {
		var err error
		switch {
		case n%50 == 0:
			var res producer.Result
			res, err = r.PutSync(t.Context(), all[i])
			if err == nil && (res.Seq != all[i].Seq || res.Sequence == "" || res.Shard == "" || res.Acked < res.Accepted) {
				err = fmt.Errorf("record %d has the result %+v", all[i].Seq, res)
			}
		case n%3 == 0:
			_, err = r.PutBatch(t.Context(), all[i:i+1])
		default:
			err = r.Put(t.Context(), all[i])
		}
		if err != nil {
			t.Error(err)
		}
	}
}

// TestPutSync returns where a record is, or why it is not there.
func TestPutSync(t *testing.T) {
	tests := []struct {
		name   string
		answer drivertest.Answer
		rec    kload.Record
		status kload.Status
		says   string // the error
	}{
		{"stored", drivertest.Answer{}, kload.Record{Data: []byte("x"), Key: []byte("k")}, kload.Acked, ""},
		{"rejected", drivertest.Answer{Err: drivertest.Refused()}, kload.Record{Data: []byte("x"), Key: []byte("k"), Seq: 7}, kload.Rejected, "it was not stored"},
		{"unknown", drivertest.Answer{Err: drivertest.Cut()}, kload.Record{Data: []byte("x"), Key: []byte("k")}, kload.Unknown, "may have stored it"},
		{"too large", drivertest.Answer{}, kload.Record{Data: make([]byte, 1<<20), Key: []byte("k")}, kload.Rejected, "RecordTooLarge"},
		{"without a key", drivertest.Answer{}, kload.Record{Data: []byte("x")}, kload.Rejected, "InvalidPartitionKey"},
		{"key too long", drivertest.Answer{}, kload.Record{Data: []byte("x"), Key: []byte(strings.Repeat("ж", 257))}, kload.Rejected, "InvalidPartitionKey"},
		{"longest key", drivertest.Answer{}, kload.Record{Data: []byte("x"), Key: []byte(strings.Repeat("ж", 256))}, kload.Acked, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := producer.DefaultConfig()
				cfg.TTL = time.Second
				r := newRig(t, cfg, 1, func(int, []types.PutRecordsRequestEntry) drivertest.Answer { return tt.answer })
				res, err := r.PutSync(t.Context(), tt.rec)
				if res.Status != tt.status || res.Seq != tt.rec.Seq || (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
					t.Errorf("%+v, %v", res, err)
				}
				if located := res.Shard != "" && res.Sequence != "" && res.Acked != 0; located != (tt.status == kload.Acked) {
					t.Errorf("located %v: %+v", located, res)
				}
				if err := r.Close(t.Context()); err != nil {
					t.Error(err)
				}
				res, err = r.PutSync(t.Context(), tt.rec)
				if !errors.Is(err, kload.ErrClosed) || res.Seq != tt.rec.Seq || !strings.Contains(res.Err().Error(), "not decided") {
					t.Errorf("once closed: %+v, %v, %v", res, res.Err(), err)
				}
			})
		})
	}
}

// TestPutSyncPositions finds each record where its result says, also after its
// aggregate was taken apart.
func TestPutSyncPositions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		r := newRig(t, stalled(), 2, func(n int, _ []types.PutRecordsRequestEntry) drivertest.Answer {
			if n == 0 {
				return drivertest.Answer{Gate: gate}
			}
			return drivertest.Answer{}
		})
		feed := drivertest.Feed{Size: 30, Keys: 40}
		recs := slices.Clone(feed.Next(40))
		results := make([]producer.Result, len(recs))
		var g sync.WaitGroup
		for i, rec := range recs {
			g.Go(func() {
				var err error
				if results[i], err = r.PutSync(t.Context(), rec); err != nil {
					t.Error(err)
				}
			})
		}
		resplitQueued(t, r, gate)
		g.Wait()
		stored := r.kinesis.Stored()
		for i, res := range results {
			n := 0
			for _, s := range stored { // in the order of their positions
				if fmt.Sprint(s.Stream+1) != res.Sequence {
					continue
				}
				if n == res.SubSequence && (s.Seq != recs[i].Seq || s.Shard != res.Shard) {
					t.Errorf("record %d is not at %+v", recs[i].Seq, res)
				}
				n++
			}
			if n <= res.SubSequence {
				t.Errorf("nothing is at %+v", res)
			}
		}
		r.put = uint64(len(recs))
		r.finish(t)
	})
}

// TestPutGivesUp ends waits with their contexts.
func TestPutGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := plain()
		cfg.Memory = 1 << 20
		r := newRig(t, cfg, 1, func(int, []types.PutRecordsRequestEntry) drivertest.Answer {
			return drivertest.Answer{After: 5 * time.Second}
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		feed := drivertest.Feed{Size: 1<<19 - 100, Keys: 1}
		if _, err := r.PutSync(ctx, feed.Next(1)[0]); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("PutSync gave %v", err)
		}
		if err := r.Put(ctx, feed.Next(1)[0]); err != nil {
			t.Errorf("with room, Put gave %v", err)
		}
		if err := r.Put(ctx, feed.Next(1)[0]); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("without room, Put gave %v", err)
		}
		if n, err := r.TryPutBatch(feed.Next(1)); n != 0 || err != nil {
			t.Errorf("without room, TryPutBatch accepted %d and gave %v", n, err)
		}
		r.put = 2
		r.finish(t)
		if err := r.Put(t.Context(), feed.Next(1)[0]); !errors.Is(err, kload.ErrClosed) {
			t.Errorf("after Close, Put gave %v", err)
		}
	})
}

// TestBlockedPutsAllGoOn has more callers wait for room than tokens are handed
// out for.
func TestBlockedPutsAllGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := plain()
		cfg.Memory = 1 << 20
		r := newRig(t, cfg, 1, func(int, []types.PutRecordsRequestEntry) drivertest.Answer {
			return drivertest.Answer{After: time.Second}
		})
		feed := drivertest.Feed{Size: 1 << 19, Keys: 1}
		r.send(t, feed.Next(1))
		small := slices.Clone((&drivertest.Feed{Size: 16, Keys: 1}).Next(102))[1:]
		var g sync.WaitGroup
		big := feed.Next(1)[0]
		big.Seq = 1000
		for _, rec := range append(small, big) {
			g.Go(func() {
				if err := r.Put(t.Context(), rec); err != nil {
					t.Error(err)
				}
			})
		}
		g.Wait()
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if got := r.Stats().UserRecords; got != 103 {
			t.Errorf("%d records accepted", got)
		}
	})
}

func TestPartitionKeys(t *testing.T) {
	for choice, check := range map[string]func([]string) bool{
		"first": func(keys []string) bool { return slices.Equal(keys, []string{"key-0", "key-0", "key-0"}) },
		"a":     func(keys []string) bool { return slices.Equal(keys, []string{"a", "a", "a"}) },
		"random": func(keys []string) bool {
			return len(slices.Compact(slices.Sorted(slices.Values(keys)))) == 3 && len(keys[0]) == 16
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			cfg := producer.DefaultConfig()
			cfg.Aggregation.PartitionKey, cfg.Connections, cfg.Aggregation.MaxCount = choice, 1, 10
			r := newRig(t, cfg, 1, nil)
			feed := drivertest.Feed{Size: 50, Keys: 10}
			r.send(t, feed.Next(30))
			r.finish(t)
			var keys []string
			for _, p := range r.kinesis.Puts() {
				keys = append(keys, p.Key)
				if p.HashKey == "" {
					t.Errorf("%s: an aggregate without an explicit hash key", choice)
				}
			}
			if !check(keys) {
				t.Errorf("%s: partition keys %q", choice, keys)
			}
		})
	}
}

// TestKPLMetrics counts a scripted life under the KPL's names.
func TestKPLMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := producer.DefaultConfig()
		cfg.Connections, cfg.Aggregation.MaxCount = 1, 10
		r := newRig(t, cfg, 1, func(n int, _ []types.PutRecordsRequestEntry) drivertest.Answer {
			if n == 0 {
				return drivertest.Answer{After: 20 * time.Millisecond, Err: drivertest.APIError(drivertest.CodeThrottled)}
			}
			return drivertest.Answer{After: 40 * time.Millisecond}
		})
		feed := drivertest.Feed{Size: 100, Keys: 1}
		r.send(t, feed.Next(4))
		r.sleep(t, 50*time.Millisecond)
		r.send(t, feed.Next(4)) // with the first four, lingers until 100 ms
		r.finish(t)
		got := r.KPLMetrics()
		want := map[string]any{
			"UserRecordsReceived": 8.0, "UserRecordsPending": 0.0, "UserRecordsPut": 8.0, "UserRecordsDataPut": 800.0,
			"KinesisRecordsPut": 1.0, "KinesisRecordsDataPut": float64(r.kinesis.Puts()[0].Bytes),
			"ErrorsByCode": map[string]uint64{drivertest.CodeThrottled: 1}, "AllErrors": 1.0,
			"RetriesPerRecord": 1.0, "UserRecordExpired": 0.0, "BufferingTime": 25.0, "RequestTime": 30.0,
			"UserRecordsPerKinesisRecord": 8.0, "KinesisRecordsPerPutRecordsRequest": 1.0, "UserRecordsPerPutRecordsRequest": 8.0,
		}
		if diff := cmp.Diff(want, got); diff != "" || len(got) != 15 {
			t.Errorf("%d metrics (-want +got):\n%s", len(got), diff)
		}
		if st := r.Stats(); st.Flushed.Close != 1 || st.Attempted[1] != 8 {
			t.Errorf("Stats() = %+v", st)
		}
	})
}

// TestPutAllocations holds that a record put by itself costs no allocation of its
// own.
func TestPutAllocations(t *testing.T) {
	if invariants.Enabled {
		t.Skip("the race detector allocates")
	}
	p, recs := nullProducer(t, 4), keyedRecords(1000)
	before := p.Stats()
	runs := 0
	perRun := testing.AllocsPerRun(50, func() {
		runs++
		for i := range recs {
			if err := p.Put(t.Context(), recs[i]); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	sealed := float64(p.Stats().StreamRecords-before.StreamRecords) / float64(runs)
	if sealed > 12 || perRun > 20*sealed {
		t.Errorf("%v allocations for 1000 records in %v stream records, want at most 20 for each of these", perRun, sealed)
	}
}
