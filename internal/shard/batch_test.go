package shard_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/invariants"
	"github.com/kload/kload/internal/shard"
)

// TestHashAll hashes batches of keys of all lengths, some longer than a block of
// MD5, and compares with one at a time.
func TestHashAll(t *testing.T) {
	h := shard.NewBatchHasher()
	for n := range 30 {
		keys := make([][]byte, n)
		for i := range keys {
			keys[i] = fmt.Appendf(nil, "%d-%s", i, strings.Repeat("ж", (i*n)%40))
		}
		got := make([]kload.HashKey, n)
		h.HashAll(got, keys)
		for i, k := range keys {
			if got[i] != shard.HashOf(k) {
				t.Fatalf("key %d of %d, %d bytes: %v, want %v", i, n, len(k), got[i], shard.HashOf(k))
			}
		}
	}
}

func TestHashAllDoesNotAllocate(t *testing.T) {
	if invariants.Enabled {
		t.Skip("the race detector allocates")
	}
	h, keys, dst := shard.NewBatchHasher(), make([][]byte, 100), make([]kload.HashKey, 100)
	for i := range keys {
		keys[i] = fmt.Append(nil, i)
	}
	if n := testing.AllocsPerRun(100, func() { h.HashAll(dst, keys) }); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}
