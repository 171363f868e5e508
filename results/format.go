package results

import (
	"math"
	"strconv"
	"time"

	"github.com/kload/kload/internal/units"
)

// duration shows nanoseconds as a latency.
func duration(ns int64) string { return units.Duration(time.Duration(ns)) }

// ratio shows a share in percent, rounded down so that nothing short of the
// whole looks like 100%.
func ratio(v float64) string {
	if math.IsNaN(v) {
		return "-"
	}
	// The small step up keeps 0.99 from showing as 98.99%.
	return strconv.FormatFloat(math.Floor(v*1e4+1e-6)/100, 'f', 2, 64) + "%"
}

func seconds(s float64) string { return units.Duration(time.Duration(s * float64(time.Second))) }
