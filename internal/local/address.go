package local

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"github.com/kload/kload"
)

// listen listens on an address that has to be this machine's own unless remote
// says otherwise.
func listen(ctx context.Context, address string, remote bool) (net.Listener, error) {
	at, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return nil, kload.WithHint(fmt.Errorf("%w: listening on %q: %w", kload.ErrInvalid, address, err),
			"an address is a host and a port, such as 127.0.0.1:4567; port 0 takes a free one")
	}
	if !remote && !at.IP.IsLoopback() {
		return nil, kload.WithHint(fmt.Errorf("%w: %s can be reached from other machines", kload.ErrInvalid, address),
			"listen on 127.0.0.1, or say --allow-remote if everybody who gets there may use the target")
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", at.String())
	if err != nil {
		err = fmt.Errorf("%w: %w", kload.ErrInvalid, err)
		if errors.Is(err, syscall.EADDRINUSE) {
			return nil, kload.WithHint(err, "something else listens there, perhaps another kload; choose another port, 0 for a free one")
		}
		return nil, kload.WithHint(err, "choose another address with --listen")
	}
	return ln, nil
}

// hosts returns the names under which a listener's clients may know it, the one
// to tell them first.
func hosts(ln net.Listener) []string {
	out := []string{"localhost", "*.localhost", "127.0.0.1", "::1"}
	at, ok := ln.Addr().(*net.TCPAddr)
	if !ok {
		return append([]string{ln.Addr().String()}, out...)
	}
	if at.IP.IsUnspecified() {
		out = append([]string{"127.0.0.1"}, out...)
		addresses, _ := net.InterfaceAddrs() // without them only this machine trusts the certificate
		for _, a := range addresses {
			if network, ok := a.(*net.IPNet); ok {
				out = append(out, network.IP.String())
			}
		}
	} else {
		out = append([]string{at.IP.String()}, out...)
	}
	if name, err := os.Hostname(); err == nil && !at.IP.IsLoopback() {
		out = append(out, name)
	}
	return out
}

// hostPort returns the address to tell clients.
func hostPort(ln net.Listener) string {
	if _, port, err := net.SplitHostPort(ln.Addr().String()); err == nil {
		return net.JoinHostPort(hosts(ln)[0], port)
	}
	return ln.Addr().String()
}
