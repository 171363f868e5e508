// Package kinesis is a Kinesis Data Streams compatible target: an http.Handler
// that unmodified AWS SDKs talk to. It exists to be measured against, so it
// enforces the service's limits, states real positions and times, and is cheap
// enough not to be what a benchmark measures.
//
// # What it models
//
// Each API action has a file of its own, whose header states the limits and
// behaviours modelled; actions.go lists them. Records are routed by the MD5 of
// their partition key or by an explicit hash key, get 56-digit sequence numbers
// in the service's own layout, and are read through opaque iterators that expire
// and are renewed. A reshard (layout.go) closes shards and opens their children
// at one moment; registered consumers are pushed records as they arrive
// (subscription.go). Actions on channels are unknown.
//
// # Memory
//
// Records live in byte slabs, never as heap objects of their own (slab.go). One
// budget holds for the whole server; when it is used up the oldest data goes,
// whichever shard it belongs to, and is counted (arena.go).
//
// # Time and concurrency
//
// The server starts no goroutine: whatever is due later (an iterator's expiry, a
// bucket's refill, a stream becoming active) is worked out from the clock when
// somebody asks. It therefore runs in a testing/synctest bubble and needs no
// Close, unless it keeps its data; an HTTP server that shuts down in good order must call
// [Server.EndSubscriptions]. Locks are per shard and are not held while reading from or writing to
// a connection, nor while the data directory is written to. Lock order: stream
// table, consumer, shard, subscription, log, arena.
package kinesis

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/local/faults"
	"github.com/kload/kload/internal/local/httpapi"
	"github.com/kload/kload/internal/local/journal"
	"github.com/kload/kload/internal/local/latency"
	"github.com/kload/kload/internal/sigv4"
)

// The service's own limits.
const (
	WriteBytesPerShard   = 1 << 20 // bytes per second, partition keys included
	WriteRecordsPerShard = 1000    // records per second
	ReadBytesPerShard    = 2 << 20 // bytes per second, shared by all pollers
	ReadCallsPerShard    = 5       // GetRecords per second, shared by all pollers
	ConsumerBytes        = 2 << 20 // bytes per second, for each registered consumer and shard
	ShardsPerAccount     = 20000   // in the largest Regions

	defaultStoreBytes  = 256 << 20
	minStoreBytes      = 4 << 20
	defaultIteratorTTL = 5 * time.Minute
	defaultLife        = 5 * time.Minute
	defaultResubscribe = 5 * time.Second
	defaultRetention   = 24 * time.Hour
)

// Limits are rates, mostly of one shard, each a bucket one second deep. A zero rate
// means the service's value.
type Limits struct {
	// Off switches all rates of shards off, the pause after a 10 MiB answer included. The
	// size rules of requests and records stay.
	Off          bool    `json:"off,omitempty"`
	WriteBytes   float64 `json:"write_bytes,omitempty"`   // per second. Default: 1 MiB
	WriteRecords float64 `json:"write_records,omitempty"` // per second. Default: 1,000
	ReadBytes    float64 `json:"read_bytes,omitempty"`    // per second. Default: 2 MiB
	ReadCalls    float64 `json:"read_calls,omitempty"`    // per second. Default: 5
	// Control enforces the service's rates of control-plane operations too, whether
	// Off or not. Without it they are free.
	Control bool `json:"control,omitempty"`
	// ConsumerBytes is per second, for each registered consumer. Default: 2 MiB.
	ConsumerBytes float64 `json:"consumer_bytes,omitempty"`
}

// Config says what a server models. The zero value is the service as it is.
type Config struct {
	Account string // in ARNs and messages. Default: "000000000000"
	Region  string // in ARNs. Default: "us-east-1"
	Limits  Limits
	// StoreBytes bounds the memory that holds records. When it is used up the
	// oldest records are trimmed. Default: 256 MiB; at least 4 MiB.
	StoreBytes int64
	// IteratorTTL is how long an iterator may be used. Default: 5 minutes.
	IteratorTTL time.Duration
	// SubscriptionLife is how long a SubscribeToShard goes on. Default: 5 minutes.
	SubscriptionLife time.Duration
	// ResubscribeAfter is how long after a successful SubscribeToShard the same
	// consumer may not call again for that shard. Default: 5 s.
	ResubscribeAfter time.Duration
	// StateDelay is how long a stream stays CREATING, UPDATING and DELETING, and a
	// consumer CREATING and DELETING. Default: that of Latency.
	StateDelay time.Duration
	// Latency is the time that calls take and that records are hidden from readers.
	Latency latency.Model
	// ShardQuota bounds the open shards of all streams. Default: 20,000.
	ShardQuota int
	// Verifier checks the signatures of requests. Default: none is needed, and any
	// credentials will do.
	Verifier *sigv4.Verifier
	// Data is a directory that keeps all streams and records beyond the process,
	// kill -9 included. Default: "", nothing is kept.
	Data string
	// Fsync is when Data is synced, so that it survives a crash of the machine too:
	// "always" before a call is answered, "never", or an interval. Default: "1s",
	// the last second may be lost then.
	Fsync string
	// Drop and Dup are faults that a ledger must find: so many user records are
	// acknowledged but not stored, or stored twice. Default: 0.
	Drop, Dup int
	// Seed decides which user record of an aggregate Drop takes, how long calls take
	// and what goes wrong.
	Seed uint64
}

