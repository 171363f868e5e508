package producer_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/producer"
	"github.com/kload/kload/producer/drivertest"
)

// limited is a service that takes so many bytes a second, with a second's worth
// saved up at most.
func limited(rate float64) drivertest.Script {
	credit, last := rate, time.Now()
	return func(_ int, entries []types.PutRecordsRequestEntry) drivertest.Answer {
		now := time.Now()
		credit = min(rate, credit+rate*now.Sub(last).Seconds())
		last = now
		refuse := make([]bool, len(entries))
		for i := range entries {
			if size := float64(len(entries[i].Data)); size <= credit {
				credit -= size
			} else {
				refuse[i] = true
			}
		}
		return drivertest.Answer{After: 5 * time.Millisecond, Code: func(i int) string {
			if refuse[i] {
				return drivertest.CodeThrottled
			}
			return ""
		}}
	}
}

// TestGates offers for twenty seconds more than a shard takes and compares how the
// gates get on with it: the adaptive one uses most of what the shard takes and
// is seldom refused, the fixed one is refused for what it sends in excess, and
// without a gate backoff alone holds records back.
func TestGates(t *testing.T) {
	tests := []struct {
		gate    string
		use     float64 // of the shard, at least
		refused float64 // share of the attempts, at most
		above   float64 // and at least
	}{
		{"aimd", 0.65, 0.4, 0}, // most of it while the rate comes down from the first burst
		{"kpl", 0.9, 0.7, 0.2},
		{"none", 0.9, 1, 0.5},
	}
	for _, tt := range tests {
		t.Run(tt.gate, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const shard, span = 1 << 20, 20 * time.Second
				cfg := producer.DefaultConfig()
				cfg.Gate, cfg.TTL, cfg.Memory = tt.gate, 0, 8<<20
				r := newRig(t, cfg, 1, limited(shard))
				ctx, cancel := context.WithTimeout(t.Context(), span)
				defer cancel()
				feed := drivertest.Feed{Size: 10_000, Keys: 100}
				for ctx.Err() == nil {
					n, err := r.PutBatch(ctx, feed.Next(20))
					r.put += uint64(n)
					feed.Rewind(20 - n)
					if err != nil && !errors.Is(err, context.DeadlineExceeded) {
						t.Fatal(err)
					}
				}
				stored := 0
				for _, p := range r.kinesis.Puts() {
					stored += p.Bytes
				}
				st := r.Stats()
				use, refused := float64(stored)/(shard*span.Seconds()), float64(st.Throttled)/float64(st.Attempts)
				if use < tt.use || refused > tt.refused || refused < tt.above {
					t.Errorf("%.2f of the shard used, %.2f of %d attempts refused; want at least %.2f, and %.2f to %.2f",
						use, refused, st.Attempts, tt.use, tt.above, tt.refused)
				}
				r.finish(t)
			})
		})
	}
}

// TestGateKPL holds the fixed gate against its buckets: 10 MiB at once, half as
// much again as a shard takes from then on, and 1,500 records a second.
func TestGateKPL(t *testing.T) {
	tests := []struct {
		name  string
		size  int
		bytes int // in ten seconds, at most
		count int
	}{
		{"bytes", 50_000, 10<<20 + 15<<20 + 50_005, 1 << 30},
		{"records", 16, 1 << 30, 1000 + 15_000 + 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := plain()
				cfg.Gate, cfg.Connections = "kpl", 8
				r := newRig(t, cfg, 1, nil)
				feed := drivertest.Feed{Size: tt.size, Keys: 1}
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				for ctx.Err() == nil && r.put < 17_000 {
					n, _ := r.PutBatch(ctx, feed.Next(100)) // ends with ctx
					r.put += uint64(n)
					feed.Rewind(100 - n)
				}
				<-ctx.Done()
				bytes, puts := 0, r.kinesis.Puts()
				for _, p := range puts {
					bytes += p.Bytes
				}
				if bytes > tt.bytes || len(puts) > tt.count || bytes < tt.bytes*9/10 && len(puts) < tt.count*9/10 {
					t.Errorf("%d bytes in %d records got through, want at most %d in %d, and nearly one of these", bytes, len(puts), tt.bytes, tt.count)
				}
				r.finish(t)
			})
		})
	}
}

