package kinesis

import (
	"slices"
	"time"
)

// ScannedRecord is a record as the scanner of PutRecords read it. Absent members
// are nil.
type ScannedRecord struct {
	Data              []byte
	Key, ExplicitHash *string
}

// ScanPutRecords runs the scanner.
func ScanPutRecords(body []byte) (stream *string, listed bool, recs []ScannedRecord, err error) {
	var p putScratch
	return p.scanned(p.scanBatch(body))
}

// ScanPutRecordsCBOR runs the scanner of the other encoding.
func ScanPutRecordsCBOR(body []byte) (stream *string, listed bool, recs []ScannedRecord, err error) {
	var p putScratch
	return p.scanned(p.scanBatchCBOR(body))
}

func (p *putScratch) scanned(err error) (stream *string, listed bool, recs []ScannedRecord, _ error) {
	if err != nil {
		return nil, false, nil, err
	}
	if p.target.hasName {
		stream = &p.target.name
	}
	for _, e := range p.entries {
		var r ScannedRecord
		if e.has&hasData != 0 {
			r.Data = append([]byte{}, e.data...)
		}
		if e.has&hasKey != 0 {
			key := string(e.key)
			r.Key = &key
		}
		if e.has&hasExplicit != 0 {
			explicit := string(e.explicit)
			r.ExplicitHash = &explicit
		}
		recs = append(recs, r)
	}
	return stream, p.listed, recs, nil
}

// FormatSequence and ParseSequence give tests the layout.
func FormatSequence(created time.Time, counter uint64, arrived time.Time, shard uint32) string {
	return string(sequence{created.Unix(), counter, arrived.Unix(), shard}.append(nil))
}

// ParseSequence decodes a sequence number.
func ParseSequence(text string) (created time.Time, counter uint64, arrived time.Time, shard uint32, ok bool) {
	q, ok := parseSequence(text)
	return time.Unix(q.created, 0).UTC(), q.counter, time.Unix(q.arrived, 0).UTC(), q.shard, ok
}

// FlipBit changes one bit of an iterator.
func FlipBit(text string) string {
	raw, err := strictBase64.DecodeString(text)
	if err != nil {
		return text
	}
	raw[len(raw)/2] ^= 1
	return strictBase64.EncodeToString(raw)
}

// Frame returns an event-stream frame: an event of a kind, or an exception.
func Frame(kind string, payload []byte, exception bool) []byte {
	begin := beginEvent
	if exception {
		begin = beginException
	}
	return endFrame(append(begin(nil, kind), payload...))
}

// Watchers counts the subscriptions that shards know of.
func Watchers(s *Server) (n int) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, st := range s.streams {
		for _, sh := range st.layout.Load().shards {
			sh.mu.Lock()
			n += len(sh.watchers)
			sh.mu.Unlock()
		}
	}
	return n
}

// Uncalled returns the actions that nobody has called, by name.
func Uncalled(s *Server) (names []string) {
	for name, a := range s.actions {
		if a.count.Load() == 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// LoggedRecord is a record of the log.
type LoggedRecord struct {
	Stream, Shard, Counter uint64
	Arrived                int64
	Flags                  uint16
	Key, Data              string
}

// RecordFlags are the flags of records.
const (
	FlagHidden = flagHidden
	FlagKMS    = flagKMS
)

// AppendLogged appends an entry of the log, behind its kind, for records of one
// shard. The first one says where and when.
func AppendLogged(recs []LoggedRecord) []byte {
	first := recs[0]
	b := appendRecordsHead(nil, first.Stream, uint32(first.Shard), first.Counter, first.Arrived)
	for _, r := range recs {
		b = appendRecord(b, []byte(r.Key), []byte(r.Data), r.Flags)
	}
	return b[1:]
}

// ReadLogged reads what AppendLogged wrote.
func ReadLogged(b []byte) (recs []LoggedRecord, err error) {
	err = readRecords(b, func(h recordsHead, key, data []byte, flags uint16) error {
		recs = append(recs, LoggedRecord{h.stream, h.shard, h.counter, h.arrived, flags, string(key), string(data)})
		return nil
	})
	return recs, err
}
