// Package local runs the embedded target: AWS-compatible services on this
// machine that need no account.
//
// [Start] runs it as a child process, so that its CPU, memory and garbage
// collection are its own and can be stated apart from the load generator's. The
// child is the same executable under a hidden verb, [ChildVerb]; the program's
// main must call [Child] for it. [StartShared] runs it inside this process, on
// any listener: for tests and for virtual time.
//
// # The child's protocol
//
// The parent sends one line of JSON, the [Config], and keeps the child's standard
// input open. The child answers with one line {"endpoint":…,"pid":…} and serves.
// Further lines of the parent's are orders {"n":1,"inject":{…}} and
// {"n":2,"lift":1}, each answered by a line {"reply":{"n":1,…}}.
// When its input ends, because the parent asked for that or because the parent
// died in whatever way, it prints its statistics as the last line and exits.
package local

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/kload/kload/internal/local/faults"
	"github.com/kload/kload/internal/local/kinesis"
	"github.com/kload/kload/internal/local/latency"
	"github.com/kload/kload/internal/local/s3"
	"github.com/kload/kload/internal/sigv4"
)

// Config says what the target models. The zero value is the service as it is.
// It survives a round trip through JSON.
type Config struct {
	Account     string         `json:"account,omitempty"` // Default: "000000000000"
	Region      string         `json:"region,omitempty"`  // Default: "us-east-1"
	Limits      kinesis.Limits `json:"limits"`
	StoreBytes  int64          `json:"store_bytes,omitempty"`  // memory for records. Default: 256 MiB
	IteratorTTL time.Duration  `json:"iterator_ttl,omitempty"` // Default: 5 minutes
	// SubscriptionLife and ResubscribeAfter are for SubscribeToShard. Defaults: 5
	// minutes and 5 s.
	SubscriptionLife time.Duration `json:"subscription_life,omitempty"`
	ResubscribeAfter time.Duration `json:"resubscribe_after,omitempty"`
	// Latency is how long calls take. Default: no longer than they have to.
	Latency latency.Model `json:"latency"`
	// Data is a directory that keeps streams and records beyond the process, and
	// Fsync says when it is synced: "always", "never" or an interval. Defaults: "",
	// nothing is kept, and "1s".
	Data  string `json:"data,omitempty"`
	Fsync string `json:"fsync,omitempty"`
	// Buckets serves S3 too, at the same endpoint, from a temporary folder that is
	// removed in the end: requests whose signature is for s3 go there. [Start] and
	// [StartShared] know it; in the foreground buckets have a port of their own.
	Buckets bool `json:"buckets,omitempty"`
	// Drop and Dup inject faults: so many user records are acknowledged but not
	// stored, or stored twice. Default: 0.
	Drop int    `json:"drop,omitempty"`
	Dup  int    `json:"dup,omitempty"`
	Seed uint64 `json:"seed,omitempty"`
}

// Report is what a target says about itself when it has ended.
type Report struct {
	Stats kinesis.Stats
	// CPUSeconds is the user and system time of a process of its own, 0 for a
	// shared one.
	CPUSeconds float64
	// MaxRSSBytes is the peak memory of a process of its own, 0 for a shared one.
	MaxRSSBytes int64
	// Complete says that the target ended in good order: Stats are its last word.
	Complete bool
}

// Target is a running target. It is safe for concurrent use.
type Target interface {
	// Endpoint returns the URL that clients are given.
	Endpoint() string
	// Done is closed when the target has ended, for whatever reason.
	Done() <-chan struct{}
	// Stop ends the target and waits for it, at most until ctx ends. Further calls
	// return the same.
	Stop(ctx context.Context) (Report, error)
	// Inject puts a fault into force and returns its number. It lasts until it is
	// lifted.
	Inject(ctx context.Context, f faults.Fault) (int, error)
	// Lift ends a fault and returns what it has done.
	Lift(ctx context.Context, id int) (faults.Effect, error)
}

var (
	_ Target = (*Process)(nil)
	_ Target = (*Shared)(nil)
)

// service is the target's handler with its HTTP server.
type service struct {
	kinesis *kinesis.Server
	buckets *s3.Server // nil without Config.Buckets
	folder  string     // of the buckets
	http    *http.Server
}

// newService returns a service that is not served yet. A nil verifier takes any
// credentials.
func newService(cfg Config, verifier *sigv4.Verifier) (*service, error) {
	k, err := kinesis.New(kinesis.Config{
		Account: cfg.Account, Region: cfg.Region, Limits: cfg.Limits, StoreBytes: cfg.StoreBytes,
		IteratorTTL: cfg.IteratorTTL, SubscriptionLife: cfg.SubscriptionLife, ResubscribeAfter: cfg.ResubscribeAfter,
		Data: cfg.Data, Fsync: cfg.Fsync,
		Latency: cfg.Latency, Drop: cfg.Drop, Dup: cfg.Dup, Seed: cfg.Seed, Verifier: verifier,
	})
	if err != nil {
		return nil, fmt.Errorf("setting up the embedded target: %w", err)
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true) // the AWS SDK for JavaScript speaks nothing else to Kinesis
	server := &http.Server{
		Handler:           k,
		Protocols:         protocols,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       5 * time.Minute, // of a body of at most 16 MiB
		WriteTimeout:      5 * time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
	server.RegisterOnShutdown(k.EndSubscriptions)
	svc := &service{kinesis: k, http: server}
	if cfg.Buckets {
		if err := svc.addBuckets(); err != nil {
			return nil, errors.Join(err, k.Close())
		}
	}
	return svc, nil
}

// addBuckets lets the service answer requests to S3 as well.
func (s *service) addBuckets() error {
	folder, err := os.MkdirTemp("", "kload-s3-")
	if err != nil {
		return fmt.Errorf("making a folder for buckets: %w", err)
	}
	if s.buckets, err = s3.New(s3.Config{Dir: folder}); err != nil {
		return errors.Join(err, os.RemoveAll(folder))
	}
	s.folder = folder
	s.http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.Header.Get("Authorization"), "/s3/aws4_request") {
			s.buckets.ServeHTTP(w, r)
			return
		}
		s.kinesis.ServeHTTP(w, r)
	})
	return nil
}

// shutdown ends the HTTP server: calls under way may finish until ctx ends.
func (s *service) shutdown(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if err != nil {
		s.http.Close()
	}
	err = errors.Join(err, s.kinesis.Close())
	if s.buckets != nil {
		err = errors.Join(err, s.buckets.Close(), os.RemoveAll(s.folder))
	}
	if err != nil {
		return fmt.Errorf("shutting down the embedded target: %w", err)
	}
	return nil
}
