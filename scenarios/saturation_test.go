package scenarios_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/kload/kload/producer"
	"github.com/kload/kload/results"
	"github.com/kload/kload/scenarios"
)

// hot sends eight times what its stream takes.
const hot = `
apiVersion: kload/v1
name: hot
target: {process: shared}
stream: {shards: 1}
load:
  events:
    source: {generate: {opaque: {size: 1KiB}}}
    rate: 8k/s
    trace: prefix
    allow_throttling: true
    ingress: {kinesis: {memory: 2MiB}}
consumers: {reader: {read: {polling: {every: 200ms}}}}
phases: [{name: steady, for: 5s}]
`

// TestSaturated runs a load above what the stream takes. What is shed is counted
// as such, a load that is to abort fails as not delivered, and in each case the
// books balance and no acknowledged record is lost.
func TestSaturated(t *testing.T) {
	for choice, shed := range map[string]bool{"shed": true, "abort": false, "block": false} {
		synctest.Test(t, func(t *testing.T) {
			o := run(t.Context(), t, hot, scenarios.RunOptions{}, "load.events.on_saturation="+choice)
			verdict := results.NotDelivered
			if choice == "abort" {
				verdict = results.Errored
			}
			o.judged(t, verdict, 4)
			l := o.Load["events"]
			if (l.Shed > 0) != shed || l.Throttled == 0 || o.Consumers["reader"].Lost != 0 {
				t.Errorf("%s: %+v, %d lost", choice, l, o.Consumers["reader"].Lost)
			}
			if errors.Is(o.err, producer.ErrSaturated) != (choice == "abort") {
				t.Errorf("%s: ended with %v", choice, o.err)
			}
			d := l.Producer
			if d == nil || d.FillRatio < 0.5 || d.Flushed["size"] == 0 || len(d.ThrottledShards) != 1 || len(d.KPL) != 15 {
				t.Errorf("%s: the producer worked as %+v", choice, d)
			}
		})
	}
}
