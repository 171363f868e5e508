package ledger

import (
	"sync"
	"sync/atomic"

	"github.com/kload/kload"
)

// LoadOptions say what can be checked about a load's records.
type LoadOptions struct {
	// Counted: the records carry no trace, so acknowledgements and sightings are
	// only compared by number. A duplicate hides a loss, and nothing explains one;
	// reports are marked by_count.
	Counted bool
	// Ordered: consumers must see the records of one partition key in the order
	// of their sequence numbers.
	Ordered bool
	// ByKey: the MD5 of the partition key routed every record, so that misrouting
	// can be checked for plain records too, which do not say how they were routed.
	ByKey bool
}

// slack is how far beyond the records known to be sent a sequence number is
// believed: the ingress may deliver records before Sent is called for their
// batch. What is further out is damaged or made up.
const slack = 1 << 22

// maxCodes bounds the error codes told apart.
const maxCodes = 64

// maxCounts bounds the records of a load of which more is remembered than bits:
// the excuses of those that have several, and per consumer the repeats of those
// that came more than twice. Beyond it nothing is excused that might not be.
const maxCounts = 1 << 16

// Load is the account of one load. It is safe for concurrent use.
type Load struct {
	ledger   *Ledger
	name     string
	options  LoadOptions
	producer uint32

	sent atomic.Uint64

	mu                      sync.Mutex // guards what follows
	scheduled, shed         uint64
	acked, rejected         uint64
	unknown, inTime         uint64
	ambiguous, stray        uint64
	uncounted               uint64         // excused records that excuses had no room for
	excuses                 map[uint64]int // sequence → sightings beyond the first that retries explain, if over 1
	bytes, streams, attempt uint64
	deadline                int64
	ackTimes                ackTimes
	codes                   map[string]uint64
	blocks                  []*fates // by sequence number / blockSize
	free                    freeList
}

// fates is what became of 65,536 consecutive records of a load.
type fates struct {
	acked, rejected, unknown bitset
	excused                  bitset // retries explain a sighting beyond the first
	retried                  bitset // more than one attempt
}

func (f *fates) settled(i uint16) bool {
	return f.acked.has(i) || f.rejected.has(i) || f.unknown.has(i)
}

// settledWord returns which of 64 records have an outcome.
func (f *fates) settledWord(w int) uint64 {
	return f.acked.word(w) | f.rejected.word(w) | f.unknown.word(w)
}

// Producer returns the number that stands for the load in traces.
func (p *Load) Producer() uint32 { return p.producer }

// Schedule states how many records are due so far. A lower number than before
// is ignored. When the load ends, Scheduled states the final number.
func (p *Load) Schedule(n uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.scheduled = max(p.scheduled, n)
}

// Scheduled states how many records were due in all, which may be fewer than
// the schedule had announced: a source may end before it.
func (p *Load) Scheduled(n uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.scheduled = n
}

// Sent counts n more records as accepted by the ingress. Their sequence numbers
// follow those before, from 0, without gaps. Outcomes and sightings of them may
// come in earlier than this call.
func (p *Load) Sent(n uint64) {
	p.sent.Add(n)
}

// Shed counts n records as left out on purpose because the ingress was
// saturated. They get no sequence number: the next record sent takes the one
// they would have had.
func (p *Load) Shed(n uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shed += n
}

// Deadline sets the end of the schedule plus grace, in Unix nanoseconds:
// acknowledgements (T3) up to it count as delivered. Set before the first
// acknowledgement it is exact; those already in, as at the end of a replay whose
// length was not known before, are judged to a tenth of a second. Without a
// deadline everything is in time.
func (p *Load) Deadline(unixNano int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if unixNano == p.deadline {
		return
	}
	p.deadline = unixNano
	p.inTime = p.ackTimes.upTo(unixNano)
}

// Outcomes takes in what became of records. It keeps nothing of o.
func (p *Load) Outcomes(o []kload.Outcome) {
	p.ledger.started.Store(true)
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range o {
		p.settle(&o[i])
	}
}