// TestHotShard throttles one shard for ever: the other is not held back.
func TestHotShard(t *testing.T) {
	for _, ordered := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			cfg := plain()
			cfg.Ordered, cfg.TTL = ordered, 5*time.Second
			r := newRig(t, cfg, 2, func(_ int, entries []types.PutRecordsRequestEntry) drivertest.Answer {
				return drivertest.Answer{After: time.Millisecond, Code: func(i int) string {
					if *entries[i].PartitionKey == upper {
						return drivertest.CodeThrottled
					}
					return ""
				}}
			})
			feed := drivertest.Feed{Size: 16, Keys: 1}
			recs := feed.Next(200)
			for i := range recs {
				recs[i].Key = []byte([]string{lower, upper}[i%2])
			}
			r.send(t, recs)
			r.sleep(t, time.Second)
			want := map[kload.Status]int{kload.Acked: 100}
			if diff := cmp.Diff(want, r.book.Statuses()); diff != "" {
				t.Errorf("ordered %v: after a second (-want +got):\n%s", ordered, diff)
			}
			r.finish(t)
			want[kload.Rejected] = 100
			if diff := cmp.Diff(want, r.book.Statuses()); diff != "" {
				t.Errorf("ordered %v: in the end (-want +got):\n%s", ordered, diff)
			}
			hot := r.kinesis.ShardIDs()[1]
			st := r.Stats()
			if diff := cmp.Diff(map[string]uint64{hot: st.Throttled}, st.ThrottledBy); diff != "" || st.Expired != 100 {
				t.Errorf("ordered %v: %d expired; throttles by shard (-want +got):\n%s", ordered, st.Expired, diff)
			}
		})
	}
}

func TestFailIfThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := plain()
		cfg.FailThrottled = true
		r := newRig(t, cfg, 1, func(n int, _ []types.PutRecordsRequestEntry) drivertest.Answer {
			code := []string{drivertest.CodeInternal, drivertest.CodeThrottled, ""}[min(n, 2)]
			return drivertest.Answer{Code: func(i int) string {
				if i == 0 {
					return code
				}
				return ""
			}}
		})
		feed := drivertest.Feed{Size: 16, Keys: 1}
		r.send(t, feed.Next(1)) // fails, then is throttled
		r.sleep(t, time.Second)
		r.send(t, feed.Next(1))
		r.finish(t)
		if o := r.book.Outcome(0); o.Status != kload.Unknown || o.Attempts != 2 || o.Code != drivertest.CodeThrottled {
			t.Errorf("the throttled record ended as %+v", o)
		}
		if o := r.book.Outcome(1); o.Status != kload.Acked {
			t.Errorf("the other record ended as %+v", o)
		}
	})
}

// TestForEver retries for a day with a time to live of 0.
func TestForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := plain()
		cfg.TTL, cfg.MapRefresh = 0, 0
		start := time.Now()
		r := newRig(t, cfg, 1, func(int, []types.PutRecordsRequestEntry) drivertest.Answer {
			if time.Since(start) > 24*time.Hour {
				return drivertest.Answer{}
			}
			return drivertest.Answer{After: time.Minute, Err: drivertest.APIError(drivertest.CodeThrottled)}
		})
		cfg.RequestTimeout = time.Hour
		feed := drivertest.Feed{Size: 16, Keys: 1}
		r.send(t, feed.Next(1))
		r.sleep(t, 25*time.Hour)
		if got := r.book.Statuses()[kload.Acked]; got != 1 {
			t.Errorf("outcomes %v", r.book.Statuses())
		}
		r.finish(t)
	})
}

// tank is a shard as the service describes it where streams take large records:
// one needs a full second's worth saved up and overdraws it by its size.
func tank(rate float64) drivertest.Script {
	credit, last := rate, time.Now()
	return func(_ int, entries []types.PutRecordsRequestEntry) drivertest.Answer {
		now := time.Now()
		credit = min(rate, credit+rate*now.Sub(last).Seconds())
		last = now
		refuse := make([]bool, len(entries))
		for i := range entries {
			size := float64(len(entries[i].Data))
			if refuse[i] = credit < min(size, rate); !refuse[i] {
				credit -= size
			}
		}
		return drivertest.Answer{After: 5 * time.Millisecond, Code: func(i int) string {
			if refuse[i] {
				return drivertest.CodeThrottled
			}
			return ""
		}}
	}
}

