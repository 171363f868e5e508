// Package drivertest is the conformance suite of ingresses: what
// [kload.Ingress] promises, whatever a driver does on its way to the service.
//
// A driver's own test runs it with a function that opens the driver for an
// [Env]. Each case runs in a testing/synctest bubble against [Kinesis], a stream
// in memory that fails as the case's script says; everything the driver starts
// must end with Close.
package drivertest

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/pace"
)

// Env is what a case asks of the ingress it tests. A driver that cannot do it,
// such as promise order, skips the case with t.Skip.
type Env struct {
	Kinesis  *Kinesis
	Stream   string
	Clock    *pace.Clock
	Outcomes kload.OutcomeFunc
	Memory   int           // byte budget
	Linger   time.Duration // of a driver that waits for more
	TTL      time.Duration // how long a record is retried
	Timeout  time.Duration // of one attempt
	Ordered  bool          // order per partition key is promised
}

// Open opens the ingress under test. It calls t.Fatal where it cannot.
type Open func(t *testing.T, e Env) kload.Ingress

// Flaw is a case that a driver is known to fail, with the reason. The suite then
// holds that it still fails, so that a table of flaws cannot outlive them.
type Flaw struct {
	Case string // flush, or the name of a script of outcomes that others get over
	Why  string
}

// Run runs the suite.
func Run(t *testing.T, open Open, flaws ...Flaw) {
	t.Run("outcomes", func(t *testing.T) { testOutcomes(t, open, flaws) })
	t.Run("after close", func(t *testing.T) { bubble(t, open, nil, nil, testAfterClose) })
	t.Run("close during put", func(t *testing.T) { testCloseDuringPut(t, open) })
	t.Run("flush", func(t *testing.T) {
		bubble(t, open, nil, nil, func(t *testing.T, r *rig) { testFlush(t, r, flawOf(flaws, "flush")) })
	})
	t.Run("flush gives up", func(t *testing.T) { testFlushGivesUp(t, open) })
	t.Run("budget", func(t *testing.T) { testBudget(t, open) })
	t.Run("fatal", func(t *testing.T) {
		bubble(t, open, always(Answer{Err: APIError("ResourceNotFoundException")}), nil, testFatal)
	})
	t.Run("order", func(t *testing.T) {
		ordered := func(e *Env) { e.Ordered, e.TTL = true, time.Hour } // one at a time takes its time
		bubble(t, open, rainy(5), ordered, testOrder)
	})
}

// flawOf returns why a case is known to fail, "" if it is not.
func flawOf(flaws []Flaw, name string) string {
	for _, f := range flaws {
		if f.Case == name {
			return f.Why
		}
	}
	return ""
}

// rig is one ingress under test with everything around it.
type rig struct {
	Env
	ingress  kload.Ingress
	book     *Book
	feed     *Feed
	accepted uint64
}

// bubble runs a case in virtual time and closes what it leaves open.
func bubble(t *testing.T, open Open, script Script, tweak func(*Env), run func(*testing.T, *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		book := NewBook()
		r := &rig{
			Env: Env{
				Kinesis: NewKinesis(3, script), Stream: "demo", Clock: pace.NewClock(), Outcomes: book.Outcomes,
				Memory: 4 << 20, Linger: 100 * time.Millisecond, TTL: 5 * time.Second, Timeout: time.Second,
			},
			book: book, feed: &Feed{Size: 200, Keys: 50},
		}
		if tweak != nil {
			tweak(&r.Env)
		}
		r.ingress = open(t, r.Env)
		defer func() { // also when run gives up: nothing may be left in the bubble
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			r.ingress.Close(ctx)
			book.Closed()
			book.Check(t, r.Kinesis, r.accepted)
		}()
		run(t, r)
	})
}

// put hands over n records and scribbles over them afterwards.
func (r *rig) put(ctx context.Context, n int) error {
	done, err := r.ingress.PutBatch(ctx, r.feed.Next(n))
	r.feed.Scribble()
	r.feed.Rewind(n - done)
	r.accepted += uint64(done)
	return err
}

// load puts ten batches over half a virtual second, or until one fails.
func (r *rig) load(t *testing.T, every time.Duration) error {
	p := pace.NewPacer(r.Clock)
	for range 10 {
		if err := r.put(t.Context(), 40); err != nil {
			return err
		}
		if err := p.Sleep(t.Context(), every); err != nil {
			return err
		}
	}
	return nil
}

