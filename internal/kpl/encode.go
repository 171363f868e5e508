package kpl

import (
	"crypto/md5"
	"encoding/binary"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/invariants"
	"github.com/kload/kload/internal/shard"
)

// Encoder builds one aggregate after another. Start each with Reset, fill it
// with TryAdd (or Grow and Add), finish it with Seal. The zero value is ready for
// Reset. Once an aggregate had more than 32 partition keys it takes up to 8 KiB
// besides its buffer, and as much again for explicit hash keys.
//
// An Encoder is owned by one goroutine. In steady state it does not allocate,
// provided that the buffers it is given are large enough.
type Encoder struct {
	buf    []byte
	count  int
	data   int // length of the data added last
	keys   keyTable
	hashes *keyTable // nil until a record has an explicit hash key

	// The decimal form of the explicit hash key seen last.
	hash     kload.HashKey
	hashText []byte
}

// layout is the decision how to write one user record. It is passed by pointer:
// copying it would cost as much as the rest of planning.
type layout struct {
	key, hash place
	hasHash   bool // hash counts, with its text in Encoder.hashText
	body      int  // bytes in the record's field
	total     int  // bytes added to the message
}

// Reset starts an empty aggregate in buf, whose contents are overwritten. Give
// it a capacity of the largest aggregate wanted: beyond that the encoder
// reallocates.
func (e *Encoder) Reset(buf []byte) {
	e.buf = append(buf[:0], magic...)
	e.count = 0
	e.keys.reset()
	if e.hashes != nil {
		e.hashes.reset()
	}
}

// Size returns how many bytes Seal would return now.
func (e *Encoder) Size() int { return len(e.buf) + digestSize }

// Count returns the number of user records added since Reset.
func (e *Encoder) Count() int { return e.count }

// Grow returns by how many bytes Add with the same arguments would increase
// Size. It is exact.
func (e *Encoder) Grow(key []byte, hash kload.HashKey, hasHash bool, tag, data []byte) int {
	var l layout
	e.plan(&l, key, hash, hasHash, tag, data)
	return l.total
}

// Add appends a user record. It copies what it is given. The explicit hash key
// counts only if hasHash is set; without it a hash that is not zero must be the
// point of the partition key ([shard.HashOf]), which saves looking for the key by a
// hash of its own. A tag that is not nil, even an empty one, is written as the value
// of the tag [TagKey] and should be ASCII.
func (e *Encoder) Add(key []byte, hash kload.HashKey, hasHash bool, tag, data []byte) {
	var l layout
	e.plan(&l, key, hash, hasHash, tag, data)
	e.write(&l, key, tag, data)
}

// TryAdd is Grow and Add at the price of one: it adds the user record if Size
// stays within limit, and says whether it did.
func (e *Encoder) TryAdd(limit int, key []byte, hash kload.HashKey, hasHash bool, tag, data []byte) bool {
	var l layout
	e.plan(&l, key, hash, hasHash, tag, data)
	if e.Size()+l.total > limit {
		return false
	}
	e.write(&l, key, tag, data)
	return true
}

// Seal appends the digest and returns the data of the stream record: the buffer
// given to Reset, or a larger one. The aggregate must not be empty, because no
// decoder takes an empty one for an aggregate. After Seal only Reset may be
// called; the buffer stays the caller's.
func (e *Encoder) Seal() []byte {
	sealed := e.SealUndigested()
	end := len(sealed) - digestSize
	sum := md5.Sum(sealed[len(magic):end])
	copy(sealed[end:], sum[:])
	return sealed
}

// SealUndigested is Seal without the digest, which [Digester.Digest] has to fill
// in before anyone can decode the aggregate.
func (e *Encoder) SealUndigested() []byte {
	invariants.Check(e.count > 0, "sealing an empty aggregate")
	var room [digestSize]byte
	sealed := append(e.buf, room[:]...)
	e.buf = nil
	return sealed
}

// SealAlone ends an aggregate of one user record, which had no tag, without
// wrapping it up: it returns the record's data, as given to Add, and the buffer
// that holds it. After it only Reset may be called.
func (e *Encoder) SealAlone() (buf, data []byte) {
	invariants.Check(e.count == 1, "taking one user record from an aggregate of %d", e.count)
	buf = e.buf
	e.buf = nil
	return buf, buf[len(buf)-e.data:]
}

func (e *Encoder) plan(l *layout, key []byte, hash kload.HashKey, hasHash bool, tag, data []byte) {
	sum := hash.Lo
	if hasHash || hash == (kload.HashKey{}) {
		sum = e.keys.hash(key)
	}
	l.key = e.keys.find(e.buf, key, sum)
	if !l.key.known {
		l.total += fieldLen(len(key))
	}
	l.body = 1 + varintLen(int(l.key.index)) + fieldLen(len(data))
	if hasHash {
		e.planHash(l, hash)
	}
	if tag != nil {
		l.body += fieldLen(tagLen(tag))
	}
	l.total += fieldLen(l.body)
}

func (e *Encoder) planHash(l *layout, hash kload.HashKey) {
	if e.hashes == nil {
		e.hashes = new(keyTable)
		e.hashes.reset()
	}
	if e.hashText == nil || hash != e.hash {
		e.hash, e.hashText = hash, shard.AppendHash(e.hashText[:0], hash)
	}
	l.hasHash = true
	l.hash = e.hashes.find(e.buf, e.hashText, e.hashes.hash(e.hashText))
	if !l.hash.known {
		l.total += fieldLen(len(e.hashText))
	}
	l.body += 1 + varintLen(int(l.hash.index))
}

func (e *Encoder) write(l *layout, key, tag, data []byte) {
	b := appendEntry(e.buf, &e.keys, l.key, tagKeyTable, key)
	if l.hasHash {
		b = appendEntry(b, e.hashes, l.hash, tagHashTable, e.hashText)
	}
	b = appendVarint(append(b, tagRecord), l.body)
	b = appendVarint(append(b, tagKeyIndex), int(l.key.index))
	if l.hasHash {
		b = appendVarint(append(b, tagHashIndex), int(l.hash.index))
	}
	b = appendField(b, tagData, data)
	if tag != nil {
		b = appendVarint(append(b, tagTags), tagLen(tag))
		b = append(b, tagTagKey, byte(len(TagKey)))
		b = append(b, TagKey...)
		b = appendField(b, tagTagValue, tag)
	}
	e.buf, e.data = b, len(data)
	e.count++
}

// appendEntry writes s to the table unless it is there already.
func appendEntry(b []byte, t *keyTable, p place, tag byte, s []byte) []byte {
	if p.known {
		t.again(p)
		return b
	}
	b = appendField(b, tag, s)
	t.add(p, span{uint32(len(b) - len(s)), uint32(len(b))})
	return b
}

// tagLen returns the size of the Tag message that carries value.
func tagLen(value []byte) int { return fieldLen(len(TagKey)) + fieldLen(len(value)) }

func appendField(b []byte, tag byte, value []byte) []byte {
	return append(appendVarint(append(b, tag), len(value)), value...)
}

func appendVarint(b []byte, v int) []byte {
	if v < 0x80 {
		return append(b, byte(v))
	}
	return binary.AppendUvarint(b, uint64(v))
}
