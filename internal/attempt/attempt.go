// Package attempt keeps what became of the attempts to store a record, by the rules
// that all of kload's ways into a stream have in common.
package attempt

import (
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/awsclient"
)

// Backoff between attempts: full jitter, a random time up to base·2^attempts,
// never above its cap.
const (
	backoffBase = 25 * time.Millisecond
	backoffCap  = 2 * time.Second
)

// History is what became of the attempts to store one record. The zero value is
// that of one that was not sent yet.
type History struct {
	Made        int
	Ambiguous   int    // that may have stored it unacknowledged
	Code        string // why the latest failed
	First, Last int64  // when the first (Ta) and the latest began
	NotBefore   int64  // earliest time of the next
}

// Begin books an attempt and says whether there was one before.
func (h *History) Begin() (again bool) {
	h.Made++
	return h.Made > 1
}

// Began notes when the attempt under way began.
func (h *History) Began(at int64) {
	if h.Made == 1 {
		h.First = at
	}
	h.Last = at
}

// Refused takes in that the service answered, but not for this record.
func (h *History) Refused(code string) {
	h.Code = code
	if !h.Throttled() {
		h.Ambiguous++ // it does not say whether it stored the record
	}
}

// Failed takes in that the call failed as a whole.
func (h *History) Failed(class awsclient.Class, code string) {
	h.Code = code
	if class == awsclient.Ambiguous || class == awsclient.Cancelled {
		h.Ambiguous++
	}
}

// Throttled reports whether the latest attempt was refused for its rate.
func (h *History) Throttled() bool {
	return h.Code != "" && awsclient.ClassifyCode(h.Code, 0) == awsclient.Throttled
}

// Again schedules the next attempt: full jitter, of which u in [0,1) is the draw.
func (h *History) Again(now int64, u float64) {
	limit := min(backoffCap, backoffBase<<min(h.Made-1, 10))
	h.NotBefore = now + int64(u*float64(limit))
}

// Lost is the status of a record that nothing acknowledged.
func (h *History) Lost() kload.Status {
	if h.Ambiguous > 0 {
		return kload.Unknown
	}
	return kload.Rejected
}

// Outcome returns what the history says of the outcome.
func (h *History) Outcome(status kload.Status, records []kload.Receipt) kload.Outcome {
	return kload.Outcome{
		Status: status, Attempts: h.Made, Ambiguous: h.Ambiguous,
		FirstAttempt: h.First, LastAttempt: h.Last, Code: h.Code, Records: records,
	}
}
