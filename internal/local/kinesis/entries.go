package kinesis

import (
	"encoding/binary"
	"encoding/json"
	"errors"
)

// The log holds two kinds of entries:
//
//	'R' stream shard counter arrival, then per record: flags key-size data-size key data
//	'C' a savedState in JSON
//
// Numbers are uvarints; arrival is in ms since 1970 and the same for all records
// of an entry, the counter that of the first. A hidden record has no bytes.
const (
	recordsEntry = 'R'
	changeEntry  = 'C'
)

// recordsHead is what precedes the records of an entry.
type recordsHead struct {
	stream  uint64 // its number
	shard   uint64 // its index
	counter uint64
	arrived int64
}

func appendRecordsHead(b []byte, stream uint64, shard uint32, counter uint64, arrived int64) []byte {
	b = binary.AppendUvarint(append(b, recordsEntry), stream)
	b = binary.AppendUvarint(b, uint64(shard))
	b = binary.AppendUvarint(b, counter)
	return binary.AppendUvarint(b, uint64(arrived))
}

func appendRecord(b, key, data []byte, flags uint16) []byte {
	if flags&flagHidden != 0 {
		key, data = nil, nil
	}
	b = binary.AppendUvarint(b, uint64(flags))
	b = binary.AppendUvarint(b, uint64(len(key)))
	b = binary.AppendUvarint(b, uint64(len(data)))
	return append(append(b, key...), data...)
}

// appendChange appends an entry for a change. Times and texts always encode.
func appendChange(b []byte, state savedState) []byte {
	text, err := json.Marshal(state)
	if err != nil {
		return b
	}
	return append(append(b, changeEntry), text...)
}

var errEntry = errors.New("an entry is not as kload writes it")

// reader reads uvarints and bytes; it remembers that it failed.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) number() uint64 {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 {
		r.bad, r.rest = true, nil
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

func (r *reader) bytes(n uint64) []byte {
	if n > uint64(len(r.rest)) {
		r.bad, r.rest = true, nil
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

// readRecords gives each record of an entry, behind its kind, to f.
func readRecords(b []byte, f func(h recordsHead, key, data []byte, flags uint16) error) error {
	r := reader{rest: b}
	h := recordsHead{stream: r.number(), shard: r.number(), counter: r.number(), arrived: int64(r.number())}
	for ; !r.bad && len(r.rest) > 0; h.counter++ {
		flags, keySize, dataSize := r.number(), r.number(), r.number()
		key, data := r.bytes(keySize), r.bytes(dataSize)
		if flags > flagHidden|flagKMS || len(key) > 4*maxKey || len(data) > maxData {
			r.bad = true
		}
		if r.bad {
			break
		}
		if err := f(h, key, data, uint16(flags)); err != nil {
			return err
		}
	}
	if r.bad {
		return errEntry
	}
	return nil
}
