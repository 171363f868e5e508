package consumers

import (
	"container/heap"
	"context"
	"sync"

	"github.com/kload/kload/internal/pace"
)

// fetchAtOnce bounds the calls that a worker's readings have under way: they wait
// for the network more than they use a processor. It also bounds the answers that
// wait to be processed.
const fetchAtOnce = 32

// poller calls readers when they are due, on few goroutines. What waits costs an
// entry in a heap.
type poller struct {
	clock *pace.Clock
	fetch func(*reading) (more bool)
	wake  chan struct{}
	jobs  chan *reading

	mu       sync.Mutex
	due      dueHeap
	paused   bool
	hurrying bool // the run is over: everything is due
	closed   bool
}

func newPoller(clock *pace.Clock, fetch func(*reading) bool) *poller {
	return &poller{clock: clock, fetch: fetch, wake: make(chan struct{}, 1), jobs: make(chan *reading)}
}

// run hands readings that are due to fetchers, of which there are as many as were
// needed at a time.
func (p *poller) run(ctx context.Context, crew *sync.WaitGroup) {
	defer close(p.jobs)
	pacer := pace.NewPacer(p.clock)
	fetchers := 0
	for {
		r, at, closed := p.pop()
		switch {
		case closed:
			return
		case r == nil:
			_ = pacer.Wait(ctx, at, p.wake) // ctx does not end
			continue
		}
		select {
		case p.jobs <- r:
			continue
		default:
		}
		if fetchers < fetchAtOnce {
			fetchers++
			crew.Go(p.work)
		}
		p.jobs <- r
	}
}

// work is a fetcher.
func (p *poller) work() {
	for r := range p.jobs {
		if p.fetch(r) {
			p.add(r, r.dueNext())
		}
	}
}

// pop takes out a reading that is due, or says when the next one will be; 0 if
// that is not known.
func (p *poller) pop() (r *reading, at int64, closed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		return nil, 0, true
	case len(p.due) == 0:
		return nil, 0, false
	}
	first := p.due[0]
	switch {
	case p.hurrying, first.due == atOnce, !p.paused && first.due <= p.clock.Now():
		heap.Pop(&p.due)
		return first, 0, false
	case p.paused:
		return nil, 0, false
	}
	return nil, first.due, false
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
