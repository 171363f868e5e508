package awsclient

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Caller is a Kinesis client whose data calls are cheap to make. The SDK builds a
// stack of 25 middlewares for each call, which costs more than to run it; a Caller
// has the SDK build it, keeps it for the calls that follow, and replaces its ten
// finalizers, which resolve, sign and retry, by one (see attempt). What goes over
// the wire and what comes back is the same. Options for a single call, and
// configurations with which the finalizers do more, take the SDK's way.
//
// It is safe for concurrent use.
type Caller struct {
	*kinesis.Client
	options  kinesis.Options
	plain    bool         // calls take the SDK's way
	skew     atomic.Int64 // of the service's clock, ns
	endpoint atomic.Pointer[endpoint]

	getRecords       stacks[kinesis.GetRecordsInput, kinesis.GetRecordsOutput]
	getShardIterator stacks[kinesis.GetShardIteratorInput, kinesis.GetShardIteratorOutput]
	putRecord        stacks[kinesis.PutRecordInput, kinesis.PutRecordOutput]
	putRecords       stacks[kinesis.PutRecordsInput, kinesis.PutRecordsOutput]
}

// newCaller returns a caller with the configuration of a client.
func newCaller(api *kinesis.Client) *Caller {
	c := &Caller{Client: api, options: api.Options()}
	c.plain = unusual(&c.options)
	c.getRecords.operation, c.getRecords.build = "GetRecords", api.GetRecords
	c.getShardIterator.operation, c.getShardIterator.build = "GetShardIterator", api.GetShardIterator
	c.putRecord.operation, c.putRecord.build = "PutRecord", api.PutRecord
	c.putRecords.operation, c.putRecords.build = "PutRecords", api.PutRecords
	return c
}

// unusual reports whether the finalizers of a client do more than those of a
// client that is configured by files and environment: interceptors, loggers, more
// than one attempt, other ways to find the service and to authenticate.
func unusual(o *kinesis.Options) bool {
	i := &o.Interceptors
	return len(i.BeforeRetryLoop)+len(i.BeforeAttempt)+len(i.AfterAttempt)+len(i.BeforeSigning)+len(i.AfterSigning) > 0 ||
		o.EndpointOptions.DisableHTTPS || o.ClientLogMode != 0 ||
		o.AccountIDEndpointMode == aws.AccountIDEndpointModeRequired || strings.Contains(o.Region, "fips") ||
		len(o.AuthSchemes) != 1 || o.Credentials == nil || aws.IsCredentialsProvider(o.Credentials, (*aws.AnonymousCredentials)(nil)) ||
		o.Retryer.MaxAttempts() != 1
}

// GetRecords is that of [kinesis.Client].
func (c *Caller) GetRecords(ctx context.Context, in *kinesis.GetRecordsInput, opts ...func(*kinesis.Options)) (*kinesis.GetRecordsOutput, error) {
	if c.plain || len(opts) > 0 || in == nil || in.StreamARN != nil || in.StreamId != nil {
		return c.Client.GetRecords(ctx, in, opts...)
	}
	return c.getRecords.call(ctx, c, in)
}

// GetShardIterator is that of [kinesis.Client].
func (c *Caller) GetShardIterator(ctx context.Context, in *kinesis.GetShardIteratorInput, opts ...func(*kinesis.Options)) (*kinesis.GetShardIteratorOutput, error) {
	if c.plain || len(opts) > 0 || in == nil || in.StreamARN != nil || in.StreamId != nil {
		return c.Client.GetShardIterator(ctx, in, opts...)
	}
	return c.getShardIterator.call(ctx, c, in)
}

// PutRecord is that of [kinesis.Client].
func (c *Caller) PutRecord(ctx context.Context, in *kinesis.PutRecordInput, opts ...func(*kinesis.Options)) (*kinesis.PutRecordOutput, error) {
	if c.plain || len(opts) > 0 || in == nil || in.StreamARN != nil || in.StreamId != nil {
		return c.Client.PutRecord(ctx, in, opts...)
	}
	return c.putRecord.call(ctx, c, in)
}

// PutRecords is that of [kinesis.Client].
func (c *Caller) PutRecords(ctx context.Context, in *kinesis.PutRecordsInput, opts ...func(*kinesis.Options)) (*kinesis.PutRecordsOutput, error) {
	if c.plain || len(opts) > 0 || in == nil || in.StreamARN != nil || in.StreamId != nil {
		return c.Client.PutRecords(ctx, in, opts...)
	}
	return c.putRecords.call(ctx, c, in)
}

// stacks keeps the stacks of one operation that no call is using.
type stacks[In, Out any] struct {
	operation string
	build     func(context.Context, *In, ...func(*kinesis.Options)) (*Out, error) // of the client
	free      sync.Pool                                                           // of middleware.Handler
}

// errKept stops the SDK before it would run a stack.
var errKept = errors.New("the stack is kept")

// stack returns one that is ready to be run.
func (s *stacks[In, Out]) stack(ctx context.Context, c *Caller) (middleware.Handler, error) {
	if h, ok := s.free.Get().(middleware.Handler); ok {
		return h, nil
	}
	var built *middleware.Stack
	_, err := s.build(ctx, new(In), func(o *kinesis.Options) {
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			built = stack
			return errKept
		})
	})
	if !errors.Is(err, errKept) {
		return nil, fmt.Errorf("building the middlewares of %s: %w", s.operation, err)
	}
	built.Finalize.Clear()
	if err := built.Finalize.Add(&attempt{caller: c}, middleware.After); err != nil {
		return nil, fmt.Errorf("building the middlewares of %s: %w", s.operation, err)
	}
	return middleware.DecorateHandler(smithyhttp.NewClientHandlerWithOptions(c.options.HTTPClient), built), nil
}

// call runs a stack.
func (s *stacks[In, Out]) call(ctx context.Context, c *Caller, in *In) (*Out, error) {
	h, err := s.stack(ctx, c)
	if err != nil {
		return nil, err
	}
	// What the SDK tells its middlewares by the context is for those that are gone. The
	// caller's may come from a call of its own.
	result, _, err := h.Handle(middleware.ClearStackValues(ctx), in)
	var out *Out
	if kept, ok := result.(*Out); ok {
		out = new(Out) // the stack's own is for its next call
		*out, *kept = *kept, *out
	}
	s.free.Put(h)
	if err != nil {
		return nil, &smithy.OperationError{ServiceID: kinesis.ServiceID, OperationName: s.operation, Err: err}
	}
	return out, nil
}
