package shard

import (
	"hash/maphash"
	"math/bits"

	"github.com/kload/kload"
)

const (
	// DefaultKeyCacheEntries suits a few thousand keys in use: 88 B each, 352 KiB
	// in all.
	DefaultKeyCacheEntries = 4096
	// maxCachedKey bounds the entry size. Longer keys are rare, and hashing them
	// always is right, only slower.
	maxCachedKey = 64
)

// KeyCache remembers the MD5 points of recent partition keys, because one MD5
// costs an order of magnitude more than a look-up. It is direct-mapped: a key
// has one place, which it takes from whichever key held it. Entries hold their
// key, so two keys that meet in one place are never taken for each other.
//
// A KeyCache belongs to one goroutine.
type KeyCache struct {
	seed    maphash.Seed
	mask    uint64
	entries []cachedKey
}

type cachedKey struct {
	hash kload.HashKey
	n    uint8 // length of the key, 0 for a vacant entry
	key  [maxCachedKey]byte
}

// NewKeyCache returns a cache of at least the given number of entries, rounded
// up to a power of two; 0 or less means [DefaultKeyCacheEntries].
func NewKeyCache(entries int) *KeyCache {
	if entries <= 0 {
		entries = DefaultKeyCacheEntries
	}
	size := 1 << bits.Len(uint(entries-1))
	return &KeyCache{
		seed:    maphash.MakeSeed(),
		mask:    uint64(size - 1),
		entries: make([]cachedKey, size),
	}
}

// HashOf returns what [HashOf] returns for key. Keys over 64 bytes are not
// cached. It does not allocate.
func (c *KeyCache) HashOf(key []byte) kload.HashKey {
	if len(key) == 0 || len(key) > maxCachedKey {
		return HashOf(key)
	}
	e := &c.entries[maphash.Bytes(c.seed, key)&c.mask]
	if string(e.key[:e.n]) == string(key) {
		return e.hash
	}
	e.hash = HashOf(key)
	e.n = uint8(copy(e.key[:], key))
	return e.hash
}
