package local

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/kload/kload/internal/sigv4"
)

// DefaultAddress is where a target in the foreground listens: the port is the
// one that Kinesis emulators share.
const DefaultAddress = "127.0.0.1:4567"

// ServeConfig says what is served in the foreground, and how.
type ServeConfig struct {
	Config
	// Listen is a host and a port, 0 for a free one. Default: DefaultAddress.
	Listen string
	// AllowRemote permits addresses that other machines reach. Nothing keeps them
	// from using the target, unless there are Keys.
	AllowRemote bool
	// TLS serves HTTPS with a certificate made at the start. The authority that
	// signed it is written to CAFile. Default of that: a temporary file.
	TLS    bool
	CAFile string
	// Keys are the key pairs that requests must be signed with. Default: any
	// credentials will do.
	Keys []sigv4.Key
	// Streams are there from the beginning.
	Streams []NewStream
	// MaxConnections bounds the connections open at once: when there are more, the
	// longest idle one is closed. Default: 8192, or three quarters of the files that
	// the process may open.
	MaxConnections int
	// Note is told what is wrong with connections, such as a certificate that a
	// client does not trust. Default: nobody is. It must be safe for concurrent use.
	Note func(string)
}

// notes is the writer of a log whose lines go to Note.
type notes func(string)

// Write is that of io.Writer.
func (n notes) Write(line []byte) (int, error) {
	if n != nil {
		n(strings.TrimSpace(string(line)))
	}
	return len(line), nil
}

// NewStream is a provisioned stream to make.
type NewStream struct {
	Name   string
	Shards int
}

// Server is a target in the foreground.
type Server struct {
	cfg     ServeConfig
	service *service
	ln      net.Listener
	conns   *connections
	status  *status
	ca      string // file with the authority's certificate, "" without TLS
	tempCA  bool
}

// Listen sets up a target and listens. The caller must call Serve.
func Listen(ctx context.Context, cfg ServeConfig) (*Server, error) {
	ln, err := listen(ctx, cmp.Or(cfg.Listen, DefaultAddress), cfg.AllowRemote)
	if err != nil {
		return nil, err
	}
	return ListenOn(cfg, ln)
}

// ListenOn is Listen on a listener of the caller's, which the server closes in
// the end, or at once if it fails.
func ListenOn(cfg ServeConfig, ln net.Listener) (*Server, error) {
	s := &Server{cfg: cfg, ln: ln, conns: newConnections(cmp.Or(cfg.MaxConnections, defaultConnections()))}
	if err := s.setUp(); err != nil {
		ln.Close()
		return nil, err
	}
	return s, nil
}

func (s *Server) setUp() error {
	cfg := &s.cfg
	var verifier *sigv4.Verifier
	if len(cfg.Keys) > 0 {
		verifier = sigv4.New(cfg.Keys...)
	}
	var err error
	if s.service, err = newService(cfg.Config, verifier); err != nil {
		return err
	}
	for _, st := range cfg.Streams {
		if err := s.service.kinesis.CreateStream(st.Name, st.Shards); err != nil {
			return fmt.Errorf("creating the stream %q: %w", st.Name, err)
		}
	}
	if s.status, err = newStatus(s); err != nil {
		return err
	}
	if s.service.http.Handler, err = s.front(); err != nil {
		return err
	}
	s.service.http.ConnState = s.conns.track
	s.service.http.ErrorLog = log.New(notes(cfg.Note), "", 0)
	if cfg.TLS {
		return s.secure()
	}
	return nil
}

// defaultConnections leaves files for other things than connections.
func defaultConnections() int {
	if files := fileLimit(); files > 0 {
		return min(mostConnections, max(1, files/4*3))
	}
	return mostConnections
}

// secure makes the server speak TLS.
func (s *Server) secure() error {
	cert, text, err := selfSigned(hosts(s.ln), time.Now())
	if err != nil {
		return fmt.Errorf("setting up TLS: %w", err)
	}
	if s.ca, s.tempCA, err = writeCA(s.cfg.CAFile, text); err != nil {
		return err
	}
	h := s.service.http
	h.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	h.Protocols.SetUnencryptedHTTP2(false)
	h.Protocols.SetHTTP2(true)
	return nil
}

// Endpoint returns the URL that clients are given.
func (s *Server) Endpoint() string {
	if s.cfg.TLS {
		return "https://" + hostPort(s.ln)
	}
	return "http://" + hostPort(s.ln)
}

// CAFile returns where the certificate is that clients must trust, "" without
// TLS.
func (s *Server) CAFile() string { return s.ca }

// Serve serves until ctx ends; then subscriptions are ended and calls under way
// get a few seconds to finish. The report is incomplete where they did not. Serve
// is called once.
func (s *Server) Serve(ctx context.Context) (Report, error) {
	if s.tempCA {
		defer os.Remove(s.ca)
	}
	watching, stop := context.WithCancel(ctx)
	defer stop()
	go s.status.watch(watching)
	failed := make(chan error, 1)
	go func() {
		if s.cfg.TLS {
			failed <- s.service.http.ServeTLS(s.ln, "", "")
		} else {
			failed <- s.service.http.Serve(s.ln)
		}
	}()
	select {
	case err := <-failed:
		return Report{Stats: s.service.kinesis.Stats()}, fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	cut := s.service.shutdown(ending)
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return Report{Stats: s.service.kinesis.Stats()}, fmt.Errorf("serving: %w", err)
	}
	return Report{Stats: s.service.kinesis.Stats(), MaxRSSBytes: peakMemory(), Complete: cut == nil}, nil
}
