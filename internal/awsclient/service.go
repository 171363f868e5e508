package awsclient

import (
	"context"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Service returns the configuration for the client of another AWS service than
// Kinesis, and what closes its idle connections. Bodies are isolated, and the
// SDK's retries are on. Errors are those of [New].
func Service(ctx context.Context, o Options) (cfg aws.Config, closeIdle func(), err error) {
	cfg, _, err = loadConfig(ctx, o)
	if err != nil {
		return aws.Config{}, nil, err
	}
	o.trust(cfg)
	transport := newTransport(o)
	cfg.HTTPClient = newIsolating(transport, new(atomic.Uint64))
	if o.Endpoint != "" {
		cfg.BaseEndpoint = aws.String(o.Endpoint)
	}
	return cfg, transport.CloseIdleConnections, nil
}
