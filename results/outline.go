package results

import (
	"math"
	"strings"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/units"
)

// outline is what tables of several runs say of each: of all its loads and
// consumers together, the worst of them where they cannot be added.
type outline struct {
	acked, rate, inTime, throttled, lost, response, endToEnd string
}

func (s *Summary) outline() outline {
	var throttled, lost uint64
	delivered := math.NaN()
	for _, l := range s.Load {
		throttled += l.Throttled
		if !(l.DeliveredRatio >= delivered) {
			delivered = l.DeliveredRatio
		}
	}
	for _, c := range s.Consumers {
		lost += c.Lost
	}
	o := outline{
		acked: units.Thousands(s.acked()), rate: "-", inTime: ratio(delivered), throttled: units.Thousands(throttled),
		lost: units.Thousands(lost), response: worst(s.Hops, kload.HopResponse), endToEnd: worst(s.Hops, kload.HopE2ERead),
	}
	if wall := s.wall(); wall > 0 {
		o.rate = units.PerSecond(float64(s.acked()) / wall)
	}
	return o
}

// worst returns the highest p99 of a hop over all owners.
func worst(hops map[string]HopStats, hop kload.Hop) string {
	highest := int64(-1)
	for key, h := range hops {
		if strings.HasSuffix(key, "/"+hop.String()) && h.Count > 0 {
			highest = max(highest, h.P99)
		}
	}
	if highest < 0 {
		return "-"
	}
	return duration(highest)
}
