package kpl

import (
	"crypto/md5"
	"math"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/shard"
)

// Kind says what the data of a stream record turned out to be.
type Kind uint8

// The kinds of data.
const (
	// Plain: no magic number; the data is one user record.
	Plain Kind = iota
	// Aggregate: a valid aggregate, possibly of no user records.
	Aggregate
	// BadAggregate: the magic number is there, but the digest or the message is
	// wrong. Like KCL, treat the data as one plain user record; count it.
	BadAggregate
)

// String returns "plain", "aggregate" or "bad_aggregate".
func (k Kind) String() string {
	switch k {
	case Plain:
		return "plain"
	case Aggregate:
		return "aggregate"
	}
	return "bad_aggregate"
}

// User is one user record of an aggregate. Its slices point into the data given
// to Reset.
type User struct {
	Key     []byte
	Hash    kload.HashKey // explicit hash key, if HasHash
	HasHash bool
	Tag     []byte // value of the first tag [TagKey], nil if there is none
	Data    []byte
	Sub     int64 // sub-sequence number: index inside the aggregate
}

// Decoder iterates over the user records of one aggregate after another. The
// zero value is ready. It is owned by one goroutine; its tables are reused, so
// in steady state it does not allocate. They take up to four times the size of
// the largest data seen.
type Decoder struct {
	data    []byte
	keys    []span
	hashes  []kload.HashKey
	records []record
	next    int
}

// record is one entry of AggregatedRecord.records, as offsets.
type record struct {
	key, hash uint32 // table indices; hash is noHash when absent
	data, tag span   // tag is the zero span when absent: offset 0 is the magic number
}

const noHash = math.MaxUint32

// Reset turns to data, which must stay unchanged while user records are in use.
// For an aggregate it validates everything, digest, message and indices, before
// it returns, so that Next cannot fail: an aggregate yields all its user records
// or none.
func (d *Decoder) Reset(data []byte) Kind {
	return d.ResetVerified(data, IsAggregate(data) && intact(data))
}

// ResetVerified is Reset for data whose digest was looked at before: intact says
// whether it is right; see [Digester.Verify].
func (d *Decoder) ResetVerified(data []byte, intact bool) Kind {
	d.data = data
	d.keys, d.hashes, d.records, d.next = d.keys[:0], d.hashes[:0], d.records[:0], 0
	if !IsAggregate(data) {
		return Plain
	}
	if !intact || !d.parse() || !d.bound() {
		d.records = d.records[:0]
		return BadAggregate
	}
	return Aggregate
}

// Count returns the number of user records in the aggregate.
func (d *Decoder) Count() int { return len(d.records) }

// AppendKeys appends the table of partition keys to dst. Each user record has one
// of them; see KeyIndex.
func (d *Decoder) AppendKeys(dst [][]byte) [][]byte {
	for _, k := range d.keys {
		dst = append(dst, k.of(d.data))
	}
	return dst
}

// KeyIndex returns the place in the table of the key of the user record that Next
// returned last.
func (d *Decoder) KeyIndex() int { return int(d.records[d.next-1].key) }

// Next fills u with the next user record and reports whether there was one. There
// is none unless Reset returned Aggregate.
func (d *Decoder) Next(u *User) bool {
	if d.next >= len(d.records) {
		return false
	}
	r := &d.records[d.next]
	*u = User{Key: d.keys[r.key].of(d.data), Data: r.data.of(d.data), Sub: int64(d.next)}
	if r.hash != noHash {
		u.Hash, u.HasHash = d.hashes[r.hash], true
	}
	if r.tag != (span{}) {
		u.Tag = r.tag.of(d.data)
	}
	d.next++
	return true
}

// sizeable reports whether data has room for a message, which must not be empty,
// as in KCL, and is small enough for the offsets kept of it.
func sizeable(data []byte) bool {
	return len(data) > Overhead && uint64(len(data)) <= math.MaxUint32
}

// intact checks the digest.
func intact(data []byte) bool {
	if !sizeable(data) {
		return false
	}
	split := len(data) - digestSize
	sum := md5.Sum(data[len(magic):split])
	return string(sum[:]) == string(data[split:])
}

// parse collects tables and records, in whatever order they come.
func (d *Decoder) parse() bool {
	c := cursor{buf: d.data, pos: len(magic), end: len(d.data) - digestSize}
	for c.more() {
		tag, ok := c.tag()
		if !ok || !d.field(&c, tag) {
			return false
		}
	}
	return true
}

func (d *Decoder) field(c *cursor, tag uint64) bool {
	if tag != tagKeyTable && tag != tagHashTable && tag != tagRecord {
		return c.skip(tag)
	}
	s, ok := c.bytes()
	if !ok {
		return false
	}
	switch tag {
	case tagKeyTable:
		d.keys = append(d.keys, s)
		return true
	case tagHashTable:
		return d.hashEntry(s.of(d.data))
	}
	r, ok := parseRecord(d.data, s)
	d.records = append(d.records, r)
	return ok
}

// hashEntry parses an explicit hash key. Unlike the service, KPL users may have
// padded theirs with zeros, which KCL accepts.
func (d *Decoder) hashEntry(dec []byte) bool {
	for len(dec) > 1 && dec[0] == '0' {
		dec = dec[1:]
	}
	h, err := shard.ParseHashBytes(dec)
	d.hashes = append(d.hashes, h)
	return err == nil
}

// bound checks the indices of all records against the complete tables.
func (d *Decoder) bound() bool {
	for i := range d.records {
		r := &d.records[i]
		if int64(r.key) >= int64(len(d.keys)) || r.hash != noHash && int64(r.hash) >= int64(len(d.hashes)) {
			return false
		}
	}
	return true
}

func parseRecord(buf []byte, s span) (record, bool) {
	r := record{hash: noHash}
	c := cursor{buf: buf, pos: int(s.from), end: int(s.to)}
	var hasKey, hasData bool
	for c.more() {
		tag, ok := c.tag()
		if !ok {
			return r, false
		}
		switch tag {
		case tagKeyIndex:
			r.key, ok = c.index()
			hasKey = true
		case tagHashIndex:
			r.hash, ok = c.index()
		case tagData:
			r.data, ok = c.bytes()
			hasData = true
		case tagTags:
			ok = r.parseTag(&c)
		default:
			ok = c.skip(tag)
		}
		if !ok {
			return r, false
		}
	}
	return r, hasKey && hasData
}

// index reads a table index. No table has 2^32-1 entries.
func (c *cursor) index() (uint32, bool) {
	v, ok := c.varint()
	return uint32(v), ok && v < noHash
}

// parseTag reads one Tag message and keeps its value if it is ours.
func (r *record) parseTag(c *cursor) bool {
	s, ok := c.bytes()
	if !ok {
		return false
	}
	t := cursor{buf: c.buf, pos: int(s.from), end: int(s.to)}
	var key span
	value := span{s.to, s.to}
	for t.more() {
		tag, ok := t.tag()
		switch {
		case !ok:
		case tag == tagTagKey:
			key, ok = t.bytes()
		case tag == tagTagValue:
			value, ok = t.bytes()
		default:
			ok = t.skip(tag)
		}
		if !ok {
			return false
		}
	}
	if r.tag == (span{}) && string(key.of(c.buf)) == TagKey {
		r.tag = value
	}
	return key != (span{})
}