func (p *Load) settle(o *kload.Outcome) {
	p.attempt += uint64(max(o.Attempts, 0))
	if o.Status == kload.Acked {
		p.streams++
	}
	inTime := p.deadline == 0 || o.Acked <= p.deadline
	for i := range o.Records {
		r := &o.Records[i]
		if r.Producer != p.producer || !p.options.Counted && !p.enter(o, r.Seq) {
			p.stray++
			continue
		}
		p.count(o, r, inTime)
	}
}

func (p *Load) count(o *kload.Outcome, r *kload.Receipt, inTime bool) {
	if o.Ambiguous > 0 {
		p.ambiguous++
	}
	switch o.Status {
	case kload.Acked:
		p.acked++
		p.bytes += uint64(r.Bytes)
		p.ackTimes.add(o.Acked)
		if inTime {
			p.inTime++
		}
		return
	case kload.Rejected:
		p.rejected++
	default:
		p.unknown++
	}
	p.countCode(o.Code)
}

// countCode counts a record that was not acknowledged under its error code.
func (p *Load) countCode(code string) {
	if p.codes == nil {
		p.codes = map[string]uint64{}
	}
	if _, known := p.codes[code]; !known && len(p.codes) >= maxCodes {
		code = "other"
	}
	p.codes[code]++
}

// enter notes the outcome of one record by identity. It returns false for a
// record that cannot exist or already has an outcome.
func (p *Load) enter(o *kload.Outcome, seq uint64) bool {
	b, i, ok := p.block(seq)
	if !ok || b.settled(i) {
		return false
	}
	switch o.Status {
	case kload.Acked:
		b.acked.add(i, &p.free)
	case kload.Rejected:
		b.rejected.add(i, &p.free)
	default:
		b.unknown.add(i, &p.free)
	}
	p.excuse(b, i, seq, excusedBy(o))
	if o.Attempts > 1 {
		b.retried.add(i, &p.free)
	}
	return true
}

// excusedBy returns how many sightings beyond the first an outcome explains. Each
// ambiguous attempt may have stored the records once; unless another attempt was
// acknowledged, the first sighting is the work of one of them.
func excusedBy(o *kload.Outcome) int {
	if o.Status == kload.Acked {
		return o.Ambiguous
	}
	return o.Ambiguous - 1
}

// excuse notes that retries explain n sightings of a record beyond the first.
func (p *Load) excuse(b *fates, i uint16, seq uint64, n int) {
	if n <= 0 {
		return
	}
	b.excused.add(i, &p.free)
	switch {
	case n == 1:
	case len(p.excuses) == maxCounts:
		p.uncounted++
	case p.excuses == nil:
		p.excuses = map[uint64]int{seq: n}
	default:
		p.excuses[seq] = n
	}
}

// excusesFor returns how many sightings of a record beyond the first retries
// explain, as far as is known.
func (p *Load) excusesFor(b *fates, i uint16, seq uint64) int {
	if !b.excused.has(i) {
		return 0
	}
	return max(1, p.excuses[seq])
}

// block returns the block of a sequence number and the offset in it.
func (p *Load) block(seq uint64) (b *fates, offset uint16, ok bool) {
	n := seq / blockSize
	if n >= uint64(len(p.blocks)) {
		if !p.plausible(seq) {
			return nil, 0, false
		}
		p.blocks = append(p.blocks, make([]*fates, n+1-uint64(len(p.blocks)))...)
	}
	if p.blocks[n] == nil {
		p.blocks[n] = &fates{}
	}
	return p.blocks[n], uint16(seq), true
}

// fates returns what is known of a block, which may be nothing.
func (p *Load) fates(n int) *fates {
	if n < len(p.blocks) && p.blocks[n] != nil {
		return p.blocks[n]
	}
	return &fates{}
}

// plausible reports whether there may be a record with that sequence number.
func (p *Load) plausible(seq uint64) bool { return seq < p.sent.Load()+slack }

func (p *Load) settled() uint64 { return p.acked + p.rejected + p.unknown }

func (p *Load) allSettled() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.settled() == p.sent.Load()
}
