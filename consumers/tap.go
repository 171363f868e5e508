package consumers

import (
	"slices"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/hdr"
	"github.com/kload/kload/internal/ledger"
	"github.com/kload/kload/internal/trace"
)

// TapOptions says where sightings go.
type TapOptions struct {
	Trace *trace.Reader
	// Indexes are those of the loads whose records carry no trace; Number tells the
	// run's consumers apart there.
	Indexes []*trace.Index
	Number  int
	Ledger  *ledger.Consumer
	Run     uint32 // traces of other runs are foreign
	Hops    *hdr.Set
	// Arrived joins the batch with what the producers know of its stream
	// records. It is called once per batch.
	Arrived func(*kload.Batch)
	// Measured says whether a record with this intended time counts for the
	// latencies; nil means all do. Warm-up is cut by intended time, never by the
	// time of reading, which would hide a backlog.
	Measured func(t0 int64) bool
}

// tap reads the trace of every user record, tells the ledger and records the
// hops that end with reading. It is owned by one worker.
type tap struct {
	o      TapOptions
	rec    *hdr.Recorder
	intact []bool
	users  []int64 // user records by stream record
}

func newTap(o TapOptions) *tap { return &tap{o: o, rec: o.Hops.NewRecorder()} }

// see processes one de-aggregated batch.
func (t *tap) see(b *kload.Batch) {
	t.identify(b)
	t.o.Ledger.Sight(b, t.intact)
	t.measure(b)
	t.o.Arrived(b)
}

// identify fills in the trace fields of b.Users and takes prefix stamps off.
func (t *tap) identify(b *kload.Batch) {
	t.intact = t.intact[:0]
	for i := range b.Users {
		u := &b.Users[i]
		s, payload, ok, intact := t.o.Trace.Read(u.Data, u.Tag)
		t.intact = append(t.intact, intact || !ok)
		u.Traced = ok
		if !ok {
			continue
		}
		u.Data = payload
		u.Producer, u.Seq, u.Intended = s.Producer, s.Seq, s.T0
		if s.Run != t.o.Run {
			u.Producer = ledger.Foreign
		}
	}
	for _, x := range t.o.Indexes {
		x.Find(b.Users, t.intact, t.o.Number)
	}
}

// measure records fetch once per stream record, weighted by its user records,
// and e2e.read for each user record.
func (t *tap) measure(b *kload.Batch) {
	t.users = slices.Grow(t.users[:0], len(b.Records))[:len(b.Records)]
	clear(t.users)
	t.rec.Lock()
	defer t.rec.Unlock()
	for i := range b.Users {
		u := &b.Users[i]
		if !u.Traced || u.Producer == ledger.Foreign || t.o.Measured != nil && !t.o.Measured(u.Intended) {
			continue
		}
		t.users[u.Stream]++
		t.rec.Record(kload.HopE2ERead, b.Received-u.Intended)
	}
	for i, n := range t.users {
		if b.Records[i].Arrived == 0 { // the service did not say
			continue
		}
		t.rec.RecordN(kload.HopFetch, b.Received-b.Records[i].Arrived, n)
	}
}
