package local

import (
	"crypto/tls"
	"log"
	"net"
)

// veil hides from net/http that the connections of a TLS listener are encrypted.
// It then finds out whether a client speaks HTTP/2 by what that says first, as the
// service does, and not by what the two have negotiated: the AWS SDK for Java, and
// so the KCL, speaks HTTP/2 without having negotiated anything. Handshakes that
// fail go to the log, as net/http has them.
func veil(ln net.Listener, failed *log.Logger) net.Listener { return veiledListener{ln, failed} }

type veiledListener struct {
	net.Listener
	failed *log.Logger
}

// Accept returns the next connection, veiled.
func (l veiledListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return veiledConn{c, l.failed}, nil
}

type veiledConn struct {
	net.Conn
	failed *log.Logger
}

// Read reads what was encrypted. The first call shakes hands, within the
// deadline for a request's header.
func (c veiledConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err == nil {
		return n, nil
	}
	if t, ok := c.Conn.(*tls.Conn); ok && !t.ConnectionState().HandshakeComplete {
		c.failed.Printf("http: TLS handshake error from %s: %v", c.RemoteAddr(), err)
	}
	return n, err
}
