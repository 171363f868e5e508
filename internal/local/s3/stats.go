package s3

import "sync/atomic"

// Stats are counts since the start.
type Stats struct {
	Requests      uint64 `json:"requests"`       // answered, well or not
	ClientErrors  uint64 `json:"client_errors"`  // answered 4xx
	ServerErrors  uint64 `json:"server_errors"`  // answered 5xx
	BytesIn       uint64 `json:"bytes_in"`       // of object data stored or refused after they were read
	BytesOut      uint64 `json:"bytes_out"`      // of answers' bodies
	Created       uint64 `json:"created"`        // objects made visible: put, copied or completed
	Deleted       uint64 `json:"deleted"`        // objects deleted
	EventsDropped uint64 `json:"events_dropped"` // events for which a subscriber had no room
}

// counters are Stats that are being counted.
type counters struct {
	requests, clientErrors, serverErrors, bytesIn, bytesOut, created, deleted, eventsDropped atomic.Uint64
}

func (c *counters) snapshot() Stats {
	return Stats{
		Requests: c.requests.Load(), ClientErrors: c.clientErrors.Load(), ServerErrors: c.serverErrors.Load(),
		BytesIn: c.bytesIn.Load(), BytesOut: c.bytesOut.Load(),
		Created: c.created.Load(), Deleted: c.deleted.Load(), EventsDropped: c.eventsDropped.Load(),
	}
}

func (c *counters) answered(status int) {
	c.requests.Add(1)
	switch {
	case status >= 500:
		c.serverErrors.Add(1)
	case status >= 400:
		c.clientErrors.Add(1)
	}
}
