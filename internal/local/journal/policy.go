package journal

import (
	"fmt"
	"time"

	"github.com/kload/kload"
)

// Policy says when what was written is also synced. Whatever it is, what was
// committed survives the process, kill -9 included: it is in the system's page
// cache. Segments are synced when they end.
//
//   - [Always] syncs before Commit returns: it survives the machine too.
//   - A positive policy syncs that long after a write: a crash of the machine
//     loses what was committed within about that time.
//   - [Never] leaves it to the system, which takes some 30 s.
type Policy time.Duration

// The policies without an interval.
const (
	Always Policy = 0
	Never  Policy = -1
)

// DefaultPolicy is an interval of one second.
const DefaultPolicy = Policy(time.Second)

// ParsePolicy reads "always", "never" or an interval such as "1s"; "" is the
// default.
func ParsePolicy(text string) (Policy, error) {
	switch text {
	case "":
		return DefaultPolicy, nil
	case "always":
		return Always, nil
	case "never":
		return Never, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, kload.WithHint(fmt.Errorf("sync policy %q: %w", text, kload.ErrInvalid), `use "always", "never" or an interval such as "1s"`)
	}
	return Policy(d), nil
}

// String returns the text that [ParsePolicy] reads.
func (p Policy) String() string {
	switch p {
	case Always:
		return "always"
	case Never:
		return "never"
	}
	return time.Duration(p).String()
}
