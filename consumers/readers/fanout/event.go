package fanout

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/invariants"
	"github.com/kload/kload/internal/local/httpapi"
)

// event is a batch with the memory of the frame that its records are parts of.
// It belongs to whoever holds the batch, until the last release.
type event struct {
	kload.Batch
	frame frame
	// next is the continuation sequence number, empty in a shard's last event.
	next string

	texts []byte // the sequence numbers of all records
	ends  []int  // where each ends in texts
}

// event returns an empty event, a used one where there is one.
func (op *Opener) event() *event {
	op.mu.Lock()
	defer op.mu.Unlock()
	if n := len(op.free); n > 0 {
		e := op.free[n-1]
		op.free = op.free[:n-1]
		op.bytes -= cap(e.frame.buf)
		return e
	}
	e := new(event)
	e.Recycle = func(*kload.Batch) { op.recycle(e) }
	return e
}

// What is kept for reuse at most: events, and bytes of their memory.
const (
	maxFree      = 32
	maxFreeBytes = 24 << 20
)

// recycle takes back an event that nobody holds. Where invariants are checked,
// whoever kept its bytes finds them overwritten.
func (op *Opener) recycle(e *event) {
	if invariants.Enabled {
		invariants.Poison(e.frame.buf)
	}
	clear(e.Records)
	e.Records, e.Users, e.Children, e.End = e.Records[:0], nil, nil, false
	op.mu.Lock()
	defer op.mu.Unlock()
	if invariants.Enabled {
		invariants.Check(!slices.Contains(op.free, e), "a batch was released twice")
	}
	if size := cap(e.frame.buf); len(op.free) < maxFree && op.bytes+size <= maxFreeBytes {
		op.free = append(op.free, e)
		op.bytes += size
	}
}

var (
	// errIncomplete is an event that neither can be continued nor ends its shard.
	errIncomplete = errors.New("an event has neither a continuation nor children")
	// errMalformed is an event that came through whole and is none.
	errMalformed = errors.New("an event makes no sense")
)

// decode reads the payload of the frame, which it uses up: records are decoded
// where they stand. Unknown members are passed over.
func (e *event) decode() error {
	e.next, e.Behind = "", 0
	e.texts, e.ends = e.texts[:0], e.ends[:0]
	l := httpapi.NewLexer(e.frame.payload)
	var children []types.ChildShard
	for l.Open('{'); l.Next('}'); {
		switch string(l.Key()) {
		case "Records":
			for l.Open('['); l.Next(']'); {
				e.record(&l)
			}
		case "ContinuationSequenceNumber":
			e.next = string(text(&l))
		case "MillisBehindLatest":
			e.Behind = time.Duration(number(&l) * float64(time.Millisecond))
		case "ChildShards":
			children = childShards(&l)
		default:
			l.Skip()
		}
	}
	if err := l.Finish(); err != nil {
		return fmt.Errorf("%w: %w", errMalformed, err)
	}
	e.number()
	e.End = e.next == ""
	if e.End && len(children) == 0 {
		return errIncomplete
	}
	if e.End {
		var err error
		if e.Children, err = awsclient.Children(children); err != nil {
			return fmt.Errorf("%w: %w", errMalformed, err)
		}
	}
	return nil
}

// record reads one record; its sequence number follows when all are there.
func (e *event) record(l *httpapi.Lexer) {
	var r kload.StreamRecord
	for l.Open('{'); l.Next('}'); {
		switch string(l.Key()) {
		case "SequenceNumber":
			e.texts = append(e.texts, text(l)...)
		case "ApproximateArrivalTimestamp":
			r.Arrived = int64(math.Round(number(l)*1000)) * int64(time.Millisecond)
		case "Data":
			r.Data = blob(l)
		case "PartitionKey":
			r.Key = text(l)
		default:
			l.Skip()
		}
	}
	e.Records = append(e.Records, r)
	e.ends = append(e.ends, len(e.texts))
}

// number gives the records their sequence numbers, which are parts of one string:
// they may outlive the batch.
func (e *event) number() {
	all, from := string(e.texts), 0
	for i, to := range e.ends {
		e.Records[i].Sequence = all[from:to]
		from = to
	}
}

// text reads a string or null.
func text(l *httpapi.Lexer) []byte {
	if l.Peek() == httpapi.Null {
		l.Literal()
		return nil
	}
	return l.Text()
}

// blob reads bytes, which take the place of their own text.
func blob(l *httpapi.Lexer) []byte {
	b := l.Base64Text()
	n, err := httpapi.DecodeBase64(base64.StdEncoding, b, b)
	if err != nil {
		l.Fail(fmt.Errorf("decoding a record's data: %w", err))
		return nil
	}
	return b[:n:n]
}

func number(l *httpapi.Lexer) float64 {
	if l.Peek() == httpapi.String {
		l.Fail(errors.New("a number is written as a string"))
		return 0
	}
	word := l.Literal()
	if string(word) == "null" {
		return 0
	}
	v, err := strconv.ParseFloat(string(word), 64)
	if err != nil {
		l.Fail(fmt.Errorf("reading a number: %w", err))
	}
	return v
}

// childShards reads the shards that continue one that has ended.
func childShards(l *httpapi.Lexer) (list []types.ChildShard) {
	if l.Peek() == httpapi.Null {
		l.Literal()
		return nil
	}
	for l.Open('['); l.Next(']'); {
		child := types.ChildShard{HashKeyRange: new(types.HashKeyRange)}
		for l.Open('{'); l.Next('}'); {
			switch string(l.Key()) {
			case "ShardId":
				child.ShardId = aws.String(string(text(l)))
			case "ParentShards":
				for l.Open('['); l.Next(']'); {
					child.ParentShards = append(child.ParentShards, string(text(l)))
				}
			case "HashKeyRange":
				hashKeys(l, child.HashKeyRange)
			default:
				l.Skip()
			}
		}
		list = append(list, child)
	}
	return list
}

func hashKeys(l *httpapi.Lexer, r *types.HashKeyRange) {
	for l.Open('{'); l.Next('}'); {
		switch string(l.Key()) {
		case "StartingHashKey":
			r.StartingHashKey = aws.String(string(text(l)))
		case "EndingHashKey":
			r.EndingHashKey = aws.String(string(text(l)))
		default:
			l.Skip()
		}
	}
}

// dropThrough takes out the records up to and including one that was delivered
// before, and returns how many those were.
func (e *event) dropThrough(last string) int {
	n := 0
	for n < len(e.Records) && !after(e.Records[n].Sequence, last) {
		n++
	}
	e.Records = e.Records[:copy(e.Records, e.Records[n:])]
	return n
}

// after compares sequence numbers, which are decimal numbers without leading
// zeros.
func after(sequence, than string) bool {
	if len(sequence) != len(than) {
		return len(sequence) > len(than)
	}
	return sequence > than
}
