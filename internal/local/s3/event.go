package s3

import (
	"sync"
	"time"
)

// eventBacklog is how many events may wait for one subscriber.
const eventBacklog = 1024

// Event says that an object was created, in the words of S3's event
// notifications.
type Event struct {
	Name        string // ObjectCreated:Put, :Copy or :CompleteMultipartUpload
	Bucket, Key string
	Size        int64
	ETag        string    // without quotes
	Time        time.Time // when it became visible
	// Sequencer orders the events of one key: the later has the larger number.
	Sequencer uint64
}

// subscribers hands events to whoever asked for them, each from a goroutine of
// its own.
type subscribers struct {
	mu     sync.Mutex
	all    map[int]chan Event
	next   int
	serial uint64
	closed bool
}

// add starts to deliver to fn. The function it returns ends that.
func (s *subscribers) add(fn func(Event)) (cancel func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return func() {}
	}
	if s.all == nil {
		s.all = map[int]chan Event{}
	}
	id, events := s.next, make(chan Event, eventBacklog)
	s.next++
	s.all[id] = events
	go func() {
		for e := range events {
			fn(e)
		}
	}()
	return func() { s.remove(id) }
}

func (s *subscribers) remove(id int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if events, ok := s.all[id]; ok {
		close(events)
		delete(s.all, id)
	}
}

// publish offers an event to all subscribers and returns how many had no room
// for it. It never waits.
func (s *subscribers) publish(e Event) (dropped int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serial++
	e.Sequencer = s.serial
	for _, events := range s.all {
		select {
		case events <- e:
		default:
			dropped++
		}
	}
	return dropped
}

func (s *subscribers) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for id, events := range s.all {
		close(events)
		delete(s.all, id)
	}
}
