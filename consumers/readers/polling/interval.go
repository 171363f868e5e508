package polling

import (
	"fmt"
	"time"

	"github.com/kload/kload/internal/units"
)

// Interval is the time between two calls on a shard.
type Interval time.Duration

// preset returns the interval at which another consumer polls as it comes:
// idleTimeBetweenReadsInMillis of the KCL 3 and what its guide to low latency
// advises, the base rate of a Lambda event source mapping and of Firehose, and
// the ticker of Go consumers.
func preset(name string) (Interval, bool) {
	switch name {
	case "kcl3":
		return Interval(1500 * time.Millisecond), true
	case "lambda", "firehose":
		return Interval(time.Second), true
	case "kcl-lowlat", "go":
		return Interval(250 * time.Millisecond), true
	}
	return 0, false
}

// Pattern returns the regular expression of the written form.
func (Interval) Pattern() string {
	return units.DurationPattern + `|^(kcl3|kcl-lowlat|go|lambda|firehose)$`
}

// String returns the written form, a duration.
func (i Interval) String() string { return units.ExactDuration(time.Duration(i)) }

// MarshalText returns String's form.
func (i Interval) MarshalText() ([]byte, error) { return []byte(i.String()), nil }

// UnmarshalText reads "200ms" or the name of a consumer, such as "kcl3".
func (i *Interval) UnmarshalText(text []byte) error {
	if v, ok := preset(string(text)); ok {
		*i = v
		return nil
	}
	if len(text) > 0 && (text[0] < '0' || text[0] > '9') {
		return fmt.Errorf("unknown interval %q: write 200ms, kcl3, kcl-lowlat, go, lambda or firehose", text)
	}
	d, err := units.ParseDuration(string(text))
	*i = Interval(d)
	return err
}

// Floor returns what polling adds to a latency at the least. Records arrive at
// any time, so that they wait evenly between nothing and a whole interval.
func (i Interval) Floor() (mean, p99 time.Duration) {
	return time.Duration(i) / 2, time.Duration(i) / 100 * 99
}
