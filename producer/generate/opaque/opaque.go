// Package opaque generates payloads of random bytes with a set size. They say
// nothing and do not compress, which makes them the load for measuring the path
// itself.
package opaque

import (
	"context"
	"math/rand/v2"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/conf"
	"github.com/kload/kload/internal/units"
)

// Config configures the generator.
type Config struct {
	Size units.Bytes `yaml:"size" default:"250B" help:"payload size of every record"`
}

// Validate checks the size against the largest record Kinesis takes.
func (c *Config) Validate() []conf.Issue {
	if c.Size < 1 || c.Size > 1<<20 {
		return []conf.Issue{{Field: "size", Msg: "must be between 1B and 1MiB"}}
	}
	return nil
}

// RecordBytes returns the size of a record.
func (c *Config) RecordBytes() int { return int(c.Size) }

// New returns the source. Payloads are slices of one block of random bytes at
// changing offsets, so that no byte is rendered per record.
func New(c *Config, seed uint64) kload.Source {
	s := &source{size: int(c.Size), rand: rand.New(rand.NewPCG(seed, 0x6f7061717565))}
	s.block = make([]byte, s.size+spread)
	for i := range s.block {
		s.block[i] = byte(s.rand.Uint32())
	}
	return s
}

// spread is how many different payloads the block yields.
const spread = 1 << 16

type source struct {
	size  int
	rand  *rand.Rand
	block []byte
}

// Next lends one slice of the block per element of dst. The records have no
// key: the load's keys decide.
func (s *source) Next(_ context.Context, dst []kload.Record) (int, error) {
	for i := range dst {
		at := s.rand.IntN(spread)
		dst[i].Data = s.block[at : at+s.size : at+s.size]
	}
	return len(dst), nil
}

// Close does nothing.
func (s *source) Close() error { return nil }
