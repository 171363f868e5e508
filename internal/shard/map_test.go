package shard_test

import (
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/shard"
)

func TestSplit(t *testing.T) {
	space := new(big.Int).Lsh(big.NewInt(1), 128)
	for _, n := range []int{1, 2, 3, 7, 16, 1000, 65_537} {
		ranges := shard.Split(n)
		if len(ranges) != n {
			t.Fatalf("Split(%d) has %d ranges", n, len(ranges))
		}
		width := new(big.Int).Div(space, big.NewInt(int64(n)))
		for i, r := range ranges {
			start := new(big.Int).Mul(width, big.NewInt(int64(i)))
			end := new(big.Int).Add(start, width)
			end.Sub(end, big.NewInt(1))
			if i == n-1 {
				end.Sub(space, big.NewInt(1))
			}
			if toBig(r.Start).Cmp(start) != 0 || toBig(r.End).Cmp(end) != 0 {
				t.Fatalf("Split(%d)[%d] = %v..%v, want %v..%v", n, i, toBig(r.Start), toBig(r.End), start, end)
			}
		}
	}
	for _, n := range []int{0, -1} {
		if got := shard.Split(n); got != nil {
			t.Errorf("Split(%d) = %v, want nil", n, got)
		}
	}
}

func TestRangeContains(t *testing.T) {
	r := shard.Range{Start: kload.HashKey{Hi: 1}, End: kload.HashKey{Hi: 2}}
	for _, tc := range []struct {
		h    kload.HashKey
		want bool
	}{
		{kload.HashKey{}, false},
		{kload.HashKey{Lo: 1<<64 - 1}, false},
		{kload.HashKey{Hi: 1}, true},
		{kload.HashKey{Hi: 1, Lo: 1<<64 - 1}, true},
		{kload.HashKey{Hi: 2}, true},
		{kload.HashKey{Hi: 2, Lo: 1}, false},
		{shard.Max(), false},
	} {
		if got := r.Contains(tc.h); got != tc.want {
			t.Errorf("Contains(%x) = %v, want %v", tc.h, got, tc.want)
		}
	}
}

func evenShards(n int) []shard.Shard {
	shards := make([]shard.Shard, n)
	for i, r := range shard.Split(n) {
		shards[i] = shard.Shard{ID: fmt.Sprintf("shardId-%012d", i), Range: r, Open: true}
	}
	return shards
}

func TestNewMapRefusesBadDivisions(t *testing.T) {
	one := kload.HashKey{Lo: 1}
	for _, tc := range []struct {
		name string
		edit func([]shard.Shard) []shard.Shard
		want string
	}{
		{"none", func([]shard.Shard) []shard.Shard { return nil }, "no open shard"},
		{"all closed", func(s []shard.Shard) []shard.Shard { s[0].Open = false; return s[:1] }, "no open shard"},
		{"gap at the start", func(s []shard.Shard) []shard.Shard { return s[1:] }, "no shard owns 0"},
		{"gap inside", func(s []shard.Shard) []shard.Shard { return append(s[:1], s[2:]...) }, "no shard owns 85070591730234615865843651857942052864"},
		{"gap at the end", func(s []shard.Shard) []shard.Shard { return s[:3] }, "no shard owns 255211775190703847597530955573826158592"},
		{"overlap by one", func(s []shard.Shard) []shard.Shard { s[1].Range.Start.Lo--; s[1].Range.Start.Hi--; return s }, "overlaps"},
		{"whole space again", func(s []shard.Shard) []shard.Shard {
			return append(s, shard.Shard{ID: "whole", Range: shard.Range{End: shard.Max()}, Open: true})
		}, "overlaps"},
		{"after the last point", func(s []shard.Shard) []shard.Shard {
			return append(s, shard.Shard{ID: "extra", Range: shard.Range{Start: shard.Max(), End: shard.Max()}, Open: true})
		}, "overlaps"},
		{"backwards", func(s []shard.Shard) []shard.Shard { s[0].Range = shard.Range{Start: one}; return s }, "ends before it starts"},
		{"same ID", func(s []shard.Shard) []shard.Shard { s[1].ID = s[0].ID; return s }, "listed twice"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := shard.NewMap(1, tc.edit(evenShards(4)))
			if !errors.Is(err, kload.ErrInvalid) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("NewMap: %v, want an invalid one that says %q", err, tc.want)
			}
		})
	}
}

func TestMapAfterReshard(t *testing.T) {
	shards := evenShards(2)
	whole := shard.Shard{ID: "shardId-old", Range: shard.Range{End: shard.Max()}}
	shards[0].Parents, shards[1].Parents = []string{whole.ID}, []string{whole.ID}
	m, err := shard.NewMap(7, []shard.Shard{shards[1], whole, shards[0]})
	if err != nil {
		t.Fatal(err)
	}
	if m.Len() != 2 || m.Epoch() != 7 {
		t.Errorf("Len %d, Epoch %d, want 2 and 7", m.Len(), m.Epoch())
	}
	if diff := cmp.Diff(shards, []shard.Shard{m.At(0), m.At(1)}); diff != "" {
		t.Errorf("open shards in order (-want +got):\n%s", diff)
	}
	if i, ok := m.Find(shards[1].ID); !ok || i != 1 {
		t.Errorf("Find = %d, %v, want 1, true", i, ok)
	}
	if i, ok := m.Find(whole.ID); ok {
		t.Errorf("Find found the closed shard at %d", i)
	}
}

func TestLocate(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, n := range []int{1, 2, 3, 16, 1000} {
		m, err := shard.NewMap(1, evenShards(n))
		if err != nil {
			t.Fatal(err)
		}
		for i := range m.Len() {
			r := m.At(i).Range
			if s, e := m.Locate(r.Start), m.Locate(r.End); s != i || e != i {
				t.Fatalf("%d shards: ends of %d found in %d and %d", n, i, s, e)
			}
		}
		for range 1000 {
			h := kload.HashKey{Hi: rng.Uint64(), Lo: rng.Uint64()}
			if i := m.Locate(h); !m.At(i).Range.Contains(h) {
				t.Fatalf("%d shards: %x located in %d, which does not own it", n, h, i)
			}
		}
		if allocs := testing.AllocsPerRun(100, func() { m.Locate(shard.Max()) }); allocs != 0 {
			t.Errorf("Locate: %v allocations, want 0", allocs)
		}
	}
}

func BenchmarkLocate(b *testing.B) {
	for _, n := range []int{1, 16, 1000} {
		b.Run(fmt.Sprintf("shards=%d", n), func(b *testing.B) {
			m, err := shard.NewMap(1, evenShards(n))
			if err != nil {
				b.Fatal(err)
			}
			var h kload.HashKey
			b.ReportAllocs()
			for b.Loop() {
				h.Hi += 0x9e3779b97f4a7c15
				m.Locate(h)
			}
		})
	}
}
