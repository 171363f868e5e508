package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/kload/kload/replay/origin"
)

// scan reads the wanted rows, block by block, to their end.
func scan(ctx context.Context, r *reader, sel *selection, each func(*block)) error {
	if err := r.next(ctx); err != nil {
		return err
	}
	b := newBlock()
	for {
		end := r.fill(ctx, b)
		if stop := sel.apply(b); stop != nil {
			end = stop
		}
		each(b)
		switch {
		case errors.Is(end, errLimit), errors.Is(end, io.EOF):
			return nil
		case end != nil:
			return end
		}
		b.reset()
	}
}

// sought leaves out the objects that hold nothing from seek on: those that are
// followed by one that begins before it. It relies on objects being in the order
// of their times, as their names are, and reads the first block of a few of them;
// where those contradict that, all objects are kept.
func sought(ctx context.Context, cfg *Config, from origin.Origin, objects []origin.Object) ([]origin.Object, error) {
	if cfg.Seek.IsZero() {
		return objects, nil
	}
	seek := cfg.Seek.ns
	low, high := 0, len(objects) // objects[low] may hold rows before seek; objects[high] begins at or after it
	lowAt, highAt := int64(math.MinInt64), int64(math.MaxInt64)
	for mid := 0; low+1 < high; mid = (low + high) / 2 {
		at, ok, err := firstTime(ctx, cfg, from, objects[mid])
		switch {
		case err != nil:
			return nil, fmt.Errorf("seeking to %s: %w", cfg.Seek, err)
		case !ok, at < lowAt, at > highAt, at >= seek && mid == 0:
			return objects, nil
		case at < seek:
			low, lowAt = mid, at
		default:
			high, highAt = mid, at
		}
	}
	return objects[low:], nil
}

// firstTime returns the time of an object's first row, if its first block has
// one.
func firstTime(ctx context.Context, cfg *Config, from origin.Origin, object origin.Object) (at int64, ok bool, err error) {
	tolerant := *cfg
	tolerant.Strict = false
	r := newReader(&tolerant, from, []origin.Object{object})
	if err := r.next(ctx); err != nil {
		return 0, false, errors.Join(err, r.close())
	}
	b := newBlock()
	if err := r.fill(ctx, b); err != nil && !errors.Is(err, io.EOF) {
		return 0, false, errors.Join(err, r.close())
	}
	if len(b.rows) > 0 {
		at, ok = b.rows[0].at, true
	}
	return at, ok, r.close()
}
