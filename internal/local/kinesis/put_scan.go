package kinesis

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/local/httpapi"
	"github.com/kload/kload/internal/shard"
)

// strictBase64 refuses what Java's decoder refuses: stray bits behind the last byte.
var strictBase64 = base64.StdEncoding.Strict()

// putEntry is one record of a put and what becomes of it. Its slices point into
// the memory of the request.
type putEntry struct {
	data, key, explicit []byte
	has                 uint8 // members present
	fate                uint8
	spoiled             uint8 // the fate that a fault has in store, fateStored for none
	shard, next         int32 // index of the shard; index of the shard's next entry, -1 at the end
	counter             uint64
	arrived             int64 // s since 1970
	hash                kload.HashKey
}

// Members of a record.
const (
	hasData = 1 << iota
	hasKey
	hasExplicit
	hasKMS // of the stream, not of the request
)

// Fates of a record.
const (
	fateStored = iota
	fateThrottled
	fateFailed
	fateMoved // the shard was closed meanwhile: its children take the record
)

// putScratch is the memory of a put: the parsed request and the chains that
// group its records by shard. It is reused without being cleared.
type putScratch struct {
	target   target
	dryRun   bool
	ordering string // PutRecord: SequenceNumberForOrdering
	ordered  bool
	listed   bool // PutRecords: Records was present
	auto     bool // the service distributes the stream's records
	kms      bool // the stream is encrypted
	entries  []putEntry
	blobs    []byte // decoded data of all entries
	touched  []int32
	heads    []int32 // by shard, -1 when untouched
	tails    []int32

	lsn       int64 // to be committed before the answer, 0 without a log
	unsettled []unsettled
}

func (p *putScratch) reset(body int) {
	p.target, p.dryRun, p.ordering, p.ordered, p.listed = target{}, false, "", false, false
	p.entries, p.touched = p.entries[:0], p.touched[:0]
	// Sized beforehand, blobs never moves, so entries can point into it. A record
	// repeats no byte of the body.
	p.blobs = slices.Grow(p.blobs[:0], base64.StdEncoding.DecodedLen(body)+4)
}

// scanBatch reads a PutRecords body.
func (p *putScratch) scanBatch(body []byte) error {
	p.reset(len(body))
	l := httpapi.NewLexer(body)
	for l.Open('{'); l.Next('}'); {
		key := l.Key()
		if string(key) == "Records" {
			p.scanRecords(&l)
		} else {
			p.common(&l, key)
		}
	}
	return l.Finish()
}

// scanRecords reads the list of records. A repeated list replaces the one before.
func (p *putScratch) scanRecords(l *httpapi.Lexer) {
	p.entries, p.listed = p.entries[:0], false
	switch kind := l.Peek(); kind {
	case httpapi.Null:
		l.Skip()
		return
	case httpapi.List:
	default:
		l.Fail(wrongType(l, kind, "list"))
		return
	}
	p.listed = true
	for l.Open('['); l.Next(']'); {
		p.entries = append(p.entries, putEntry{})
		e := &p.entries[len(p.entries)-1]
		switch kind := l.Peek(); kind {
		case httpapi.Null:
			l.Skip()
			continue
		case httpapi.Object:
		default:
			l.Fail(wrongType(l, kind, "structure"))
			return
		}
		for l.Open('{'); l.Next('}'); {
			if key := l.Key(); !p.member(l, key, e) {
				l.Skip()
			}
		}
	}
}

// scanSingle reads a PutRecord body into one entry.
func (p *putScratch) scanSingle(body []byte) error {
	p.reset(len(body))
	p.entries = append(p.entries, putEntry{})
	l := httpapi.NewLexer(body)
	for l.Open('{'); l.Next('}'); {
		switch key := l.Key(); {
		case p.member(&l, key, &p.entries[0]):
		case string(key) == "SequenceNumberForOrdering":
			text, ok := optional(&l, "an String")
			p.ordering, p.ordered = string(text), ok
		default:
			p.common(&l, key)
		}
	}
	return l.Finish()
}

// common reads a member that PutRecord and PutRecords share, or skips it.
func (p *putScratch) common(l *httpapi.Lexer, key []byte) {
	switch string(key) {
	case "StreamName":
		text, ok := optional(l, "an String")
		p.target.name, p.target.hasName = string(text), ok
	case "StreamARN":
		text, ok := optional(l, "an String")
		p.target.arn, p.target.hasARN = string(text), ok
	case "DryRun":
		switch kind := l.Peek(); kind {
		case httpapi.Bool, httpapi.Null:
			p.dryRun = string(l.Literal()) == "true"
		default:
			l.Fail(wrongType(l, kind, "an Boolean"))
		}
	default:
		l.Skip()
	}
}

