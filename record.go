package kload

import "fmt"

// HashKey is a point in the 128-bit hash key space of a stream, as two
// big-endian halves. The zero value is hash key 0.
type HashKey struct{ Hi, Lo uint64 }

// Compare returns -1, 0 or +1 as k is below, equal to or above o.
func (k HashKey) Compare(o HashKey) int {
	switch {
	case k.Hi < o.Hi, k.Hi == o.Hi && k.Lo < o.Lo:
		return -1
	case k == o:
		return 0
	}
	return 1
}

// Record is one user record on its way into a stream: what the application
// sends, before any aggregation.
type Record struct {
	// Data is the payload as it will be sent. A source yields the bare payload;
	// the load loop replaces it by the stamped one where the trace carrier lives
	// in the payload.
	Data []byte
	// Tag is the trace that travels beside the payload, in the tags field of an
	// aggregated record. Nil for every carrier but "tag".
	Tag []byte
	// Key is the partition key: 1 to 256 Unicode characters.
	Key []byte
	// Hash is the explicit hash key. It counts only when HasHash is set;
	// otherwise the MD5 of Key decides the shard.
	Hash    HashKey
	HasHash bool
	// Producer and Seq are the record's identity in the ledger: Seq counts from
	// 0 without gaps within one Producer.
	Producer uint32
	Seq      uint64
	// Intended is T0. A timed source yields it as an offset in nanoseconds from
	// the start of the load; the load loop turns it into Unix time.
	Intended int64
}

// Status is the fate of a user record on the way in.
type Status uint8

// The fates of a record. Every accepted record gets exactly one.
const (
	// Acked: the service acknowledged the record as stored.
	Acked Status = iota + 1
	// Rejected: the record is known not to have been stored.
	Rejected
	// Unknown: some attempt's fate is not known and no later attempt was
	// acknowledged. The record may or may not have been stored.
	Unknown
)

// String returns the status as it appears in results: "acked", "rejected" or
// "unknown".
func (s Status) String() string {
	switch s {
	case Acked:
		return "acked"
	case Rejected:
		return "rejected"
	case Unknown:
		return "unknown"
	}
	return fmt.Sprintf("Status(%d)", uint8(s))
}

// Receipt identifies one user record inside an Outcome.
type Receipt struct {
	Producer uint32
	Bytes    uint32 // payload bytes as sent
	Seq      uint64
	Intended int64 // T0
	Accepted int64 // T1, when the ingress took the record
}

// Outcome is the fate shared by all user records of one stream record. A
// retried record gets its outcome only when its last attempt is decided.
type Outcome struct {
	Status   Status
	Attempts int
	// Ambiguous counts the attempts before the last that may have stored the
	// records although they were not acknowledged (timeout, cut connection, 5xx);
	// for records not acknowledged, the last one included. Each explains one
	// sighting of them.
	Ambiguous    int
	FirstAttempt int64 // Ta, 0 when no attempt was made
	LastAttempt  int64 // T2 of an acknowledged record
	Acked        int64 // T3, 0 unless Status is Acked
	Shard        string
	Sequence     string
	// Code is the service's error code or the client's reason; empty for
	// acknowledged records.
	Code string
	// Records lists the user records in the order they have inside the stream
	// record. The slice belongs to the ingress and is valid only during the call
	// that delivers the outcome.
	Records []Receipt
}
