package producer_test

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/units"
	"github.com/kload/kload/producer"
	"github.com/kload/kload/producer/drivertest"
)

// TestModel drives producers of random shape through random weather with puts,
// flushes, waits and reshards. Every record must have exactly one outcome, and
// one that the stream bears out ([drivertest.Book.Check]).
func TestModel(t *testing.T) {
	for seed := range uint64(12) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0x6d6f64656c))
			cfg := producer.DefaultConfig()
			cfg.Connections = 1 + r.IntN(8)
			cfg.Ordered = r.IntN(3) == 0
			cfg.RequestTimeout = time.Duration(20+r.IntN(500)) * time.Millisecond // some shorter than answers take
			cfg.TTL = time.Duration(100+r.IntN(3000)) * time.Millisecond
			cfg.Memory = units.Bytes(1<<17 + r.IntN(1<<20))
			cfg.Aggregation.Enabled = r.IntN(4) > 0
			cfg.Aggregation.MaxBytes = units.Bytes(200 + r.IntN(5000))
			cfg.Aggregation.MaxCount = 1 + r.IntN(30)
			cfg.Aggregation.Linger = time.Duration(r.IntN(100)) * time.Millisecond
			cfg.Collection.MaxRecords = 1 + r.IntN(50)
			rig := newRig(t, cfg, 1+r.IntN(5), drivertest.Weather(seed, 0.6))
			feed := drivertest.Feed{Size: 16 + r.IntN(300), Keys: 1 + r.IntN(200)}
			for range 100 {
				switch r.IntN(20) {
				case 0:
					if err := rig.Flush(t.Context()); err != nil {
						t.Fatal(err)
					}
				case 1:
					rig.kinesis.Reshard(1 + r.IntN(5))
				case 2, 3, 4:
					rig.sleep(t, time.Duration(r.IntN(200))*time.Millisecond)
				default:
					rig.send(t, feed.Next(1+r.IntN(100)))
				}
			}
			rig.finish(t)
			st := rig.book.Statuses()
			if st[kload.Acked] == 0 || rig.put < 3000 {
				t.Errorf("seed %d: %d records, outcomes %v: this proves nothing", seed, rig.put, st)
			}
			if peak := rig.Stats().PeakBytes; peak > uint64(cfg.Memory) {
				t.Errorf("seed %d: %d bytes held with a budget of %d", seed, peak, cfg.Memory)
			}
			if t.Failed() {
				t.Logf("seed %d: %+v", seed, cfg)
			}
		})
	}
}
