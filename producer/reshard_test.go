package producer_test

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload/producer"
	"github.com/kload/kload/producer/drivertest"
)

// TestMisprediction reshards the stream under the producer: it notices from the
// first answer, reads the shard map once, and predicts right from then on.
func TestMisprediction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := func(int, []types.PutRecordsRequestEntry) drivertest.Answer {
			return drivertest.Answer{After: 30 * time.Millisecond}
		}
		r := newRig(t, producer.DefaultConfig(), 3, slow)
		feed := drivertest.Feed{Size: 100, Keys: 100}
		round := func() {
			r.send(t, feed.Next(300))
			if err := r.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			synctest.Wait() // for the new map
		}
		round()
		if got := r.Stats().Mispredicted; got != 0 || r.kinesis.Lists() != 2 { // two pages
			t.Fatalf("before: %d mispredicted, %d pages listed", got, r.kinesis.Lists())
		}
		r.kinesis.Reshard(2)
		round()
		wrong := r.Stats().Mispredicted
		if wrong != 3 || r.kinesis.Lists() != 3 {
			t.Errorf("after: %d stream records mispredicted, %d pages listed, want 3 and 3", wrong, r.kinesis.Lists())
		}
		for range 5 {
			round()
		}
		if got := r.Stats().Mispredicted; got != wrong || r.kinesis.Lists() != 3 {
			t.Errorf("with the new map: %d mispredicted, %d pages listed", got-wrong, r.kinesis.Lists())
		}
		r.finish(t)
	})
}

// TestLateMisprediction answers for a record after the map that misplaced it was
// replaced: that is no reason to read the map again.
func TestLateMisprediction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := plain()
		cfg.Connections = 2
		r := newRig(t, cfg, 2, func(n int, _ []types.PutRecordsRequestEntry) drivertest.Answer {
			return drivertest.Answer{After: time.Duration(1+n) * time.Second}
		})
		r.kinesis.Reshard(1)
		feed := drivertest.Feed{Size: 16, Keys: 1}
		for range 2 {
			r.send(t, feed.Next(1))
			synctest.Wait()
		}
		r.finish(t)
		if got := r.Stats().Mispredicted; got != 2 || r.kinesis.Lists() != 2 {
			t.Errorf("%d mispredicted, %d pages listed; want 2, and one page before and one after", got, r.kinesis.Lists())
		}
	})
}

// TestOrdered sends through bad weather and a reshard: no shard has two stream
// records in flight, and every key keeps its order.
func TestOrdered(t *testing.T) {
	for _, reshard := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			cfg := producer.DefaultConfig()
			cfg.Ordered, cfg.RequestTimeout, cfg.Aggregation.MaxCount = true, time.Second, 10
			cfg.TTL = time.Hour // a record given up would be no disorder
			r := newRig(t, cfg, 4, drivertest.Weather(11, 0.4))
			feed := drivertest.Feed{Size: 40, Keys: 60}
			for i := range 60 {
				r.send(t, feed.Next(50))
				r.sleep(t, 10*time.Millisecond)
				if reshard && i%20 == 10 {
					r.kinesis.Reshard(2 + i%3)
				}
			}
			r.finish(t)
			if got := r.kinesis.Crowd(); !reshard && got != 1 {
				t.Errorf("%d stream records of one shard were in flight at once", got)
			}
			if reshard && r.Stats().Mispredicted == 0 {
				t.Error("the reshards went unnoticed: this proves nothing")
			}
			r.checkOrder(t)
		})
	}
}

// TestOrderedAcrossMaps throttles a record of one shard while the shard map is
// replaced: a later record of its key belongs to another shard by then, and must
// wait all the same.
func TestOrderedAcrossMaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := plain()
		cfg.Ordered, cfg.Connections = true, 4
		refusals, first := 3, bytes.Clone((&drivertest.Feed{Size: 16, Keys: 1}).Next(1)[0].Data)
		r := newRig(t, cfg, 2, func(_ int, entries []types.PutRecordsRequestEntry) drivertest.Answer {
			return drivertest.Answer{Code: func(i int) string {
				if !bytes.Equal(entries[i].Data, first) || refusals == 0 {
					return ""
				}
				refusals--
				return drivertest.CodeThrottled
			}}
		})
		r.kinesis.Reshard(1)
		feed := drivertest.Feed{Size: 16, Keys: 1}
		put := func(key string) {
			recs := feed.Next(1)
			recs[0].Key = []byte(key)
			r.send(t, recs)
			synctest.Wait()
		}
		put(upper) // throttled in the second shard of the old map
		put(lower) // acknowledged in the new shard: the map is replaced
		put(upper)
		r.finish(t)
		var order []uint64
		for _, s := range r.kinesis.Stored() {
			order = append(order, s.Seq)
		}
		if diff := cmp.Diff([]uint64{1, 0, 2}, order); diff != "" || refusals > 0 {
			t.Errorf("stored with %d refusals left (-want +got):\n%s", refusals, diff)
		}
	})
}

// Keys whose hashes lie in the lower and the upper half.
const lower, upper = "a", "b"
