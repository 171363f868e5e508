package local

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// front answers those who look at the target, with pages that change nothing,
// and leaves the rest to the service.
type front struct {
	service http.Handler
	pages   map[string]http.HandlerFunc // by path
	home    http.HandlerFunc
	anyHost bool
}

func (s *Server) front() (http.Handler, error) {
	metrics, err := newMetrics(s)
	if err != nil {
		return nil, err
	}
	return &front{
		service: s.service.kinesis,
		anyHost: s.cfg.AllowRemote,
		home:    s.status.servePage,
		pages: map[string]http.HandlerFunc{
			"/healthz":     s.serveHealth,
			"/metrics":     metrics.ServeHTTP,
			"/status.json": s.status.serveJSON,
		},
	}, nil
}

// serveHealth answers ok while puts are taken.
func (s *Server) serveHealth(w http.ResponseWriter, _ *http.Request) {
	if err := s.service.kinesis.LogError(); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, "ok\n") // the client may be gone
}

// ServeHTTP is that of http.Handler.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	page := f.page(r)
	if page == nil {
		f.service.ServeHTTP(w, r)
		return
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	if !f.anyHost && !localHost(r.Host) {
		// A page of another site whose name was made to lead here must not read ours.
		http.Error(w, fmt.Sprintf("This server does not answer to the name %q. Use localhost or 127.0.0.1.", r.Host), http.StatusMisdirectedRequest)
		return
	}
	page(w, r)
}

// page returns what is to be shown, nil where the service is meant.
func (f *front) page(r *http.Request) http.HandlerFunc {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return nil
	}
	if r.URL.Path != "/" {
		return f.pages[r.URL.Path]
	}
	if r.URL.Query().Get("format") == "json" {
		return f.pages["/status.json"]
	}
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		return f.home
	}
	return nil
}

// localHost reports whether a Host header names this machine or an address.
func localHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	return net.ParseIP(strings.Trim(host, "[]")) != nil || host == "localhost" || strings.HasSuffix(host, ".localhost")
}