// member reads a member of a record and reports whether it is one.
func (p *putScratch) member(l *httpapi.Lexer, key []byte, e *putEntry) bool {
	var ok bool
	var flag uint8
	switch string(key) {
	case "Data":
		flag = hasData
		e.data, ok = p.blob(l)
	case "PartitionKey":
		flag = hasKey
		e.key, ok = optional(l, "an String")
	case "ExplicitHashKey":
		flag = hasExplicit
		e.explicit, ok = optional(l, "an String")
	default:
		return false
	}
	e.has &^= flag
	if ok {
		e.has |= flag
	}
	return true
}

// optional reads a string; null and absent are the same.
func optional(l *httpapi.Lexer, wanted string) ([]byte, bool) {
	switch kind := l.Peek(); kind {
	case httpapi.String:
		return l.Text(), true
	case httpapi.Null:
		l.Literal()
		return nil, false
	default:
		l.Fail(wrongType(l, kind, wanted))
		return nil, false
	}
}

// wrongType reads the offending value, since bad syntax outranks a wrong type.
func wrongType(l *httpapi.Lexer, got httpapi.Kind, wanted string) error {
	l.Skip()
	return httpapi.WrongType(got, wanted)
}

// blob reads base64 straight into the scratch's memory.
func (p *putScratch) blob(l *httpapi.Lexer) ([]byte, bool) {
	if l.Peek() != httpapi.String {
		return optional(l, "a Blob")
	}
	text := l.Base64Text()
	if len(text)%4 != 0 {
		l.Fail(httpapi.Malformed("'%s' can not be converted to a Blob: Base64 encoded length is expected a multiple of 4 bytes but found: %d",
			excerpt(text), len(text)))
		return nil, false
	}
	start := len(p.blobs)
	want := base64.StdEncoding.DecodedLen(len(text))
	// A repeated Data member could outgrow what reset foresaw only by being
	// longer than the body.
	n, err := httpapi.DecodeBase64(strictBase64, p.blobs[start:start+want], text)
	if err != nil {
		l.Fail(badBase64(text))
		return nil, false
	}
	p.blobs = p.blobs[:start+n]
	return p.blobs[start : start+n : start+n], true
}

func badBase64(text []byte) error {
	for i, c := range text {
		pad := c == '=' && i < len(text)-1 && text[i+1] != '='
		if pad || c != '=' && c != '+' && c != '/' && !isAlnum(c) {
			return httpapi.Malformed("'%s' can not be converted to a Blob: Invalid Base64 character: '%c'", excerpt(text), c)
		}
	}
	// The misspelling is the service's.
	return httpapi.Malformed("'%s' can not be converted to a Blob: Invalid last non-pad Base64 character dectected", excerpt(text))
}

func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}

// excerpt keeps a complaint about a megabyte of base64 readable.
func excerpt(text []byte) string {
	const most = 256
	if len(text) > most {
		return string(bytes.ToValidUTF8(text[:most], nil)) + "..."
	}
	return string(bytes.ToValidUTF8(text, nil))
}

const (
	hashPattern     = `0|([1-9]\d{0,38})`
	sequencePattern = `0|([1-9]\d{0,128})`
	maxKey          = 256      // characters
	maxData         = 10 << 20 // bytes, the model's limit; the stream's own is checked later
)

// check records what is wrong with an entry; at is the path of its members. The
// key may be missing if keyless.
func (e *putEntry) check(v *httpapi.Violations, at string, keyless bool) {
	if e.has&hasKey == 0 {
		if !keyless {
			v.Missing(at + "partitionKey")
		}
	} else if n := utf8.RuneCount(e.key); n < 1 || n > maxKey {
		v.Length(at+"partitionKey", string(e.key), n, 1, maxKey)
	}
	if e.has&hasExplicit != 0 && !isDecimal(e.explicit, 39) {
		v.Pattern(at+"explicitHashKey", string(e.explicit), hashPattern, false)
	}
	switch {
	case e.has&hasData == 0:
		v.Missing(at + "data")
	case len(e.data) > maxData:
		v.Length(at+"data", fmt.Sprintf("java.nio.HeapByteBuffer[pos=0 lim=%[1]d cap=%[1]d]", len(e.data)), len(e.data), 0, maxData)
	}
}

// valid is check without the complaints, for the usual case.
func (e *putEntry) valid(keyless bool) bool {
	return (e.has&hasKey != 0 && len(e.key) >= 1 || keyless && e.has&hasKey == 0) && e.has&hasData != 0 &&
		(len(e.key) <= maxKey || utf8.RuneCount(e.key) <= maxKey) &&
		len(e.data) <= maxData && (e.has&hasExplicit == 0 || isDecimal(e.explicit, 39))
}

// route fills in the entry's hash key.
func (e *putEntry) route() error {
	if e.has&hasExplicit == 0 {
		e.hash = shard.HashOf(e.key)
		return nil
	}
	var err error
	if e.hash, err = shard.ParseHashBytes(e.explicit); err != nil {
		return httpapi.Refuse("InvalidArgumentException",
			"Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was %s", e.explicit)
	}
	return nil
}

func (e *putEntry) size() int { return len(e.data) + len(e.key) }
