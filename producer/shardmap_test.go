package producer_test

import (
	"errors"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/producer"
	"github.com/kload/kload/producer/drivertest"
)

// stalled returns a configuration with one connection, so that records queue up
// behind one that hangs, and a shard map that is read again after a second.
func stalled() producer.Config {
	cfg := producer.DefaultConfig()
	cfg.Connections, cfg.MapRefresh = 1, time.Second
	cfg.Aggregation.MaxCount, cfg.Collection.MaxRecords = 5, 1
	return cfg
}

// resplitQueued waits until all is queued behind the first request, merges and
// splits the stream, lets the producer find out, and opens the gate.
func resplitQueued(t *testing.T, r *rig, gate chan struct{}) {
	t.Helper()
	r.sleep(t, 200*time.Millisecond)
	r.kinesis.Merge(0)
	r.kinesis.Split(0)
	r.kinesis.Split(1)
	r.sleep(t, 2*time.Second)
	close(gate)
	if err := r.Flush(t.Context()); err != nil {
		t.Error(err)
	}
	if r.Stats().Resplit == 0 {
		t.Error("nothing was taken apart: this proves nothing")
	}
}

// TestResplit queues aggregates and reshards the stream before they go out: they
// are sorted anew, none is sent where KCL would drop a part of it, and nothing is
// stored twice.
func TestResplit(t *testing.T) {
	for _, tag := range []string{"", "trace"} {
		for _, ordered := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				gate := make(chan struct{})
				cfg := stalled()
				cfg.Ordered = ordered
				r := newRig(t, cfg, 2, func(n int, _ []types.PutRecordsRequestEntry) drivertest.Answer {
					if n == 0 {
						return drivertest.Answer{Gate: gate}
					}
					return drivertest.Answer{}
				})
				feed := drivertest.Feed{Size: 50, Keys: 40, Tag: tag}
				r.send(t, feed.Next(200))
				resplitQueued(t, r, gate)
				r.finish(t)
				if got := r.book.Statuses()[kload.Acked]; got != 200 || len(r.kinesis.Stored()) != 200 {
					t.Errorf("%d acknowledged, %d stored, of 200", got, len(r.kinesis.Stored()))
				}
				for _, s := range r.kinesis.Stored() {
					if s.Misrouted || s.Tag != tag {
						t.Fatalf("stored as %+v", s)
					}
				}
				if ordered {
					r.checkOrder(t)
				}
				st := r.Stats()
				if st.MapRefreshed != 1 || st.DuplicatesPossible != 0 || st.Flushed.Reshard == 0 {
					t.Errorf("Stats() = %+v", st)
				}
			})
		}
	}
}

// TestWrongShard reshards under aggregates in flight: by the KPL's rule those that
// no longer belong to one shard are sent again and each is counted; otherwise they
// stay where KCL drops a part of them.
func TestWrongShard(t *testing.T) {
	tests := []struct {
		rule    string
		reshard func(*drivertest.Kinesis)
		again   bool // records are sent again
	}{
		{"kpl", func(k *drivertest.Kinesis) { k.Split(0) }, true},
		{"kpl", func(k *drivertest.Kinesis) { k.Reshard(1) }, false}, // the child owns all of both
		{"accept", func(k *drivertest.Kinesis) { k.Split(0) }, false},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			cfg := producer.DefaultConfig()
			cfg.WrongShard = tt.rule
			k := drivertest.NewKinesis(2, nil)
			r := newRigOn(t, cfg, k, k)
			tt.reshard(k)
			feed := drivertest.Feed{Size: 50, Keys: 100}
			r.send(t, feed.Next(100))
			r.finishPlaced(t, tt.rule == "kpl")
			st, copies := r.Stats(), len(k.Stored())
			if tt.again != (st.DuplicatesPossible > 0) || copies != 100+int(st.DuplicatesPossible) || st.Mispredicted == 0 {
				t.Errorf("%s: %d copies of 100 records, %d counted; %d mispredicted", tt.rule, copies, st.DuplicatesPossible, st.Mispredicted)
			}
			if tt.again && st.Errors["WrongShard"] == 0 {
				t.Errorf("errors %v", st.Errors)
			}
		})
	}
}

