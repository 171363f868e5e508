package kinesis

import (
	"fmt"
	"strconv"

	"github.com/kload/kload/internal/local/httpapi"
)

const maxBatch = 500

// putRecords is the API action PutRecords.
//
//   - 1 to 500 records and 10 MiB of data and keys per request; a record is
//     bounded by the stream's MaxRecordSizeInKiB; keys have 1 to 256 characters.
//   - A malformed record refuses the whole request. Throttling does not: the
//     answer is HTTP 200 and says for each record, in order, where it was stored
//     or why not.
//   - Per shard 1,000 records and 1 MiB per second, one second deep. Records are
//     judged one by one: a smaller one may pass where a larger one did not.
func (s *Server) putRecords(rq *request) error {
	p := &rq.put
	if err := rq.scanBatch(); err != nil {
		return err
	}
	p.auto = s.auto(&p.target, rq.now)
	if err := p.checkBatch(); err != nil {
		return err
	}
	st, err := rq.admit()
	if err != nil {
		return err
	}
	rq.appendResults(st, rq.store(st))
	return nil
}

func (p *putScratch) checkBatch() error {
	var v httpapi.Violations
	n := len(p.entries)
	switch {
	case !p.listed:
		v.Missing("records")
	case n < 1 || n > maxBatch:
		v.Length("records", fmt.Sprintf("[%d PutRecordsRequestEntry]", n), n, 1, maxBatch)
	default:
		for i := range p.entries {
			if !p.entries[i].valid(p.auto) && !v.Full() {
				p.entries[i].check(&v, "records."+strconv.Itoa(i+1)+".member.", p.auto)
			}
		}
	}
	p.target.check(&v)
	return v.Err()
}

// appendResults writes the answer by hand: the only text in it that needs
// escaping is none.
func (rq *request) appendResults(st *stream, failed int) {
	if rq.cbor {
		rq.appendResultsCBOR(st, failed)
		return
	}
	shards := st.layout.Load().shards // indexes keep their meaning when there are more
	out := append(rq.out, `{"FailedRecordCount":`...)
	out = strconv.AppendInt(out, int64(failed), 10)
	out = append(out, `,"Records":[`...)
	for i := range rq.put.entries {
		if i > 0 {
			out = append(out, ',')
		}
		e := &rq.put.entries[i]
		sh := shards[e.shard]
		switch e.fate {
		case fateStored:
			out = sh.appendReceipt(out, e, false)
		case fateThrottled:
			out = append(out, `{"ErrorCode":"ProvisionedThroughputExceededException","ErrorMessage":"`...)
			out = append(append(out, sh.writeThrottle()...), `"}`...)
		default:
			out = append(out, `{"ErrorCode":"InternalFailure","ErrorMessage":"Internal Service Failure"}`...)
		}
	}
	out = append(out, ']')
	if rq.put.kms {
		out = append(out, encryptedMember...)
	}
	rq.out = append(out, '}')
}

const encryptedMember = `,"EncryptionType":"KMS"`

// appendReceipt writes the members that say where a record was stored.
func (sh *shardLog) appendReceipt(out []byte, e *putEntry, kms bool) []byte {
	out = append(out, `{"SequenceNumber":"`...)
	q := sequence{created: sh.epoch, counter: e.counter, arrived: e.arrived, shard: sh.index}
	out = q.append(out)
	out = append(out, `","ShardId":"`...)
	out = append(out, sh.id...)
	out = append(out, '"')
	if kms {
		out = append(out, encryptedMember...)
	}
	return append(out, '}')
}

func (sh *shardLog) writeThrottle() string {
	return "Rate exceeded for shard " + sh.id + " in stream " + sh.stream.name + " under account " + sh.stream.account + "."
}
