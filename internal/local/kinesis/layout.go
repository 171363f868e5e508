package kinesis

import (
	"slices"
	"sort"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/local/httpapi"
	"github.com/kload/kload/internal/shard"
)

// layout is a stream's shards at one moment. It is immutable: a reshard puts a
// new one in its place, in which indexes keep their meaning.
type layout struct {
	shards []*shardLog // every shard there ever was, by index
	open   []*shardLog // those that take records, in order of their hash keys
}

// locate returns the open shard that owns a hash key. Ranges are in order and
// cover the whole space.
func (l *layout) locate(h kload.HashKey) *shardLog {
	return l.open[sort.Search(len(l.open), func(i int) bool { return l.open[i].hashes.End.Compare(h) >= 0 })]
}

// at returns a shard that still exists: closed ones vanish when the retention
// period has passed since.
func (st *stream) at(index uint32, now time.Time) (*shardLog, bool) {
	shards := st.layout.Load().shards
	if uint64(index) >= uint64(len(shards)) || !shards[index].endsAfter(st.horizon(now)) {
		return nil, false
	}
	return shards[index], true
}

// ending returns when the shard was closed, zero while it is open.
func (sh *shardLog) ending() time.Time {
	if ns := sh.ended.Load(); ns != 0 {
		return time.Unix(0, ns)
	}
	return time.Time{}
}

// endsAfter reports whether the shard was still open at that time.
func (sh *shardLog) endsAfter(t time.Time) bool {
	end := sh.ending()
	return end.IsZero() || end.After(t)
}

// reshard is a change of a stream's shards being worked out. Nobody sees it
// before commit. The server's lock is held throughout.
type reshard struct {
	stream *stream
	now    time.Time
	shards []*shardLog
	open   []*shardLog
	closed []*shardLog
}

func (st *stream) reshard(now time.Time) *reshard {
	l := st.layout.Load()
	return &reshard{stream: st, now: now, shards: slices.Clip(l.shards), open: slices.Clone(l.open)}
}

// split replaces the open shard at place i by two; the second one begins at h.
func (r *reshard) split(i int, h kload.HashKey) {
	parent := r.open[i]
	low := r.child(shard.Range{Start: parent.hashes.Start, End: before(h)}, parent)
	high := r.child(shard.Range{Start: h, End: parent.hashes.End}, parent)
	r.open = slices.Replace(r.open, i, i+1, low, high)
}

// merge replaces the open shards at places i and i+1 by one. The parent named
// first in the request is the child's parent, the other its adjacent parent.
func (r *reshard) merge(i int, first *shardLog) {
	low, high := r.open[i], r.open[i+1]
	parents := []*shardLog{low, high}
	if first == high {
		parents = []*shardLog{high, low}
	}
	r.open[i] = r.child(shard.Range{Start: low.hashes.Start, End: high.hashes.End}, parents...)
	r.open = slices.Delete(r.open, i+1, i+2)
}

func (r *reshard) child(hashes shard.Range, parents ...*shardLog) *shardLog {
	// Sequence numbers of children are above those of their parents, because a
	// shard's time of creation comes first in them.
	epoch := r.now.Unix() + 1
	for _, p := range parents {
		epoch = max(epoch, p.epoch+1)
	}
	sh := newShardLog(r.stream, len(r.shards), hashes, epoch, r.now)
	sh.parents = parents
	r.shards = append(r.shards, sh)
	for _, p := range parents {
		r.offspring(p, sh)
	}
	return sh
}

// offspring notes what closes and what follows it. A shard that the reshard
// itself opened closes with the others: it was short-lived.
func (r *reshard) offspring(parent, child *shardLog) {
	for _, sh := range r.closed {
		if sh == parent {
			sh.heirs = append(sh.heirs, child)
			return
		}
	}
	parent.heirs = []*shardLog{child} // nobody reads it while the shard is open
	r.closed = append(r.closed, parent)
}

// commit closes the parents and opens their children at one moment. All parents
// are locked meanwhile, so whoever finds a shard closed finds its children open.
func (r *reshard) commit() {
	for _, sh := range r.closed {
		sh.mu.Lock()
	}
	for _, sh := range r.closed {
		sh.ended.Store(sh.enter(r.now).UnixNano())
	}
	if s := r.stream.server; s.log != nil { // before what is put into the children
		s.logChange([]savedStream{r.stream.save(r.shards)})
	}
	r.stream.layout.Store(&layout{shards: r.shards, open: r.open})
	for _, sh := range r.closed {
		sh.wake()
		sh.mu.Unlock()
	}
}

// before returns the hash key below h, which is not 0.
func before(h kload.HashKey) kload.HashKey {
	if h.Lo == 0 {
		h.Hi--
	}
	h.Lo--
	return h
}

// place returns where among the open shards the one with that id is.
func (r *reshard) place(id string) (int, error) {
	st := r.stream
	index, ok := parseShardID(id)
	if !ok || uint64(index) >= uint64(len(r.shards)) || !r.shards[index].endsAfter(st.horizon(r.now)) {
		if ok {
			id = shardID(index)
		}
		return 0, httpapi.Refuse("ResourceNotFoundException", "Could not find shard %s in stream %s under account %s.",
			id, st.name, st.account)
	}
	for i, sh := range r.open {
		if sh.index == index {
			return i, nil
		}
	}
	return 0, httpapi.Refuse("ResourceInUseException", "Shard %s in stream %s under account %s has already been merged or split, "+
		"and thus is not eligible for merging or splitting.", shardID(index), st.name, st.account)
}
