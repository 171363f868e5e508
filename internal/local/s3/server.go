package s3

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"sync/atomic"

	"github.com/johannesboyne/gofakes3"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/sigv4"
)

// Config says what to serve, and to whom.
type Config struct {
	// Dir is the folder of the buckets. It is created where it is missing.
	Dir string
	// Verifier has the keys that requests must be signed with. Nil lets everybody
	// in, with any credentials or none.
	Verifier *sigv4.Verifier
	// Durable writes each object through to the disk before it is acknowledged.
	// Without it, an acknowledged object survives a crash of the process but not
	// one of the machine.
	Durable bool
}

// Server is the endpoint: an http.Handler, safe for concurrent use.
type Server struct {
	store    *store
	verifier *sigv4.Verifier
	events   subscribers
	counters counters
	requests atomic.Uint64
	session  string // begins all request ids
}

// New opens the folder of the buckets. Close the server after the last request.
func New(c Config) (*Server, error) {
	if c.Dir == "" {
		return nil, kload.WithHint(fmt.Errorf("opening the S3 endpoint: %w: no folder given", kload.ErrInvalid), "name the folder that holds the buckets")
	}
	st, err := openStore(c.Dir, c.Durable)
	if err != nil {
		return nil, fmt.Errorf("opening the S3 endpoint: %w", err)
	}
	return &Server{store: st, verifier: c.Verifier, session: randomID()[:8]}, nil
}

// Close ends the subscriptions and lets go of the folder. Objects are complete
// on disk as soon as they are acknowledged: nothing is left to be written.
func (s *Server) Close() error {
	s.events.close()
	if err := s.store.root.Close(); err != nil {
		return fmt.Errorf("closing the S3 endpoint: %w", err)
	}
	return nil
}

// Stats returns the counts so far.
func (s *Server) Stats() Stats { return s.counters.snapshot() }

// Subscribe calls fn, from one goroutine, for each object that is created from
// now on, in the order of creation. A subscriber that falls more than 1024 events
// behind misses events, which Stats counts; it never holds up a request. After
// cancel, events that were waiting are still delivered.
func (s *Server) Subscribe(fn func(Event)) (cancel func()) { return s.events.add(fn) }

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := fmt.Sprintf("%s%08X", s.session, s.requests.Add(1))
	c := &call{
		server: s, store: s.store, request: ours(r), w: response{ResponseWriter: w, id: id, headers: map[string]string{}},
	}
	switch err := c.fail(c.admit()); {
	case err != nil:
	case c.copiesPart():
		c.uploadPartCopy(r.Context())
	default:
		c.protocol().ServeHTTP(&c.w, c.request)
	}
	c.finish()
}

// ours returns a request whose headers may be changed.
func ours(r *http.Request) *http.Request {
	out := r.WithContext(r.Context())
	out.Header = r.Header.Clone()
	return out
}

// protocol returns the layer that parses requests and words answers. It knows
// nothing of the request but what it passes to its backend, so that each request
// gets one of its own, with the call as backend: making one is two allocations.
func (c *call) protocol() http.Handler {
	return gofakes3.New(c,
		gofakes3.WithTimeSkewLimit(0),     // the verifier's business
		gofakes3.WithMetadataSizeLimit(0), // it would count session tokens
		gofakes3.WithIntegrityCheck(false),
	).Server()
}

// finish sends what has not been sent yet.
func (c *call) finish() {
	if f := c.w.fault; f != nil && c.w.status == 0 {
		c.w.replace(nil)
		c.w.status = f.status
		f.write(c.w.ResponseWriter, c.request, c.w.id)
	}
	c.w.WriteHeader(http.StatusOK)
	c.server.counters.answered(c.w.status)
	c.server.counters.bytesOut.Add(uint64(c.w.bytes))
}

// randomID returns 32 hexadecimal digits that nobody else has.
func randomID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return fmt.Sprintf("%x", b)
}
