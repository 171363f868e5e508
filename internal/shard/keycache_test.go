package shard_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/kload/kload/internal/shard"
)

func TestKeyCacheIsNeverWrong(t *testing.T) {
	keys := [][]byte{{}, []byte("a"), []byte("käse-🧀")}
	for _, n := range []int{63, 64, 65, 256} {
		keys = append(keys, []byte(strings.Repeat("k", n)), []byte(strings.Repeat("k", n-1)+"j"))
	}
	for i := range 500 {
		keys = append(keys, fmt.Appendf(nil, "key-%d", i))
	}
	for _, entries := range []int{0, 1, 3, 64, 8192} {
		c := shard.NewKeyCache(entries)
		for range 3 {
			for _, k := range keys {
				if got, want := c.HashOf(k), shard.HashOf(k); got != want {
					t.Fatalf("%d entries: HashOf(%q) = %x, want %x", entries, k, got, want)
				}
			}
		}
	}
}

// The caller may reuse the memory of a key it has looked up.
func TestKeyCacheCopiesKeys(t *testing.T) {
	c := shard.NewKeyCache(1)
	key := []byte("first")
	c.HashOf(key)
	copy(key, "other")
	if got, want := c.HashOf(key), shard.HashOf([]byte("other")); got != want {
		t.Errorf("HashOf after the key changed = %x, want %x", got, want)
	}
}

func TestKeyCacheDoesNotAllocate(t *testing.T) {
	c := shard.NewKeyCache(2)
	keys := [][]byte{[]byte("a"), []byte("b"), []byte("c"), []byte(strings.Repeat("long", 20))}
	allocs := testing.AllocsPerRun(100, func() {
		for _, k := range keys {
			c.HashOf(k)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations, want 0", allocs)
	}
}

func BenchmarkKeyCache(b *testing.B) {
	for _, n := range []int{16, 4096, 65_536} {
		b.Run(fmt.Sprintf("keys=%d", n), func(b *testing.B) {
			c := shard.NewKeyCache(0)
			keys := make([][]byte, n)
			for i := range keys {
				keys[i] = fmt.Appendf(nil, "user-%011d", i)
			}
			var i int
			b.ReportAllocs()
			for b.Loop() {
				c.HashOf(keys[i])
				if i++; i == n {
					i = 0
				}
			}
		})
	}
}
