package producer

import (
	"math"
	"time"
)

// Gate modes.
const (
	gateAIMD = "aimd"
	gateKPL  = "kpl"
	gateNone = "none"
)

// A shard takes 1 MiB and 1,000 records a second (docs/TERMS.md#shard).
const (
	shardBytes   = 1 << 20
	shardRecords = 1000
)

// Of mode aimd: bytes a second, raised and lowered as answers come.
const (
	aimdCut   = 0.7                    // factor on a throttle
	aimdEvery = 100 * time.Millisecond // at most one cut in so long
	aimdRaise = 0.05                   // per second, of the rate or of what a shard takes, whichever is more
	aimdFloor = shardBytes / 20        // an aggregate of the usual size per second
	aimdBurst = 0.1                    // seconds of the rate that may be saved up
	aimdSight = 0.5                    // seconds over which the rate before the first throttle is estimated
	aimdFirst = 2 * shardBytes         // most that estimate may be: the first burst says little
)

// Of mode kpl: token buckets at half as much again as a shard takes, which start
// full. Source: aws/kinesis/core/limiter.h of the Amazon Kinesis Producer Library.
const (
	kplRefill  = 1.5
	kplRecords = 1000
	kplBytes   = 10 << 20
)

// gate decides when the next stream record may go to one shard. It is arithmetic
// on token buckets that may be overdrawn: a record goes when there is credit at
// all. The zero value lets everything pass.
type gate struct {
	rate    float64 // aimd: bytes per second; 0 for unlimited, as long as nothing was throttled
	credit  float64 // bytes
	records float64 // kpl: records
	seen    float64 // aimd: bytes sent lately, fading
	since   int64   // first use, Unix ns
	last    int64   // when the buckets were filled last
	lowered int64   // last cut
}

// ready returns the earliest time at which the gate lets a record pass: now or
// before, or later.
func (g *gate) ready(mode string, now int64) int64 {
	g.refill(mode, now)
	var wait float64 // seconds
	switch mode {
	case gateKPL:
		wait = max(-g.credit/(kplRefill*shardBytes), (1-g.records)/(kplRefill*shardRecords))
	case gateNone:
	default:
		if g.rate > 0 {
			large := g.large()
			wait = (-g.credit-large)/g.rate + large/max(g.rate, shardBytes)
		}
	}
	if wait <= 0 {
		return now
	}
	return now + int64(math.Ceil(wait*1e9))
}

func (g *gate) refill(mode string, now int64) {
	if g.since == 0 {
		g.since, g.last = now, now
		if mode == gateKPL {
			g.credit, g.records = kplBytes, kplRecords
		}
	}
	dt := float64(now-g.last) / 1e9
	if dt <= 0 {
		return
	}
	g.last = now
	if mode == gateKPL {
		g.credit = min(kplBytes, g.credit+dt*kplRefill*shardBytes)
		g.records = min(kplRecords, g.records+dt*kplRefill*shardRecords)
		return
	}
	g.seen *= math.Exp(-dt / aimdSight)
	if g.rate > 0 {
		paid := min(dt*max(g.rate, shardBytes), g.large())
		dt -= paid / max(g.rate, shardBytes)
		g.credit = min(g.rate*aimdBurst, g.credit+paid+dt*g.rate)
		g.rate += dt * aimdRaise * max(g.rate, shardBytes)
	}
}

// large is what a large record has overdrawn beyond what a shard takes in a second.
// That is worked off at the shard's pace, however low the rate.
func (g *gate) large() float64 { return max(0, -g.credit-shardBytes) }

// spend books a record that goes out.
func (g *gate) spend(size int) {
	g.credit -= float64(size)
	g.records--
	g.seen += float64(size)
}

// throttled lowers the rate after a record of so many bytes was refused. One that
// is larger than what a shard takes in a second says nothing of the rate: it is
// refused as long as anything else went there within the last second, so all wait.
func (g *gate) throttled(mode string, size int, now int64) {
	if mode == gateKPL || mode == gateNone || g.lowered != 0 && now-g.lowered < int64(aimdEvery) {
		return
	}
	g.refill(mode, now)
	switch {
	case size <= shardBytes && g.rate == 0:
		g.rate, g.credit = max(aimdFloor, aimdCut*min(g.recent(now), aimdFirst)), 0
	case size <= shardBytes:
		g.rate = max(aimdFloor, aimdCut*g.rate)
	default:
		if g.rate == 0 {
			g.rate = shardBytes
		}
		g.credit = -g.rate
	}
	g.lowered = now
}

// recent estimates the bytes sent per second. What faded is added again for a
// gate that has not been in use for long.
func (g *gate) recent(now int64) float64 {
	share := 1 - math.Exp(-float64(now-g.since)/1e9/aimdSight)
	return g.seen / aimdSight / max(share, 0.01)
}
