// Package conformance tells how faithfully an endpoint behaves like Amazon
// Kinesis Data Streams: numbered checks, each of which passes, fails with what
// was expected and what came, or is skipped with the reason.
//
// [Run] runs them against any endpoint, the real service included. Most checks
// speak raw HTTP, because an SDK hides exact texts, frames and members; those on
// what an SDK makes of the answers go through the AWS SDK.
//
// # What it leaves behind, and what it costs
//
// Every stream that is created has a name with a random prefix, and only those
// are deleted: after the check that needed them, at the end, and when the context
// ends. At most [MaxShards] shards exist at once. On AWS a run bills some sixty
// streams of one to four shards and a dozen consumers, each for its first hour:
// about two dollars. It takes about half an hour there.
//
// # Time
//
// What takes minutes at the service, such as the expiry of an iterator, is
// waited for only with Options.Slow; what takes a day only with Options.Virtual,
// in a testing/synctest bubble, where waiting is free. A check that left a part
// out says so in its detail.
package conformance

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/awsclient"
)

// MaxShards bounds the shards that a run has at once.
const MaxShards = 16

// Options says what to check, and where.
type Options struct {
	// Client reaches the endpoint. Local, Endpoint and Dial as [awsclient.New] has them.
	Client awsclient.Options
	// Only selects checks by number. Default: all.
	Only []int
	// Slow waits up to five minutes where the service would, and makes the
	// calls that an hour's bill would notice.
	Slow bool
	// Virtual says that time costs nothing: also waits for a day. Implies Slow.
	Virtual bool
	// Progress, if any, is called before each check.
	Progress func(done, total int, name string)
	// Lab, if any, starts further servers of the kind that is checked, for what no
	// request can switch.
	Lab Lab
}

// Lab starts a server. stop ends it and must be called.
type Lab func(Setting) (server awsclient.Options, stop func(), err error)

// Setting is how a server of a Lab differs from the service as it is.
type Setting struct {
	Account  string // of ARNs. Default: any
	Signed   bool   // requests without an Authorization header are refused
	NoLimits bool   // rates are not enforced
	// StoreBytes is the memory for records: a larger one cannot be stored. Default: enough.
	StoreBytes int64
}

// Outcome is a check's result.
type Outcome string

// The outcomes.
const (
	Pass Outcome = "pass"
	Fail Outcome = "fail"
	Skip Outcome = "skip"
)

// Result is what one check found.
type Result struct {
	ID      int     `json:"id"`
	Name    string  `json:"name"`
	Outcome Outcome `json:"result"`
	// Detail says what was expected and what came, why the check was skipped, or
	// what it left out.
	Detail string `json:"detail"`
}

// Report is the outcome of a run.
type Report struct {
	Checks []Result `json:"checks"`
}

// Count returns how many checks ended so.
func (r Report) Count(o Outcome) (n int) {
	for _, c := range r.Checks {
		if c.Outcome == o {
			n++
		}
	}
	return n
}

// perCheck bounds a check: one that hangs fails. Creating a stream may take a
// minute on AWS.
const perCheck, perSlowCheck = 5 * time.Minute, 20 * time.Minute

// Run runs the checks one after the other. It fails with kload.ErrUnreachable
// when the endpoint does not answer at all, and with ctx's error when that ends,
// after deleting what it created; the report then has the checks that ended.
func Run(ctx context.Context, o Options) (rep Report, err error) {
	list, err := selected(o.Only)
	if err != nil {
		return rep, err
	}
	o.Slow, rep.Checks = o.Slow || o.Virtual, []Result{}
	s, err := newSession(ctx, o)
	if err != nil {
		return rep, err
	}
	defer s.close()
	if err := s.reach(ctx); err != nil {
		return rep, err
	}
	defer func() { err = errors.Join(err, s.clean(ctx)) }()
	for i, c := range list {
		if o.Progress != nil {
			o.Progress(i, len(list), c.name)
		}
		result := s.run(ctx, c)
		if ctx.Err() != nil {
			return rep, fmt.Errorf("running check %d: %w", c.id, context.Cause(ctx))
		}
		rep.Checks = append(rep.Checks, result)
	}
	return rep, nil
}

// Count returns how many checks there are.
func Count() int { return len(checks()) }

func selected(only []int) ([]check, error) {
	all := checks()
	if len(only) == 0 {
		return all, nil
	}
	for _, id := range only {
		if id < 1 || id > len(all) {
			return nil, kload.WithHint(fmt.Errorf("%w: there is no check %d", kload.ErrInvalid, id),
				fmt.Sprintf("checks are numbered from 1 to %d", len(all)))
		}
	}
	return slices.DeleteFunc(all, func(c check) bool { return !slices.Contains(only, c.id) }), nil
}

// run runs one check and deletes its streams.
func (s *session) run(ctx context.Context, c check) Result {
	limit := perCheck
	switch {
	case s.opts.Virtual:
		limit = 100 * time.Hour
	case s.opts.Slow:
		limit = perSlowCheck
	}
	within, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	k := &kit{session: s}
	c.run(within, k)
	if within.Err() != nil && ctx.Err() == nil {
		k.failure = fmt.Sprintf("not done after %v; %s", limit, k.failure)
	}
	s.deleteAll(ctx, k.own)
	return k.result(c)
}

// reach makes sure that somebody answers.
func (s *session) reach(ctx context.Context) error {
	a := s.wire.post(ctx, "ListStreams", obj{"Limit": 1})
	var err error
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("asking the endpoint: %w", context.Cause(ctx))
	case a.err != nil:
		err = a.err
		if op, ok := errors.AsType[*net.OpError](a.err); ok {
			err = op
		}
	case refusesIdentity(a):
		err = fmt.Errorf("%s: %s", a.Code, a.Message)
	default:
		return nil
	}
	return kload.WithHint(fmt.Errorf("%w: asking %s: %w", kload.ErrUnreachable, s.wire.url, err),
		"check --endpoint, the network, and for AWS the credentials and their Kinesis permissions")
}

func refusesIdentity(a answer) bool {
	return slices.Contains([]string{
		"AccessDeniedException", "UnrecognizedClientException", "InvalidSignatureException", "InvalidClientTokenId",
		"ExpiredTokenException", "IncompleteSignatureException",
	}, a.Code)
}
