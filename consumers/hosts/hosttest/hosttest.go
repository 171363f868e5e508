// Package hosttest is the conformance suite of hosts: plug-ins that implement
// [kload.Host]. It plays the consumer around them, and releases each batch,
// poisoned, as soon as it may.
package hosttest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/hdr"
	"github.com/kload/kload/internal/ledger"
	"github.com/kload/kload/internal/pace"
)

// Env is what a host under test is given.
type Env struct {
	Handler kload.Handler // nil passes every record on
	Sink    kload.Sink
	Ledger  *ledger.Consumer
	Hops    *hdr.Set
	Clock   *pace.Clock
	Phase   func(t0 int64) int // -1 for what is not measured
}

// Factory returns a new host.
type Factory func(e Env) kload.Host

// Run runs the suite.
func Run(t *testing.T, open Factory) {
	for name, test := range map[string]func(*testing.T, Factory){
		"keeps partitions in order and copies what it keeps": order,
		"obeys the handler":                   handling,
		"counts first sightings of this run":  counting,
		"measures handling and sinking":       measuring,
		"takes partitions that begin and end": ending,
		"reports the handler's failure":       handlerFails,
		"reports the sink's failure to write": func(t *testing.T, open Factory) { sinkFails(t, open, errors.New("no room"), nil) },
		"reports the sink's failure to close": func(t *testing.T, open Factory) { sinkFails(t, open, nil, errors.New("not synced")) },
	} {
		t.Run(name, func(t *testing.T) { test(t, open) })
	}
}

// sink keeps copies by partition.
type sink struct {
	failWrite, failClose error

	mu      sync.Mutex
	stored  map[string][]string
	written uint64
	closed  int
	late    bool // written to after it was closed
}

func (s *sink) Write(_ context.Context, b *kload.Batch, users []kload.Delivery) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.late = s.late || s.closed > 0
	if s.failWrite != nil {
		return s.failWrite
	}
	for i := range users {
		s.stored[b.Partition] = append(s.stored[b.Partition], string(users[i].Data))
	}
	s.written += uint64(len(users))
	return nil
}

func (s *sink) Written() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.written
}

func (s *sink) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed++
	return s.failClose
}

// handler judges records by their payloads: those that say so are filtered or
// dead-lettered.
type handler struct{ err error }

func (h handler) Handle(_ context.Context, b *kload.Batch, results []kload.HandlerResult) error {
	if len(results) != len(b.Users) {
		return fmt.Errorf("%d results for %d records", len(results), len(b.Users))
	}
	for i := range b.Users {
		switch payload := string(b.Users[i].Data); {
		case strings.HasPrefix(payload, "filter"):
			results[i] = kload.Filtered
		case strings.HasPrefix(payload, "dead"):
			results[i] = kload.DeadLettered
		}
	}
	return h.err
}

// rig is a host with everything around it.
type rig struct {
	*testing.T
	env    Env
	sink   *sink
	ledger *ledger.Ledger
	host   kload.Host
}

func newRig(t *testing.T, open Factory, h kload.Handler) *rig {
	r := &rig{T: t, sink: &sink{stored: map[string][]string{}}, ledger: ledger.New(1)}
	r.ledger.AddLoad("load", ledger.LoadOptions{})
	r.env = Env{
		Handler: h, Sink: r.sink, Ledger: r.ledger.AddConsumer("c"), Clock: pace.NewClock(),
		Hops:  hdr.NewSet("c", kload.HopHandle, kload.HopE2ESink),
		Phase: phase,
	}
	r.host = open(r.env)
	return r
}

// phase is 0 for the first second, then 1. What is due before is not measured.
func phase(t0 int64) int {
	switch {
	case t0 < 0:
		return -1
	case t0 < int64(time.Second):
		return 0
	}
	return 1
}

// user is a first sighting of a record of this run.
func user(payload string) kload.Delivery {
	return kload.Delivery{Data: []byte(payload), Key: []byte("key"), Traced: true, Producer: 1}
}

