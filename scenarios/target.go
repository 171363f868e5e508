package scenarios

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/local"
	localkinesis "github.com/kload/kload/internal/local/kinesis"
	"github.com/kload/kload/internal/shard"
	"github.com/kload/kload/results"
)

// endpoint is the run's target and stream.
type endpoint struct {
	local   local.Target // nil for aws
	client  *awsclient.Client
	spec    *Spec
	created bool // this run created the stream
	shards  []shard.Shard
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
	client, err := awsclient.New(ctx, o)
	if err != nil {
		return nil, err // only for aws: there is no target to stop
	}
	e.client = client
	return e, nil
}

func startLocal(ctx context.Context, cfg local.Config, process string, mem Network) (local.Target, error) {
	switch {
	case mem != nil:
		return local.StartShared(cfg, mem)
	case process == "shared":
		ln, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("listening for the embedded target: %w", err)
		}
		return local.StartShared(cfg, ln)
	}
	return local.Start(ctx, cfg)
}

func localConfig(s *Spec, inj injection) local.Config {
	l := s.Target.Limits
	return local.Config{
		Limits: localkinesis.Limits{
			Off: l.Off, WriteBytes: float64(l.WriteBytes), WriteRecords: l.WriteRecords.PerSecond(),
			ReadBytes: float64(l.ReadBytes), ReadCalls: l.ReadCalls.PerSecond(),
		},
		StoreBytes: int64(s.Target.Store), Drop: inj.targetDrop, Dup: inj.targetDup, Seed: s.Seed,
	}
}

// describe says what the run ran against, for the results.
func (e *endpoint) describe() results.Target {
	if e.local == nil {
		return results.Target{Kind: "aws", Detail: fmt.Sprintf("aws(region=%s, host=%s)", e.client.Region, e.client.Host)}
	}
	limits := "off"
	if l := e.spec.Target.Limits; !l.Off {
		limits = fmt.Sprintf("write %s %s read %s %s per shard", l.WriteBytes, l.WriteRecords, l.ReadBytes, l.ReadCalls)
	}
	return results.Target{Kind: "local", Detail: fmt.Sprintf("local(limits=%s, latency=off, store=%s, seed=%d)", limits, e.spec.Target.Store, e.spec.Seed)}
}

// done is closed when the embedded target ended by itself; nil for AWS.
func (e *endpoint) done() <-chan struct{} {
	if e.local == nil {
		return nil
	}
	return e.local.Done()
}

// Deadlines of control-plane work.
const (
	streamReady = 2 * time.Minute
	streamPoll  = 250 * time.Millisecond
	cleanUp     = 30 * time.Second
)

// prepare makes the stream ready: creates it if it is the run's to create, and
// waits until it is active.
func (e *endpoint) prepare(ctx context.Context, sleep func(context.Context, time.Duration) error) error {
	name := e.spec.Stream.Name
	if e.spec.Stream.Create {
		_, err := e.client.Control.CreateStream(ctx, &kinesis.CreateStreamInput{
			StreamName: aws.String(name), ShardCount: aws.Int32(int32(e.spec.Stream.Shards)),
		})
		if err != nil {
			return awsclient.Explain(err, "creating stream "+name)
		}
		e.created = true
	}
	if err := e.awaitActive(ctx, sleep); err != nil {
		return err
	}
	var err error
	e.shards, err = awsclient.ListShards(ctx, e.client.Control, name)
	return err
}

func (e *endpoint) awaitActive(ctx context.Context, sleep func(context.Context, time.Duration) error) error {
	name := e.spec.Stream.Name
	ctx, cancel := context.WithTimeout(ctx, streamReady)
	defer cancel()
	for {
		out, err := e.client.Control.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: aws.String(name)})
		if err != nil {
			return awsclient.Explain(err, "waiting for stream "+name)
		}
		switch out.StreamDescriptionSummary.StreamStatus {
		case types.StreamStatusActive, types.StreamStatusUpdating:
			return nil
		case types.StreamStatusDeleting:
			return kload.WithHint(fmt.Errorf("%w: stream %s is being deleted", kload.ErrUnreachable, name), "wait a minute, or choose another stream.name")
		case types.StreamStatusCreating:
		}
		if err := sleep(ctx, streamPoll); err != nil {
			return kload.WithHint(fmt.Errorf("%w: waiting for stream %s to become active: %w", kload.ErrUnreachable, name, err), "try again; creating many shards takes time")
		}
	}
}

// close deletes the stream if this run created it and was asked to, and ends
// the embedded target. It works also after the run was cancelled.
func (e *endpoint) close(ctx context.Context) (local.Report, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUp)
	defer cancel()
	var errs []error
	if e.created && e.spec.Stream.DeleteAfter && !e.gone() {
		_, err := e.client.Control.DeleteStream(ctx, &kinesis.DeleteStreamInput{StreamName: aws.String(e.spec.Stream.Name)})
		if err != nil {
			errs = append(errs, kload.WithHint(awsclient.Explain(err, "deleting stream "+e.spec.Stream.Name), "delete the stream by hand: it costs money while it exists"))
		}
	}
	e.client.Close()
	if e.local == nil {
		return local.Report{}, errors.Join(errs...)
	}
	report, err := e.local.Stop(ctx)
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