// testOutcomes crosses what a service can do to records with how a driver can be
// closed meanwhile. [Book.Check] judges the outcomes.
func testOutcomes(t *testing.T, open Open, flaws []Flaw) {
	scripts := []struct {
		name   string
		script Script
		stored bool // all records, if closed in peace
	}{
		{"success", nil, true},
		{"slow", always(Answer{After: 300 * time.Millisecond}), true},
		{"throttled entries", until(4, Answer{Code: every(1, CodeThrottled)}), true},
		{"throttled calls", until(4, Answer{Err: APIError(CodeThrottled)}), true},
		{"throttled for ever", always(Answer{Code: every(1, CodeThrottled)}), false},
		{"partial failures", until(4, Answer{Code: every(2, CodeInternal)}), true},
		{"partial failures, stored", until(4, Answer{Code: every(2, CodeInternal), Commit: true}), true},
		{"server errors", until(4, Answer{Err: APIError(CodeInternal)}), true},
		{"server errors, stored", until(4, Answer{Err: APIError("ServiceUnavailable"), Commit: true}), true},
		{"server errors for ever", always(Answer{Err: APIError(CodeInternal)}), false},
		{"timeouts before the commit", until(3, Answer{Hang: true}), true},
		{"timeouts after the commit", until(3, Answer{Hang: true, Commit: true}), true},
		{"timeouts for ever", always(Answer{Hang: true}), false},
		{"connections cut", until(4, Answer{Err: Cut(), Commit: true}), true},
		{"connections refused", until(4, Answer{Err: Refused()}), true},
		{"connections refused for ever", always(Answer{Err: Refused()}), false},
		{"short answers", until(4, Answer{Short: true, Commit: true}), true},
		{"fatal", always(Answer{Err: APIError("AccessDeniedException")}), false},
		{"fatal after a timeout", func(n int, _ []types.PutRecordsRequestEntry) Answer {
			if n == 0 {
				return Answer{Hang: true, Commit: true}
			}
			return Answer{Err: APIError("AccessDeniedException")}
		}, false},
		{"all weathers", rainy(3), false}, // some may end with their time to live
	}
	closes := []struct {
		name  string
		every time.Duration // between batches
		limit time.Duration // of Close; negative means that its context has ended
	}{
		{"in peace", 50 * time.Millisecond, time.Minute},
		{"in a hurry", 50 * time.Millisecond, 30 * time.Millisecond},
		{"at once", 0, 0},
		{"with no time left", 20 * time.Millisecond, -1},
	}
	for _, s := range scripts {
		for _, c := range closes {
			t.Run(s.name+"/closed "+c.name, func(t *testing.T) {
				bubble(t, open, s.script, nil, func(t *testing.T, r *rig) {
					failed := r.load(t, c.every)
					ctx, cancel := context.WithTimeout(context.Background(), c.limit)
					defer cancel()
					err := r.ingress.Close(ctx)
					r.book.Closed()
					if again := r.ingress.Close(context.Background()); !errors.Is(again, err) {
						t.Errorf("a second Close returned %v, the first %v", again, err)
					}
					if c.limit < time.Minute || !s.stored {
						return
					}
					got := r.book.Statuses()[kload.Acked]
					switch flaw := flawOf(flaws, s.name); {
					case flaw != "" && got == 400:
						t.Errorf("all records were acknowledged: it is no longer true that %s", flaw)
					case flaw == "" && (got != 400 || failed != nil || err != nil):
						t.Errorf("%d of 400 records acknowledged; PutBatch gave %v, Close %v", got, failed, err)
					}
				})
			})
		}
	}
}

