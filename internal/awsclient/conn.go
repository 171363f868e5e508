package awsclient

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/kload/kload/internal/awscbor/protocol"
)

const (
	dialTimeout      = 5 * time.Second
	handshakeTimeout = 10 * time.Second
	keepAlive        = 30 * time.Second
)

// dialFunc connects.
type dialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// conn writes request bodies from where they are. Left to itself, net/http copies
// them in pieces of 32 KiB through a buffer that it allocates for each request.
type conn struct {
	net.Conn
	under *gathering // TLS's connection, nil without TLS
}

// ReadFrom is what net/http writes a body with, apart from its beginning.
func (c conn) ReadFrom(r io.Reader) (int64, error) {
	limited, ok := r.(*io.LimitedReader)
	if ok {
		if body, ok := limited.R.(*protocol.BodyReader); ok && int64(body.Left()) <= limited.N {
			n, err := c.send(body)
			limited.N -= n
			return n, err
		}
	}
	return io.Copy(c.Conn, r)
}

// send writes a body.
func (c conn) send(body *protocol.BodyReader) (int64, error) {
	if c.under == nil {
		return body.WriteTo(c.Conn)
	}
	c.under.gather()
	n, err := body.WriteTo(c.Conn)
	if flushed := c.under.flush(); err == nil {
		err = flushed
	}
	return n, err
}

// plain makes the connections of a dialer write bodies in one piece.
func (d dialFunc) plain(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := d(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return conn{Conn: c}, nil
}

// secured returns plain's counterpart for TLS.
func (d dialFunc) secured(config *tls.Config) dialFunc {
	buffers := new(sync.Pool)
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		raw, err := d(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		own := config.Clone()
		if own.ServerName, _, err = net.SplitHostPort(addr); err != nil {
			return nil, fmt.Errorf("securing the connection to %s: %w", addr, err)
		}
		ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
		defer cancel()
		under := &gathering{Conn: raw, buffers: buffers}
		c := tls.Client(under, own)
		if err := c.HandshakeContext(ctx); err != nil {
			_ = raw.Close() // the handshake's error says more
			return nil, fmt.Errorf("securing the connection to %s: %w", addr, err)
		}
		return conn{c, under}, nil
	}
}

// tlsConfig resumes sessions, so that connections opened later cost less, and
// sends full records from the start.
func tlsConfig(o Options, conns int) *tls.Config {
	return &tls.Config{
		RootCAs: o.RootCAs, MinVersion: tls.VersionTLS12,
		ClientSessionCache:          tls.NewLRUClientSessionCache(conns),
		DynamicRecordSizingDisabled: true,
	}
}
