package drivertest

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/kload/kload"
)

// Producer is the producer number of the records that [Feed] makes.
const Producer = 7

// Feed makes records that can be told apart wherever they turn up. Their memory
// is used again for every batch.
type Feed struct {
	Size int // payload bytes, at least 16
	Keys int // distinct partition keys
	Tag  string
	next uint64
	recs []kload.Record
	mem  []byte
}

// Next returns n more records.
func (f *Feed) Next(n int) []kload.Record {
	f.recs, f.mem = f.recs[:0], f.mem[:0]
	for range n {
		var r kload.Record
		from := len(f.mem)
		f.mem = appendPayload(f.mem, f.next, f.Size)
		r.Data = f.mem[from:len(f.mem):len(f.mem)]
		from = len(f.mem)
		f.mem = append(f.mem, KeyOf(f.next, f.Keys)...)
		r.Key = f.mem[from:len(f.mem):len(f.mem)]
		if f.Tag != "" {
			from = len(f.mem)
			f.mem = append(f.mem, f.Tag...)
			r.Tag = f.mem[from:len(f.mem):len(f.mem)]
		}
		r.Producer, r.Seq = Producer, f.next
		f.recs = append(f.recs, r)
		f.next++
	}
	return f.recs
}

// Rewind gives the last n records back: the next ones take their numbers.
func (f *Feed) Rewind(n int) { f.next -= uint64(n) }

// Scribble overwrites the records handed out last, as a caller may as soon as
// PutBatch has returned.
func (f *Feed) Scribble() {
	for i := range f.recs {
		for _, b := range [][]byte{f.recs[i].Data, f.recs[i].Key, f.recs[i].Tag} {
			copy(b, bytes.Repeat([]byte{0xDB}, len(b)))
		}
		f.recs[i] = kload.Record{}
	}
}

// KeyOf returns the partition key of record seq among n keys.
func KeyOf(seq uint64, n int) string { return "key-" + strconv.FormatUint(seq%uint64(n), 10) }

// appendPayload appends the number of a record and bytes that follow from it.
func appendPayload(dst []byte, seq uint64, size int) []byte {
	dst = fmt.Appendf(dst, "%016x", seq)
	for i := 16; i < size; i++ {
		dst = append(dst, filler(seq, i))
	}
	return dst
}

func filler(seq uint64, i int) byte { return byte('a' + (seq*31+uint64(i))%26) }

func parsePayload(data []byte) (seq uint64, ok bool) {
	if len(data) < 16 {
		return 0, false
	}
	seq, err := strconv.ParseUint(string(data[:16]), 16, 64)
	for i := 16; i < len(data) && err == nil; i++ {
		if data[i] != filler(seq, i) {
			return seq, false
		}
	}
	return seq, err == nil
}

// Book takes in outcomes.
type Book struct {
	mu       sync.Mutex
	outcomes map[uint64]kload.Outcome // without Records
	receipts map[uint64]kload.Receipt
	problems []string
	closed   bool
}

// NewBook returns an empty book.
func NewBook() *Book {
	return &Book{outcomes: map[uint64]kload.Outcome{}, receipts: map[uint64]kload.Receipt{}}
}

// Outcomes is the ingress's kload.OutcomeFunc.
func (b *Book) Outcomes(out []kload.Outcome) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, o := range out {
		receipts := o.Records
		o.Records = nil
		for _, r := range receipts {
			_, twice := b.outcomes[r.Seq]
			switch {
			case r.Producer != Producer:
				b.problems = append(b.problems, fmt.Sprintf("outcome for a record of producer %d", r.Producer))
			case twice:
				b.problems = append(b.problems, fmt.Sprintf("record %d has two outcomes", r.Seq))
			case b.closed:
				b.problems = append(b.problems, fmt.Sprintf("record %d got its outcome after Close had returned", r.Seq))
			}
			b.outcomes[r.Seq], b.receipts[r.Seq] = o, r
		}
	}
}

// Closed says that Close has returned: no outcome may come any more.
func (b *Book) Closed() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
}

// Len returns how many records have their outcome.
func (b *Book) Len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.outcomes)
}

// Outcome returns the outcome of a record, without Records.
func (b *Book) Outcome(seq uint64) kload.Outcome {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.outcomes[seq]
}

