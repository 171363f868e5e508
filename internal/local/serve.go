package local

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/kload/kload/internal/local/s3"
	"github.com/kload/kload/internal/proc"
	"github.com/kload/kload/internal/sigv4"
)

// DefaultAddress is where a target in the foreground listens: the port is the
// one that Kinesis emulators share.
const DefaultAddress = "127.0.0.1:4567"

// DefaultS3Address is where its buckets are, where there are any.
const DefaultS3Address = "127.0.0.1:4568"

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
	// S3 is a folder whose folders are served as buckets on another port, S3Listen.
	// Defaults: none, and DefaultS3Address.
	S3       string
	S3Listen string
	// MaxConnections bounds the connections open at once: when there are more, the
	// longest idle one is closed. Default: 8192, or three quarters of the files that
	// the process may open.
	MaxConnections int
	// Note is told what is wrong with connections, such as a certificate that a
	// client does not trust. Default: nobody is. It must be safe for concurrent use.
	Note func(string)
	// Alarm is told, once, that the data directory could not be written and nothing
	// more is stored. Serve returns the error in the end. Default: nobody is. It must
	// be safe for concurrent use.
	Alarm func(error)
}

// NewStream is a provisioned stream to make.
type NewStream struct {
	Name   string
	Shards int
}

// Server is a target in the foreground.
type Server struct {
	cfg      ServeConfig
	verifier *sigv4.Verifier // nil without keys
	service  *service
	buckets  *s3.Server // nil without S3
	ports    []*port    // that of Kinesis first
	conns    *connections
	status   *status
	ca       string // file with the authority's certificate, "" without TLS
	tempCA   bool
}

// Listen sets up a target and listens. The caller must call Serve.
func Listen(ctx context.Context, cfg ServeConfig) (*Server, error) {
	ln, err := listen(ctx, cmp.Or(cfg.Listen, DefaultAddress), cfg.AllowRemote)
	if err != nil {
		return nil, err
	}
	return ListenOn(ctx, cfg, ln)
}

// ListenOn is Listen with a listener of the caller's for Kinesis, which the
// server closes in the end, or at once if it fails.
func ListenOn(ctx context.Context, cfg ServeConfig, ln net.Listener) (*Server, error) {
	s := &Server{cfg: cfg, conns: newConnections(cmp.Or(cfg.MaxConnections, defaultConnections()))}
	if len(cfg.Keys) > 0 {
		s.verifier = sigv4.New(cfg.Keys...)
	}
	if err := s.setUp(ctx, ln); err != nil {
		return nil, errors.Join(err, ln.Close(), s.close(ctx))
	}
	return s, nil
}

func (s *Server) setUp(ctx context.Context, ln net.Listener) error {
	var err error
	if s.service, err = newService(s.cfg.Config, s.verifier); err != nil {
		return err
	}
	s.recovered()
	for _, st := range s.cfg.Streams {
		if err := s.service.kinesis.CreateStream(st.Name, st.Shards); err != nil {
			return fmt.Errorf("creating the stream %q: %w", st.Name, err)
		}
	}
	s.addPort(ln, s.service.http)
	if s.cfg.S3 != "" {
		if err := s.openBuckets(ctx); err != nil {
			return err
		}
	}
	if s.cfg.TLS {
		if err := s.secure(); err != nil {
			return err
		}
	}
	if s.status, err = newStatus(s); err != nil {
		return err
	}
	s.service.http.Handler, err = s.front()
	return err
}

// recovered tells what a crash has left in the data directory.
func (s *Server) recovered() {
	if torn := s.service.kinesis.Recovered().TornTail; torn > 0 {
		s.note(fmt.Sprintf("%s ended in an interrupted write of %d bytes, which nobody was told of: truncated", s.cfg.Data, torn))
	}
}

func (s *Server) note(line string) {
	if s.cfg.Note != nil {
		s.cfg.Note(line)
	}
}

// Endpoint returns the URL that clients of Kinesis are given.
func (s *Server) Endpoint() string { return s.ports[0].endpoint() }

// CAFile returns where the certificate is that clients must trust, "" without
// TLS.
func (s *Server) CAFile() string { return s.ca }

// Serve serves until ctx ends; then subscriptions are ended and calls under way
// get a few seconds to finish. The report is incomplete where they did not. Serve
// is called once.
func (s *Server) Serve(ctx context.Context) (Report, error) {
	watching, stop := context.WithCancel(ctx)
	defer stop()
	go s.status.watch(watching)
	ended := make(chan error, len(s.ports))
	for _, p := range s.ports {
		go func() { ended <- p.serve() }()
	}
	serving := len(s.ports)
	var errs []error
	select {
	case err := <-ended:
		errs, serving = append(errs, err), serving-1
	case <-ctx.Done():
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	cut := s.close(ending)
	if !errors.Is(cut, context.DeadlineExceeded) {
		errs = append(errs, cut)
	}
	for range serving {
		errs = append(errs, <-ended)
	}
	err := errors.Join(errs...)
	return Report{
		Stats: s.service.kinesis.Stats(), MaxRSSBytes: proc.PeakMemory(), Complete: cut == nil && err == nil,
	}, err
}

// close ends what was set up: calls under way may finish until ctx ends.
func (s *Server) close(ctx context.Context) error {
	var errs []error
	if s.buckets != nil {
		errs = append(errs, s.closeBuckets(ctx))
	}
	if s.service != nil {
		errs = append(errs, s.service.shutdown(ctx))
	}
	if s.tempCA {
		errs = append(errs, os.Remove(s.ca))
	}
	return errors.Join(errs...)
}
