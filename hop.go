package kload

// Hop is one measured stretch of a record's life. The names are fixed: they
// appear in results, in histogram logs and in expectations.
type Hop uint8

// The hops, in the order a record passes them. Tn are the times of
// docs/TERMS.md.
const (
	HopGenLag      Hop = iota // gen.lag: T1−T0, late leaving the generator
	HopBuffer                 // buffer: Ta−T1, waiting for linger, collection and a free sender
	HopRetry                  // retry: T2−Ta, from the first attempt to the successful one
	HopPut                    // put: T3−T2, the service time of the successful attempt
	HopResponse               // response: T3−T0, what a caller on schedule would have seen
	HopArrive                 // arrive: T4−T2, server clock with ms resolution
	HopFetch                  // fetch: T5−T4, server clock with ms resolution
	HopE2ERead                // e2e.read: T5−T0
	HopHandle                 // handle: T7−T6
	HopE2ESink                // e2e.sink: T8−T0
	HopVisible                // visible: T10−T0
	HopDwell                  // dwell.queue: T6−T9
	HopResubscribe            // resubscribe: from the end of a subscription to the start of the next
	NumHops
)

var hopNames = [NumHops]string{
	"gen.lag", "buffer", "retry", "put", "response", "arrive",
	"fetch", "e2e.read", "handle", "e2e.sink", "visible", "dwell.queue", "resubscribe",
}

// String returns the hop's fixed name, such as "e2e.read".
func (h Hop) String() string { return hopNames[h] }

// CrossClock reports whether the hop compares this host's clock with the
// service's, which states whole milliseconds.
func (h Hop) CrossClock() bool { return h == HopArrive || h == HopFetch }

// ParseHop returns the hop with the given name.
func ParseHop(name string) (Hop, bool) {
	for h, n := range hopNames {
		if n == name {
			return Hop(h), true
		}
	}
	return 0, false
}
