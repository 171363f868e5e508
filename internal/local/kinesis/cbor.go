package kinesis

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/kload/kload/internal/awscbor"
	"github.com/kload/kload/internal/local/httpapi"
	"github.com/kload/kload/internal/shard"
)

// This file is the other encoding, application/x-amz-cbor-1.1: an answer has the
// type of its request. Where records are carried, requests are scanned and
// answers written by hand; every other action knows nothing of it, its request
// being parsed into the same members and its JSON answer being rewritten.
//
// SubscribeToShard is served in JSON only and refuses CBOR: the service has no
// event streams in CBOR, and AWS's clients that speak it to all other actions
// ask for this one in JSON.

// encoding says how a request is encoded and its answer has to be.
type encoding struct {
	cbor bool
	done bool // the answer's body is in CBOR already
}

// encodingOf tells a request's encoding and whether it is served.
func encodingOf(r *http.Request) (e encoding, known bool) {
	media, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	switch strings.TrimSpace(media) {
	case contentType, "application/json":
		return encoding{}, true
	case awscbor.Media:
		return encoding{cbor: true}, true
	}
	return encoding{}, false
}

// media returns the type of the answer.
func (e encoding) media() string {
	if e.cbor {
		return awscbor.Media
	}
	return contentType
}

// parse reads a body, which it may use up.
func (e encoding) parse(body []byte) (httpapi.Value, error) {
	if e.cbor {
		return httpapi.ParseCBOR(body)
	}
	return httpapi.Parse(body)
}

// check reports whether a body is well-formed that nothing else will read.
func (e encoding) check(body []byte) error {
	if e.cbor {
		return httpapi.CheckCBOR(body)
	}
	return httpapi.Check(body)
}

// finish completes the answer's body, which says what err says if there is one,
// and returns the status.
func (rq *request) finish(err error) int {
	if err == nil && rq.cbor && !rq.done && len(rq.out) > 0 {
		// Nothing needs the request's body any more.
		rq.body, err = httpapi.AppendCBORFromJSON(rq.body[:0], rq.out)
		rq.out, rq.body = rq.body, rq.out
	}
	if err == nil {
		return http.StatusOK
	}
	refusal := asError(err)
	if rq.cbor {
		rq.out = refusal.AppendCBOR(rq.out[:0])
	} else {
		rq.out = refusal.AppendJSON(rq.out[:0])
	}
	return refusal.Status
}

// scanBatch reads a PutRecords body.
func (rq *request) scanBatch() error {
	if rq.cbor {
		return rq.put.scanBatchCBOR(rq.body)
	}
	return rq.put.scanBatch(rq.body)
}

// scanSingle reads a PutRecord body into one entry.
func (rq *request) scanSingle() error {
	if rq.cbor {
		return rq.put.scanSingleCBOR(rq.body)
	}
	return rq.put.scanSingle(rq.body)
}

// scanBatchCBOR is scanBatch for CBOR: data stays where it is in the body.
func (p *putScratch) scanBatchCBOR(body []byte) error {
	p.reset(0)
	d := awscbor.NewDecoder(body)
	for n := d.Map(); d.Next(&n); {
		key := d.Name()
		if string(key) == "Records" {
			p.scanRecordsCBOR(&d)
		} else {
			p.commonCBOR(&d, key)
		}
	}
	return httpapi.FinishCBOR(&d)
}

func (p *putScratch) scanRecordsCBOR(d *awscbor.Decoder) {
	p.entries, p.listed = p.entries[:0], false
	if !openCBOR(d, httpapi.List, "list") {
		return
	}
	p.listed = true
	for n := d.List(); d.Next(&n); {
		p.entries = append(p.entries, putEntry{})
		e := &p.entries[len(p.entries)-1]
		if !openCBOR(d, httpapi.Object, "structure") {
			continue
		}
		for m := d.Map(); d.Next(&m); {
			if key := d.Name(); !e.memberCBOR(d, key) {
				d.Skip()
			}
		}
	}
}

