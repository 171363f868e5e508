// Package memnet is a network in memory: a listener and a dialer that never touch
// a socket, and connections that hold what was not read yet, as a socket's buffers
// do. A client and a server can run together on it inside a testing/synctest
// bubble.
package memnet

import (
	"context"
	"net"
	"net/http"
	"sync"
)

// Listener is a net.Listener in memory. Create it inside the bubble that uses it.
type Listener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// Listen returns a listener that accepts what its own Dial connects.
func Listen() *Listener {
	return &Listener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

// Dial connects to the listener. Network and address are ignored: everything
// the owner of this dialer contacts is this listener.
func (l *Listener) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.closed:
		return nil, &net.OpError{Op: "dial", Net: "memory", Addr: addr{}, Err: net.ErrClosed}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept waits for the next connection.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close stops accepting; connections already made stay open.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Serve answers HTTP requests on a new listener. stop closes it with all its
// connections and returns when it is no longer served.
func Serve(h http.Handler) (l *Listener, stop func()) {
	l = Listen()
	s := &http.Server{Handler: h}
	var serving sync.WaitGroup
	serving.Go(func() { _ = s.Serve(l) }) // ends when stop closes it
	return l, func() {
		s.Close()
		serving.Wait()
	}
}

// Addr returns an address that names no host.
func (l *Listener) Addr() net.Addr { return addr{} }

type addr struct{}

func (addr) Network() string { return "memory" }
func (addr) String() string  { return "memory" }
