package a8m_test

import (
	"context"
	"testing"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/pace"
	"github.com/kload/kload/producer/drivers/a8m"
	"github.com/kload/kload/producer/drivertest"
)

// flaws are what the library gets wrong of what an ingress promises.
func flaws() []drivertest.Flaw {
	const drops = "one error loses the whole request"
	return []drivertest.Flaw{
		{Case: "flush", Why: "nothing but its ticker sends what is buffered"},
		{Case: "throttled calls", Why: drops},
		{Case: "server errors", Why: drops},
		{Case: "server errors, stored", Why: drops},
		{Case: "timeouts before the commit", Why: drops},
		{Case: "timeouts after the commit", Why: drops},
		{Case: "connections cut", Why: drops},
		{Case: "connections refused", Why: drops},
		{Case: "short answers", Why: drops},
	}
}

// defaults are the library's.
func defaults() a8m.Config {
	return a8m.Config{
		FlushInterval: oddTick, AggregateBatchSize: 50 << 10, AggregateBatchCount: 1<<32 - 1,
		BatchCount: 500, BatchSize: 5 << 20, BacklogCount: 500,
	}
}

// oddTick never falls together with what tests do: the library crashes when it is
// stopped at a tick.
const oddTick = 97_000_003

func open(t *testing.T, e drivertest.Env, c a8m.Config) *a8m.Ingress {
	t.Helper()
	if e.Ordered {
		t.Skip("the library makes requests beside each other: see Capabilities")
	}
	g, err := a8m.New(t.Context(), a8m.Options{
		Config: c, Stream: e.Stream, Connections: 8, Timeout: e.Timeout, Memory: e.Memory, API: e.Kinesis, Clock: e.Clock, Outcomes: e.Outcomes,
	})
	if err != nil {
		t.Fatal(err)
	}
	// What the library still has sleeps on after it was given up; its process would
	// be gone.
	t.Cleanup(func() { _ = pace.NewPacer(e.Clock).Sleep(context.Background(), time.Minute) })
	return g
}

func TestConformance(t *testing.T) {
	few := defaults()
	few.AggregateBatchCount, few.BatchCount = 7, 3
	large := defaults()
	large.AggregateBatchSize = 100 // below the records of the suite: nothing is aggregated
	for name, c := range map[string]a8m.Config{"default": defaults(), "small requests": few, "nothing aggregated": large} {
		t.Run(name, func(t *testing.T) {
			drivertest.Run(t, func(t *testing.T, e drivertest.Env) kload.Ingress { return open(t, e, c) }, flaws()...)
		})
	}
}
