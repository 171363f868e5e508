package producer_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/shard"
	"github.com/kload/kload/internal/units"
	"github.com/kload/kload/producer"
	"github.com/kload/kload/producer/drivertest"
)

// shape is what a test wants to know of a stored stream record.
type shape struct {
	Users      int
	Enveloped  bool
	HasHashKey bool
}

func shapes(k *drivertest.Kinesis) []shape {
	out := []shape{}
	for i, p := range k.Puts() {
		at := slices.IndexFunc(k.Stored(), func(s drivertest.Stored) bool { return s.Stream == i })
		out = append(out, shape{p.Users, k.Stored()[at].Aggregated, p.HashKey != ""})
	}
	return out
}

func TestAggregation(t *testing.T) {
	hashOf := func(seq uint64) kload.HashKey { return kload.HashKey{Hi: 1 << 63, Lo: seq} }
	tests := []struct {
		name   string
		tweak  func(*producer.Aggregation)
		feed   drivertest.Feed
		hashed bool // records bring an explicit hash key
		n      int
		want   []shape
	}{
		{name: "several go into one", n: 5, want: []shape{{5, true, true}}},
		{name: "keys repeat under other hash keys", n: 65, hashed: true, want: []shape{{65, true, true}}},
		{name: "a lone record goes plain", n: 1, want: []shape{{1, false, false}}},
		{name: "a lone record keeps its hash key", n: 1, hashed: true, want: []shape{{1, false, true}}},
		{name: "a tag needs the envelope", n: 1, feed: drivertest.Feed{Tag: "trace"}, want: []shape{{1, true, true}}},
		{
			name: "count", n: 7, tweak: func(a *producer.Aggregation) { a.MaxCount = 3 },
			want: []shape{{3, true, true}, {3, true, true}, {1, false, false}},
		},
		{
			name: "count of 16", n: 33, tweak: func(a *producer.Aggregation) { a.MaxCount = 16 },
			want: []shape{{16, true, true}, {16, true, true}, {1, false, false}},
		},
		{
			name: "count of 17", n: 50, tweak: func(a *producer.Aggregation) { a.MaxCount = 17 },
			want: []shape{{17, true, true}, {17, true, true}, {16, true, true}},
		},
		{
			name: "larger than an aggregate", n: 3, feed: drivertest.Feed{Size: 60_000},
			want: []shape{{1, false, false}, {1, false, false}, {1, false, false}},
		},
		{
			name: "switched off", n: 2, tweak: func(a *producer.Aggregation) { a.Enabled = false },
			want: []shape{{1, false, false}, {1, false, false}},
		},
		{
			name: "switched off with a tag", n: 2, feed: drivertest.Feed{Tag: "trace"},
			tweak: func(a *producer.Aggregation) { a.Enabled = false },
			want:  []shape{{1, true, true}, {1, true, true}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := producer.DefaultConfig()
				cfg.Connections = 1
				if tt.tweak != nil {
					tt.tweak(&cfg.Aggregation)
				}
				r := newRig(t, cfg, 1, nil)
				tt.feed.Size, tt.feed.Keys = max(tt.feed.Size, 100), 10
				recs := tt.feed.Next(tt.n)
				for i := range recs {
					recs[i].Hash, recs[i].HasHash = hashOf(recs[i].Seq), tt.hashed
				}
				r.send(t, recs)
				r.finish(t)
				if diff := cmp.Diff(tt.want, shapes(r.kinesis)); diff != "" {
					t.Errorf("stream records (-want +got):\n%s", diff)
				}
				for _, s := range r.kinesis.Stored() {
					if tt.hashed && s.Hash != hashOf(s.Seq) || s.Key != drivertest.KeyOf(s.Seq, 10) || s.Tag != tt.feed.Tag {
						t.Errorf("stored as %+v", s)
					}
				}
			})
		})
	}
}

// TestAggregateSize holds that no aggregate exceeds its limit and that each is
// as full as its records allow, whatever the limit.
func TestAggregateSize(t *testing.T) {
	for _, limit := range []int{64, 200, 1000, 50 << 10, 1 << 20} {
		for _, hashed := range []bool{false, true} {
			t.Run(fmt.Sprintf("limit=%d/hashed=%v", limit, hashed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					cfg := producer.DefaultConfig()
					cfg.Aggregation.MaxBytes, cfg.Aggregation.MaxCount = units.Bytes(limit), 1<<30
					r := newRig(t, cfg, 1, nil)
					size := max(23, limit/500)
					n := 3*limit/size + 10
					feed := drivertest.Feed{Size: size, Keys: 3}
					recs := feed.Next(n)
					for i := range recs {
						recs[i].Hash, recs[i].HasHash = kload.HashKey{Lo: uint64(i)}, hashed
					}
					r.send(t, recs)
					r.finish(t)
					checkSizes(t, r.kinesis.Puts(), limit, size)
				})
			})
		}
	}
}

// checkSizes allows the last aggregate to be short. None may reach the largest
// stream record with its key on top.
func checkSizes(t *testing.T, puts []drivertest.Put, limit, size int) {
	t.Helper()
	most := 0
	for _, p := range puts {
		if p.Users > 1 && p.Bytes > min(limit, 1<<20-len(p.Key)) {
			t.Errorf("an aggregate of %d bytes exceeds %d", p.Bytes, limit)
		}
		most = max(most, p.Bytes)
	}
	if slack := limit - most; limit >= 200 && slack > size+60 {
		t.Errorf("the fullest aggregate has %d bytes of %d: another record would have fit", most, limit)
	}
}

