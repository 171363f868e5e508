package producer

import "github.com/kload/kload"

// streamRecord is one Kinesis record on its way: an aggregate, or a single user
// record sent as it is. It belongs to whoever holds it: the aggregator, then
// the queue, then one sender, then the pool.
type streamRecord struct {
	data     []byte
	key      string
	hashKey  string // decimal explicit hash key, "" for none
	shard    int    // predicted, index into the shard map
	shardID  string // predicted
	mapEpoch uint64 // of the shard map that predicted
	receipts []kload.Receipt
	charge   int    // bytes it holds of the byte budget
	epoch    uint64 // flush epoch it was accepted in

	opened    int64 // T1 of its first record; linger and TTL count from it
	notBefore int64 // earliest time of the next attempt
	first     int64 // Ta
	last      int64 // start of the latest attempt
	attempts  int
	ambiguous int // attempts that may have stored it unacknowledged
	code      string

	buf []byte // memory of the aggregate, recycled with the record
}

// recordPool recycles stream records with their buffers. It is guarded by the
// mutex of the aggregator that uses it.
type recordPool struct{ free []*streamRecord }

// maxPooled bounds what an idle producer keeps: about 3 MiB of 50 KiB buffers.
const maxPooled = 64

func (p *recordPool) get() *streamRecord {
	if n := len(p.free); n > 0 {
		r := p.free[n-1]
		p.free = p.free[:n-1]
		return r
	}
	return new(streamRecord)
}

func (p *recordPool) put(r *streamRecord) {
	if len(p.free) >= maxPooled || cap(r.buf) > maxRecordBytes {
		return
	}
	*r = streamRecord{buf: r.buf[:0], receipts: r.receipts[:0]}
	p.free = append(p.free, r)
}
