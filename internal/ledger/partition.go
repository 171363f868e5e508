package ledger

import (
	"cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/shard"
)

// partition is what a consumer knows of one partition it reads. Guarded by
// the consumer's lock.
type partition struct {
	id     uint32 // index among the consumer's partitions
	hashes shard.Range
	ranged bool // hashes is known

	// A reader that was restarted reads what lies between its checkpoint and
	// where it was once more. Each record of that stretch may come once, in order;
	// the second copy of a record within one pass is not the restart's doing.
	at   place // last record sighted since the last restart
	mark place // furthest record sighted before it; unset when passed again
}

// place is the position of a user record in its partition.
type place struct {
	sequence []byte // copied; empty: unset
	sub      int64
}

func (p *place) unset() bool { return len(p.sequence) == 0 }

func (p *place) clear() { p.sequence = p.sequence[:0] }

func (p *place) set(sequence string, sub int64) {
	p.sequence, p.sub = append(p.sequence[:0], sequence...), sub
}

// compare orders places. Sequence numbers are decimal numbers of up to 129
// digits without leading zeros, so the longer one is the higher.
func (p *place) compare(sequence string, sub int64) int {
	if c := cmp.Compare(len(p.sequence), len(sequence)); c != 0 {
		return c
	}
	if c := cmp.Compare(string(p.sequence), sequence); c != 0 {
		return c
	}
	return cmp.Compare(p.sub, sub)
}

// restart starts a new pass: up to the furthest place reached, records may come
// again.
func (p *partition) restart() {
	if !p.at.unset() && p.mark.compare(string(p.at.sequence), p.at.sub) < 0 {
		p.at, p.mark = p.mark, p.at
	}
	p.at.clear()
}

// reread follows a pass record by record while it goes over known ground. It
// reports whether the restart explains that u comes again.
func (p *partition) reread(b *kload.Batch, u *kload.Delivery) bool {
	sequence := sequenceOf(b, u)
	if p.mark.unset() || sequence == "" || !p.at.unset() && p.at.compare(sequence, u.Sub) >= 0 {
		return false
	}
	p.at.set(sequence, u.Sub)
	if p.mark.compare(sequence, u.Sub) < 0 {
		p.mark.clear()
		return false
	}
	return true
}

// reached notes how far b leads, without looking at each record.
func (p *partition) reached(b *kload.Batch) {
	if n := len(b.Users); n > 0 {
		last := &b.Users[n-1]
		if s := sequenceOf(b, last); s != "" && (p.at.unset() || p.at.compare(s, last.Sub) < 0) {
			p.at.set(s, last.Sub)
		}
	}
}

func sequenceOf(b *kload.Batch, u *kload.Delivery) string {
	if u.Stream < 0 || u.Stream >= len(b.Records) {
		return ""
	}
	return b.Records[u.Stream].Sequence
}

// strays reports whether u was read from a partition whose range does not hold
// its hash. byKey says that a hash not stated is the MD5 of the key.
func (p *partition) strays(u *kload.Delivery, byKey bool) bool {
	if !p.ranged || !u.HasHash && !byKey {
		return false
	}
	hash := u.Hash
	if !u.HasHash && hash == (kload.HashKey{}) {
		hash = shard.HashOf(u.Key)
	}
	return !p.hashes.Contains(hash)
}
