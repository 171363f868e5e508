// Package awsclient configures the AWS SDK the one way kload uses it: request
// bodies isolated from smithy-go's early close, no hidden retries on data calls,
// many HTTP/1.1 connections, and every attempt counted, so that a result can
// state how many requests the SDK really sent.
//
// Never set StreamId on a request: with a custom endpoint it sends the call to
// the real service.
package awsclient

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/smithy-go/logging"
	"github.com/aws/smithy-go/middleware"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/awscbor/protocol"
)

// Options says whom to talk to.
type Options struct {
	// Region and Profile override the SDK's default chain. Default: the chain's.
	Region, Profile string
	// Endpoint replaces the service's URL. Default: the real service.
	Endpoint string
	// Local uses fixed dummy credentials and, unless one is given, region us-east-1,
	// and reads no configuration of the host: for the embedded target.
	Local bool
	// Connections bounds the open connections. Default: 64.
	Connections int
	// RootCAs are the authorities trusted for https. Default: those of AWS_CA_BUNDLE
	// or the profile, else the system's.
	RootCAs *x509.CertPool
	// Dial replaces the network, for in-memory tests. Default: TCP.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Client is a pair of Kinesis clients over one connection pool. It is safe for
// concurrent use.
type Client struct {
	// Data is for PutRecords, GetRecords and the like: exactly one attempt per
	// call, in JSON; see Over for another wire. Control is for everything else and
	// keeps the SDK's retries.
	Data, Control *kinesis.Client
	// Region is the region in force.
	Region string
	// Host is the host that data calls go to, as resolved.
	Host string

	options   Options
	transport *http.Transport
	streaming *http.Transport // of subscriptions
	events    *isolating      // over streaming
	wires     wires
	calls     atomic.Uint64
	attempts  atomic.Uint64
}

// New builds the clients. Errors wrap [kload.ErrUnreachable] and carry a hint:
// no region, no credentials, broken configuration.
func New(ctx context.Context, o Options) (*Client, error) {
	cfg, account, err := loadConfig(ctx, o)
	if err != nil {
		return nil, err
	}
	o.trust(cfg)
	c := &Client{Region: cfg.Region, options: o, transport: newTransport(o), wires: wires{agreed: JSON, used: map[Wire]bool{}}}
	c.streaming = newEventTransport(o)
	c.events = newIsolating(c.streaming, &c.attempts)
	endpoint := func(ko *kinesis.Options) {
		if o.Endpoint != "" {
			ko.BaseEndpoint = aws.String(o.Endpoint)
		}
	}
	c.Data = kinesis.NewFromConfig(cfg, endpoint, func(ko *kinesis.Options) {
		ko.Retryer = aws.NopRetryer{}
		ko.HTTPClient = newIsolating(c.transport, &c.attempts)
		ko.APIOptions = append(ko.APIOptions, c.countCalls)
	})
	c.Control = kinesis.NewFromConfig(cfg, endpoint, func(ko *kinesis.Options) {
		ko.HTTPClient = newIsolating(c.transport, new(atomic.Uint64))
	})
	cbor := protocol.New(protocol.Options{})
	c.wires.json, c.wires.cbor = newCaller(c.Data), newCaller(kinesis.New(c.Data.Options(), cbor.Use))
	c.wires.probe = kinesis.New(c.Control.Options(), cbor.Use)
	c.Host = resolveHost(ctx, c.Data.Options(), account)
	return c, nil
}

// trust takes over the authorities of AWS_CA_BUNDLE, or of the profile's ca_bundle,
// unless there are others.
func (o *Options) trust(cfg aws.Config) {
	if b, ok := cfg.HTTPClient.(*awshttp.BuildableClient); ok && o.RootCAs == nil {
		o.RootCAs = b.GetTransport().TLSClientConfig.RootCAs
	}
}

// Calls returns how many data calls were made.
func (c *Client) Calls() uint64 { return c.calls.Load() }

// Attempts returns how many requests those calls sent. It equals Calls unless
// the SDK retried behind kload's back.
func (c *Client) Attempts() uint64 { return c.attempts.Load() }

// Close closes idle connections.
func (c *Client) Close() {
	c.transport.CloseIdleConnections()
	c.streaming.CloseIdleConnections()
	c.wires.mu.Lock()
	defer c.wires.mu.Unlock()
	for _, t := range c.wires.apart {
		t.CloseIdleConnections()
	}
}

func (c *Client) countCalls(s *middleware.Stack) error {
	return s.Initialize.Add(middleware.InitializeMiddlewareFunc("kload.CountCalls",
		func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (
			middleware.InitializeOutput, middleware.Metadata, error,
		) {
			c.calls.Add(1)
			return next.HandleInitialize(ctx, in)
		}), middleware.Before)
}

// Sizes of a connection's buffers. A small request goes out in one write; what is
// left of a larger answer is read to where it belongs.
const readBuffer, writeBuffer = 4 << 10, 8 << 10

// newTransport keeps data calls on HTTP/1.1: HTTP/2 would put all of them on
// one connection with one flow-control window.
func newTransport(o Options) *http.Transport {
	conns := o.Connections
	if conns == 0 {
		conns = 64
	}
	dial := dialFunc(o.Dial)
	if dial == nil {
		dial = (&net.Dialer{Timeout: dialTimeout, KeepAlive: keepAlive}).DialContext
	}
	secure := tlsConfig(o, conns)
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	proxy := http.ProxyFromEnvironment
	if o.Local {
		proxy = nil
	}
	return &http.Transport{
		Proxy:               proxy,
		DialContext:         dial.plain,
		DialTLSContext:      dial.secured(secure),
		TLSClientConfig:     secure, // through a proxy, which net/http dials for itself
		Protocols:           protocols,
		MaxConnsPerHost:     conns,
		MaxIdleConns:        conns,
		MaxIdleConnsPerHost: conns,
		IdleConnTimeout:     90 * time.Second,
		TLSHandshakeTimeout: handshakeTimeout,
		ReadBufferSize:      readBuffer,
		WriteBufferSize:     writeBuffer,
		DisableCompression:  true,
	}
}

// loadConfig returns the SDK's configuration and the account that the
// credentials name, if they do.
func loadConfig(ctx context.Context, o Options) (cfg aws.Config, account string, err error) {
	if o.Local {
		return aws.Config{
			Region:      cmp.Or(o.Region, "us-east-1"),
			Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
		}, "", nil
	}
	if cfg, err = sharedConfig(ctx, o); err != nil {
		return cfg, "", err
	}
	if cfg.Region == "" {
		return cfg, "", unreachable(errors.New("no AWS region is set"),
			"set target.region in the scenario, --set target.region=us-east-1, or AWS_REGION")
	}
	creds, err := cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return cfg, "", unreachable(fmt.Errorf("finding AWS credentials: %w", err),
			"run 'aws configure' or 'aws sso login', set AWS_PROFILE, or use --target local, which needs no account")
	}
	return cfg, creds.AccountID, nil
}

