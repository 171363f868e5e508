package local

import (
	"container/list"
	"net"
	"net/http"
	"sync"
)

// connections bounds how many connections are open. One too many costs the
// longest idle one its connection, so that whoever opens thousands and says
// nothing cannot keep others out.
type connections struct {
	limit int

	mu   sync.Mutex
	open map[net.Conn]*list.Element // where it is in idle, nil while it is busy
	idle *list.List                 // of net.Conn, the longest idle first
}

// mostConnections is the limit where the system allows as many.
const mostConnections = 8192

func newConnections(limit int) *connections {
	return &connections{limit: limit, open: map[net.Conn]*list.Element{}, idle: list.New()}
}

// track is a server's ConnState.
func (c *connections) track(conn net.Conn, state http.ConnState) {
	if victim := c.note(conn, state); victim != nil {
		go func() { _ = victim.Close() }() // over TLS it says farewell to a peer that may not listen
	}
}

// note takes down a connection's state and returns one that has to go.
func (c *connections) note(conn net.Conn, state http.ConnState) net.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at := c.open[conn]; at != nil {
		c.idle.Remove(at)
	}
	switch state {
	case http.StateClosed, http.StateHijacked:
		delete(c.open, conn)
		return nil
	case http.StateActive:
		c.open[conn] = nil
		return nil
	case http.StateNew, http.StateIdle:
		c.open[conn] = c.idle.PushBack(conn)
	}
	if state != http.StateNew || len(c.open) <= c.limit {
		return nil
	}
	victim, _ := c.idle.Remove(c.idle.Front()).(net.Conn) // at least the new one is idle
	c.open[victim] = nil
	return victim
}

func (c *connections) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.open)
}
