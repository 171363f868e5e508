package producer

import "container/heap"

// timer is something of the queue that waits for a time: a record's retry, or,
// without a record, a lane.
type timer struct {
	at   int64
	rec  *streamRecord
	lane int
}

// timers is a heap, the earliest first.
type timers []timer

func (h *timers) push(t timer) { heap.Push(h, t) }
func (h *timers) pop() timer   { return heap.Pop(h).(timer) }

// Len, Less, Swap, Push and Pop implement [heap.Interface].
func (h timers) Len() int           { return len(h) }
func (h timers) Less(i, j int) bool { return h[i].at < h[j].at }
func (h timers) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *timers) Push(x any)        { *h = append(*h, x.(timer)) }

func (h *timers) Pop() any {
	old := *h
	t := old[len(old)-1]
	old[len(old)-1] = timer{}
	*h = old[:len(old)-1]
	return t
}