// Statuses returns how many records ended how.
func (b *Book) Statuses() map[kload.Status]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := map[kload.Status]int{}
	for _, o := range b.outcomes {
		n[o.Status]++
	}
	return n
}

// Check holds the outcomes of the first accepted records of a feed against what
// the stream saw: each has exactly one; what was acknowledged is stored; what was
// rejected is not and could not be; what is unknown could be either.
func (b *Book) Check(t *testing.T, k *Kinesis, accepted uint64) {
	t.Helper()
	copies := map[uint64]int{}
	for _, s := range k.Stored() {
		copies[s.Seq]++
	}
	doubt, strays := k.doubts(), k.strayed()
	b.mu.Lock()
	defer b.mu.Unlock()
	problems := append(slices.Clone(b.problems), k.broken()...)
	if n := uint64(len(b.outcomes)); n != accepted {
		problems = append(problems, fmt.Sprintf("%d records accepted, %d outcomes", accepted, n))
	}
	for _, seq := range slices.Sorted(maps.Keys(b.outcomes)) {
		o := b.outcomes[seq]
		if p := judge(o, copies[seq], len(k.Attempts(seq)), doubt[seq], strays[seq]); p != "" {
			problems = append(problems, fmt.Sprintf("record %d is %v: %s", seq, o.Status, p))
		}
		if seq >= accepted {
			problems = append(problems, fmt.Sprintf("record %d has an outcome but was not accepted", seq))
		}
	}
	if n := len(problems); n > 10 {
		problems = append(problems[:10], fmt.Sprintf("and %d more", n-10))
	}
	for _, p := range problems {
		t.Error(p)
	}
}

// judge says what is wrong with an outcome, given how often the record is
// stored, how often it was sent, how many attempts left that open, and how many
// were acknowledged in an aggregate that KCL would not read in full: a driver may
// take these for successes or not.
func judge(o kload.Outcome, copies, attempts, doubt, strays int) string {
	sure := 0
	if o.Status == kload.Acked {
		sure = 1
	}
	switch {
	case o.Status == kload.Acked && copies == 0:
		return "it is not stored"
	case o.Status == kload.Rejected && (copies > 0 || doubt > 0):
		return fmt.Sprintf("it may have been stored (%d copies)", copies)
	case o.Status == kload.Unknown && doubt+strays == 0:
		return "no attempt was ambiguous"
	case copies > sure+o.Ambiguous:
		return fmt.Sprintf("it is stored %d times with %d ambiguous attempts", copies, o.Ambiguous)
	case o.Ambiguous < doubt || o.Ambiguous > doubt+strays:
		return fmt.Sprintf("%d ambiguous attempts stated, %d seen", o.Ambiguous, doubt)
	case o.Attempts != attempts:
		return fmt.Sprintf("%d attempts stated, %d seen", o.Attempts, attempts)
	case (o.Status == kload.Acked) != (o.Code == "" && o.Acked != 0):
		return fmt.Sprintf("code %q, acknowledged at %d", o.Code, o.Acked)
	case o.Status == kload.Acked && (o.FirstAttempt > o.LastAttempt || o.LastAttempt > o.Acked):
		return "its times run backwards"
	}
	return ""
}

// CheckPlaced holds that every acknowledged record is stored at least once in the
// shard that its hash key belongs to.
func (b *Book) CheckPlaced(t *testing.T, k *Kinesis) {
	t.Helper()
	placed := map[uint64]bool{}
	for _, s := range k.Stored() {
		placed[s.Seq] = placed[s.Seq] || !s.Misrouted
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for seq, o := range b.outcomes {
		if o.Status == kload.Acked && !placed[seq] {
			n++
		}
	}
	if n > 0 {
		t.Errorf("%d acknowledged records lie only in shards they do not belong to", n)
	}
}

// Strayed returns how often records were stored by attempts that the driver took
// for failures although they were acknowledged, all records together, and how many
// of these records were given up after the last such attempt.
func (b *Book) Strayed(k *Kinesis) (attempts, last int) {
	doubt := k.doubts()
	b.mu.Lock()
	defer b.mu.Unlock()
	for seq, o := range b.outcomes {
		n := o.Ambiguous - doubt[seq]
		attempts += n
		if n > 0 && o.Status != kload.Acked {
			last++
		}
	}
	return attempts, last
}
