package producer_test

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/invariants"
	"github.com/kload/kload/internal/units"
	"github.com/kload/kload/producer"
	"github.com/kload/kload/producer/drivertest"
)

// TestModel drives producers of random shape through random weather with puts,
// flushes, waits, splits and merges, a million records in all. Every record must
// have exactly one outcome, and one that the stream bears out
// ([drivertest.Book.Check]); what was acknowledged lies where its hash key
// belongs; keys keep their order where that was promised; and records sent again
// after they were stored in a wrong shard are counted.
func TestModel(t *testing.T) {
	seeds, batch := uint64(40), 700
	if invariants.Enabled {
		seeds, batch = 12, 100
	}
	m := model{t: t, batch: batch}
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) { m.run(t, seed) })
	}
	if !invariants.Enabled && m.records < 1_000_000 {
		t.Errorf("%d records in all", m.records)
	}
	if m.resplit == 0 || m.duplicates == 0 || m.ordered == 0 {
		t.Errorf("%d records taken apart, %d sent again from a wrong shard, %d runs in order: this proves nothing", m.resplit, m.duplicates, m.ordered)
	}
}

type model struct {
	t       *testing.T
	batch   int
	records uint64

	resplit, duplicates uint64
	ordered             int
}

func modelConfig(r *rand.Rand) producer.Config {
	cfg := producer.DefaultConfig()
	cfg.Connections = 1 + r.IntN(8)
	cfg.Ordered = r.IntN(3) == 0
	cfg.RequestTimeout = time.Duration(20+r.IntN(500)) * time.Millisecond // some shorter than answers take
	cfg.TTL = time.Duration(100+r.IntN(3000)) * time.Millisecond
	cfg.Memory = units.Bytes(1<<20 + r.IntN(1<<20))
	cfg.Aggregation.Enabled = r.IntN(6) > 0
	cfg.Aggregation.MaxBytes = units.Bytes(200 + r.IntN(10000))
	cfg.Aggregation.MaxCount = 1 + r.IntN(100)
	cfg.Aggregation.Linger = time.Duration(r.IntN(100)) * time.Millisecond
	cfg.Aggregation.PartitionKey = []string{"first", "a", "random"}[r.IntN(3)]
	cfg.Collection.MaxRecords = 1 + r.IntN(100)
	cfg.Gate = []string{"aimd", "kpl", "none"}[r.IntN(3)]
	cfg.MapRefresh = time.Duration(r.IntN(2)) * time.Second
	return cfg
}

// run is one producer's life.
func (m *model) run(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 0x6d6f64656c))
	cfg := modelConfig(r)
	rig := newRig(t, cfg, 1+r.IntN(5), drivertest.Weather(seed, 0.6))
	feed := drivertest.Feed{Size: 16 + r.IntN(800), Keys: 1 + r.IntN(200)}
	for range 100 {
		switch r.IntN(20) {
		case 0:
			if err := rig.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		case 1:
			m.reshard(r, rig.kinesis)
		case 2, 3, 4:
			rig.sleep(t, time.Duration(r.IntN(200))*time.Millisecond)
		default:
			rig.send(t, feed.Next(1+r.IntN(m.batch)))
		}
	}
	rig.finish(t)
	if cfg.Ordered {
		rig.checkOrder(t)
		m.ordered++
	}
	st := rig.Stats()
	attempts, last := rig.book.Strayed(rig.kinesis)
	if again := int(st.DuplicatesPossible); attempts < again || attempts > again+last {
		t.Errorf("seed %d: %d records counted as sent again from a wrong shard; the stream saw %d, %d of them for the last time", seed, again, attempts, last)
	}
	if n := rig.book.Statuses()[kload.Acked]; n == 0 {
		t.Errorf("seed %d: nothing of %d records was acknowledged: this proves nothing", seed, rig.put)
	}
	if st.PeakBytes > uint64(cfg.Memory) {
		t.Errorf("seed %d: %d bytes held with a budget of %d", seed, st.PeakBytes, cfg.Memory)
	}
	if t.Failed() {
		t.Logf("seed %d: %+v", seed, cfg)
	}
	m.records += rig.put
	m.resplit += st.Resplit
	m.duplicates += st.DuplicatesPossible
}

func (m *model) reshard(r *rand.Rand, k *drivertest.Kinesis) {
	n := len(k.ShardIDs())
	switch {
	case r.IntN(4) == 0:
		k.Reshard(1 + r.IntN(5))
	case n > 1 && r.IntN(2) == 0:
		k.Merge(r.IntN(n - 1))
	default:
		k.Split(r.IntN(n))
	}
}
