package kload

// Start says where reading a partition begins.
type Start uint8

// The places where reading can begin.
const (
	// AtRunStart: at the run's first record. Of a partition that was there before
	// the run, nothing older is read.
	AtRunStart Start = iota
	// Latest: at the tip, at the time the reader is opened.
	Latest
	// TrimHorizon: at the oldest record.
	TrimHorizon
	// After: behind a user record that was processed before.
	After
	// AtEnd: nowhere, since everything has been read or nothing of it is wanted.
	// Its children can be read.
	AtEnd
)

var startNames = [...]string{"at_run_start", "latest", "trim_horizon", "after", "at_end"}

// String returns the name that scenario files use, such as "trim_horizon".
func (s Start) String() string { return startNames[s] }

// ParseStart returns the start with the given name.
func ParseStart(name string) (Start, bool) {
	for s, n := range startNames {
		if n == name {
			return Start(s), true
		}
	}
	return 0, false
}

// Position is a place in a partition. It is opaque to all but the partition's
// reader and whoever stores it; it may be stored, and compared for equality.
type Position struct {
	Start Start
	// Sequence and Sub name, with After, the last user record processed: the
	// sequence number of its stream record and its index inside that.
	Sequence string
	Sub      int64
}

// After returns the position behind a user record of the batch.
func (b *Batch) After(u *Delivery) Position {
	return Position{Start: After, Sequence: b.Records[u.Stream].Sequence, Sub: u.Sub}
}
