package a8m

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"sync"
)

// outbox collects frames from any goroutine; one goroutine writes them. Nobody
// waits for the other process under a lock.
type outbox struct {
	wake   chan struct{}
	mu     sync.Mutex
	buf    []byte
	closed bool
}

func newOutbox() *outbox { return &outbox{wake: make(chan struct{}, 1)} }

// add appends a frame whose body fill appends; nil for none.
func (o *outbox) add(kind byte, fill func([]byte) []byte) {
	o.mu.Lock()
	at := len(o.buf)
	o.buf = append(o.buf, 0, 0, 0, 0, kind)
	if fill != nil {
		o.buf = fill(o.buf)
	}
	binary.LittleEndian.PutUint32(o.buf[at:], uint32(len(o.buf)-at-frameHead))
	o.mu.Unlock()
	signal(o.wake)
}

func (o *outbox) addJSON(kind byte, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		text = []byte("{}") // the types marshal
	}
	o.add(kind, func(b []byte) []byte { return append(b, text...) })
}

// close has drain return when all is written.
func (o *outbox) close() {
	o.mu.Lock()
	o.closed = true
	o.mu.Unlock()
	signal(o.wake)
}

// drain writes what is added until close, or until writing fails.
func (o *outbox) drain(w io.Writer) error {
	var spare []byte
	for {
		o.mu.Lock()
		full, closed := o.buf, o.closed
		o.buf = spare[:0]
		o.mu.Unlock()
		if len(full) == 0 {
			if closed {
				return nil
			}
			spare = full
			<-o.wake
			continue
		}
		if _, err := w.Write(full); err != nil {
			return fmt.Errorf("writing to the other process: %w", err)
		}
		spare = full
	}
}

func signal(token chan<- struct{}) {
	select {
	case token <- struct{}{}:
	default:
	}
}
