package awsclient

import (
	"net"
	"sync"
)

// gathering is the connection under TLS, which writes records of 16 KiB each. While
// it gathers, it makes larger writes of them: what the network takes for a byte is a
// third less then. It is safe for concurrent use, as TLS may answer what it reads
// while a body is written.
type gathering struct {
	net.Conn
	buffers *sync.Pool // of *[gathered]byte

	mu  sync.Mutex
	own *[gathered]byte // nil while it does not gather
	buf []byte          // of own
}

// gathered is how much goes out at once, bytes: what Linux segments at once. With
// more, the buffer falls out of the cache.
const gathered = 64 << 10

// gather begins to gather.
func (g *gathering) gather() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.own, _ = g.buffers.Get().(*[gathered]byte)
	if g.own == nil {
		g.own = new([gathered]byte)
	}
	g.buf = g.own[:0]
}

// flush writes what was gathered, and ends it.
func (g *gathering) flush() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	err := g.empty()
	g.buffers.Put(g.own)
	g.own, g.buf = nil, nil
	return err
}

// empty writes what was gathered.
func (g *gathering) empty() error {
	if len(g.buf) == 0 {
		return nil
	}
	_, err := g.Conn.Write(g.buf)
	g.buf = g.buf[:0]
	return err
}

// Write implements [net.Conn]. The error of an earlier write may come with a later
// one, or with flush.
func (g *gathering) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.own == nil {
		return g.Conn.Write(p)
	}
	for left := p; len(left) > 0; {
		n := copy(g.own[len(g.buf):], left)
		g.buf, left = g.own[:len(g.buf)+n], left[n:]
		if len(g.buf) == gathered {
			if err := g.empty(); err != nil {
				return 0, err
			}
		}
	}
	return len(p), nil
}
