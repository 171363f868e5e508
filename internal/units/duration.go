package units

import (
	"regexp"
	"strings"
	"time"
)

const durationPattern = `([0-9]+(\.[0-9]+)?(ns|us|µs|μs|ms|s|m|h))+`

// DurationPattern is the regular expression of a written duration.
const DurationPattern = `^` + durationPattern + `$`

// ParseDuration parses a length of time such as "200ms", "1m30s" or "50µs". The
// units are ns, µs (or us), ms, s, m and h. Unlike [time.ParseDuration] it
// takes no sign and no bare zero.
func ParseDuration(text string) (time.Duration, error) {
	switch v, rest := splitDecimal(text); {
	case strings.HasPrefix(text, "-"):
		return 0, bad("duration", text, "a duration is not negative", "200ms")
	case v == nil:
		return 0, bad("duration", text, "a duration is a number with a unit", "200ms")
	case rest == "":
		return 0, bad("duration", text, "a duration needs a unit", text+"ms or "+text+"s")
	case strings.HasSuffix(text, "min"):
		return 0, bad("duration", text, "the units are ns, µs, ms, s, m and h", strings.TrimSuffix(text, "in"))
	}
	if ok, err := regexp.MatchString(DurationPattern, text); !ok || err != nil {
		return 0, bad("duration", text, "the units are ns, µs, ms, s, m and h", "200ms or 1m30s")
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, bad("duration", text, "a duration is at most 2562047h", "24h")
	}
	return d, nil
}

// ExactDuration returns the shortest form of d that [ParseDuration] reads back,
// such as "1m30s" or "5m": Go's own form without zero parts.
func ExactDuration(d time.Duration) string {
	text := d.String()
	if text, found := strings.CutSuffix(text, "m0s"); found {
		text += "m"
		if short, found := strings.CutSuffix(text, "h0m"); found {
			return short + "h"
		}
		return text
	}
	return text
}
