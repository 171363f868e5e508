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
	if err := r.begin(ctx); err != nil {
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

// sought leaves out the objects that hold nothing from seek on, which are followed
// by one that begins before it, and those that begin at or after until. It relies
// on objects being in the order of their times, as their names are, and reads the
// first block of a few of them; where those contradict that, all objects are kept.
func sought(ctx context.Context, cfg *Config, from origin.Origin, objects []origin.Object) ([]origin.Object, error) {
	known := map[string]int64{}
	first := func(o origin.Object) (at int64, ok bool, err error) {
		if at, ok = known[o.Name]; ok {
			return at, ok, nil
		}
		if at, ok, err = firstTime(ctx, cfg, from, o); ok {
			known[o.Name] = at
		}
		return at, ok, err
	}
	if !cfg.Until.IsZero() && cfg.Reorder == 0 { // else earlier rows may come in later objects
		_, end, err := around(cfg.Until.ns, objects, first)
		if err != nil {
			return nil, fmt.Errorf("seeking to %s: %w", cfg.Until, err)
		}
		objects = objects[:end]
	}
	if !cfg.Seek.IsZero() {
		begin, _, err := around(cfg.Seek.ns, objects, first)
		if err != nil {
			return nil, fmt.Errorf("seeking to %s: %w", cfg.Seek, err)
		}
		objects = objects[begin:]
	}
	return objects, nil
}

// around finds the last object that begins before a time, and the first that
// begins at or after it; of objects that are not in order it finds none, which is
// 0 and their number.
func around(t int64, objects []origin.Object, first func(origin.Object) (int64, bool, error)) (low, high int, err error) {
	low, high = 0, len(objects)
	lowAt, highAt := int64(math.MinInt64), int64(math.MaxInt64)
	for mid := 0; low+1 < high; mid = (low + high) / 2 {
		at, ok, err := first(objects[mid])
		switch {
		case err != nil:
			return 0, 0, err
		case !ok, at < lowAt, at > highAt, at >= t && mid == 0:
			return 0, len(objects), nil
		case at < t:
			low, lowAt = mid, at
		default:
			high, highAt = mid, at
		}
	}
	return low, high, nil
}

// firstTime returns the time of an object's first row, if its first block has
// one.
func firstTime(ctx context.Context, cfg *Config, from origin.Origin, object origin.Object) (at int64, ok bool, err error) {
	lenient := *cfg
	lenient.Strict = false
	r := newReader(&lenient, from, []origin.Object{object})
	r.decoder.first = true
	if err := r.begin(ctx); err != nil {
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
