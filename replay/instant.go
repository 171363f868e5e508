package replay

import (
	"fmt"
	"time"

	"github.com/kload/kload"
)

// Instant is a point in source time. The zero value means that none was given.
type Instant struct {
	ns    int64
	given bool
}

// ParseInstant parses a time in RFC 3339 form, such as 2018-01-01T00:00:00Z. The
// T may be a space, the zone may be missing, which means UTC, and so may the time
// of day.
func ParseInstant(text string) (Instant, error) {
	full := text
	if len(text) == len(time.DateOnly) {
		full += "T00:00:00"
	}
	ns, ok := parseTime([]byte(full))
	if !ok {
		return Instant{}, kload.WithHint(fmt.Errorf("bad time %q", text), "write it such as 2018-01-01T00:00:00Z")
	}
	return Instant{ns, true}, nil
}

// IsZero reports whether no instant was given.
func (i Instant) IsZero() bool { return !i.given }

// Time returns the instant in UTC.
func (i Instant) Time() time.Time { return time.Unix(0, i.ns).UTC() }

// String returns RFC 3339 form in UTC, or "" for the zero value.
func (i Instant) String() string {
	if !i.given {
		return ""
	}
	return i.Time().Format(time.RFC3339Nano)
}

// MarshalText returns String's form.
func (i Instant) MarshalText() ([]byte, error) { return []byte(i.String()), nil }

// UnmarshalText parses as [ParseInstant] does; empty text is the zero value.
func (i *Instant) UnmarshalText(text []byte) (err error) {
	*i = Instant{}
	if len(text) > 0 {
		*i, err = ParseInstant(string(text))
	}
	return err
}
