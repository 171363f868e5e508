package putrecords_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/invariants"
	"github.com/kload/kload/internal/pace"
	"github.com/kload/kload/producer/direct"
	"github.com/kload/kload/producer/drivers/putrecords"
	"github.com/kload/kload/producer/drivertest"
)

func open(t *testing.T, e drivertest.Env, c putrecords.Config) *direct.Ingress {
	if e.Ordered {
		t.Skip("records that are sent again overtake others: see Capabilities")
	}
	c.Linger = e.Linger
	return putrecords.New(t.Context(), c, e.Kinesis, e.Stream, direct.Options{
		Clock: e.Clock, Outcomes: e.Outcomes, Seed: 1, Connections: 4, TTL: e.TTL, Timeout: e.Timeout, Memory: e.Memory,
	})
}

func TestConformance(t *testing.T) {
	for name, c := range map[string]putrecords.Config{
		"default":        {MaxRecords: 500, MaxBytes: 10 << 20},
		"small requests": {MaxRecords: 30, MaxBytes: 4000},
	} {
		t.Run(name, func(t *testing.T) {
			drivertest.Run(t, func(t *testing.T, e drivertest.Env) kload.Ingress { return open(t, e, c) })
		})
	}
}

// rig is the driver between a feed and a book.
type rig struct {
	*direct.Ingress
	drivertest.Env
	book *drivertest.Book
	feed drivertest.Feed
}

func newRig(t *testing.T, c putrecords.Config, script drivertest.Script) *rig {
	r := &rig{book: drivertest.NewBook(), feed: drivertest.Feed{Size: 100, Keys: 7}}
	r.Env = drivertest.Env{
		Kinesis: drivertest.NewKinesis(4, script), Stream: "s", Clock: pace.NewClock(), Outcomes: r.book.Outcomes,
		Memory: 64 << 20, Linger: c.Linger, TTL: 5 * time.Second, Timeout: time.Second,
	}
	r.Ingress = open(t, r.Env, c)
	return r
}

func (r *rig) put(t *testing.T, recs []kload.Record) {
	t.Helper()
	if _, err := r.PutBatch(t.Context(), recs); err != nil {
		t.Fatal(err)
	}
}

func (r *rig) close(t *testing.T) {
	t.Helper()
	if err := r.Close(t.Context()); err != nil {
		t.Error(err)
	}
	r.book.Closed()
}

// TestRequests holds how records are collected: full requests at once, the rest
// when the first of it has lingered.
func TestRequests(t *testing.T) {
	tests := []struct {
		name    string
		config  putrecords.Config
		records int
		want    []time.Duration // when requests come
	}{
		{"by linger", putrecords.Config{MaxRecords: 500, MaxBytes: 10 << 20, Linger: 100 * time.Millisecond}, 40, []time.Duration{100 * time.Millisecond}},
		{"by count", putrecords.Config{MaxRecords: 50, MaxBytes: 10 << 20, Linger: time.Second}, 120, []time.Duration{0, 0, time.Second}},
		{"by bytes", putrecords.Config{MaxRecords: 500, MaxBytes: 1050, Linger: time.Second}, 15, []time.Duration{0, time.Second}},
		{"one by one", putrecords.Config{MaxRecords: 500, MaxBytes: 1, Linger: time.Second}, 3, []time.Duration{0, 0, 0}},
		{"without linger", putrecords.Config{MaxRecords: 500, MaxBytes: 10 << 20}, 3, []time.Duration{0}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, tt.config, nil)
				from := time.Now()
				r.put(t, r.feed.Next(tt.records))
				if err := pace.NewPacer(r.Clock).Sleep(t.Context(), 2*time.Second); err != nil {
					t.Fatal(err)
				}
				r.close(t)
				var got []time.Duration
				for _, at := range r.Kinesis.Calls() {
					got = append(got, at.Sub(from))
				}
				if d := cmp.Diff(tt.want, got); d != "" {
					t.Errorf("requests (-want +got)\n%s", d)
				}
				r.book.Check(t, r.Kinesis, uint64(tt.records))
			})
		})
	}
}

// TestEntries holds that records arrive with their keys, one by one, and that
// only what failed is sent again.
func TestEntries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := func(call int, _ []drivertest.Entry) (a drivertest.Answer) {
			if call == 0 {
				a.Code = func(i int) string {
					if i%10 == 3 {
						return drivertest.CodeThrottled
					}
					return ""
				}
			}
			return a
		}
		r := newRig(t, putrecords.Config{MaxRecords: 500, MaxBytes: 10 << 20}, script)
		recs := r.feed.Next(100)
		recs[5].HasHash, recs[5].Hash = true, kload.HashKey{Hi: 1 << 63}
		recs[6].Tag = []byte("no room for this")
		recs[7].Key = nil
		recs[8].Data = make([]byte, 1<<20+1)
		r.put(t, recs)
		r.close(t)
		if got := r.Stats(); got.Requests != 2 || got.Attempts != 97+10 || got.Retries != 10 || got.Throttled != 10 || got.Refused != 3 {
			t.Errorf("stats %+v", got)
		}
		codes := map[string]int{}
		for seq := range uint64(100) {
			codes[r.book.Outcome(seq).Code]++
		}
		if d := cmp.Diff(map[string]int{"": 97, "TagNotCarried": 1, "InvalidPartitionKey": 1, "RecordTooLarge": 1}, codes); d != "" {
			t.Errorf("codes (-want +got)\n%s", d)
		}
		for _, s := range r.Kinesis.Stored() {
			want := drivertest.Stored{Seq: s.Seq, Key: drivertest.KeyOf(s.Seq, 7), Stream: s.Stream, Shard: s.Shard, Hash: s.Hash}
			if d := cmp.Diff(want, s); d != "" || s.Seq == 5 && s.Hash.Hi != 1<<63 {
				t.Errorf("record %d (-want +got)\n%s", s.Seq, d)
			}
		}
	})
}

// TestAllocations holds what accepting a record costs.
func TestAllocations(t *testing.T) {
	if invariants.Enabled {
		t.Skip("recycled memory is poisoned")
	}
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, putrecords.Config{MaxRecords: 500, MaxBytes: 10 << 20, Linger: time.Hour}, nil)
		r.feed.Keys = 1 // a key that changes is a string of its own
		recs := r.feed.Next(100)
		for range 25 {
			r.put(t, recs)
		}
		if err := r.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		if n := testing.AllocsPerRun(20, func() { r.put(t, recs) }); n > 1 {
			t.Errorf("%v allocations for 100 records that were accepted into recycled memory", n)
		}
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