func (c Config) withDefaults() (Config, error) {
	orElse(&c.Account, "000000000000")
	orElse(&c.Region, "us-east-1")
	orElse(&c.Limits.WriteBytes, WriteBytesPerShard)
	orElse(&c.Limits.WriteRecords, WriteRecordsPerShard)
	orElse(&c.Limits.ReadBytes, ReadBytesPerShard)
	orElse(&c.Limits.ReadCalls, ReadCallsPerShard)
	orElse(&c.StoreBytes, defaultStoreBytes)
	orElse(&c.IteratorTTL, defaultIteratorTTL)
	orElse(&c.Limits.ConsumerBytes, ConsumerBytes)
	orElse(&c.SubscriptionLife, defaultLife)
	orElse(&c.ResubscribeAfter, defaultResubscribe)
	orElse(&c.ShardQuota, ShardsPerAccount)
	if c.Verifier != nil {
		c.Verifier = c.Verifier.For(c.Region, "kinesis")
	}
	orElse(&c.StateDelay, c.Latency.StateDelay)
	return c, c.check()
}

func orElse[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

func (c Config) check() error {
	if c.StoreBytes < minStoreBytes {
		return kload.WithHint(fmt.Errorf("store of %d bytes: %w", c.StoreBytes, kload.ErrInvalid),
			"give the embedded target at least 4 MiB to hold records")
	}
	l := c.Limits
	if min(l.WriteBytes, l.WriteRecords, l.ReadBytes, l.ReadCalls, l.ConsumerBytes) < 1 || min(c.IteratorTTL, c.StateDelay, c.SubscriptionLife, c.ResubscribeAfter) < 0 ||
		c.ShardQuota < 0 || c.Drop < 0 || c.Dup < 0 {
		return kload.WithHint(fmt.Errorf("limits of the embedded target: %w", kload.ErrInvalid),
			"rates are at least 1 per second and nothing is negative; switch limits off to have none")
	}
	return c.checkLatency()
}

// checkLatency checks that there is every operation that a latency is given for.
func (c Config) checkLatency() error {
	known := Operations()
	for name := range c.Latency.Operations.All() {
		if !slices.Contains(known, name) {
			return kload.WithHint(fmt.Errorf("%w latency: the embedded target has no operation %q", kload.ErrInvalid, name),
				"operations have names such as PutRecords; there are also the classes put, get, subscribe and control")
		}
	}
	return nil
}

// Server is the target. It is an http.Handler, safe for concurrent use.
type Server struct {
	cfg      Config
	actions  map[string]*action
	arena    *arena
	counters counters
	mutation *mutation
	faults   *faults.Table
	leaving  chan struct{} // closed when answers are no longer held back
	ids      *httpapi.RequestIDs
	key      []byte      // of seal, kept with the data
	seal     cipher.AEAD // of iterators and page tokens; keyed per server
	rates    rates
	requests sync.Pool    // of *request
	frames   sync.Pool    // of *[]byte, for events
	log      *journal.Log // nil without Config.Data

	mu         sync.RWMutex
	streams    map[string]*stream
	draining   bool // no subscription may last
	commitment commitment
	numbers    uint64    // given to streams so far
	touched    []*stream // changed, to be logged
	rotating   atomic.Bool
}

// Config returns what the server models, with its defaults filled in.
func (s *Server) Config() Config { return s.cfg }

// New returns a server. It holds no record memory yet.
func New(cfg Config) (*Server, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("configuring the embedded Kinesis: %w", err)
	}
	s := &Server{
		cfg:      cfg,
		actions:  actions(),
		arena:    newArena(cfg.StoreBytes),
		mutation: newMutation(cfg),
		faults:   faults.NewTable(cfg.Seed),
		leaving:  make(chan struct{}),
		ids:      httpapi.NewRequestIDs(),
		streams:  map[string]*stream{},
		rates:    rates{buckets: map[string]*bucket{}},
	}
	for name, a := range s.actions {
		a.takes = cfg.Latency.NewSampler(name, cfg.Seed)
	}
	s.requests.New = func() any { return &request{server: s} }
	s.key = make([]byte, 32)
	rand.Read(s.key)
	if err := s.openLog(); err != nil {
		return nil, fmt.Errorf("setting up the embedded Kinesis: %w", err)
	}
	if err := s.keyIterators(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Server) keyIterators() error {
	block, err := aes.NewCipher(s.key)
	if err == nil {
		s.seal, err = cipher.NewGCMWithRandomNonce(block)
	}
	if err != nil {
		return fmt.Errorf("keying iterators: %w", err)
	}
	return nil
}