// TestRefresh reads the shard map now and then, and after failures not before
// its backoff, whatever is found out in between.
func TestRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := plain()
		cfg.MapRefresh = time.Minute
		r := newRig(t, cfg, 2, nil)
		first := r.kinesis.Lists()
		r.sleep(t, 10*time.Minute+time.Second)
		if got := r.kinesis.Lists() - first; got != 10 || r.Stats().MapRefreshed != 0 {
			t.Errorf("%d pages listed in ten minutes, %d maps put into force", got, r.Stats().MapRefreshed)
		}
		r.kinesis.Reshard(1)
		r.kinesis.FailLists(4) // 1 + 1.5 + 2.25 + 3.375 s
		feed := drivertest.Feed{Size: 16, Keys: 10}
		for range 70 {
			r.send(t, feed.Next(1))
			r.sleep(t, 100*time.Millisecond)
		}
		st := r.Stats()
		if st.MapRefreshFailed != 4 || st.MapRefreshed != 0 {
			t.Errorf("after 7s: %d failed, %d put into force", st.MapRefreshFailed, st.MapRefreshed)
		}
		r.sleep(t, 2*time.Second)
		r.send(t, feed.Next(10))
		r.finish(t)
		if st := r.Stats(); st.MapRefreshed != 1 || st.Mispredicted != 70 {
			t.Errorf("in the end: %d put into force, %d mispredicted", st.MapRefreshed, st.Mispredicted)
		}
	})
}

// TestAutoDistribution puts into a stream that distributes records as it likes,
// from the start or from some time on: aggregation ends and the user is told.
func TestAutoDistribution(t *testing.T) {
	for _, late := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			k, book := drivertest.NewKinesis(3, nil), drivertest.NewBook()
			k.Distribute(!late)
			var told []string
			cfg := producer.DefaultConfig()
			cfg.MapRefresh = time.Second
			p, err := producer.New(t.Context(), producer.Options{
				API: k, Stream: "demo", Config: cfg, Outcomes: book.Outcomes,
				Event: func(kind string, _ map[string]any) { told = append(told, kind) },
			})
			if err != nil {
				t.Fatal(err)
			}
			feed := drivertest.Feed{Size: 50, Keys: 100}
			n := 0
			put := func() {
				if _, err := p.PutBatch(t.Context(), feed.Next(100)); err != nil {
					t.Error(err)
				}
				n += 100
				if err := p.Flush(t.Context()); err != nil {
					t.Error(err)
				}
			}
			if late {
				put()
				k.Distribute(true)
				<-time.After(1500 * time.Millisecond)
			}
			from := len(k.Puts())
			put()
			if err := p.Close(t.Context()); err != nil {
				t.Error(err)
			}
			book.Check(t, k, uint64(n))
			if st := p.Stats(); len(k.Puts())-from != 100 || st.DuplicatesPossible+st.Mispredicted != 0 || !st.AggregationOff || p.Counters()["aggregation_off"] != 1 {
				t.Errorf("late %v: %d stream records for 100 records; %+v", late, len(k.Puts())-from, st)
			}
			if diff := cmp.Diff([]string{"aggregation_off"}, told); diff != "" {
				t.Errorf("late %v: events (-want +got):\n%s", late, diff)
			}
		})
	}
}

// TestCounters holds the list of counters that expectations may name against
// those there are.
func TestCounters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, producer.DefaultConfig(), 1, nil)
		got := slices.Sorted(maps.Keys(r.Counters()))
		if diff := cmp.Diff((*producer.Config)(nil).CounterNames(), got); diff != "" {
			t.Errorf("counters (-listed +counted):\n%s", diff)
		}
		r.finish(t)
	})
}

// TestNewFails on a stream without a shard map.
func TestNewFails(t *testing.T) {
	k := drivertest.NewKinesis(1, nil)
	k.FailLists(1)
	if _, err := producer.New(t.Context(), producer.Options{API: k, Stream: "demo"}); !errors.Is(err, kload.ErrUnreachable) {
		t.Errorf("New gave %v, want ErrUnreachable", err)
	}
}
