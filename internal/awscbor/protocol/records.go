package protocol

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kload/kload/internal/awscbor"
)

const (
	// mostRecords is what an answer holds at most; a longer list grows as it is
	// read.
	mostRecords = 10000
	// slabSize is how many values are allocated at a time. One value kept for
	// long keeps its slab.
	slabSize = 128
)

// slab hands out pointers to values that are allocated many at a time.
type slab[T any] []T

// take returns a new value; left is how many more will be wanted, if known.
func (s *slab[T]) take(left awscbor.Count) *T {
	if len(*s) == 0 {
		n := slabSize
		if left >= 0 {
			n = min(n, int(left)+1)
		}
		*s = make([]T, n)
	}
	v := &(*s)[0]
	*s = (*s)[1:]
	return v
}

// recordParts are what a record points to.
type recordParts struct {
	key, sequence string
	at            time.Time
}

func (d *deserializer) getRecords(out *kinesis.GetRecordsOutput) {
	for n := d.Map(); d.Next(&n); {
		name := d.Name()
		if d.Null() {
			continue
		}
		switch string(name) {
		case "Records":
			out.Records = d.records()
		case "NextShardIterator":
			next := d.string()
			out.NextShardIterator = &next
		case "MillisBehindLatest":
			behind := d.Int()
			out.MillisBehindLatest = &behind
		case "ChildShards":
			out.ChildShards = d.childShards()
		default:
			d.Skip()
		}
	}
}

func (d *deserializer) records() []types.Record {
	n := d.List()
	list := make([]types.Record, 0, min(max(n, 0), mostRecords))
	var parts slab[recordParts]
	for d.Next(&n) {
		list = append(list, types.Record{})
		if !d.Null() {
			d.record(&list[len(list)-1], parts.take(n))
		}
	}
	return list
}

func (d *deserializer) record(r *types.Record, p *recordParts) {
	for n := d.Map(); d.Next(&n); {
		name := d.Name()
		if d.Null() {
			continue
		}
		switch string(name) {
		case "Data":
			r.Data = d.blob()
		case "PartitionKey":
			p.key = d.string()
			r.PartitionKey = &p.key
		case "SequenceNumber":
			p.sequence = d.string()
			r.SequenceNumber = &p.sequence
		case "ApproximateArrivalTimestamp":
			p.at = d.time()
			r.ApproximateArrivalTimestamp = &p.at
		case "EncryptionType":
			r.EncryptionType = encryption(d.Text())
		default:
			d.Skip()
		}
	}
}

// encryption avoids a string for the values there are.
func encryption(text []byte) types.EncryptionType {
	for _, known := range [...]types.EncryptionType{types.EncryptionTypeNone, types.EncryptionTypeKms} {
		if string(known) == string(text) {
			return known
		}
	}
	return types.EncryptionType(text)
}

func (d *deserializer) childShards() []types.ChildShard {
	list := []types.ChildShard{}
	for n := d.List(); d.Next(&n); {
		var c types.ChildShard
		if !d.Null() {
			_ = c.Deserialize(d) // d keeps the error
		}
		list = append(list, c)
	}
	return list
}

// resultParts are what a result points to.
type resultParts struct{ sequence, code, message string }

func (d *deserializer) putRecords(out *kinesis.PutRecordsOutput) {
	for n := d.Map(); d.Next(&n); {
		name := d.Name()
		if d.Null() {
			continue
		}
		switch string(name) {
		case "Records":
			if d.results != nil {
				d.results.read(d)
			} else {
				out.Records = d.entries()
			}
		case "FailedRecordCount":
			failed := d.int32()
			out.FailedRecordCount = &failed
		case "EncryptionType":
			out.EncryptionType = encryption(d.Text())
		default:
			d.Skip()
		}
	}
}

func (d *deserializer) entries() []types.PutRecordsResultEntry {
	n := d.List()
	list := make([]types.PutRecordsResultEntry, 0, min(max(n, 0), mostRecords))
	var parts slab[resultParts]
	var shards shardNames
	for d.Next(&n) {
		list = append(list, types.PutRecordsResultEntry{})
		if !d.Null() {
			d.entry(&list[len(list)-1], parts.take(n), &shards)
		}
	}
	return list
}

func (d *deserializer) entry(r *types.PutRecordsResultEntry, p *resultParts, shards *shardNames) {
	for n := d.Map(); d.Next(&n); {
		name := d.Name()
		if d.Null() {
			continue
		}
		switch string(name) {
		case "SequenceNumber":
			p.sequence = d.string()
			r.SequenceNumber = &p.sequence
		case "ShardId":
			r.ShardId = shards.of(d.Text())
		case "ErrorCode":
			p.code = d.string()
			r.ErrorCode = &p.code
		case "ErrorMessage":
			p.message = d.string()
			r.ErrorMessage = &p.message
		default:
			d.Skip()
		}
	}
}

// shardNames keeps the names seen lately: answers repeat a few of them. Results
// share the strings, which nobody changes.
type shardNames struct {
	recent [16]*string
}

func (s *shardNames) of(name []byte) *string {
	slot := 0
	if len(name) > 0 {
		slot = int(name[len(name)-1]) % len(s.recent)
	}
	if p := s.recent[slot]; p != nil && *p == string(name) {
		return p
	}
	text := string(name)
	s.recent[slot] = &text
	return &text
}
