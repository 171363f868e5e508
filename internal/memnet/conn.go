package memnet

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// window is how many bytes may be on their way in one direction, as in the
// buffers of a socket: a writer does not wait for its reader before that.
const window = 256 << 10

// conn is one end of a connection.
type conn struct{ in, out *stream }

// pipe returns both ends of a connection.
func pipe() (a, b net.Conn) {
	there, back := newStream(), newStream()
	return conn{in: back, out: there}, conn{in: there, out: back}
}

func (c conn) Read(b []byte) (int, error)  { return c.in.read(b) }
func (c conn) Write(b []byte) (int, error) { return c.out.write(b) }

// Close ends both directions. What was written can still be read.
func (c conn) Close() error {
	c.out.close(&c.out.ended)
	c.in.close(&c.in.left)
	return nil
}

func (conn) LocalAddr() net.Addr  { return addr{} }
func (conn) RemoteAddr() net.Addr { return addr{} }

func (c conn) SetReadDeadline(t time.Time) error  { return c.in.deadline(&c.in.readBy, t) }
func (c conn) SetWriteDeadline(t time.Time) error { return c.out.deadline(&c.out.writeBy, t) }

func (c conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// stream is one direction of a connection.
type stream struct {
	mu      sync.Mutex
	changed sync.Cond
	// Guarded by mu.
	buf             []byte // written and not yet read: buf[from:]
	from            int
	writing         bool // somebody is, and others wait: what one call writes stays together
	ended, left     bool // the writer's end was closed, the reader's
	readBy, writeBy limit
}

// limit is a deadline.
type limit struct {
	passed bool
	timer  *time.Timer
}

func newStream() *stream {
	s := new(stream)
	s.changed.L = &s.mu
	return s
}

func (s *stream) read(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.left:
			return 0, io.ErrClosedPipe
		case s.readBy.passed:
			return 0, os.ErrDeadlineExceeded
		case s.from < len(s.buf):
			n := copy(b, s.buf[s.from:])
			if s.from += n; s.from == len(s.buf) {
				s.buf, s.from = s.buf[:0], 0
			}
			s.changed.Broadcast()
			return n, nil
		case s.ended:
			return 0, io.EOF
		case len(b) == 0:
			return 0, nil
		}
		s.changed.Wait()
	}
}

func (s *stream) write(b []byte) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.writing { // ends as this call would: by the same close or deadline
		s.changed.Wait()
	}
	s.writing = true
	defer func() {
		s.writing = false
		s.changed.Broadcast()
	}()
	for {
		switch {
		case s.ended, s.left:
			return n, io.ErrClosedPipe
		case s.writeBy.passed:
			return n, os.ErrDeadlineExceeded
		case len(b) == 0:
			return n, nil
		}
		if room := min(len(b), window-(len(s.buf)-s.from)); room > 0 {
			s.append(b[:room])
			n, b = n+room, b[room:]
			s.changed.Broadcast()
			continue
		}
		s.changed.Wait()
	}
}

// append takes in what there is room for.
func (s *stream) append(b []byte) {
	if s.from > 0 && len(s.buf)+len(b) > cap(s.buf) {
		s.buf, s.from = s.buf[:copy(s.buf, s.buf[s.from:])], 0
	}
	s.buf = append(s.buf, b...)
}

func (s *stream) close(end *bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*end = true
	if s.left { // nobody will read it
		s.buf, s.from = nil, 0
	}
	s.changed.Broadcast()
}

// deadline sets a deadline; the zero time is none.
func (s *stream) deadline(l *limit, t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
	left := time.Until(t)
	if l.passed = !t.IsZero() && left <= 0; !l.passed && !t.IsZero() {
		var mine *time.Timer
		mine = time.AfterFunc(left, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			if l.timer == mine { // not another deadline by now
				l.passed = true
				s.changed.Broadcast()
			}
		})
		l.timer = mine
	}
	s.changed.Broadcast()
	return nil
}
