package local

import (
	"context"
	"net"
	"sync"
)

// Shared is a target inside this process.
type Shared struct {
	service  *service
	endpoint string
	done     chan struct{}
	stop     sync.Once
	report   Report
	err      error
}

// StartShared serves on ln, which it closes in the end, and returns at once. It
// fails only on an invalid configuration.
func StartShared(cfg Config, ln net.Listener) (*Shared, error) {
	svc, err := newService(cfg, nil)
	if err != nil {
		return nil, err
	}
	host := ln.Addr().String()
	s := &Shared{service: svc, endpoint: "http://" + host, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		_ = svc.http.Serve(ln) // it ends closed or because the listener failed; Done says so
	}()
	return s, nil
}

// Endpoint returns the URL of the target. On an in-memory listener the host is
// only a name: whoever dials that listener gets there.
func (s *Shared) Endpoint() string { return s.endpoint }

// Done is closed when the target no longer accepts connections.
func (s *Shared) Done() <-chan struct{} { return s.done }

// Stop closes the listener and waits for calls under way until ctx ends.
func (s *Shared) Stop(ctx context.Context) (Report, error) {
	s.stop.Do(func() {
		s.err = s.service.shutdown(ctx)
		<-s.done
		s.report = Report{Stats: s.service.kinesis.Stats(), Complete: s.err == nil}
	})
	return s.report, s.err
}
