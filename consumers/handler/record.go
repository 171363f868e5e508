package handler

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/jsonfield"
)

// record is the record that compiled expressions look at, one after the other.
// It belongs to one goroutine.
type record struct {
	batch *kload.Batch
	user  *kload.Delivery
	now   int64
	slots []slot
}

// slot is one field of the payload, looked up when an expression first wants it.
type slot struct {
	name    string
	finder  jsonfield.Finder
	missing error
	needed  int // column of a use that needs it, 0 for none

	read  bool // what follows is that of the current record
	value any
	err   error
}

var (
	errNotJSON    = errors.New("the payload is no JSON object")
	errNotArrived = errors.New("_age is not known: the source does not say when the record arrived")
	errNoStream   = errors.New("_sequence is not known: the batch does not name its stream records")
)

// look turns to a user record.
func (r *record) look(u *kload.Delivery) {
	r.user = u
	for i := range r.slots {
		r.slots[i].read = false
	}
}

// slot returns the index of the slot for a field.
func (r *record) slot(name string) int {
	for i := range r.slots {
		if r.slots[i].name == name {
			return i
		}
	}
	r.slots = append(r.slots, slot{name: name, finder: jsonfield.NewFinder(name), missing: fmt.Errorf("the record has no field %q", name)})
	return len(r.slots) - 1
}

// field returns the value of a field of the payload: text, true or false, a whole
// number (int), another number (float64), nil for null, a list or an object.
func (r *record) field(i int) (any, error) {
	s := &r.slots[i]
	if !s.read {
		s.read = true
		s.value, s.err = s.find(r.user.Data)
	}
	return s.value, s.err
}

// maybe is field that takes a missing field for null.
func (r *record) maybe(i int) (any, error) {
	v, err := r.field(i)
	if errors.Is(err, r.slots[i].missing) {
		return nil, nil
	}
	return v, err
}

func (s *slot) find(payload []byte) (any, error) {
	raw, isText, ok := s.finder.Lookup(payload)
	switch {
	case ok && isText:
		return text(raw)
	case ok:
		return value(raw)
	}
	if _, _, object := jsonfield.Bounds(payload); !object {
		return nil, errNotJSON
	}
	return nil, s.missing
}

// text decodes a JSON string without its quotes.
func text(raw []byte) (any, error) {
	if bytes.IndexByte(raw, '\\') < 0 && utf8.Valid(raw) {
		return string(raw), nil
	}
	var s string
	if err := json.Unmarshal(append(append([]byte{'"'}, raw...), '"'), &s); err != nil {
		return nil, fmt.Errorf("decoding text: %w", err)
	}
	return s, nil
}

// value decodes any other JSON value.
func value(raw []byte) (any, error) {
	switch raw[0] {
	case 't':
		return true, nil
	case 'f':
		return false, nil
	case 'n':
		return nil, nil
	case '{', '[':
		return nested(raw)
	}
	return number(string(raw))
}

// number decodes a whole number to int where it fits, any other to float64.
func number(raw string) (any, error) {
	if !strings.ContainsAny(raw, ".eE") { // else making the error would cost most
		if n, err := strconv.Atoi(raw); err == nil {
			return n, nil
		}
	}
	f, err := strconv.ParseFloat(raw, 64)
	if err != nil {
		return nil, fmt.Errorf("decoding a number: %w", err)
	}
	return f, nil
}

func nested(raw []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("decoding a list or an object: %w", err)
	}
	return plain(v)
}

// plain gives the numbers in a decoded value the types that number does.
func plain(v any) (_ any, err error) {
	switch v := v.(type) {
	case json.Number:
		return number(v.String())
	case []any:
		for i := range v {
			if v[i], err = plain(v[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for k := range v {
			if v[k], err = plain(v[k]); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

// getter is a function of an expression: it returns something of the record.
type getter = func(...any) (any, error)

// meta returns the getter of what a record has beside its payload, and its type
// as a pointer to a function; nil for an unknown name.
func (r *record) meta(name string) (get getter, typ any) {
	switch name {
	case "_key":
		return func(...any) (any, error) { return string(r.user.Key), nil }, new(func() string)
	case "_data":
		return func(...any) (any, error) { return string(r.user.Data), nil }, new(func() string)
	case "_size":
		return func(...any) (any, error) { return len(r.user.Data), nil }, new(func() int)
	case "_shard":
		return func(...any) (any, error) { return r.batch.Partition, nil }, new(func() string)
	case "_sub":
		return func(...any) (any, error) { return int(r.user.Sub), nil }, new(func() int)
	case "_sequence":
		return r.sequence, new(func() string)
	case "_age":
		return r.age, new(func() time.Duration)
	}
	return nil, nil
}

func metaNames() []string {
	return []string{"_age", "_data", "_key", "_sequence", "_shard", "_size", "_sub"}
}

// stream returns the stream record that held the record, nil where that is not
// known.
func (r *record) stream() *kload.StreamRecord {
	if r.user.Stream >= len(r.batch.Records) {
		return nil
	}
	return &r.batch.Records[r.user.Stream]
}

func (r *record) sequence(...any) (any, error) {
	if s := r.stream(); s != nil {
		return s.Sequence, nil
	}
	return nil, errNoStream
}

// age is how long ago the record arrived at the service. The service states whole
// milliseconds of its own clock.
func (r *record) age(...any) (any, error) {
	if s := r.stream(); s != nil && s.Arrived != 0 {
		return time.Duration(r.now - s.Arrived), nil
	}
	return nil, errNotArrived
}