func testAfterClose(t *testing.T, r *rig) {
	if err := r.put(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if err := r.ingress.Close(t.Context()); err != nil {
		t.Errorf("Close gave %v", err)
	}
	for range 5 { // more than the budget: refused records must not use it up
		if err := r.put(t.Context(), 4000); !errors.Is(err, kload.ErrClosed) || r.accepted != 1 {
			t.Fatalf("PutBatch after Close accepted %d records and gave %v, want none and ErrClosed", r.accepted-1, err)
		}
	}
	if err := r.ingress.Flush(t.Context()); err != nil && !errors.Is(err, kload.ErrClosed) {
		t.Errorf("Flush after Close gave %v", err)
	}
}

// testCloseDuringPut closes while PutBatch waits for room.
func testCloseDuringPut(t *testing.T, open Open) {
	full := func(e *Env) { e.Memory = 1 << 20 }
	bubble(t, open, always(Answer{After: 200 * time.Millisecond}), full, func(t *testing.T, r *rig) {
		r.feed.Size = 10_000
		done := make(chan error)
		go func() {
			var err error
			for err == nil {
				err = r.put(context.Background(), 20)
			}
			done <- err
		}()
		synctest.Wait()
		if err := r.ingress.Close(t.Context()); err != nil {
			t.Errorf("Close gave %v", err)
		}
		r.book.Closed()
		if err := <-done; !errors.Is(err, kload.ErrClosed) {
			t.Errorf("PutBatch gave %v, want ErrClosed", err)
		}
	})
}

func testFlush(t *testing.T, r *rig, flaw string) {
	slow := 0

	for round := 1; round <= 3; round++ {
		if err := r.put(t.Context(), 10); err != nil {
			t.Fatal(err)
		}
		from := r.Clock.Now()
		if err := r.ingress.Flush(t.Context()); err != nil {
			t.Fatalf("Flush gave %v", err)
		}
		if got := r.book.Len(); got != 10*round {
			t.Errorf("after flush %d: %d outcomes, want %d", round, got, 10*round)
		}
		took := time.Duration(r.Clock.Now() - from)
		if took >= r.Linger/2 {
			slow++
		}
		if took >= r.Linger && flaw == "" {
			t.Errorf("flush %d took %v: it waited for linger", round, took)
		}
	}
	if flaw != "" && slow == 0 {
		t.Errorf("flushes were quick: it is no longer true that %s", flaw)
	}
}

// testFlushGivesUp lets the context of Flush end before the service answers:
// the records are none the worse for it.
func testFlushGivesUp(t *testing.T, open Open) {
	var gate chan struct{} // made inside the bubble
	stuck := func(int, []types.PutRecordsRequestEntry) Answer { return Answer{Gate: gate} }
	patient := func(e *Env) { gate, e.Timeout = make(chan struct{}), time.Hour }
	bubble(t, open, stuck, patient, func(t *testing.T, r *rig) {
		if err := r.put(t.Context(), 10); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := r.ingress.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Flush gave %v, want its context's error", err)
		}
		close(gate)
		if err := r.ingress.Flush(t.Context()); err != nil {
			t.Errorf("the next Flush gave %v", err)
		}
		if diff := cmp.Diff(map[kload.Status]int{kload.Acked: 10}, r.book.Statuses()); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
	})
}

// testBudget fills the byte budget while the service stands still.
func testBudget(t *testing.T, open Open) {
	var gate chan struct{} // made inside the bubble
	stuck := func(int, []types.PutRecordsRequestEntry) Answer { return Answer{Gate: gate} }
	tight := func(e *Env) { gate, e.Memory, e.Timeout = make(chan struct{}), 1<<20, time.Hour }
	bubble(t, open, stuck, tight, func(t *testing.T, r *rig) {
		const size, want = 1000, 3000
		r.feed.Size = size
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error)
		go func() { done <- r.put(ctx, want) }()
		synctest.Wait()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("a full ingress gave %v, want the context's error", err)
		}
		if bytes := int(r.accepted) * size; bytes > r.Memory || bytes < r.Memory/2 {
			t.Errorf("%d bytes were accepted within a budget of %d", bytes, r.Memory)
		}
		go func() { done <- r.put(context.Background(), want) }()
		synctest.Wait()
		close(gate)
		if err := <-done; err != nil {
			t.Errorf("with the service back, PutBatch gave %v", err)
		}
	})
}

// testFatal holds that an ingress which can send no more says so.
func testFatal(t *testing.T, r *rig) {
	err := r.load(t, time.Second)
	if !errors.Is(err, kload.ErrUnreachable) {
		t.Errorf("PutBatch gave %v, want ErrUnreachable", err)
	}
	if r.accepted == 0 {
		t.Error("nothing was accepted before the first error could be known")
	}
}

// testOrder holds the order of first copies per key against the order in which
// they were put.
func testOrder(t *testing.T, r *rig) {
	for range 5 {
		if err := r.load(t, 10*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.ingress.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	last, seen := map[string]uint64{}, map[uint64]bool{}
	for _, s := range r.Kinesis.Stored() {
		if seen[s.Seq] {
			continue
		}
		if l, ok := last[s.Key]; ok && s.Seq < l {
			t.Fatalf("key %s: record %d is stored after %d", s.Key, s.Seq, l)
		}
		last[s.Key], seen[s.Seq] = s.Seq, true
	}
	if len(seen) < 1000 {
		t.Errorf("only %d records were stored", len(seen))
	}
}
