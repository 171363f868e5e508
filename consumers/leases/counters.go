package leases

import (
	"sync/atomic"

	"github.com/kload/kload"
)

type counters struct{ taken, lost, given, fenced, checkpoints, failures atomic.Uint64 }

// Counters returns what happened to leases so far, by the names in results: taken
// (free ones, or asked for), lost (to others, who thought this worker dead), handed
// off, batches not processed because their lease had run out, checkpoints set,
// and calls of the store that failed and were made up for later.
func (w *Worker) Counters() map[string]uint64 {
	s := &w.stats
	return map[string]uint64{
		"leases_taken": s.taken.Load(), "leases_lost": s.lost.Load(), "leases_handed_off": s.given.Load(),
		"batches_fenced": s.fenced.Load(), "checkpoints": s.checkpoints.Load(), "lease_failures": s.failures.Load(),
	}
}

// CounterNames lists what [Worker.Counters] counts.
func CounterNames() []string {
	return []string{"leases_taken", "leases_lost", "leases_handed_off", "batches_fenced", "checkpoints", "lease_failures"}
}

// Covered says whether everything that was not read to its end is being read by
// one of the workers, as far as any of them knows.
func Covered(workers []*Worker) bool {
	read, ended, known := map[string]bool{}, map[string]bool{}, map[string]kload.Lease{}
	live := false
	for _, w := range workers {
		w.mu.Lock()
		live = live || !w.killed
		for id, h := range w.holdings {
			read[id] = read[id] || h.started && !h.lost && !w.killed
		}
		for id, l := range w.table {
			known[id] = l
			ended[id] = ended[id] || l.Position.Start == kload.AtEnd
		}
		w.mu.Unlock()
	}
	for id := range known {
		if !read[id] && !ended[id] {
			return false
		}
	}
	return live && len(known) > 0
}
