package consumers

import (
	"container/heap"
	"context"
	"sync"
	"time"

	"github.com/kload/kload/internal/pace"
)

// fetchAtOnce bounds the calls that a worker's readings have under way: they wait
// for the network more than they use a processor. It also bounds the answers that
// wait to be processed.
const fetchAtOnce = 32

// patience is how long a reading that is due waits before there are more fetchers.
// A target nearby answers one call after the other within that time, and what it
// answers is still in the processor's cache when it is processed: that takes a
// tenth less than to ask for all at once.
const patience = time.Millisecond

// poller calls readers when they are due, on few goroutines. What waits costs an
// entry in a heap.
type poller struct {
	clock *pace.Clock
	fetch func(*reading) (more bool)
	wake  chan struct{}

	mu       sync.Mutex
	called   sync.Cond // for fetchers that rest
	due      dueHeap
	fetchers int
	resting  int
	paused   bool
	hurrying bool // the run is over: everything is due
	closed   bool
}

func newPoller(clock *pace.Clock, fetch func(*reading) bool) *poller {
	p := &poller{clock: clock, fetch: fetch, wake: make(chan struct{}, 1)}
	p.called.L = &p.mu
	return p
}

// run sees to it that there are as many fetchers at work as are needed: one, and
// twice as many whenever a reading has waited for long since.
func (p *poller) run(ctx context.Context, crew *sync.WaitGroup) {
	pacer := pace.NewPacer(p.clock)
	var since int64 // when readings were found due, or fetchers were called last; 0 while none is due
	for {
		now := p.clock.Now()
		due, at, closed := p.next(now)
		switch {
		case closed:
			return
		case !due:
			since = 0
		default:
			more := since != 0 && now >= max(since, at)+int64(patience)
			p.employ(crew, more)
			if since == 0 || more {
				since = now
			}
			at = max(since, at) + int64(patience)
		}
		_ = pacer.Wait(ctx, at, p.wake) // ctx does not end
	}
}

// next returns whether a reading is due, and since when it was, or when one will be;
// 0 if that is not known.
func (p *poller) next(now int64) (due bool, at int64, closed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if due = p.ready(now); due || len(p.due) > 0 && !p.paused {
		at = p.due[0].due
	}
	if p.hurrying {
		at = atOnce
	}
	return due, at, p.closed
}

// ready reports whether the first reading is due. p.mu is held.
func (p *poller) ready(now int64) bool {
	return len(p.due) > 0 && (p.hurrying || p.due[0].due == atOnce || !p.paused && p.due[0].due <= now)
}

// employ puts a fetcher to work if none is, and as many again if there are to be
// more.
func (p *poller) employ(crew *sync.WaitGroup, more bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	busy := p.fetchers - p.resting
	n := 1
	if busy > 0 {
		n = 0
		if more {
			n = busy
		}
	}
	for ; n > 0 && p.resting > 0; n-- {
		p.resting--
		p.called.Signal()
	}
	for ; n > 0 && p.fetchers < fetchAtOnce; n-- {
		p.fetchers++
		crew.Go(p.work)
	}
}

// work is a fetcher.
func (p *poller) work() {
	for r := p.take(); r != nil; r = p.take() {
		if p.fetch(r) {
			p.add(r, r.dueNext())
		}
	}
}

// take takes out a reading that is due, and rests until it is called while none is.
// It returns nil in the end.
func (p *poller) take() *reading {
	p.mu.Lock()
	defer p.mu.Unlock()
	for !p.closed {
		if p.ready(p.clock.Now()) {
			return heap.Pop(&p.due).(*reading)
		}
		p.resting++
		p.called.Wait()
	}
	return nil
}

// atOnce is the due time of what is to be ended, also while paused.
const atOnce = 0

// add puts a reading into the heap, at once due if it is over.
func (p *poller) add(r *reading, due int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r.due = due
	if r.over() != nil {
		r.due = atOnce
	}
	heap.Push(&p.due, r)
	if r.place == 0 {
		p.signal()
	}
}

// hasten lets a reading that waits be called at once, so that it sees that it is
// over.
func (p *poller) hasten(r *reading) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.place >= 0 {
		r.due = atOnce
		heap.Fix(&p.due, r.place)
		p.signal()
	}
}

func (p *poller) pause(paused bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.paused = paused
	p.signal()
}

// hurry makes everything due, at the end of the run.
func (p *poller) hurry() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hurrying = true
	p.signal()
}

// close ends a poller that has no readings left.
func (p *poller) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.called.Broadcast()
	p.signal()
}

// signal wakes run, which looks at everything anew.
func (p *poller) signal() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// dueHeap is ordered by when readings are due.
type dueHeap []*reading

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].due < h[j].due }

func (h dueHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

// Push is of [heap.Interface].
func (h *dueHeap) Push(x any) {
	r := x.(*reading)
	r.place = len(*h)
	*h = append(*h, r)
}

// Pop is of [heap.Interface].
func (h *dueHeap) Pop() any {
	last := len(*h) - 1
	r := (*h)[last]
	(*h)[last] = nil
	r.place = -1
	*h = (*h)[:last]
	return r
}