// TestLargeRecords mixes records of up to 10 MiB with small ones, on a shard that
// takes that much: each gets through in its time to live, with aggregation and
// without, and none that is larger is tried.
func TestLargeRecords(t *testing.T) {
	for name, change := range map[string]func(*producer.Config, *drivertest.Feed){
		"aggregated": func(*producer.Config, *drivertest.Feed) {},
		"tagged":     func(_ *producer.Config, f *drivertest.Feed) { f.Tag = "tag" },
		"as is":      func(c *producer.Config, _ *drivertest.Feed) { c.Aggregation.Enabled = false },
		"kpl":        func(c *producer.Config, _ *drivertest.Feed) { c.Gate = "kpl" },
		"none":       func(c *producer.Config, _ *drivertest.Feed) { c.Gate = "none" },
		"ordered":    func(c *producer.Config, _ *drivertest.Feed) { c.Ordered = true },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg, feed := producer.DefaultConfig(), drivertest.Feed{Keys: 100}
				change(&cfg, &feed)
				k := drivertest.NewKinesis(1, tank(1<<20))
				k.MaxRecord = producer.LargestRecord
				r := newRigOf(t, producer.Options{API: k, Config: cfg, MaxRecord: producer.LargestRecord}, k)
				for second := range 40 {
					for feed.Size = 2 << 10; feed.Size <= 8<<10; feed.Size += 2 << 10 {
						r.send(t, feed.Next(1))
					}
					if second%20 == 3 {
						feed.Size = producer.LargestRecord - 256
						r.send(t, feed.Next(1))
						feed.Size = producer.LargestRecord
						r.send(t, feed.Next(1))
					}
					r.sleep(t, time.Second)
				}
				r.finish(t)
				if got := r.book.Statuses(); got[kload.Rejected] != 2 || got[kload.Acked] != 40*4+2 {
					t.Errorf("outcomes %v, stats %+v", got, r.Stats())
				}
			})
		})
	}
}

// TestThrottledThroughout throttles everything for a minute while a caller goes
// on putting: memory stays within its budget, what is given up is said to be, and
// Close keeps to its deadline.
func TestThrottledThroughout(t *testing.T) {
	for _, mode := range []string{"aimd", "kpl", "none"} {
		synctest.Test(t, func(t *testing.T) {
			cfg := producer.DefaultConfig()
			cfg.Memory, cfg.Gate = 1<<20, mode
			r := newRig(t, cfg, 4, func(int, []types.PutRecordsRequestEntry) drivertest.Answer {
				return drivertest.Answer{After: 10 * time.Millisecond, Code: func(int) string { return drivertest.CodeThrottled }}
			})
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			feed := drivertest.Feed{Size: 250, Keys: 1000}
			for ctx.Err() == nil {
				n, _ := r.PutBatch(ctx, feed.Next(500)) // ends with ctx
				r.put += uint64(n)
				feed.Rewind(500 - n)
			}
			before := time.Now()
			soon, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			if err := r.Close(soon); !errors.Is(err, context.DeadlineExceeded) || time.Since(before) > time.Second+50*time.Millisecond {
				t.Errorf("%s: Close gave %v after %v", mode, err, time.Since(before))
			}
			r.book.Closed()
			r.book.Check(t, r.kinesis, r.put)
			st := r.Stats()
			if st.PeakBytes > 1<<20 || st.PeakBytes < 1<<19 || st.Expired == 0 || st.BlockedNs == 0 {
				t.Errorf("%s: %d bytes held at most, %d records expired, blocked for %d ns", mode, st.PeakBytes, st.Expired, st.BlockedNs)
			}
			if n := r.book.Statuses()[kload.Acked]; n != 0 {
				t.Errorf("%s: %d records acknowledged", mode, n)
			}
		})
	}
}
