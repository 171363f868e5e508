package a8m

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/producer"
)

// Codes of records that the library did not send.
const (
	codeCrashed  = "DriverCrashed"
	codeClosed   = "Closed"
	codeTag      = "TagNotCarried"
	codeHashKey  = "HashKeyNotSent"
	codeTooLarge = "RecordTooLarge"
	codeBadKey   = "InvalidPartitionKey"
	codeLost     = "NeverSent"
)

// lastWords is how long the child may take to say what became of the records that
// it has when it is told to end at once.
const lastWords = 2 * time.Second

// pending is a record that the child has, or had.
type pending struct {
	receipt kload.Receipt
	charge  int
	decided bool
}

// ending is how the child ended.
type ending struct {
	killed bool // by us
	bye    *farewell
	usage  producer.Usage
	crash  string // why, where it was neither told to nor killed
}

// Ingress is the library as a way into a stream.
type Ingress struct {
	o     Options
	link  *link
	out   *outbox
	work  sync.WaitGroup
	ready chan struct{} // closed when the library has started
	ended chan struct{} // closed when the child is gone and every record is decided
	space chan struct{} // holds a token after bytes were given back

	mu       sync.Mutex // guards what follows
	records  []pending
	base     uint64 // number of the first of records
	used     int    // bytes of the budget
	peak     int
	closed   bool
	gone     bool // the child takes no more records
	fatal    error
	told     bool // a put returned it
	tally    tally
	last     ending
	changed  chan struct{} // closed and replaced when records are decided
	refused  atomic.Uint64
	blocked  atomic.Uint64 // ns
	closing  sync.Once
	closeErr error
}

var _ producer.Trier = (*Ingress)(nil)

func newIngress(o Options, l *link) *Ingress {
	return &Ingress{
		o: o, link: l, out: newOutbox(), ready: make(chan struct{}), ended: make(chan struct{}),
		space: make(chan struct{}, 1), changed: make(chan struct{}),
	}
}

// recordOverhead stands for what a record costs beside its bytes.
const recordOverhead = 256

func charge(r *kload.Record) int { return len(r.Data) + len(r.Key) + recordOverhead }

