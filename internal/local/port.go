package local

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"time"
)

// port is a listener with what is served on it.
type port struct {
	ln   net.Listener
	http *http.Server
	tls  bool
}

// addPort takes a listener, whose connections are counted with all others.
func (s *Server) addPort(ln net.Listener, h *http.Server) {
	h.ConnState = s.conns.track
	h.ErrorLog = log.New(notes(s.cfg.Note), "", 0)
	s.ports = append(s.ports, &port{ln: ln, http: h})
}

// defaultConnections leaves files for other things than connections.
func defaultConnections() int {
	if files := fileLimit(); files > 0 {
		return min(mostConnections, max(1, files/4*3))
	}
	return mostConnections
}

// secure makes all ports speak TLS.
func (s *Server) secure() error {
	var names []string
	for _, p := range s.ports {
		names = append(names, hosts(p.ln)...)
	}
	cert, text, err := selfSigned(names, time.Now())
	if err != nil {
		return fmt.Errorf("setting up TLS: %w", err)
	}
	if s.ca, s.tempCA, err = writeCA(s.cfg.CAFile, text); err != nil {
		return err
	}
	for _, p := range s.ports {
		p.tls = true
		p.http.Protocols.SetUnencryptedHTTP2(true) // as it seems below the veil
		p.ln = veil(tls.NewListener(p.ln, &tls.Config{
			Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
		}), p.http.ErrorLog)
	}
	return nil
}

func (p *port) endpoint() string {
	if p.tls {
		return "https://" + hostPort(p.ln)
	}
	return "http://" + hostPort(p.ln)
}

// serve serves until the port is shut down, which is no error.
func (p *port) serve() error {
	err := p.http.Serve(p.ln)
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serving %s: %w", p.ln.Addr(), err)
}

// notes is the writer of a log whose lines go to a ServeConfig's Note.
type notes func(string)

// Write is that of io.Writer.
func (n notes) Write(line []byte) (int, error) {
	if n != nil {
		n(string(bytes.TrimSpace(line)))
	}
	return len(line), nil
}
