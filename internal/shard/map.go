package shard

import (
	"fmt"
	"slices"

	"github.com/kload/kload"
)

// Map is an immutable snapshot of a stream's open shards, ordered by hash key.
// It is safe for concurrent use; publish a new one with an atomic pointer.
type Map struct {
	epoch  uint64
	starts []kload.HashKey // starts[i] is the first point of shards[i]
	shards []Shard
	byID   map[string]int
}

// NewMap takes a snapshot of the open ones among shards, in any order. The epoch
// is the caller's: it tells snapshots of one stream apart and should grow with
// each. NewMap fails unless the open shards own every hash key exactly once,
// which a listing taken in the middle of a reshard may not show: list again.
func NewMap(epoch uint64, shards []Shard) (*Map, error) {
	m := &Map{epoch: epoch, byID: make(map[string]int, len(shards))}
	for _, s := range shards {
		if s.Open {
			s.Parents = slices.Clone(s.Parents)
			m.shards = append(m.shards, s)
		}
	}
	slices.SortFunc(m.shards, func(a, b Shard) int { return a.Range.Start.Compare(b.Range.Start) })
	if err := m.check(); err != nil {
		return nil, kload.WithHint(fmt.Errorf("mapping %d open shards: %w", len(m.shards), err),
			"list the shards again: the stream may be resharding")
	}
	for i, s := range m.shards {
		m.starts = append(m.starts, s.Range.Start)
		m.byID[s.ID] = i
	}
	return m, nil
}

// check walks the sorted shards over the hash key space.
func (m *Map) check() error {
	if len(m.shards) == 0 {
		return fmt.Errorf("no open shard: %w", kload.ErrInvalid)
	}
	ids := make(map[string]bool, len(m.shards))
	var next kload.HashKey
	for i, s := range m.shards {
		if ids[s.ID] {
			return fmt.Errorf("shard %s is listed twice: %w", s.ID, kload.ErrInvalid)
		}
		ids[s.ID] = true
		if s.Range.End.Compare(s.Range.Start) < 0 {
			return fmt.Errorf("shard %s ends before it starts: %w", s.ID, kload.ErrInvalid)
		}
		if i > 0 && next == (kload.HashKey{}) || s.Range.Start.Compare(next) < 0 {
			return fmt.Errorf("shard %s overlaps its neighbour at %s: %w",
				s.ID, FormatHash(s.Range.Start), kload.ErrInvalid)
		}
		if s.Range.Start != next {
			return fmt.Errorf("no shard owns %s: %w", FormatHash(next), kload.ErrInvalid)
		}
		next = add(s.Range.End, kload.HashKey{Lo: 1}) // wraps to 0 after the last point
	}
	if next != (kload.HashKey{}) {
		return fmt.Errorf("no shard owns %s: %w", FormatHash(next), kload.ErrInvalid)
	}
	return nil
}

// Locate returns the index of the open shard that owns h. It does not allocate.
func (m *Map) Locate(h kload.HashKey) int {
	lo, hi := 0, len(m.starts)
	for hi-lo > 1 { // starts[lo] <= h < starts[hi]
		mid := int(uint(lo+hi) >> 1)
		if s := &m.starts[mid]; s.Hi < h.Hi || s.Hi == h.Hi && s.Lo <= h.Lo {
			lo = mid
		} else {
			hi = mid
		}
	}
	return lo
}

// At returns the i-th open shard, by hash key; 0 <= i < Len.
func (m *Map) At(i int) Shard { return m.shards[i] }

// Len returns the number of open shards, at least one.
func (m *Map) Len() int { return len(m.shards) }

// Epoch returns the number given to NewMap.
func (m *Map) Epoch() uint64 { return m.epoch }

// Find returns the index of the open shard with the given ID.
func (m *Map) Find(id string) (int, bool) {
	i, ok := m.byID[id]
	return i, ok
}

// Same reports whether o has the same shards with the same ranges. Epochs do not
// count.
func (m *Map) Same(o *Map) bool {
	return slices.EqualFunc(m.shards, o.shards, func(a, b Shard) bool { return a.ID == b.ID && a.Range == b.Range })
}
