package s3

import (
	"net/http"
	"strings"
	"time"
)

// conditions are those of a request on the state of an object.
type conditions struct {
	match, noneMatch string
	since, notSince  time.Time // If-Modified-Since, If-Unmodified-Since; zero for none
}

// takeConditions removes the conditions whose names begin with prefix from the
// headers and returns them.
func takeConditions(h http.Header, prefix string) conditions {
	take := func(name string) string {
		defer h.Del(prefix + name)
		return h.Get(prefix + name)
	}
	c := conditions{match: take("Match"), noneMatch: take("None-Match")}
	// As in RFC 9110, a date that is none is not a condition.
	c.since, _ = http.ParseTime(take("Modified-Since"))
	c.notSince, _ = http.ParseTime(take("Unmodified-Since"))
	return c
}

// read returns the status of a read under these conditions: 200, 304 or 412. An
// ETag decides before a date, as in RFC 9110, section 13.2.2.
func (c conditions) read(o *object) int {
	switch {
	case c.match != "" && !holds(c.match, o.ETag),
		c.match == "" && !c.notSince.IsZero() && o.lastModified().After(c.notSince):
		return http.StatusPreconditionFailed
	case c.noneMatch != "" && holds(c.noneMatch, o.ETag),
		c.noneMatch == "" && !c.since.IsZero() && !o.lastModified().After(c.since):
		return http.StatusNotModified
	}
	return http.StatusOK
}

// holds reports whether one of the ETags of a condition is the given one.
func holds(condition, etag string) bool {
	for text := range strings.SplitSeq(condition, ",") {
		text = strings.TrimPrefix(strings.TrimSpace(text), "W/")
		if text == "*" || strings.Trim(text, `"`) == etag {
			return true
		}
	}
	return false
}
