package scenarios_test

import (
	"testing"
	"testing/synctest"

	"github.com/kload/kload/results"
	"github.com/kload/kload/scenarios"
)

// TestStrays splits a shard under a producer that leaves be what was packed by
// the old map. Whoever reads as KCL does loses whole aggregates; the ledger says
// so, and the counters say why.
func TestStrays(t *testing.T) {
	const src = `
apiVersion: kload/v1
name: strays
stream: {shards: 1}
load: {events: {source: {generate: {opaque: {}}}, rate: {profile: [{constant: 500/s, for: 6s}]}, trace: prefix,
  ingress: {kinesis: {wrong_shard: accept, map_refresh: 0s}}}}
consumers:
  keep: {}
  drop: {range: drop_stray}
  kcl: {range: kcl, read: fanout}
actions: [{at: 2s, do: {split: {}}}]
drain_timeout: 20s
`
	synctest.Test(t, func(t *testing.T) {
		o := run(t.Context(), t, src, scenarios.RunOptions{}, "target.limits=off")
		o.judged(t, results.Fail, 3)
		strays := o.Consumers["keep"].Counters["stray_records"]
		for name, c := range o.Consumers {
			n := c.Counters
			if strays == 0 || n["stray_records"] != strays || n["stray_aggregates"] == 0 || n["stray_dropped"] != c.Lost || c.ReadUnique+c.Lost != 3000 {
				t.Errorf("%s: %d lost, %d misrouted, %v", name, c.Lost, c.Misrouted, n)
			}
		}
		keep, drop, kcl := o.Consumers["keep"], o.Consumers["drop"], o.Consumers["kcl"]
		if keep.Lost != 0 || keep.Misrouted != strays || drop.Lost != strays || drop.Misrouted != 0 || kcl.Lost <= strays || kcl.Misrouted != 0 {
			t.Errorf("%d strays; keep %+v, drop %+v, kcl %+v", strays, keep, drop, kcl)
		}
	})
}