// PutBatch hands records to the library's process. See [kload.Ingress]. When that
// has crashed they are rejected: a program that uses the library would be gone.
func (g *Ingress) PutBatch(ctx context.Context, recs []kload.Record) (int, error) {
	return producer.PutWaiting(ctx, g, recs, func(ctx context.Context) error {
		from := g.o.Clock.Now()
		defer func() { g.blocked.Add(uint64(g.o.Clock.Now() - from)) }()
		select {
		case <-g.space:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
}

// TryPutBatch is PutBatch without waiting. See [producer.Trier].
func (g *Ingress) TryPutBatch(recs []kload.Record) (int, error) {
	now := g.o.Clock.Now()
	n, unsent, err := g.accept(recs, now)
	if len(unsent) > 0 {
		g.refused.Add(uint64(len(unsent)))
		g.o.Outcomes(unsent)
	}
	return n, err
}

// accept takes in the records for which there is room, and decides those that
// the library cannot send.
func (g *Ingress) accept(recs []kload.Record, now int64) (n int, unsent []kload.Outcome, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.closed:
		return 0, nil, fmt.Errorf("putting records: %w", kload.ErrClosed)
	case g.fatal != nil:
		g.told = true
		return 0, nil, g.fatal
	}
	g.out.add(frameRecords, func(frame []byte) []byte {
		for ; n < len(recs) && len(frame) < maxFrame/2; n++ {
			r := &recs[n]
			receipt := kload.Receipt{Producer: r.Producer, Seq: r.Seq, Bytes: uint32(len(r.Data)), Intended: r.Intended, Accepted: now}
			if code := g.refusal(r); code != "" {
				unsent = append(unsent, kload.Outcome{Status: kload.Rejected, Code: code, Records: []kload.Receipt{receipt}})
				continue
			}
			size := charge(r)
			if g.used > 0 && g.used+size > g.o.Memory {
				break
			}
			g.used += size
			g.records = append(g.records, pending{receipt: receipt, charge: size})
			frame = appendRecord(frame, r)
		}
		return frame
	})
	g.peak = max(g.peak, g.used)
	return n, unsent, nil
}

// refusal says why a record cannot go to the library, "" if it can. g.mu is held.
func (g *Ingress) refusal(r *kload.Record) string {
	switch {
	case g.gone:
		return codeCrashed
	case r.Tag != nil:
		return codeTag
	case r.HasHash:
		return codeHashKey
	case len(r.Data) > mostAggregate:
		return codeTooLarge
	case len(r.Key) < 1 || len(r.Key) > 256: // bytes, unlike the service
		return codeBadKey
	}
	return ""
}

// read follows the child until it is gone.
func (g *Ingress) read(from io.Reader) {
	r := bufio.NewReaderSize(from, 64<<10)
	for {
		kind, body, err := readFrame(r)
		if err == nil {
			err = g.take(kind, body)
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				g.link.kill() // what it says makes no sense
			}
			g.end(err)
			return
		}
	}
}

// take carries out what a frame says.
func (g *Ingress) take(kind byte, body []byte) error {
	switch kind {
	case frameReady:
		close(g.ready)
	case frameDecided:
		d, err := parseDecided(body)
		if err != nil {
			return err
		}
		return g.settle(&d)
	case frameFailure:
		var f failure
		if err := json.Unmarshal(body, &f); err != nil {
			return fmt.Errorf("decoding an error: %w", err)
		}
		g.mu.Lock()
		g.fatal = f.err()
		g.mu.Unlock()
		signal(g.space)
	case frameFarewell:
		g.last.bye = new(farewell)
		if err := json.Unmarshal(body, g.last.bye); err != nil {
			return fmt.Errorf("decoding the last frame: %w", err)
		}
	default:
		return fmt.Errorf("a frame of kind %q", kind)
	}
	return nil
}

// settle gives records their outcome.
func (g *Ingress) settle(d *decided) error {
	g.mu.Lock()
	g.tally = d.tally
	d.Records = nil
	for _, run := range d.runs {
		for i := run.from; i < run.from+run.n; i++ {
			if i-g.base >= uint64(len(g.records)) || g.records[i-g.base].decided {
				g.mu.Unlock()
				return fmt.Errorf("an outcome for record %d, which has none coming", i)
			}
			g.records[i-g.base].decided = true
			d.Records = append(d.Records, g.records[i-g.base].receipt)
		}
	}
	g.mu.Unlock()
	if len(d.Records) == 0 {
		return nil
	}
	g.o.Outcomes([]kload.Outcome{d.Outcome})
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, run := range d.runs {
		for i := run.from; i < run.from+run.n; i++ {
			g.used -= g.records[i-g.base].charge
		}
	}
	done := 0
	for done < len(g.records) && g.records[done].decided {
		done++
	}
	g.base += uint64(done)
	g.records = g.records[done:]
	close(g.changed)
	g.changed = make(chan struct{})
	signal(g.space)
	return nil
}

// end decides what is left when the child is gone, and says why it is.
func (g *Ingress) end(err error) {
	usage, reason := g.link.wait()
	g.mu.Lock()
	g.gone, g.last.usage = true, usage
	if g.last.bye != nil {
		g.last.usage = g.last.bye.Usage
		g.last.usage.CPUSeconds = usage.CPUSeconds
	}
	code := codeClosed
	if g.last.bye == nil && !g.last.killed {
		if code = codeCrashed; reason == "" && !errors.Is(err, io.EOF) {
			reason = err.Error()
		}
		g.last.crash = cmp.Or(reason, "its process ended without a word")
	}
	crash := g.last.crash
	left := decided{Outcome: kload.Outcome{Status: kload.Unknown, Attempts: 1, Ambiguous: 1, Code: code}, tally: g.tally}
	for i := range g.records { // of what it did with them it has told nothing
		if !g.records[i].decided {
			left.runs = extend(left.runs, g.base+uint64(i))
		}
	}
	g.mu.Unlock()
	if crash != "" && g.isReady() && g.o.Event != nil {
		g.o.Event("driver_crashed", map[string]any{"reason": crash})
	}
	_ = g.settle(&left) // they were just seen undecided
	signal(g.space)
	close(g.ended)
}

func (g *Ingress) isReady() bool {
	select {
	case <-g.ready:
		return true
	default:
		return false
	}
}

func (g *Ingress) failure() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.fatal
}

