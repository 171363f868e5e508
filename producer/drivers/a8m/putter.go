package a8m

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/pace"
)

// putter is the client that the library is given. The library tells nobody when
// a record is stored, so this looks at its calls: which records a stream record
// holds, when it was sent, what the service said. A call that fails is the end of
// its records, because the library drops them; entries that failed it sends again,
// for ever.
type putter struct {
	api       API
	clock     *pace.Clock
	timeout   time.Duration
	out       *outbox
	abandoned atomic.Bool

	mu      sync.Mutex // guards what follows
	calls   sync.WaitGroup
	cancels map[*awsclient.Start]context.CancelFunc // of the calls under way
	awaited awaited
	flying  map[*byte]*streamRecord // seen in a call and undecided, by where its data is
	tally   tally
}

// streamRecord is one that the library has made, until its outcome is known.
type streamRecord struct {
	runs      []run
	first     int64 // Ta
	last      int64 // T2
	attempts  int
	ambiguous int
	code      string // why the latest attempt failed
}

var (
	errAbandoned = errors.New("the driver was told to end")
	errBadAnswer = errors.New("the answer has another number of entries than the request")
)

func newPutter(api API, clock *pace.Clock, timeout time.Duration, most int, out *outbox) *putter {
	return &putter{
		api: api, clock: clock, timeout: timeout, out: out, cancels: map[*awsclient.Start]context.CancelFunc{},
		awaited: awaited{most: most}, flying: map[*byte]*streamRecord{},
	}
}

// expect announces records before they are put.
func (p *putter) expect(recs []expected) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.awaited.add(recs)
}

// PutRecords makes a call for the library.
func (p *putter) PutRecords(ctx context.Context, in *kinesis.PutRecordsInput, opts ...func(*kinesis.Options)) (*kinesis.PutRecordsOutput, error) {
	start := awsclient.NewStart(p.clock.Now)
	ctx, cancel := context.WithTimeout(awsclient.WithStart(ctx, start), p.timeout)
	defer cancel()
	recs := p.begin(in.Records, start, cancel)
	if recs == nil {
		return nil, errAbandoned
	}
	defer p.calls.Done()
	made := p.clock.Now()
	out, err := p.api.PutRecords(ctx, in, opts...)
	if at := start.At(); at != 0 {
		made = at // before it had a connection it was no time of the service's
	}
	if err == nil && len(out.Records) != len(recs) {
		err = errBadAnswer
	}
	if err == nil && out.FailedRecordCount == nil { // the library does not check
		out.FailedRecordCount = aws.Int32(countFailed(out.Records))
	}
	p.end(recs, in.Records, out, err, start, made)
	return out, err
}

func countFailed(entries []types.PutRecordsResultEntry) (n int32) {
	for i := range entries {
		if entries[i].ErrorCode != nil {
			n++
		}
	}
	return n
}

// begin books a call. It returns its stream records, or nil when none may be made
// any more.
func (p *putter) begin(entries []types.PutRecordsRequestEntry, start *awsclient.Start, cancel context.CancelFunc) []*streamRecord {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.abandoned.Load() {
		return nil
	}
	p.calls.Add(1)
	p.cancels[start] = cancel
	recs := make([]*streamRecord, len(entries))
	for i := range entries {
		e := &entries[i]
		at := &e.Data[0] // the library sends nothing empty
		if p.flying[at] == nil {
			runs, wrong := p.awaited.find(e.Data, *e.PartitionKey)
			p.tally.wrongKeys += wrong
			p.flying[at] = &streamRecord{runs: runs}
		}
		if recs[i] = p.flying[at]; recs[i].attempts > 0 {
			p.tally.retries++
		}
		recs[i].attempts++
	}
	p.tally.requests++
	p.tally.attempts += uint64(len(entries))
	return recs
}

// end takes in how a call went, and reports what is decided by it.
func (p *putter) end(recs []*streamRecord, entries []types.PutRecordsRequestEntry, out *kinesis.PutRecordsOutput, err error, start *awsclient.Start, made int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.cancels, start)
	now := p.clock.Now()
	for i, r := range recs {
		if r.attempts == 1 {
			r.first = made
		}
		r.last = made
		status := p.judge(r, i, out, err)
		if status == 0 {
			continue
		}
		d := r.decided(status)
		if status == kload.Acked {
			d.Acked, d.Shard, d.Sequence = now, aws.ToString(out.Records[i].ShardId), aws.ToString(out.Records[i].SequenceNumber)
		}
		delete(p.flying, &entries[i].Data[0])
		p.report(d)
	}
}

// judge returns what became of a stream record, 0 when the library will send it
// again. p.mu is held.
func (p *putter) judge(r *streamRecord, i int, out *kinesis.PutRecordsOutput, err error) kload.Status {
	if err != nil {
		class, code := awsclient.Classify(err)
		switch {
		case errors.Is(err, errBadAnswer):
			class, code = awsclient.Ambiguous, "BadAnswer"
		case class == awsclient.Fatal && i == 0:
			p.out.addJSON(frameFailure, newFailure(awsclient.Explain(err, "putting records")))
		}
		r.failed(&p.tally, class == awsclient.Throttled, class == awsclient.Ambiguous || class == awsclient.Cancelled, code)
		return r.lost()
	}
	if out.Records[i].ErrorCode == nil {
		r.code = ""
		return kload.Acked
	}
	code := *out.Records[i].ErrorCode
	throttled := awsclient.ClassifyCode(code, 0) == awsclient.Throttled
	r.failed(&p.tally, throttled, !throttled, code) // the service does not say whether it stored the others
	return 0
}

func (r *streamRecord) failed(t *tally, throttled, ambiguous bool, code string) {
	r.code = code
	if throttled {
		t.throttled++
	} else {
		t.failed++
	}
	if ambiguous {
		r.ambiguous++
	}
}

// lost is the status of a record that nothing acknowledged.
func (r *streamRecord) lost() kload.Status {
	if r.ambiguous > 0 {
		return kload.Unknown
	}
	return kload.Rejected
}

func (r *streamRecord) decided(status kload.Status) *decided {
	return &decided{runs: r.runs, Outcome: kload.Outcome{
		Status: status, Attempts: r.attempts, Ambiguous: r.ambiguous, FirstAttempt: r.first, LastAttempt: r.last, Code: r.code,
	}}
}

// report tells the parent. p.mu is held.
func (p *putter) report(d *decided) {
	if len(d.runs) == 0 {
		return
	}
	d.tally = p.tally
	p.out.add(frameDecided, d.append)
}

// abandon ends the calls under way and waits for them; no more are made.
func (p *putter) abandon() {
	p.mu.Lock()
	p.abandoned.Store(true)
	for _, cancel := range p.cancels {
		cancel()
	}
	p.mu.Unlock()
	p.calls.Wait()
}

// rest decides what the library will not send any more. Code is the reason for
// records that it never sent.
func (p *putter) rest(code string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.flying {
		p.report(r.decided(r.lost()))
	}
	clear(p.flying)
	if runs := p.awaited.rest(); len(runs) > 0 {
		p.report(&decided{runs: runs, Outcome: kload.Outcome{Status: kload.Rejected, Code: code}})
	}
}