// process hands a batch over and lets go of it.
func (r *rig) process(partition string, users ...kload.Delivery) error {
	b := &kload.Batch{Partition: partition, Users: users, Records: make([]kload.StreamRecord, 1)}
	b.Recycle = func(b *kload.Batch) {
		for i := range b.Users {
			clear(b.Users[i].Data)
			b.Users[i] = kload.Delivery{Data: []byte("released")}
		}
	}
	err := r.host.Process(r.Context(), b)
	b.Release()
	return err
}

func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Error(err)
	}
}

// finish closes the host and returns the consumer's account.
func (r *rig) finish() ledger.ConsumerReport {
	r.Helper()
	r.must(r.host.Close(r.Context()))
	if r.sink.closed != 1 || r.sink.late {
		r.Errorf("the sink was closed %d times, written to later: %v", r.sink.closed, r.sink.late)
	}
	return r.ledger.Verify().Consumers[0]
}

func order(t *testing.T, open Factory) {
	const partitions, batches, size = 4, 30, 7
	r := newRig(t, open, nil)
	want := map[string][]string{}
	var wg sync.WaitGroup
	for p := range partitions {
		name := fmt.Sprint("p", p)
		for i := range batches * size {
			want[name] = append(want[name], fmt.Sprint(name, " record ", i))
		}
		wg.Go(func() {
			for n := range batches {
				var users []kload.Delivery
				for i := range size {
					users = append(users, user(fmt.Sprint(name, " record ", n*size+i)))
				}
				r.must(r.process(name, users...))
			}
		})
	}
	wg.Wait()
	report := r.finish()
	if diff := cmp.Diff(want, r.sink.stored); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
	if total := uint64(partitions * batches * size); report.OK != total || report.Sunk != total {
		t.Errorf("ok %d, sunk %d, want %d", report.OK, report.Sunk, total)
	}
}

func handling(t *testing.T, open Factory) {
	r := newRig(t, open, handler{})
	r.must(r.process("p", user("a"), user("filter 1"), user("b"), user("dead 1")))
	r.must(r.process("p", user("filter 2"), user("filter 3")))
	r.must(r.process("p", user("c")))
	report := r.finish()
	if diff := cmp.Diff(map[string][]string{"p": {"a", "b", "c"}}, r.sink.stored); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
	if report.OK != 3 || report.Filtered != 3 || report.DeadLettered != 1 || report.Sunk != 3 {
		t.Errorf("account %+v", report)
	}
}

// counting has records that are handled like all but do not count.
func counting(t *testing.T, open Factory) {
	for name, h := range map[string]kload.Handler{"no handler": nil, "handler": handler{}} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, open, h)
			again, foreign := user("a"), user("foreign")
			again.Extra = true
			foreign.Extra, foreign.Producer = true, ledger.Foreign
			r.must(r.process("p", user("a"), again, user("b"), foreign))
			report := r.finish()
			if diff := cmp.Diff(map[string][]string{"p": {"a", "a", "b", "foreign"}}, r.sink.stored); diff != "" {
				t.Errorf("stored (-want +got):\n%s", diff)
			}
			if report.OK != 2 || report.Sunk != 2 {
				t.Errorf("ok %d, sunk %d, want 2", report.OK, report.Sunk)
			}
		})
	}
}