// openCBOR reports whether a list or map follows, which it leaves to the caller;
// null is read, and anything else fails.
func openCBOR(d *awscbor.Decoder, want httpapi.Kind, wanted string) bool {
	switch kind := httpapi.KindCBOR(d); kind {
	case want:
		return true
	case httpapi.Null:
		d.Null()
	default:
		httpapi.FailCBOR(d, httpapi.WrongType(kind, wanted))
	}
	return false
}

func (p *putScratch) scanSingleCBOR(body []byte) error {
	p.reset(0)
	p.entries = append(p.entries, putEntry{})
	d := awscbor.NewDecoder(body)
	for n := d.Map(); d.Next(&n); {
		switch key := d.Name(); {
		case p.entries[0].memberCBOR(&d, key):
		case string(key) == "SequenceNumberForOrdering":
			text, ok := textCBOR(&d)
			p.ordering, p.ordered = string(text), ok
		default:
			p.commonCBOR(&d, key)
		}
	}
	return httpapi.FinishCBOR(&d)
}

// commonCBOR is common for CBOR.
func (p *putScratch) commonCBOR(d *awscbor.Decoder, key []byte) {
	switch string(key) {
	case "StreamName":
		text, ok := textCBOR(d)
		p.target.name, p.target.hasName = string(text), ok
	case "StreamARN":
		text, ok := textCBOR(d)
		p.target.arn, p.target.hasARN = string(text), ok
	case "DryRun":
		switch kind := httpapi.KindCBOR(d); kind {
		case httpapi.Bool:
			p.dryRun = d.Bool()
		case httpapi.Null:
			p.dryRun = false
			d.Null()
		default:
			httpapi.FailCBOR(d, httpapi.WrongType(kind, "an Boolean"))
		}
	default:
		d.Skip()
	}
}

// memberCBOR reads a member of a record and reports whether it is one.
func (e *putEntry) memberCBOR(d *awscbor.Decoder, key []byte) bool {
	var ok bool
	var flag uint8
	switch string(key) {
	case "Data":
		flag = hasData
		e.data, ok = blobCBOR(d)
	case "PartitionKey":
		flag = hasKey
		e.key, ok = textCBOR(d)
	case "ExplicitHashKey":
		flag = hasExplicit
		e.explicit, ok = textCBOR(d)
	default:
		return false
	}
	e.has &^= flag
	if ok {
		e.has |= flag
	}
	return true
}

// textCBOR reads a string; null and absent are the same.
func textCBOR(d *awscbor.Decoder) ([]byte, bool) {
	if d.Peek() == awscbor.Text {
		return d.Text(), true
	}
	return absentCBOR(d, "an String")
}

func blobCBOR(d *awscbor.Decoder) ([]byte, bool) {
	if d.Peek() == awscbor.Bytes {
		return d.Bytes(), true
	}
	return absentCBOR(d, "a Blob")
}

func absentCBOR(d *awscbor.Decoder, wanted string) ([]byte, bool) {
	if !d.Null() {
		httpapi.FailCBOR(d, httpapi.WrongType(httpapi.KindCBOR(d), wanted))
	}
	return nil, false
}

// appendResultsCBOR writes the answer of PutRecords.
func (rq *request) appendResultsCBOR(st *stream, failed int) {
	rq.done = true
	shards := st.layout.Load().shards
	out := awscbor.AppendMap(rq.out, 2+one(rq.put.kms))
	out = awscbor.AppendInt(awscbor.AppendText(out, "FailedRecordCount"), int64(failed))
	out = awscbor.AppendList(awscbor.AppendText(out, "Records"), len(rq.put.entries))
	for i := range rq.put.entries {
		e := &rq.put.entries[i]
		sh := shards[e.shard]
		switch e.fate {
		case fateStored:
			out = awscbor.AppendMap(out, 2)
			out = sh.appendSequenceCBOR(out, sequence{
				created: sh.epoch, counter: e.counter, arrived: e.arrived, shard: sh.index,
			})
			out = awscbor.AppendText(awscbor.AppendText(out, "ShardId"), sh.id)
		case fateThrottled:
			out = appendFaultCBOR(out, "ProvisionedThroughputExceededException", sh.writeThrottle())
		default:
			out = appendFaultCBOR(out, "InternalFailure", "Internal Service Failure")
		}
	}
	if rq.put.kms {
		out = appendEncryptedCBOR(out)
	}
	rq.out = out
}

