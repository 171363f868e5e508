package ledger

// Report is the state of the books. Its JSON form, without the lists, holds the
// counters of summary.json; the lists are what verify.json adds.
type Report struct {
	Loads     []LoadReport     `json:"loads"`
	Consumers []ConsumerReport `json:"consumers"`
	// Invalid lists reasons why the run proves nothing, see [Ledger.Invalidate].
	Invalid []string `json:"invalid,omitempty"`
	// Broken lists identities that do not hold. Each is a defect in what reports
	// to the ledger: the other figures are then not to be trusted.
	Broken []string `json:"broken,omitempty"`
}

// LoadReport counts the records of a load, in user records unless said
// otherwise.
type LoadReport struct {
	Name      string `json:"name"`
	Producer  uint32 `json:"producer"`
	Scheduled uint64 `json:"scheduled"`
	Sent      uint64 `json:"sent"` // accepted by the ingress
	Acked     uint64 `json:"acked"`
	Rejected  uint64 `json:"rejected"`
	Unknown   uint64 `json:"unknown"`
	Open      uint64 `json:"open"` // sent, and without an outcome; 0 once the ingress is closed
	Shed      uint64 `json:"shed"`
	Unsent    uint64 `json:"unsent"` // due, but neither sent nor shed
	// DeliveredRatio is InTime/Scheduled, and 1 where nothing was scheduled.
	DeliveredRatio float64 `json:"delivered_ratio"`
	InTime         uint64  `json:"in_time"`        // acknowledged no later than the deadline
	Bytes          uint64  `json:"bytes"`          // payload bytes acknowledged
	StreamRecords  uint64  `json:"stream_records"` // stream records acknowledged
	Attempts       uint64  `json:"attempts"`       // attempts of stream records, retries included
	// Ambiguous counts records of which some unacknowledged attempt may have
	// been stored.
	Ambiguous uint64 `json:"ambiguous"`
	// ExcusesLeftOut counts records with several such attempts beyond those there
	// was memory for: only one further sighting of each is excused.
	ExcusesLeftOut uint64 `json:"excuses_left_out"`
	// Stray counts outcomes of records that were never sent or already had one.
	Stray   uint64            `json:"stray"`
	ByCount bool              `json:"by_count,omitempty"` // no trace: see [LoadOptions]
	Codes   map[string]uint64 `json:"codes,omitempty"`    // records not acknowledged, by error code
	Lists   []List            `json:"lists,omitempty"`
}

// ConsumerReport counts the user records a consumer sighted. Verdicts are
// defined in the package documentation.
type ConsumerReport struct {
	Name        string `json:"name"`
	Read        uint64 `json:"read"`        // sightings of this run's records
	ReadUnique  uint64 `json:"read_unique"` // of those, first ones
	Duplicates  uint64 `json:"duplicates"`
	Redelivered uint64 `json:"redelivered"`
	Lost        uint64 `json:"lost"`
	Unread      uint64 `json:"unread,omitempty"` // see [ConsumerReport.Stopped]
	Reordered   uint64 `json:"reordered"`
	// Causes of reordering: the late record had been retried, or else the key had
	// moved to another partition. The rest has no explanation on record.
	ReorderedRetry   uint64 `json:"reordered_retry"`
	ReorderedReshard uint64 `json:"reordered_reshard"`
	// OrderUnchecked counts records of partition keys beyond those there was
	// memory for.
	OrderUnchecked uint64 `json:"order_unchecked"`
	// RepeatsLeftOut counts third and further sightings that were taken for
	// duplicates because there was no memory to hold them against the retries.
	RepeatsLeftOut uint64 `json:"repeats_left_out"`
	Misrouted      uint64 `json:"misrouted"`
	// MisroutedResent counts records that are not misrouted, although read from a
	// wrong shard, because they were sent again and read from the right one.
	MisroutedResent uint64 `json:"misrouted_resent"`
	Corrupt         uint64 `json:"corrupt"`
	Phantom         uint64 `json:"phantom"`
	Foreign         uint64 `json:"foreign"`  // sightings with another run's trace
	Untraced        uint64 `json:"untraced"` // sightings without a trace
	OK              uint64 `json:"ok"`
	Filtered        uint64 `json:"filtered"`
	DeadLettered    uint64 `json:"dead_lettered"`
	Sunk            uint64 `json:"sunk"`
	// ByCount: some load has no trace. Untraced sightings are then taken for its
	// records. What falls short of its acknowledgements is lost, and what goes
	// beyond the records that may have been stored is a duplicate.
	ByCount bool `json:"by_count,omitempty"`
	// Upserts is there for a sink that keeps one row per partition key.
	Upserts *UpsertReport `json:"upserts,omitempty"`
	Lists   []List        `json:"lists,omitempty"`
}

// Stopped says that the consumer was stopped before it had read everything: what
// it lacks may still be there, and is unread rather than lost.
func (r *ConsumerReport) Stopped() {
	r.Lost, r.Unread = 0, r.Lost
	for i := range r.Lists {
		if l := &r.Lists[i]; l.Verdict == "lost" {
			l.Verdict = "unread"
		}
	}
}

// List names the records of a load under one verdict.
type List struct {
	Verdict  string  `json:"verdict"`
	Load     string  `json:"load"`
	Producer uint32  `json:"producer"`
	Ranges   []Range `json:"ranges"`
	// LeftOut counts the records beyond the ranges listed.
	LeftOut uint64 `json:"left_out"`
}

// Range is a run of sequence numbers; both ends belong to it.
type Range struct {
	First uint64 `json:"first"`
	Last  uint64 `json:"last"`
}

// maxRanges bounds the ranges in a list.
const maxRanges = 1000

// put adds a sequence number that is higher than all before.
func (l *List) put(seq uint64) {
	n := len(l.Ranges)
	switch {
	case n > 0 && l.Ranges[n-1].Last+1 == seq:
		l.Ranges[n-1].Last = seq
	case n < maxRanges:
		l.Ranges = append(l.Ranges, Range{First: seq, Last: seq})
	default:
		l.LeftOut++
	}
}
