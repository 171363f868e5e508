package scenarios

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/local"
	"github.com/kload/kload/internal/shard"
	"github.com/kload/kload/results"
)

// endpoint is the run's target and stream.
type endpoint struct {
	local   local.Target // nil for aws
	client  *awsclient.Client
	how     awsclient.Options // that it was made with
	spec    *Spec
	created bool      // this run created the stream
	born    time.Time // when the service says the stream was created
	shards  []shard.Shard
	kept    bool // somebody else's to close: several runs use it, one after the other
}

// connect starts the embedded target or sets up the client for AWS.
func connect(ctx context.Context, s *Spec, inj injection, mem Network) (*endpoint, error) {
	e := &endpoint{spec: s}
	o := awsclient.Options{Region: s.Target.Region, Profile: s.Target.Profile, Endpoint: s.Target.Endpoint}
	if s.Target.Kind == "local" {
		var err error
		if e.local, err = startLocal(ctx, localConfig(s, inj), s.Target.Process, mem); err != nil {
			return nil, err
		}
		o = awsclient.Options{Local: true, Endpoint: e.local.Endpoint()}
		if mem != nil {
			o.Dial = mem.Dial
		}
	}
	o.Connections = connections(s)
	client, err := awsclient.New(ctx, o)
	if err != nil {
		return nil, err // only for aws: there is no target to stop
	}
	e.client, e.how = client, o
	return e, nil
}

func startLocal(ctx context.Context, cfg local.Config, process string, mem Network) (local.Target, error) {
	switch {
	case mem != nil:
		return startShared(ctx, cfg, mem)
	case process == "shared":
		ln, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("listening for the embedded target: %w", err)
		}
		return startShared(ctx, cfg, ln)
	}
	return local.Start(ctx, cfg)
}

func startShared(ctx context.Context, cfg local.Config, ln net.Listener) (t local.Target, err error) {
	err = labelled(ctx, engineTarget, func(context.Context) error {
		t, err = local.StartShared(cfg, ln)
		return err
	})
	return t, err
}

func localConfig(s *Spec, inj injection) local.Config {
	return local.Config{
		Limits: s.Target.Limits.kinesis(), StoreBytes: int64(s.Target.Store), Latency: s.Target.Latency,
		Drop: inj.targetDrop, Dup: inj.targetDup, Seed: s.Seed,
		Buckets: len(s.localData()) > 0,
	}
}

// connections is how many calls may be under way at once: those of the loads,
// and one for every shard that a consumer reads. Fewer connections would make
// calls wait for each other, and count that as the service's time.
func connections(s *Spec) int {
	n := s.Consumers.Len() * s.mostShards()
	for _, l := range s.Load.All() {
		if c, ok := l.Ingress.Config.(*kinesisIngress); ok {
			n += c.Connections
		}
	}
	return max(minConnections, n)
}

// mostShards is how many shards there may be to read at once: while they are
// changed, the old ones beside the new.
func (s *Spec) mostShards() int {
	n := s.Stream.Shards
	for _, a := range s.Actions {
		switch c := a.Do.Config.(type) {
		case *countConfig:
			n += c.To
		case *splitConfig:
			n += 2
		case *mergeConfig:
			n++
		}
	}
	return n
}

// hidden is how long after it was stored a record is certainly to be read.
func (e *endpoint) hidden() time.Duration {
	if e.local == nil {
		return 0
	}
	return e.spec.Target.Latency.Propagation
}

// minConnections leaves room for a stream whose shards are not known yet.
const minConnections = 64

// describe says what the run ran against, for the results.
func (e *endpoint) describe() results.Target {
	if e.local == nil {
		return results.Target{Kind: "aws", Detail: fmt.Sprintf("aws(region=%s, host=%s)", e.client.Region, e.client.Host)}
	}
	limits := "off"
	if l := e.spec.Target.Limits; !l.Off {
		limits = fmt.Sprintf("write %s %s read %s %s per shard", l.WriteBytes, l.WriteRecords, l.ReadBytes, l.ReadCalls)
	}
	return results.Target{Kind: "local", Detail: fmt.Sprintf("local(limits=%s, latency=%s, store=%s, seed=%d)", limits, e.spec.Target.Latency, e.spec.Target.Store, e.spec.Seed)}
}

// done is closed when the embedded target ended by itself; nil for AWS.
func (e *endpoint) done() <-chan struct{} {
	if e.local == nil {
		return nil
	}
	return e.local.Done()
}

// close deletes the stream if this run created it and was asked to, and ends
// the embedded target. It works also after the run was cancelled.
func (e *endpoint) close(ctx context.Context) (local.Report, error) {
	if e.kept {
		return local.Report{}, nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUp)
	defer cancel()
	var errs []error
	// A target of our own takes its streams with it.
	if _, own := e.local.(*local.Process); e.created && e.spec.Stream.DeleteAfter && !own && !e.gone() {
		errs = append(errs, e.deleteStream(ctx))
	}
	e.client.Close()
	if e.local == nil {
		return local.Report{}, errors.Join(errs...)
	}
	ending, stop := context.WithTimeout(ctx, lastReport)
	defer stop()
	report, err := e.local.Stop(ending)
	return report, errors.Join(append(errs, err)...)
}

// gone reports whether the embedded target has ended by itself.
func (e *endpoint) gone() bool {
	select {
	case <-e.done():
		return true
	default:
		return false
	}
}
