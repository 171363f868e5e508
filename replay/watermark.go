package replay

import (
	"cmp"
	"math"
	"time"

	"github.com/kload/kload"
)

// water tracks, per shard, up to which source time all rows are known to be
// settled: the time of the latest acknowledged row of the shard that was not newer
// than the oldest row in flight, anywhere, when it was acknowledged. That is the
// rule of the Java replayer, which the consumers of its watermarks rely on.
type water struct {
	inFlight []flight // a heap, the oldest first; settled ones are removed late
	times    []int64  // of the rows from first on
	first    uint64
	shards   map[string]int64 // Unix nanoseconds
}

type flight struct {
	at  int64
	row uint64
}

func newWater() *water { return &water{shards: map[string]int64{}} }

// sent notes a row, which follows the one before.
func (w *water) sent(row uint64, at int64) {
	w.times = append(w.times, at)
	w.push(flight{at, row})
}

// settled notes a row's outcome, after it counts as settled.
func (w *water) settled(row uint64, o *kload.Outcome, isSettled func(uint64) bool) {
	if row < w.first || row-w.first >= uint64(len(w.times)) {
		return
	}
	at := w.times[row-w.first]
	for len(w.inFlight) > 0 && isSettled(w.inFlight[0].row) {
		w.pop()
	}
	oldest := int64(math.MaxInt64)
	if len(w.inFlight) > 0 {
		oldest = w.inFlight[0].at
	}
	if o.Status == kload.Acked && at <= oldest {
		w.shards[o.Shard] = at
	}
}

// forget drops the times of rows that are all settled.
func (w *water) forget(base uint64) {
	const worthIt = 4096
	if n := base - min(base, w.first); n >= worthIt && n <= uint64(len(w.times)) {
		w.times = w.times[:copy(w.times, w.times[n:])]
		w.first = base
	}
}

func older(a, b flight) bool { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.row, b.row)) < 0 }

func (w *water) push(f flight) {
	w.inFlight = append(w.inFlight, f)
	h := w.inFlight
	for i := len(h) - 1; i > 0; {
		parent := (i - 1) / 2
		if !older(h[i], h[parent]) {
			return
		}
		h[i], h[parent] = h[parent], h[i]
		i = parent
	}
}

func (w *water) pop() {
	last := len(w.inFlight) - 1
	w.inFlight[0] = w.inFlight[last]
	w.inFlight = w.inFlight[:last]
	h := w.inFlight
	for i := 0; ; {
		child := 2*i + 1
		if child >= len(h) {
			return
		}
		if child+1 < len(h) && older(h[child+1], h[child]) {
			child++
		}
		if !older(h[child], h[i]) {
			return
		}
		h[i], h[child] = h[child], h[i]
		i = child
	}
}

// Watermark returns the event that tells consumers of a shard how far time has
// come there, with its line's end, byte for byte as the Java replayer sends it.
// A shard of which nothing is known yet is at the epoch. ok is false without
// watermarks in the configuration. It may be called from any goroutine.
func (s *Source) Watermark(shard string) (event []byte, ok bool) {
	b := s.book
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.water == nil {
		return nil, false
	}
	at := time.Unix(0, b.water.shards[shard]).UTC()
	event = append(event, `{"watermark":"`...)
	event = at.AppendFormat(event, "2006-01-02T15:04:05.000Z")
	return append(event, "\",\"type\":\"watermark\"}\n"...), true
}
