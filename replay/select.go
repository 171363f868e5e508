package replay

import (
	"fmt"
	"io"
	"math"

	"github.com/kload/kload"
)

// selection leaves out the rows that are not wanted: before seek, from until on,
// those that the filter refuses, and those beyond the limit.
type selection struct {
	timed       bool
	seek, until int64
	filter      *filter // nil for none
	strict      bool
	left        uint64 // rows to go until the limit
}

func newSelection(cfg *Config) (selection, error) {
	s := selection{
		timed: cfg.Timestamp != timestampNone, seek: math.MinInt64, until: math.MaxInt64,
		strict: cfg.Strict, left: uint64(cfg.Limit),
	}
	if !cfg.Seek.IsZero() {
		s.seek = cfg.Seek.ns
	}
	if !cfg.Until.IsZero() {
		s.until = cfg.Until.ns
	}
	if s.left == 0 {
		s.left = math.MaxUint64
	}
	var err error
	if cfg.Filter != "" {
		s.filter, err = newFilter(cfg.Filter)
	}
	return s, err
}

// apply leaves only the wanted rows in the block. It returns errLimit if nothing
// after it is wanted, and io.EOF if nothing of this pass is. A single row may have
// a wrong time; only a whole block from until on ends a pass.
func (s *selection) apply(b *block) (end error) {
	kept := b.rows[:0]
	before := len(b.rows) == 0
	defer func() { b.rows = kept }()
	for _, r := range b.rows {
		before = before || r.at < s.until
		ok, err := s.wants(b, r)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		kept = append(kept, r)
		if s.timed {
			b.tally.seen(r.at)
		}
		if s.left--; s.left == 0 {
			return errLimit
		}
	}
	if !before {
		return io.EOF
	}
	return nil
}

// wants judges one row and counts what it refuses.
func (s *selection) wants(b *block, r row) (bool, error) {
	switch {
	case r.at < s.seek && s.timed:
		b.tally.sought++
		return false, nil
	case r.at >= s.until:
		b.tally.overdue++
		return false, nil
	case s.filter == nil:
		return true, nil
	}
	ok, err := s.filter.match(b.data[r.off : r.off+r.size])
	switch {
	case err != nil && s.strict:
		return false, kload.WithHint(fmt.Errorf("%w: filtering %.80q: %w", kload.ErrInvalid, b.data[r.off:r.off+r.size], err),
			"guard against missing attributes, such as trip_id != nil && trip_id % 20 == 0, or leave out strict to count such rows and go on")
	case err != nil:
		b.tally.unjudged++
	case !ok:
		b.tally.filtered++
	}
	return ok && err == nil, nil
}
