package plain_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/consumers/handler"
	"github.com/kload/kload/consumers/hosts/hosttest"
	"github.com/kload/kload/consumers/hosts/plain"
	"github.com/kload/kload/internal/hdr"
	"github.com/kload/kload/internal/invariants"
	"github.com/kload/kload/internal/ledger"
	"github.com/kload/kload/internal/pace"
)

func TestConformance(t *testing.T) {
	hosttest.Run(t, func(e hosttest.Env) kload.Host {
		return plain.New(plain.Options{
			Handler: e.Handler, Sink: e.Sink, Ledger: e.Ledger, Hops: e.Hops, Clock: e.Clock, Phase: e.Phase,
		})
	})
}

// sink keeps the payloads that it is given.
type sink struct{ got []string }

func (s *sink) Write(_ context.Context, _ *kload.Batch, users []kload.Delivery) error {
	for i := range users {
		s.got = append(s.got, string(users[i].Data))
	}
	return nil
}
func (s *sink) Written() uint64 { return uint64(len(s.got)) }
func (s *sink) Close() error    { return nil }

// TestHandler writes what a handler that a scenario describes makes of records.
func TestHandler(t *testing.T) {
	l := ledger.New(1)
	l.AddLoad("load", ledger.LoadOptions{})
	into, account, clock := &sink{}, l.AddConsumer("c"), pace.NewClock()
	h, err := handler.New(handler.Options{Config: handler.Config{
		Filter: "n != 1", FailOn: handler.FailOn{When: "n == 2"}, Transform: handler.Transform{Payload: `{"n": n * 10}`},
	}, Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	host := plain.New(plain.Options{Handler: h, Sink: into, Ledger: account, Hops: hdr.NewSet("c", kload.HopHandle, kload.HopE2ESink), Clock: clock})
	b := &kload.Batch{Partition: "p"}
	for _, payload := range []string{`{"n":0}`, `{"n":1}`, `{"n":2}`, `{"n":3}`, `{}`} {
		b.Users = append(b.Users, kload.Delivery{Data: []byte(payload), Traced: true, Producer: 1})
	}
	if err := host.Process(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if err := host.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{`{"n":0}`, `{"n":30}`}, into.got); d != "" {
		t.Errorf("written (-want +got)\n%s", d)
	}
	report := l.Verify().Consumers[0]
	if report.OK != 2 || report.Filtered != 1 || report.DeadLettered != 2 || report.Sunk != 2 {
		t.Errorf("account %+v", report)
	}
	want := map[string]uint64{"handler_attempts": 3, "handler_failed_attempts": 1, "handler_retries": 0, "expression_errors": 1}
	if d := cmp.Diff(want, host.Counters()); d != "" {
		t.Errorf("counters (-want +got)\n%s", d)
	}
}

// TestNoHandler passes records on without touching memory.
func TestNoHandler(t *testing.T) {
	l := ledger.New(1)
	host := plain.New(plain.Options{Sink: nothing{}, Ledger: l.AddConsumer("c"), Hops: hdr.NewSet("c", kload.HopHandle, kload.HopE2ESink), Clock: pace.NewClock()})
	b := &kload.Batch{Partition: "p", Users: make([]kload.Delivery, 100)}
	got := testing.AllocsPerRun(100, func() {
		if err := host.Process(t.Context(), b); err != nil {
			t.Error(err)
		}
	})
	if got > 0 && !invariants.Enabled {
		t.Errorf("%v allocations for a batch", got)
	}
	if c := host.Counters(); c != nil {
		t.Errorf("counters %v", c)
	}
}

type nothing struct{}

func (nothing) Write(context.Context, *kload.Batch, []kload.Delivery) error { return nil }
func (nothing) Written() uint64                                             { return 0 }
func (nothing) Close() error                                                { return nil }