// measuring leaves out the warm-up and what is not of this run.
func measuring(t *testing.T, open Factory) {
	r := newRig(t, open, handler{})
	now := r.env.Clock.Now()
	var users []kload.Delivery
	for _, payload := range []string{"a", "b", "filter"} {
		u := user(payload)
		u.Intended = now
		users = append(users, u)
	}
	users[0].Intended = 0 // in the first phase
	foreign, warmup, untraced := user("foreign"), user("warm-up"), user("untraced")
	foreign.Intended, foreign.Producer, foreign.Extra = now, ledger.Foreign, true
	warmup.Intended, untraced.Traced = -1, false
	r.must(r.process("p", append(users, foreign, warmup, untraced)...))
	r.finish()
	got := map[string]int64{}
	for _, iv := range r.env.Hops.Rotate() {
		got[iv.Hop.String()] = iv.Histogram.TotalCount()
	}
	if diff := cmp.Diff(map[string]int64{"handle": 4, "e2e.sink": 2}, got); diff != "" {
		t.Errorf("values by hop: three of this run and one without a trace were handled, two written (-want +got):\n%s", diff)
	}
	phases := [2]map[string]int64{}
	for i := range phases {
		phases[i] = map[string]int64{}
		for _, total := range r.env.Hops.PhaseTotals(i) {
			phases[i][total.Hop.String()] = total.Count
		}
	}
	if diff := cmp.Diff([2]map[string]int64{{"handle": 1, "e2e.sink": 1}, {"handle": 2, "e2e.sink": 1}}, phases); diff != "" {
		t.Errorf("values by phase and hop (-want +got):\n%s", diff)
	}
}

// ending has a partition that ends in a batch without records, and one that is
// taken away and given back; a host is told of both where it wants to be.
func ending(t *testing.T, open Factory) {
	r := newRig(t, open, nil)
	assigned, revoked := func(string) {}, func(string) {}
	if host, ok := r.host.(kload.Assignee); ok {
		assigned = func(p string) { r.must(host.Assigned(t.Context(), kload.Partition{ID: p}, kload.Position{})) }
		revoked = func(p string) { r.must(host.Revoked(t.Context(), p)) }
	}
	assigned("p")
	assigned("q")
	r.must(r.process("p", user("a")))
	r.must(r.process("q", user("b")))
	b := &kload.Batch{Partition: "p", End: true, Children: []kload.Partition{{ID: "child", Parents: []string{"p"}}}}
	r.must(r.host.Process(t.Context(), b))
	b.Release()
	revoked("p")
	revoked("q")
	assigned("q")
	r.must(r.process("q", user("c")))
	revoked("q")
	report := r.finish()
	if diff := cmp.Diff(map[string][]string{"p": {"a"}, "q": {"b", "c"}}, r.sink.stored); diff != "" || report.OK != 3 || report.Sunk != 3 {
		t.Errorf("account %+v, stored (-want +got):\n%s", report, diff)
	}
}

func handlerFails(t *testing.T, open Factory) {
	broken := errors.New("broken")
	r := newRig(t, open, handler{broken})
	err := r.process("p", user("a"))
	err = errors.Join(err, r.host.Close(t.Context()))
	checkCause(t, err, broken)
	if r.sink.written != 0 || r.sink.closed != 1 {
		t.Errorf("%d records written, closed %d times", r.sink.written, r.sink.closed)
	}
	if report := r.ledger.Verify().Consumers[0]; report.OK+report.Sunk != 0 {
		t.Errorf("account %+v", report)
	}
}

// sinkFails allows a host to report a write only when it is closed.
func sinkFails(t *testing.T, open Factory, write, closing error) {
	r := newRig(t, open, nil)
	r.sink.failWrite, r.sink.failClose = write, closing
	err := r.process("p", user("a"))
	err = errors.Join(err, r.host.Close(t.Context()))
	cause, want := closing, uint64(1)
	if write != nil {
		cause, want = write, 0
	}
	checkCause(t, err, cause)
	if report := r.ledger.Verify().Consumers[0]; report.Sunk != want || r.sink.closed != 1 {
		t.Errorf("sunk %d, want %d; the sink was closed %d times", report.Sunk, want, r.sink.closed)
	}
}

// checkCause wants the cause, said once, behind what failed.
func checkCause(t *testing.T, err, cause error) {
	t.Helper()
	if !errors.Is(err, cause) || strings.Count(err.Error(), cause.Error()) != 1 {
		t.Errorf("got %v, want an error about %q", err, cause)
	}
}
