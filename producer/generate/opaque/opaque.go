// Package opaque generates payloads of random bytes with a set size. They say
// nothing and do not compress, which makes them the load for measuring the path
// itself.
package opaque

import (
	"context"
	"math/rand/v2"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/sizes"
)

// Config configures the generator.
type Config struct {
	Size sizes.Config `yaml:"size" default:"250B" help:"payload size: fixed, or {uniform: …}, {lognormal: …}, {empirical: …}"`
}

// RecordBytes returns the average size of a record, LargestBytes the largest.
func (c *Config) RecordBytes() int { return c.Size.Mean() }

// LargestBytes returns the size of the largest record.
func (c *Config) LargestBytes() int { return c.Size.Max() }

// Opaque reports that payloads are no JSON.
func (c *Config) Opaque() bool { return true }

// CounterNames lists what the generator counts.
func (c *Config) CounterNames() []string { return []string{"size_clamped"} }

// New returns the source. Payloads are slices of one block of random bytes at
// changing offsets, so that no byte is rendered per record.
func New(c *Config, seed uint64) (kload.Source, error) {
	sizes, err := c.Size.Sampler(seed)
	if err != nil {
		return nil, err
	}
	s := &source{sizes: sizes, rand: rand.New(rand.NewPCG(seed, 0x6f7061717565))}
	s.block = make([]byte, c.Size.Max()+spread)
	for i := range s.block {
		s.block[i] = byte(s.rand.Uint32())
	}
	return s, nil
}

// spread is how many different payloads the block yields.
const spread = 1 << 16

type source struct {
	sizes *sizes.Sampler
	rand  *rand.Rand
	block []byte
}

// Next lends one slice of the block per element of dst. The records have no
// key: the load's keys decide.
func (s *source) Next(_ context.Context, dst []kload.Record) (int, error) {
	for i := range dst {
		at, n := s.rand.IntN(spread), s.sizes.Next()
		dst[i].Data = s.block[at : at+n : at+n]
	}
	return len(dst), nil
}

// Counters returns how many sizes were cut to the allowed range.
func (s *source) Counters() map[string]uint64 {
	return map[string]uint64{"size_clamped": s.sizes.Clamped()}
}

// Close does nothing.
func (s *source) Close() error { return nil }
