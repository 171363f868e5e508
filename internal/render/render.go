// Package render makes records of text that was rendered beforehand and slots
// that are filled per record: a sequence number, a time, a UUID. A generator
// describes its record once, as a function that writes one variant into a
// [Doc]; the source renders a number of variants when it is made and from then
// on only copies and fills.
package render

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"strconv"

	"github.com/kload/kload"
)

// slot is what is filled in behind a piece of text.
type slot uint8

const (
	slotNone slot = iota
	slotSeq
	slotISO
	slotSpaced
	slotMicros
	slotMillis
	slotUUID
	slotKey
)

// piece is text and the slot behind it.
type piece struct {
	text   []byte
	slot   slot
	offset int64 // of a time, in ns; of a sequence, in numbers
}

// Doc is one variant of a record while it is being written.
type Doc struct {
	pieces []piece
	text   []byte
	key    []byte
	seqKey bool
}

// Raw appends text as it is.
func (d *Doc) Raw(text string) *Doc {
	d.text = append(d.text, text...)
	return d
}

// Text appends a JSON string.
func (d *Doc) Text(s string) *Doc {
	quoted, _ := json.Marshal(s) // of a string it cannot fail
	d.text = append(d.text, quoted...)
	return d
}

// Int appends a number.
func (d *Doc) Int(n int64) *Doc {
	d.text = strconv.AppendInt(d.text, n, 10)
	return d
}

// Cents appends a number with two decimals.
func (d *Doc) Cents(n int64) *Doc {
	if n < 0 {
		d.text = append(d.text, '-')
		n = -n
	}
	d.text = strconv.AppendInt(d.text, n/100, 10)
	d.text = append(d.text, '.', byte('0'+n/10%10), byte('0'+n%10))
	return d
}

// Seq is the record's number, counted from first.
func (d *Doc) Seq(first int64) *Doc { return d.slot(slotSeq, first) }

// ISO is the intended time in UTC as 2006-01-02T15:04:05.000Z, moved by offset
// nanoseconds.
func (d *Doc) ISO(offset int64) *Doc { return d.slot(slotISO, offset) }

// Spaced is the intended time in UTC as 2006-01-02 15:04:05.000.
func (d *Doc) Spaced(offset int64) *Doc { return d.slot(slotSpaced, offset) }

// Micros is the intended time in UTC as 2006-01-02 15:04:05.000000.
func (d *Doc) Micros(offset int64) *Doc { return d.slot(slotMicros, offset) }

// Millis is the intended time in Unix milliseconds.
func (d *Doc) Millis() *Doc { return d.slot(slotMillis, 0) }

// UUID is a random UUID, another one in each record.
func (d *Doc) UUID() *Doc { return d.slot(slotUUID, 0) }

// RecordKey is the record's partition key, where the source chooses keys.
func (d *Doc) RecordKey() *Doc { return d.slot(slotKey, 0) }

// SetKey gives the variant's records their partition key.
func (d *Doc) SetKey(key string) *Doc {
	d.key = []byte(key)
	return d
}

// KeyBySeq makes each record's number its partition key.
func (d *Doc) KeyBySeq() *Doc {
	d.seqKey = true
	return d
}

func (d *Doc) slot(s slot, offset int64) *Doc {
	d.pieces = append(d.pieces, piece{d.text, s, offset})
	d.text = nil
	return d
}

// Options say how a source uses its variants.
type Options struct {
	Variants int    // how many are rendered; at least 1
	Seed     uint64 // of everything random
	InOrder  bool   // variants are taken in turn, not at random
	Keys     uint64 // the source chooses one of so many keys per record; 0 for none
}

// variant is a finished Doc.
type variant struct {
	pieces []piece
	key    []byte
	seqKey bool
	room   int // bytes it takes at most
}

// slotRoom is the longest a slot becomes: a UUID.
const slotRoom = 36

// New renders the variants and returns the source. render is called once for
// each, with its number.
func New(o Options, render func(d *Doc, n int, r *rand.Rand)) *Source {
	s := &Source{o: o, rand: rand.New(rand.NewPCG(o.Seed, 0x72656e646572))}
	for i := range max(1, o.Variants) {
		var d Doc
		render(&d, i, s.rand)
		d.slot(slotNone, 0)
		v := variant{pieces: d.pieces, key: d.key, seqKey: d.seqKey}
		for _, p := range d.pieces {
			v.room += len(p.text) + slotRoom
		}
		s.room = max(s.room, v.room)
		s.variants = append(s.variants, v)
	}
	return s
}

// Source yields rendered records. It is a [kload.Source].
type Source struct {
	o        Options
	variants []variant
	room     int // bytes the largest variant takes
	rand     *rand.Rand
	times    timeText
	seq      uint64
	arena    []byte
	key      []byte // of the record being rendered
}

// keyRoom is the room for a key: "k" and 20 digits.
const keyRoom = 21

// Next renders one record per element of dst, with its intended time.
func (s *Source) Next(_ context.Context, dst []kload.Record) (int, error) {
	if need := len(dst) * (s.room + keyRoom); cap(s.arena) < need {
		s.arena = make([]byte, 0, need)
	}
	s.arena = s.arena[:0]
	for i := range dst {
		n := s.seq % uint64(len(s.variants))
		if !s.o.InOrder {
			n = s.rand.Uint64N(uint64(len(s.variants)))
		}
		v := &s.variants[n]
		s.chooseKey(v)
		from := len(s.arena)
		s.render(v, dst[i].Intended)
		dst[i].Data = s.arena[from:len(s.arena):len(s.arena)]
		dst[i].Key, dst[i].HasHash = s.key, false
		s.seq++
	}
	return len(dst), nil
}

// chooseKey sets the next record's key, in front of its text where it is made
// for this record alone.
func (s *Source) chooseKey(v *variant) {
	from := len(s.arena)
	switch {
	case s.o.Keys > 0:
		s.arena = strconv.AppendUint(append(s.arena, 'k'), s.rand.Uint64N(s.o.Keys), 10)
	case v.seqKey:
		s.arena = strconv.AppendUint(s.arena, s.seq, 10)
	default:
		s.key = v.key
		return
	}
	s.key = s.arena[from:len(s.arena):len(s.arena)]
}

func (s *Source) render(v *variant, at int64) {
	for i := range v.pieces {
		p := &v.pieces[i]
		s.arena = append(s.arena, p.text...)
		switch p.slot {
		case slotSeq:
			s.arena = strconv.AppendInt(s.arena, int64(s.seq)+p.offset, 10)
		case slotISO:
			s.arena = append(s.times.appendMillis(s.arena, at+p.offset, 'T'), 'Z')
		case slotSpaced:
			s.arena = s.times.appendMillis(s.arena, at+p.offset, ' ')
		case slotMicros:
			s.arena = appendThree(s.times.appendMillis(s.arena, at+p.offset, ' '), uint64(at+p.offset)/1e3)
		case slotMillis:
			s.arena = strconv.AppendInt(s.arena, at/1e6, 10)
		case slotUUID:
			s.arena = appendUUID(s.arena, s.rand.Uint64(), s.rand.Uint64())
		case slotKey:
			s.arena = append(s.arena, s.key...)
		case slotNone:
		}
	}
}

// Close does nothing.
func (s *Source) Close() error { return nil }
