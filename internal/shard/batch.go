package shard

import (
	"crypto/md5"
	"encoding/binary"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/md5lanes"
)

// BatchHasher computes the points of many partition keys at once, where the
// machine can do that for less than one at a time costs, and remembers points
// where it cannot. It belongs to one goroutine.
type BatchHasher struct {
	lanes *md5lanes.Hasher
	sums  [][md5.Size]byte
	cache *KeyCache
}

// NewBatchHasher returns a hasher for this machine.
func NewBatchHasher() *BatchHasher {
	b := &BatchHasher{lanes: md5lanes.New()}
	if !b.lanes.Wide() {
		b.cache = NewKeyCache(0)
	}
	return b
}

// HashAll writes what [HashOf] returns for each key to the element of dst with
// its index. In steady state it does not allocate.
func (b *BatchHasher) HashAll(dst []kload.HashKey, keys [][]byte) {
	if b.cache != nil {
		for i, k := range keys {
			dst[i] = b.cache.HashOf(k)
		}
		return
	}
	for len(b.sums) < len(keys) {
		b.sums = append(b.sums, [md5.Size]byte{})
	}
	b.lanes.SumShort(b.sums, keys)
	for i := range keys {
		dst[i] = point(&b.sums[i])
	}
}

// point reads a digest as a number.
func point(sum *[md5.Size]byte) kload.HashKey {
	return kload.HashKey{Hi: binary.BigEndian.Uint64(sum[:8]), Lo: binary.BigEndian.Uint64(sum[8:])}
}
