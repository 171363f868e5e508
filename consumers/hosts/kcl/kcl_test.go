package kcl_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/consumers/checkpoints/memory"
	"github.com/kload/kload/consumers/hosts/hosttest"
	"github.com/kload/kload/consumers/hosts/kcl"
	"github.com/kload/kload/consumers/hosts/plain"
	"github.com/kload/kload/internal/pace"
)

func config(members int) kcl.Config {
	return kcl.Config{Members: members, Lease: 10 * time.Second, Handoff: 30 * time.Second, CheckpointEvery: 5 * time.Second}
}

func TestConformance(t *testing.T) {
	hosttest.Run(t, func(e hosttest.Env) kload.Host {
		return kcl.New(kcl.Options{
			Config: config(2), Store: memory.New(), Clock: e.Clock, Name: "w",
			Inner: plain.New(plain.Options{
				Handler: e.Handler, Sink: e.Sink, Ledger: e.Ledger, Hops: e.Hops, Clock: e.Clock, Phase: e.Phase,
			}),
		})
	})
}

// failing is a host that fails.
type failing struct{ err error }

func (f failing) Process(context.Context, *kload.Batch) error { return f.err }
func (f failing) Close(context.Context) error                 { return f.err }

// TestSkipOnError shows what becomes of a batch that cannot be processed.
func TestSkipOnError(t *testing.T) {
	broken := errors.New("broken")
	for _, skip := range []bool{false, true} {
		var events []map[string]any
		c := config(1)
		c.SkipOnError = skip
		store := memory.New()
		h := kcl.New(kcl.Options{
			Config: c, Store: store, Clock: pace.NewClock(), Name: "w", Inner: failing{broken},
			Event: func(_ string, details map[string]any) { events = append(events, details) },
		})
		err := h.Process(t.Context(), &kload.Batch{Partition: "p", Records: make([]kload.StreamRecord, 1), Users: make([]kload.Delivery, 3)})
		if !skip {
			if !errors.Is(err, broken) || len(events) > 0 {
				t.Errorf("got %v and events %v, want the error only", err, events)
			}
			continue
		}
		want := []map[string]any{{"partition": "p", "records": 3, "error": "broken"}}
		if d := cmp.Diff(want, events); d != "" || err != nil {
			t.Errorf("%v, events (-want +got)\n%s", err, d)
		}
		if n := h.Counters(); n["batches_skipped"] != 1 || n["records_skipped"] != 3 {
			t.Errorf("counters %v", n)
		}
		if err := h.Close(t.Context()); !errors.Is(err, broken) {
			t.Errorf("closing gave %v", err)
		}
		if _, err := store.Leases(t.Context()); !errors.Is(err, kload.ErrClosed) {
			t.Errorf("the store was left open: %v", err)
		}
	}
}

func TestValidate(t *testing.T) {
	if issues := new(kcl.Config).Validate(); len(issues) != 4 {
		t.Errorf("the zero configuration has issues %v, want members, checkpoint_every, lease and handoff", issues)
	}
	good := config(3)
	if issues := good.Validate(); len(issues) > 0 {
		t.Errorf("issues %v", issues)
	}
	good.Handoff, good.CheckpointRecords = good.Lease, -1
	if issues := good.Validate(); len(issues) != 2 {
		t.Errorf("issues %v, want handoff and checkpoint_records", issues)
	}
}

// TestCounters names every counter that the host has.
func TestCounters(t *testing.T) {
	h := kcl.New(kcl.Options{Config: config(2), Store: memory.New(), Clock: pace.NewClock(), Inner: failing{}})
	names := new(kcl.Config).CounterNames()
	counts := h.Counters()
	if len(names) != len(counts) {
		t.Errorf("%d names of %d counters", len(names), len(counts))
	}
	for _, name := range names {
		if _, ok := counts[name]; !ok {
			t.Errorf("nothing counts %s", name)
		}
	}
}
