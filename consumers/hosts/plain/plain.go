// Package plain is the host that runs a handler in the reader's order, one
// batch after the other, and writes what it passed on to the sink before the
// next batch: the simplest correct consumer.
package plain

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/kload/kload"
	"github.com/kload/kload/consumers/handler"
	"github.com/kload/kload/internal/hdr"
	"github.com/kload/kload/internal/ledger"
	"github.com/kload/kload/internal/pace"
)

// Config configures the host: all its settings are those of the handler.
type Config struct{ handler.Config }

// Options says what the host runs and where the results go.
type Options struct {
	Handler kload.Handler // nil passes every record on
	Sink    kload.Sink
	Ledger  *ledger.Consumer
	Hops    *hdr.Set
	Clock   *pace.Clock
	// Phase returns the index of the phase that a record with this intended time
	// belongs to, -1 where it does not count for the latencies; nil means that all
	// do and that there are no phases.
	Phase func(t0 int64) int
}

// Host is a plain host. It is safe for concurrent use.
type Host struct {
	o     Options
	rec   *hdr.Recorder
	extra atomic.Uint64 // records written that the ledger does not count
}

// New returns the host. The sink is closed with it.
func New(o Options) *Host { return &Host{o: o, rec: o.Hops.NewRecorder()} }

// Process handles the records of one batch and writes them. See [kload.Host].
func (h *Host) Process(ctx context.Context, b *kload.Batch) error {
	if len(b.Users) == 0 { // the end of a partition
		return nil
	}
	began := h.o.Clock.Now()
	users, err := h.handle(ctx, b)
	if err != nil {
		return fmt.Errorf("handling records: %w", err)
	}
	handled := h.o.Clock.Now()
	if err := h.o.Sink.Write(ctx, b, users); err != nil {
		return err
	}
	h.measure(b.Users, users, handled-began, h.o.Clock.Now())
	h.extra.Add(uint64(len(users)) - counting(users))
	return nil
}

// Counters returns those of the handler.
func (h *Host) Counters() map[string]uint64 {
	if c, ok := h.o.Handler.(kload.Counted); ok {
		return c.Counters()
	}
	return nil
}

// handle returns the records to write and tells the ledger of the others.
func (h *Host) handle(ctx context.Context, b *kload.Batch) ([]kload.Delivery, error) {
	if h.o.Handler == nil {
		h.o.Ledger.Handled(counting(b.Users), 0, 0)
		return b.Users, nil
	}
	results := make([]kload.HandlerResult, len(b.Users))
	if err := h.o.Handler.Handle(ctx, b, results); err != nil {
		return nil, err
	}
	var counts [3]uint64
	pass := make([]kload.Delivery, 0, len(b.Users))
	for i, r := range results {
		if !b.Users[i].Extra {
			counts[r]++
		}
		if r == kload.OK {
			pass = append(pass, b.Users[i])
		}
	}
	h.o.Ledger.Handled(counts[kload.OK], counts[kload.Filtered], counts[kload.DeadLettered])
	return pass, nil
}

func (h *Host) measure(all, written []kload.Delivery, handle, durable int64) {
	h.rec.Lock()
	defer h.rec.Unlock()
	for i := range all {
		phase, measured := h.phase(&all[i])
		if !all[i].Traced || measured { // handling needs no T0
			h.rec.In(phase)
			h.rec.Record(kload.HopHandle, handle)
		}
	}
	for i := range written {
		if phase, measured := h.phase(&written[i]); measured {
			h.rec.In(phase)
			h.rec.Record(kload.HopE2ESink, durable-written[i].Intended)
		}
	}
}

// phase returns the phase of a user record, -1 for none, and whether the record
// counts for the latencies.
func (h *Host) phase(u *kload.Delivery) (phase int, measured bool) {
	switch {
	case !u.Traced || u.Producer == ledger.Foreign:
		return -1, false
	case h.o.Phase == nil:
		return -1, true
	}
	phase = h.o.Phase(u.Intended)
	return phase, phase >= 0
}

// counting counts the records the ledger counts: first sightings of this run.
func counting(users []kload.Delivery) uint64 {
	var n uint64
	for i := range users {
		if !users[i].Extra {
			n++
		}
	}
	return n
}

// Close closes the sink and books what it stored: by its own count, less
// the records that do not count.
func (h *Host) Close(context.Context) error {
	err := h.o.Sink.Close()
	h.o.Ledger.Sunk(h.o.Sink.Written() - min(h.extra.Load(), h.o.Sink.Written()))
	if err != nil {
		return fmt.Errorf("closing the sink: %w", err)
	}
	return nil
}
