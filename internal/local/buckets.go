package local

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/kload/kload/internal/local/s3"
)

// openBuckets serves the folder of buckets on a port of its own: that of Kinesis
// has other answers for paths.
func (s *Server) openBuckets(ctx context.Context) error {
	verifier := s.verifier
	if verifier != nil {
		verifier = verifier.For(s.service.kinesis.Config().Region, "s3")
	}
	var err error
	if s.buckets, err = s3.New(s3.Config{Dir: s.cfg.S3, Verifier: verifier}); err != nil {
		return err
	}
	ln, err := listen(ctx, cmp.Or(s.cfg.S3Listen, DefaultS3Address), s.cfg.AllowRemote)
	if err != nil {
		return err
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	// Objects may be large and connections slow: only headers have a time limit.
	s.addPort(ln, &http.Server{
		Handler: s.buckets, Protocols: protocols,
		ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
	})
	return nil
}

func (s *Server) closeBuckets(ctx context.Context) error {
	var err error
	for _, p := range s.ports[1:] {
		if err = p.http.Shutdown(ctx); err != nil {
			p.http.Close()
		}
		p.ln.Close() // where it was never served
	}
	return errors.Join(err, s.buckets.Close())
}

// BucketsEndpoint returns the URL that clients of S3 are given, "" where no
// folder is served.
func (s *Server) BucketsEndpoint() string {
	if s.buckets == nil {
		return ""
	}
	return s.ports[1].endpoint()
}