// one counts a member that is there or not.
func one(there bool) int {
	if there {
		return 1
	}
	return 0
}

// appendEncryptedCBOR writes what encryptedMember is in JSON.
func appendEncryptedCBOR(out []byte) []byte {
	return awscbor.AppendText(awscbor.AppendText(out, "EncryptionType"), encryptedKMS)
}

func appendFaultCBOR(out []byte, code, message string) []byte {
	out = awscbor.AppendText(awscbor.AppendText(awscbor.AppendMap(out, 2), "ErrorCode"), code)
	return awscbor.AppendText(awscbor.AppendText(out, "ErrorMessage"), message)
}

func (sh *shardLog) appendSequenceCBOR(out []byte, q sequence) []byte {
	out = awscbor.AppendText(out, "SequenceNumber")
	return q.append(awscbor.AppendTextHead(out, sequenceDigits))
}

// appendRecordsCBOR writes the answer of GetRecords and lets go of the slabs.
func (rq *request) appendRecordsCBOR(sh *shardLog, got answer) {
	const perRecord = 160 // names, numbers and heads
	rq.done = true
	rq.out = slices.Grow(rq.out, got.bytes+got.records*perRecord+1024)
	out := awscbor.AppendMap(rq.out, 3)
	out = awscbor.AppendList(awscbor.AppendText(out, "Records"), got.records)
	for i := range rq.spans {
		out = sh.appendSpanCBOR(out, rq.spans[i])
		rq.spans[i].slab.release()
	}
	clear(rq.spans)
	if got.heirs == nil {
		out = awscbor.AppendText(out, "NextShardIterator")
		out = awscbor.AppendText(out, sh.server.appendIterator(nil, sh.position(got.next, rq.now)))
	} else {
		out = appendChildrenCBOR(awscbor.AppendText(out, "ChildShards"), got.heirs)
	}
	rq.out = awscbor.AppendInt(awscbor.AppendText(out, "MillisBehindLatest"), got.behind)
}

// appendChildrenCBOR writes the list of shards that follow one.
func appendChildrenCBOR(out []byte, heirs []*shardLog) []byte {
	out = awscbor.AppendList(out, len(heirs))
	for _, sh := range heirs {
		out = awscbor.AppendText(awscbor.AppendText(awscbor.AppendMap(out, 3), "ShardId"), sh.id)
		out = awscbor.AppendList(awscbor.AppendText(out, "ParentShards"), len(sh.parents))
		for _, p := range sh.parents {
			out = awscbor.AppendText(out, p.id)
		}
		out = awscbor.AppendMap(awscbor.AppendText(out, "HashKeyRange"), 2)
		out = awscbor.AppendText(awscbor.AppendText(out, "StartingHashKey"), shard.FormatHash(sh.hashes.Start))
		out = awscbor.AppendText(awscbor.AppendText(out, "EndingHashKey"), shard.FormatHash(sh.hashes.End))
	}
	return out
}

func (sh *shardLog) appendSpanCBOR(out []byte, sp span) []byte {
	for i := sp.from; i < sp.to; i++ {
		e := sp.slab.entry(i)
		if e.hidden() {
			continue
		}
		keyed, encrypted := e.key > 0, e.flags&flagKMS != 0
		out = awscbor.AppendMap(out, 3+one(keyed)+one(encrypted))
		out = sh.appendSequenceCBOR(out, sh.sequence(sp.slab.first+uint64(i), time.UnixMilli(e.arrived)))
		out = awscbor.AppendMillis(awscbor.AppendText(out, "ApproximateArrivalTimestamp"), e.arrived)
		out = awscbor.AppendBytes(awscbor.AppendText(out, "Data"), sp.slab.dataOf(e))
		if keyed {
			out = awscbor.AppendText(awscbor.AppendText(out, "PartitionKey"), sp.slab.keyOf(e))
		}
		if encrypted {
			out = appendEncryptedCBOR(out)
		}
	}
	return out
}
