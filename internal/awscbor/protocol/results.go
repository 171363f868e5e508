package protocol

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
)

// Results takes the entries of PutRecords answers, one answer at a time, at one
// or two allocations per answer. The zero value is ready for use; it grows as
// needed and is not safe for concurrent use.
type Results struct {
	// Entries has one result per record of the request. The next answer overwrites
	// it; the strings in it are never overwritten.
	Entries []Result

	answered bool
	shards   shardNames
	text     []byte // the sequence numbers, one after the other
	ends     []int  // of each entry's sequence number in text
}

// Result is what became of one record of a PutRecords request.
type Result struct {
	Shard    string // shared by the results of all answers
	Sequence string // shares its memory with the others of the answer
	Code     string // the service's error code; empty for a record that was stored
}

// resultsKey is the context key of a caller's *Results.
type resultsKey struct{}

// WithResults makes a PutRecords call under the returned context read the entries
// of its answer into r instead of its output, whose Records stay nil. Error
// messages are dropped. It is for one call at a time. A call in JSON takes no
// notice of it: see [Results.Take].
func WithResults(ctx context.Context, r *Results) context.Context {
	return context.WithValue(ctx, resultsKey{}, r)
}

// Reset forgets the last answer. To be called before each call.
func (r *Results) Reset() { r.Entries, r.answered = r.Entries[:0], false }

// Take fills the results from the output of a call, unless the call has done so
// itself.
func (r *Results) Take(out *kinesis.PutRecordsOutput) {
	if r.answered {
		return
	}
	for i := range out.Records {
		e := &out.Records[i]
		r.Entries = append(r.Entries, Result{
			Shard: aws.ToString(e.ShardId), Sequence: aws.ToString(e.SequenceNumber), Code: aws.ToString(e.ErrorCode),
		})
	}
}

// begin prepares for an answer.
func (r *Results) begin() { r.Entries, r.answered = r.Entries[:0], true }

// read reads the list of entries.
func (r *Results) read(d *deserializer) {
	r.Entries, r.text, r.ends = r.Entries[:0], r.text[:0], r.ends[:0]
	for n := d.List(); d.Next(&n); {
		r.Entries = append(r.Entries, Result{})
		if !d.Null() {
			r.entry(d, &r.Entries[len(r.Entries)-1])
		}
		r.ends = append(r.ends, len(r.text))
	}
	text, from := string(r.text), 0
	for i, end := range r.ends {
		r.Entries[i].Sequence = text[from:end]
		from = end
	}
}

func (r *Results) entry(d *deserializer, e *Result) {
	from := len(r.text)
	for n := d.Map(); d.Next(&n); {
		name := d.Name()
		if d.Null() {
			continue
		}
		switch string(name) {
		case "SequenceNumber":
			r.text = append(r.text[:from], d.Text()...)
		case "ShardId":
			e.Shard = *r.shards.of(d.Text())
		case "ErrorCode":
			e.Code = d.string()
		default:
			d.Skip()
		}
	}
}