// TestAggregatesPerShard holds that an aggregate holds records of one shard only
// and is sent there.
func TestAggregatesPerShard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, producer.DefaultConfig(), 7, nil)
		feed := drivertest.Feed{Size: 50, Keys: 997}
		for range 5 {
			r.send(t, feed.Next(1000))
		}
		r.finish(t)
		ranges := map[string]shard.Range{}
		for i, rg := range shard.Split(7) {
			ranges[r.kinesis.ShardIDs()[i]] = rg
		}
		for _, s := range r.kinesis.Stored() {
			if !ranges[s.Shard].Contains(s.Hash) {
				t.Fatalf("record %d of key %s lies in %s", s.Seq, s.Key, s.Shard)
			}
		}
		if got := len(r.kinesis.Puts()); got > 14 {
			t.Errorf("5000 small records took %d stream records", got)
		}
		if st := r.Stats(); st.Mispredicted != 0 || st.StreamRecords != uint64(len(r.kinesis.Puts())) {
			t.Errorf("Stats() = %+v, want all predicted", st)
		}
	})
}

func TestLinger(t *testing.T) {
	const ms = time.Millisecond
	tests := []struct {
		name   string
		linger time.Duration
		puts   []time.Duration // one record each, from the start
		sent   []time.Duration // stream records, from the start
	}{
		{"alone", 100 * ms, []time.Duration{0}, []time.Duration{100 * ms}},
		{"counts from the first record", 100 * ms, []time.Duration{0, 60 * ms, 90 * ms}, []time.Duration{100 * ms}},
		{"starts anew", 100 * ms, []time.Duration{0, 150 * ms, 200 * ms}, []time.Duration{100 * ms, 250 * ms}},
		{"none", 0, []time.Duration{0, 10 * ms}, []time.Duration{0, 10 * ms}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := producer.DefaultConfig()
				cfg.Aggregation.Linger = tt.linger
				start := time.Now()
				r := newRig(t, cfg, 1, nil)
				feed := drivertest.Feed{Size: 16, Keys: 1}
				for _, at := range tt.puts {
					r.sleep(t, at-time.Since(start))
					r.send(t, feed.Next(1))
				}
				r.sleep(t, time.Second)
				var sent []time.Duration
				for _, p := range r.kinesis.Puts() {
					sent = append(sent, p.At.Sub(start))
				}
				if diff := cmp.Diff(tt.sent, sent); diff != "" {
					t.Errorf("sent at (-want +got):\n%s", diff)
				}
				r.finish(t)
			})
		})
	}
}

// TestTooLarge puts records around the largest size between others: exactly
// those that no stream record can hold are rejected, alone and unsent.
func TestTooLarge(t *testing.T) {
	const limit = 1 << 20
	tests := []struct {
		name     string
		size     int
		tag      string
		rejected int
	}{
		{"largest", limit - 5, "", 0},
		{"one byte more", limit - 4, "", 1},
		{"tagged, largest plain", limit - 5 - 3, "tag", 1},
		{"tagged, with room for the envelope", limit - 5 - 5 - 3 - 96, "tag", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, producer.DefaultConfig(), 1, nil)
				small, large := drivertest.Feed{Size: 16, Keys: 1}, drivertest.Feed{Size: tt.size, Keys: 1, Tag: tt.tag}
				recs := slices.Clone(small.Next(3))
				large.Next(1)
				recs[1] = cloned(large.Next(1)[0]) // number 1
				r.send(t, recs)
				if tt.rejected > 0 && r.book.Outcome(1).Code != "RecordTooLarge" {
					t.Errorf("outcome %+v, want RecordTooLarge at once", r.book.Outcome(1))
				}
				r.finish(t)
				want := map[kload.Status]int{kload.Acked: 3 - tt.rejected}
				if tt.rejected > 0 {
					want[kload.Rejected] = tt.rejected
				}
				if diff := cmp.Diff(want, r.book.Statuses()); diff != "" {
					t.Errorf("outcomes (-want +got):\n%s", diff)
				}
				if got := r.Stats().Refused; got != uint64(tt.rejected) {
					t.Errorf("Stats().Refused = %d, want %d", got, tt.rejected)
				}
			})
		})
	}
}

func cloned(r kload.Record) kload.Record {
	r.Data, r.Key, r.Tag = bytes.Clone(r.Data), bytes.Clone(r.Key), bytes.Clone(r.Tag)
	return r
}

// TestTooLargeFreesBudget rejects more bytes than the budget holds.
func TestTooLargeFreesBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := producer.DefaultConfig()
		cfg.Memory = 2 << 20
		r := newRig(t, cfg, 1, nil)
		feed := drivertest.Feed{Size: 1<<20 + 1, Keys: 1}
		for range 5 {
			r.send(t, feed.Next(1))
		}
		r.finish(t)
	})
}

// TestLargestAggregate fills aggregates to the size of a stream record, with
// records shorter than their key: the key counts beside the data.
func TestLargestAggregate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := producer.DefaultConfig()
		cfg.Aggregation.MaxBytes = 1 << 20
		r := newRig(t, cfg, 1, nil)
		feed := drivertest.Feed{Size: 900, Keys: 1}
		recs := feed.Next(3000)
		for i := range recs {
			recs[i].Key = []byte(strings.Repeat("𝄞", 256))
		}
		r.send(t, recs)
		r.finish(t)
		if got := r.book.Statuses()[kload.Acked]; got != len(recs) {
			t.Errorf("%d of %d records acknowledged", got, len(recs))
		}
	})
}
