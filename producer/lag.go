package producer

import "github.com/kload/kload"

// LagPolicy says what becomes of the schedule of a timed source when records
// leave more than a set time late, as after a stall of the target.
type LagPolicy string

// The choices.
const (
	// CatchUp sends what is late at once. The schedule stays.
	CatchUp LagPolicy = "catch_up"
	// Slip puts off the rest of the schedule by the lag. Intended times move with it.
	Slip LagPolicy = "slip"
	// Drop leaves out what is late and counts it as shed.
	Drop LagPolicy = "drop"
)

// lag is how far a load's schedule has moved and what it has left out.
type lag struct {
	slipped int64 // ns in all
	slips   uint64
	dropped uint64
}

// keepUp applies the policy to taken records at a time: it moves their intended
// times, or returns how many of the first are to be left out.
func (l *Load) keepUp(recs []kload.Record, now int64) (leave int) {
	behind := now - recs[0].Intended
	if l.o.OnLag == "" || l.o.OnLag == CatchUp || !l.timed || l.o.Unpaced || behind <= l.o.MaxLag {
		return 0
	}
	if l.o.OnLag == Slip {
		for i := range recs {
			recs[i].Intended += behind
		}
		l.lag.slipped += behind
		l.lag.slips++
		l.tellStart()
		return 0
	}
	for leave < len(recs) && now-recs[leave].Intended > l.o.MaxLag {
		leave++
	}
	l.leaveOut(leave)
	l.lag.dropped += uint64(leave)
	l.announce(l.sent + l.shed)
	return leave
}

// leaveOut counts records as shed, and tells the source.
func (l *Load) leaveOut(n int) {
	l.shed += uint64(n)
	l.o.Ledger.Shed(uint64(n))
	if f, ok := l.o.Source.(kload.Followed); ok {
		f.Shed(l.sent, n)
	}
}

// zero is when offset 0 of a timed source is.
func (l *Load) zero() int64 { return l.start + l.lag.slipped }

func (l *Load) tellStart() {
	if f, ok := l.o.Source.(kload.Followed); ok {
		f.Start(l.zero())
	}
}