// sharedConfig reads the environment and the files that all AWS tools share. The
// SDK must not write to stderr on its own: what matters of it comes back as an
// error.
func sharedConfig(ctx context.Context, o Options, opts ...func(*config.LoadOptions) error) (aws.Config, error) {
	opts = append(opts, config.WithLogger(logging.Nop{}))
	if o.Region != "" {
		opts = append(opts, config.WithRegion(o.Region))
	}
	if o.Profile != "" {
		opts = append(opts, config.WithSharedConfigProfile(o.Profile))
	}
	cfg, err := config.LoadDefaultConfig(ctx, opts...)
	if err != nil {
		return cfg, unreachable(fmt.Errorf("reading the AWS configuration: %w", err),
			"check ~/.aws/config, AWS_PROFILE and the profile named in target.profile")
	}
	return cfg, nil
}

// resolveHost names the host of data calls, for the record of the run.
func resolveHost(ctx context.Context, o kinesis.Options, account string) string {
	if o.BaseEndpoint != nil {
		return *o.BaseEndpoint
	}
	ep, err := o.EndpointResolverV2.ResolveEndpoint(ctx, endpointParameters(&o, account))
	if err != nil {
		return "unknown"
	}
	return ep.URI.Host
}

func unreachable(err error, hint string) error {
	return kload.WithHint(fmt.Errorf("%w: %w", kload.ErrUnreachable, err), hint)
}
