package latency

import (
	"hash/fnv"
	"sync/atomic"
	"time"
)

// Sampler draws an operation's delays. The n-th draw depends on the seed, the
// operation and n alone. It is safe for concurrent use and allocates nothing.
type Sampler struct {
	dist Distribution
	seed uint64
	n    atomic.Uint64
}

// NewSampler returns the sampler of an operation.
func (m *Model) NewSampler(operation string, seed uint64) *Sampler {
	h := fnv.New64a()
	h.Write([]byte(operation))
	return &Sampler{dist: m.Of(operation), seed: seed ^ h.Sum64()}
}

// Next draws.
func (s *Sampler) Next() time.Duration {
	if s.dist.IsZero() {
		return 0
	}
	return s.dist.Quantile(float64(mix(s.seed+s.n.Add(1)*0x9e3779b97f4a7c15)>>11) / (1 << 53))
}

// mix is the finalizer of SplitMix64: with the increment above consecutive
// numbers become independent ones (Steele, Lea and Flood, 2014).
func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