func (g *Ingress) crashReason() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.last.crash
}

// Flush waits for the outcomes of what was accepted before: the library cannot be
// made to send earlier than its ticker says, short of stopping it. See
// [kload.Ingress].
func (g *Ingress) Flush(ctx context.Context) error {
	g.mu.Lock()
	upTo := g.base + uint64(len(g.records))
	g.mu.Unlock()
	for {
		g.mu.Lock()
		done, changed := g.base >= upTo, g.changed
		g.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Close stops the library, which then sends what it has, until ctx ends; then the
// library's process ends, with the outcomes as far as they are known. See
// [kload.Ingress].
func (g *Ingress) Close(ctx context.Context) error {
	g.closing.Do(func() { g.closeErr = g.close(ctx) })
	return g.closeErr
}

func (g *Ingress) close(ctx context.Context) error {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	signal(g.space)
	g.out.add(frameStop, nil)
	err := g.Flush(ctx)
	if err != nil {
		err = fmt.Errorf("closing the driver a8m with records undecided: %w", err)
	}
	select {
	case <-g.ended:
	case <-ctx.Done():
		g.abandon()
	}
	g.shut(false)
	g.mu.Lock()
	defer g.mu.Unlock()
	if err == nil && !g.told {
		err = g.fatal
	}
	return err
}

// abandon has the child end at once, if need be by force.
func (g *Ingress) abandon() {
	g.out.add(frameAbandon, nil)
	limit := time.NewTimer(lastWords)
	defer limit.Stop()
	select {
	case <-g.ended:
	case <-limit.C:
		g.kill()
	}
}

func (g *Ingress) kill() {
	g.mu.Lock()
	g.last.killed = true
	g.mu.Unlock()
	g.link.kill()
	<-g.ended
}

// shut lets go of a child that has ended, or ends it.
func (g *Ingress) shut(force bool) {
	if force {
		g.kill()
	}
	g.out.close()
	_ = g.link.in.Close() // the child has no use for it any more
	g.work.Wait()
}

// Stats returns the counters so far, of those of a producer that apply.
func (g *Ingress) Stats() producer.Stats {
	g.mu.Lock()
	defer g.mu.Unlock()
	t := &g.tally
	return producer.Stats{
		Requests: t.requests, Attempts: t.attempts, Retries: t.retries, Throttled: t.throttled, Failed: t.failed,
		Refused: g.refused.Load(), BlockedNs: g.blocked.Load(), PeakBytes: uint64(g.peak),
	}
}

// Counters returns the counters that have no place of their own in a summary.
// See [kload.Counted].
func (g *Ingress) Counters() map[string]uint64 {
	s := g.Stats()
	g.mu.Lock()
	defer g.mu.Unlock()
	m := map[string]uint64{
		"retries": s.Retries, "failed": s.Failed, "refused": s.Refused, "blocked_ns": s.BlockedNs, "peak_bytes": s.PeakBytes,
		"wrong_keys": g.tally.wrongKeys, "driver_crashed": 0,
	}
	if g.last.crash != "" {
		m["driver_crashed"] = 1
	}
	return m
}

// CounterNames lists what [Ingress.Counters] counts.
func (*Config) CounterNames() []string {
	return slices.Sorted(maps.Keys((&Ingress{}).Counters()))
}

// Usage returns what the library's process used. It is complete when Close has
// returned, and zero where the library runs in this process.
func (g *Ingress) Usage() producer.Usage {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.last.usage
}
