package consumers

import (
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
	// Phase returns the index of the phase that a record with this intended time
	// belongs to, -1 where it does not count for the latencies; nil means that all
	// do and that there are no phases. Phases are told apart by intended time, never
	// by the time of reading, which would hide a backlog.
	Phase func(t0 int64) int
}

// tap reads the trace of every user record, tells the ledger and records the
// hops that end with reading. It is owned by one worker.
type tap struct {
	o      TapOptions
	rec    *hdr.Recorder
	intact []bool
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

// measure records e2e.read for each user record, and fetch once per stream record,
// weighted by its user records.
func (t *tap) measure(b *kload.Batch) {
	t.rec.Lock()
	defer t.rec.Unlock()
	stream, phase, users := 0, -1, int64(0)
	for i := range b.Users {
		u := &b.Users[i]
		in, measured := t.phase(u)
		if !measured {
			continue
		}
		if at := int(u.Stream); at != stream || in != phase {
			t.fetched(b, stream, users)
			t.rec.In(in)
			stream, phase, users = at, in, 0
		}
		users++
		t.rec.Record(kload.HopE2ERead, b.Received-u.Intended)
	}
	t.fetched(b, stream, users)
}

// phase returns the phase of a user record, -1 for none, and whether the record
// counts for the latencies.
func (t *tap) phase(u *kload.Delivery) (phase int, measured bool) {
	switch {
	case !u.Traced || u.Producer == ledger.Foreign:
		return -1, false
	case t.o.Phase == nil:
		return -1, true
	}
	phase = t.o.Phase(u.Intended)
	return phase, phase >= 0
}

// fetched records the fetch of one stream record for so many user records.
func (t *tap) fetched(b *kload.Batch, stream int, users int64) {
	if users > 0 && b.Records[stream].Arrived != 0 { // else the service did not say
		t.rec.RecordN(kload.HopFetch, b.Received-b.Records[stream].Arrived, users)
	}
}
