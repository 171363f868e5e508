package a8m

import (
	"bytes"
	"crypto/md5"

	"github.com/kload/kload/internal/kpl"
)

// expected is a user record that the library is to send.
type expected struct {
	index uint64
	key   string
	data  []byte // nil when it was found in a call
}

// awaited are the user records that were not seen in a call yet. The library
// gives records no names, so they are found by their bytes, which are compared
// where they should be: an aggregate holds records in the order in which they were
// put, beginning, mostly, with the first that is awaited.
type awaited struct {
	most   int    // bytes of a record that goes into an aggregate
	next   uint64 // number of the next record
	packed lane   // records that go into aggregates
	plain  lane   // larger ones
}

// lane is records in the order in which they were put.
type lane struct {
	recs []expected
	head int // those before were found
}

func (a *awaited) add(recs []expected) {
	for i := range recs {
		r := recs[i]
		r.index = a.next
		a.next++
		l := &a.packed
		if len(r.data)+len(r.key) > a.most {
			l = &a.plain
		}
		l.recs = append(l.recs, r)
	}
}

// find takes out the user records of a stream record and returns their numbers,
// and how many of them have another partition key than it.
func (a *awaited) find(data []byte, key string) (runs []run, wrong uint64) {
	l, users := &a.packed, split(data)
	if users == nil {
		l, users = &a.plain, [][]byte{data}
	}
	at := l.locate(users)
	if at < 0 {
		return nil, 0
	}
	for i := range users {
		r := &l.recs[at+i]
		runs = extend(runs, r.index)
		if r.key != key {
			wrong++
		}
		*r = expected{index: r.index}
	}
	l.trim()
	return runs, wrong
}

// locate returns where the given payloads are next to each other, -1 if nowhere.
func (l *lane) locate(users [][]byte) int {
	for at := l.head; at+len(users) <= len(l.recs); at++ {
		if l.matches(at, users) {
			return at
		}
	}
	return -1
}

func (l *lane) matches(at int, users [][]byte) bool {
	for i, u := range users {
		if r := &l.recs[at+i]; r.data == nil || !bytes.Equal(r.data, u) {
			return false
		}
	}
	return true
}

// trim forgets what was found at the front.
func (l *lane) trim() {
	for l.head < len(l.recs) && l.recs[l.head].data == nil {
		l.head++
	}
	if l.head > len(l.recs)/2 {
		n := copy(l.recs, l.recs[l.head:])
		clear(l.recs[n:])
		l.recs, l.head = l.recs[:n], 0
	}
}

// rest takes out everything.
func (a *awaited) rest() (runs []run) {
	for _, l := range []*lane{&a.packed, &a.plain} {
		for _, r := range l.recs[l.head:] {
			if r.data != nil {
				runs = extend(runs, r.index)
			}
		}
		*l = lane{}
	}
	return runs
}

// extend adds a number to runs.
func extend(runs []run, index uint64) []run {
	if n := len(runs); n > 0 && runs[n-1].from+runs[n-1].n == index {
		runs[n-1].n++
		return runs
	}
	return append(runs, run{index, 1})
}

// Fields of the messages of an aggregate, with their wire type: both are blocks.
const (
	fieldRecords = 3<<3 | 2
	fieldData    = 3<<3 | 2
)

// split returns the payloads of an aggregate of the library's, nil for anything
// else. It leaves out the digest: checking it would cost as much as making it, and
// be taken for the library's cost.
func split(data []byte) [][]byte {
	const head = 4 // the magic number
	if !kpl.IsAggregate(data) || len(data) < head+md5.Size {
		return nil
	}
	var users [][]byte
	c := cursor{rest: data[head : len(data)-md5.Size]}
	for len(c.rest) > 0 {
		tag, body := c.field()
		if tag != fieldRecords {
			continue
		}
		user := []byte{}
		for rec := (cursor{rest: body}); len(rec.rest) > 0; {
			if tag, body := rec.field(); tag == fieldData {
				user = body
			}
			c.bad = c.bad || rec.bad
		}
		users = append(users, user)
	}
	if c.bad {
		return nil
	}
	return users
}

// field reads a field of a message, with the body of a block. Those of fixed
// length are not used in aggregates.
func (c *cursor) field() (tag uint64, body []byte) {
	tag = c.number()
	switch tag & 7 {
	case 0:
		c.number()
	case 2:
		body = c.text()
	default:
		c.bad, c.rest = true, nil
	}
	return tag, body
}
