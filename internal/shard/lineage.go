package shard

import "github.com/kload/kload"

// Lineage is the family tree of a stream's shards, as far as it is known, and
// how far they have been read. A shard may be read once all its parents have
// been: a split shard has one parent, a merged one two. The zero value knows
// none. It is not safe for concurrent use.
type Lineage struct {
	kin     map[string]*kin
	waiting []*kin // for a parent, in the order they became known
}

type kin struct {
	kload.Partition
	done bool
}

// List takes in all the shards there are, as they are when reading starts, and
// returns those that may be read. Parents that are not listed have expired.
func (l *Lineage) List(parts []kload.Partition) []kload.Partition {
	for _, p := range parts {
		l.learn(p).done = p.From.Start == kload.AtEnd
	}
	for _, p := range parts {
		for _, parent := range p.Parents {
			if l.kin[parent] == nil {
				l.learn(kload.Partition{ID: parent}).done = true
			}
		}
	}
	return l.free()
}

// End notes that a shard was read to its end, where it named the shards that
// continue it, and returns those that may be read now, from their oldest records
// unless they were listed with a position of their own.
func (l *Lineage) End(id string, children []kload.Partition) []kload.Partition {
	l.learn(kload.Partition{ID: id}).done = true
	for _, c := range children {
		l.learn(c)
	}
	freed := l.free()
	for i := range freed {
		if freed[i].From.Start != kload.After {
			freed[i].From = kload.Position{Start: kload.TrimHorizon}
		}
	}
	return freed
}

func (l *Lineage) learn(p kload.Partition) *kin {
	if k := l.kin[p.ID]; k != nil {
		return k
	}
	if l.kin == nil {
		l.kin = map[string]*kin{}
	}
	k := &kin{Partition: p}
	l.kin[p.ID] = k
	l.waiting = append(l.waiting, k)
	return k
}

// free takes those out of the waiting that wait for nothing.
func (l *Lineage) free() (freed []kload.Partition) {
	rest := l.waiting[:0]
	for _, k := range l.waiting {
		switch {
		case k.done:
		case l.waits(k):
			rest = append(rest, k)
		default:
			freed = append(freed, k.Partition)
		}
	}
	clear(l.waiting[len(rest):])
	l.waiting = rest
	return freed
}

// waits reports whether a parent is unread. One that is not known is itself a
// child of something still being read: two shards merge while the end of neither
// has been reached.
func (l *Lineage) waits(k *kin) bool {
	for _, parent := range k.Parents {
		if p := l.kin[parent]; p == nil || !p.done {
			return true
		}
	}
	return false
}
