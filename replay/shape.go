package replay

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/bits"

	"github.com/kload/kload/internal/units"
	"github.com/kload/kload/replay/origin"
)

// curve is what a scan of the data finds out about its pace: how many rows there
// are and how long the silences between their times last.
type curve struct {
	rows uint64
	prev int64
	gaps [64 * gapSteps]gapClass
}

// gapSteps is how finely gaps are told apart: by an eighth of a power of two.
const gapSteps = 8

// gapClass sums up gaps of about the same length.
type gapClass struct {
	n   uint64
	sum uint64 // nanoseconds
}

// classOf returns the class of a gap above zero.
func classOf(gap uint64) int {
	power := bits.Len64(gap) - 1
	if power < 3 {
		return power * gapSteps
	}
	return power*gapSteps + int(gap>>(power-3))&(gapSteps-1)
}

// note takes in the rows of a block. As for the clock, time does not go
// backwards.
func (c *curve) note(b *block) {
	for _, r := range b.rows {
		if c.rows > 0 && r.at > c.prev {
			gap := uint64(r.at) - uint64(c.prev)
			class := &c.gaps[classOf(gap)]
			class.n++
			class.sum += gap
		}
		if c.rows == 0 || r.at > c.prev {
			c.prev = r.at
		}
		c.rows++
	}
}

// speedup returns the speedup at which the data has the given mean rate when
// silences of the data longer than maxGap of wall time are shortened to that; 0
// keeps them. Shortening depends on the speedup itself, so it is approached in
// steps, each of which moves gaps from the kept to the shortened.
func (c *curve) speedup(rate units.Rate, maxGap uint64) (Speedup, error) {
	wall, ok := mulDivUp(c.rows, uint64(rate.Per), uint64(rate.N))
	if !ok || c.rows == 0 {
		return Speedup{}, errTooLong()
	}
	s := Speedup{}
	for limit := uint64(math.MaxUint64); ; {
		kept, cut := uint64(second), uint64(0)
		for i := range c.gaps {
			class := &c.gaps[i]
			if class.n > 0 && class.sum/class.n > limit {
				cut += class.n
			} else {
				kept += class.sum
			}
		}
		// What was cut lasted longer before, and all of it together no longer than wall.
		shortened, ok := mulDivUp(cut, maxGap, 1)
		if !ok || shortened >= wall {
			return Speedup{}, errTooLong()
		}
		next := Speedup{num: kept, den: uint64(wall - shortened)}
		if maxGap == 0 || next.Source(maxGap) >= limit || next == s {
			return next, nil
		}
		s, limit = next, next.Source(maxGap)
	}
}

// shaped returns the speedup for a configured shape. It reads all the data once.
func shaped(ctx context.Context, cfg *Config, from origin.Origin, objects []origin.Object) (Speedup, error) {
	var c curve
	sel, err := newSelection(cfg)
	if err != nil {
		return Speedup{}, err
	}
	r := newReader(cfg, from, objects)
	err = scan(ctx, r, &sel, c.note)
	if err = errors.Join(err, r.close()); err != nil {
		return Speedup{}, fmt.Errorf("measuring the shape of the data: %w", err)
	}
	if c.rows == 0 {
		return Speedup{1, 1}, nil // reading again tells why
	}
	return c.speedup(cfg.Shape, uint64(cfg.MaxGap))
}
