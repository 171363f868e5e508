// Package jsonfield finds one top-level attribute of a JSON object by scanning
// its bytes, without decoding the object and without allocating.
//
// A load tester touches one field of a record (a key, a timestamp, its own
// trace) far more often than it needs the whole record, and decoding costs
// microseconds where a scan costs tens of nanoseconds:
//
//	key := jsonfield.NewFinder("trip_id")
//	value, ok := key.Find(line)
//
// # What is promised
//
// For every valid JSON object the result is that of decoding it into a
// map[string]json.RawMessage, with one choice made: of duplicate names the
// first wins, so that a scan can stop early (encoding/json keeps the last).
// Names are compared after decoding escapes. Matches inside nested values or
// inside strings never count.
//
// This is not a validator. Input that is not an object, that is cut off, or
// that breaks the grammar where the scan looks is reported as not found; damage
// in bytes that need no looking at goes unnoticed.
package jsonfield

import (
	"bytes"
	"strings"
)

// Finder finds one attribute by name. Make it with [NewFinder]. It is immutable
// and safe for concurrent use.
type Finder struct {
	name   string
	quoted []byte // the name as it is nearly always written; nil if it may be written otherwise
	rarest int    // index in quoted of the byte to search for
}

// NewFinder returns a Finder for the attribute with the given decoded name.
func NewFinder(name string) Finder {
	f := Finder{name: name}
	if plain(name) {
		f.quoted = []byte(`"` + name + `"`)
		f.rarest = rarest(f.quoted)
	}
	return f
}

// commonFirst orders the bytes of typical records from the commonest on; what is
// not in it is rarer still.
const commonFirst = `"0123456789_:,-. etaionsrldcmupfghybwvkxjqz`

// rarest returns the index of the byte of s that typical records hold least
// often.
func rarest(s []byte) (at int) {
	best := -1
	for i, c := range s {
		rank := strings.IndexByte(commonFirst, c)
		if rank < 0 {
			rank = len(commonFirst)
		}
		if rank > best {
			at, best = i, rank
		}
	}
	return at
}

// plain reports whether the name reads the same in JSON text as decoded, unless
// the text uses escapes it does not need.
func plain(name string) bool {
	return strings.IndexFunc(name, func(r rune) bool {
		return r < ' ' || r > '~' || r == '"' || r == '\\'
	}) < 0
}

// Find returns the raw value of the attribute in obj: a slice of obj, for a
// string without its quotes and with its escapes as they stand.
func (f Finder) Find(obj []byte) (value []byte, ok bool) {
	value, _, ok = f.Lookup(obj)
	return value, ok
}

// Lookup is Find that also tells whether the value is a string, to keep 5 and
// "5" apart.
func (f Finder) Lookup(obj []byte) (value []byte, isString, ok bool) {
	open, end := bounds(obj)
	if open < 0 {
		return nil, false, false
	}
	if f.quoted != nil {
		at := f.index(obj[open:end])
		if at < 0 && bytes.IndexByte(obj[open:end], '\\') < 0 {
			return nil, false, false
		}
		if at > 0 {
			if i, sure := f.keyAt(obj[open:end], at); sure {
				return valueAt(obj[:end], open+i)
			}
		}
	}
	return walk(obj[:end], open+1, f.name)
}

// index is bytes.Index(obj, f.quoted), faster by searching for the rarest byte:
// quotes, with which all names start, are everywhere in JSON text.
func (f Finder) index(obj []byte) int {
	const tries = 8 // then the byte is not rare here
	i := min(f.rarest, len(obj))
	for range tries {
		n := bytes.IndexByte(obj[i:], f.quoted[f.rarest])
		if n < 0 {
			return -1
		}
		start := i + n - f.rarest
		if bytes.HasPrefix(obj[start:], f.quoted) {
			return start
		}
		i += n + 1
	}
	start := i - f.rarest
	if n := bytes.Index(obj[start:], f.quoted); n >= 0 {
		return start + n
	}
	return -1
}

// keyAt proves cheaply that the quoted name found at obj[at] is a key of the
// outermost object, and returns where its value starts. What stands before it
// must open no other object or array, hold no escape, and have every string
// closed; everything else is left to the walk.
func (f Finder) keyAt(obj []byte, at int) (value int, sure bool) {
	before := obj[:at]
	if bytes.IndexByte(before[1:], '{') >= 0 || bytes.IndexByte(before, '[') >= 0 ||
		bytes.IndexByte(before, '\\') >= 0 || bytes.Count(before, quote)&1 != 0 {
		return 0, false
	}
	prev := len(before) - 1
	for isSpace(before[prev]) {
		prev--
	}
	if before[prev] != ',' && prev != 0 {
		return 0, false
	}
	colon := skipSpace(obj, at+len(f.quoted))
	if colon == len(obj) || obj[colon] != ':' {
		return 0, false
	}
	return skipSpace(obj, colon+1), true
}

var quote = []byte{'"'}

// Find is [Finder.Find] for a name that is not known in advance. It is slower
// than a prepared Finder.
func Find(obj []byte, name string) (value []byte, ok bool) {
	open, end := bounds(obj)
	if open < 0 {
		return nil, false
	}
	value, _, ok = walk(obj[:end], open+1, name)
	return value, ok
}

// Bounds returns the positions of the outermost braces of obj: obj[open] is '{'
// and obj[end] is '}', with nothing but white space outside them. ok is false if
// obj does not look like an object; what is between the braces is not checked.
func Bounds(obj []byte) (open, end int, ok bool) {
	open, end = bounds(obj)
	return open, end - 1, open >= 0
}

// bounds returns the half-open range of the object in obj, braces included, or
// open < 0.
func bounds(obj []byte) (open, end int) {
	open, end = skipSpace(obj, 0), len(obj)
	for end > open && isSpace(obj[end-1]) {
		end--
	}
	if end-open < 2 || obj[open] != '{' || obj[end-1] != '}' {
		return -1, 0
	}
	return open, end
}
