package awsclient

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/schemas"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
)

// Caller is a Kinesis client whose data calls are cheap to make. The SDK builds a
// stack of 25 middlewares for each call and runs it, which takes most of the call's
// CPU time; a Caller has the SDK build it once, and makes the calls that follow
// itself, with what it has learnt from the stack (see kept). What goes over the wire
// is the same, and so is what comes back, but for the output's ResultMetadata, which
// is empty. Calls with options of their own or of streams that are named by ARN, and
// configurations with which the middlewares do more, take the SDK's way.
//
// It is safe for concurrent use.
type Caller struct {
	*kinesis.Client
	options  kinesis.Options
	http     *isolating
	plain    bool         // calls take the SDK's way
	skew     atomic.Int64 // of the service's clock, ns
	endpoint atomic.Pointer[endpoint]

	getRecords       operation[kinesis.GetRecordsInput, kinesis.GetRecordsOutput]
	getShardIterator operation[kinesis.GetShardIteratorInput, kinesis.GetShardIteratorOutput]
	putRecord        operation[kinesis.PutRecordInput, kinesis.PutRecordOutput]
	putRecords       operation[kinesis.PutRecordsInput, kinesis.PutRecordsOutput]
}

// newCaller returns a caller with the configuration of a client.
func newCaller(api *kinesis.Client) *Caller {
	c := &Caller{Client: api, options: api.Options()}
	var isolates bool
	c.http, isolates = c.options.HTTPClient.(*isolating)
	c.plain = !isolates || unusual(&c.options)
	c.getRecords = operation[kinesis.GetRecordsInput, kinesis.GetRecordsOutput]{
		schema: smithy.NewOperationSchema(schemas.GetRecords, schemas.GetRecordsInput, schemas.GetRecordsOutput),
		plain:  api.GetRecords, output: func() smithy.Deserializable { return new(kinesis.GetRecordsOutput) },
	}
	c.getShardIterator = operation[kinesis.GetShardIteratorInput, kinesis.GetShardIteratorOutput]{
		schema: smithy.NewOperationSchema(schemas.GetShardIterator, schemas.GetShardIteratorInput, schemas.GetShardIteratorOutput),
		plain:  api.GetShardIterator, output: func() smithy.Deserializable { return new(kinesis.GetShardIteratorOutput) },
	}
	c.putRecord = operation[kinesis.PutRecordInput, kinesis.PutRecordOutput]{
		schema: smithy.NewOperationSchema(schemas.PutRecord, schemas.PutRecordInput, schemas.PutRecordOutput),
		plain:  api.PutRecord, output: func() smithy.Deserializable { return new(kinesis.PutRecordOutput) },
	}
	c.putRecords = operation[kinesis.PutRecordsInput, kinesis.PutRecordsOutput]{
		schema: smithy.NewOperationSchema(schemas.PutRecords, schemas.PutRecordsInput, schemas.PutRecordsOutput),
		plain:  api.PutRecords, output: func() smithy.Deserializable { return new(kinesis.PutRecordsOutput) },
	}
	return c
}

// unusual reports whether the middlewares of a client do more than those of a
// client that is configured by files and environment: interceptors, loggers, more
// than one attempt, other ways to find the service and to authenticate, regions that
// the SDK refuses or reads as another one, and traces of the Lambda function that it
// runs in.
func unusual(o *kinesis.Options) bool {
	if _, lambda := os.LookupEnv("AWS_LAMBDA_FUNCTION_NAME"); lambda {
		return true
	}
	for _, kind := range reflect.ValueOf(o.Interceptors).Fields() {
		if kind.Len() > 0 {
			return true
		}
	}
	region, _ := regexp.MatchString(`^[a-z0-9]+(-[a-z0-9]+)*$`, o.Region) // it becomes part of a host's name
	return o.EndpointOptions.DisableHTTPS || o.ClientLogMode != 0 ||
		o.AccountIDEndpointMode == aws.AccountIDEndpointModeRequired || !region || strings.Contains(o.Region, "fips") ||
		len(o.AuthSchemes) != 1 || o.Credentials == nil ||
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

// operation is one of the data calls.
type operation[In, Out any] struct {
	schema *smithy.OperationSchema
	plain  func(context.Context, *In, ...func(*kinesis.Options)) (*Out, error) // the SDK's way
	output func() smithy.Deserializable
	free   sync.Pool // of *kept that no call is using
}

// stack returns one that is ready for a call.
func (o *operation[In, Out]) stack(ctx context.Context, c *Caller) (*kept, error) {
	if k, ok := o.free.Get().(*kept); ok {
		return k, nil
	}
	k := &kept{caller: c, schema: o.schema, output: o.output}
	_, err := o.plain(ctx, new(In), func(ko *kinesis.Options) {
		ko.APIOptions = append(ko.APIOptions, func(stack *middleware.Stack) error {
			k.stack = stack
			return errKept
		})
	})
	if errors.Is(err, errKept) {
		err = k.learn(ctx, new(In))
	}
	if err != nil {
		return nil, fmt.Errorf("building the middlewares of %s: %w", o.schema.ID().Name, err)
	}
	return k, nil
}

// call makes a call with a kept stack.
func (o *operation[In, Out]) call(ctx context.Context, c *Caller, in *In) (*Out, error) {
	k, err := o.stack(ctx, c)
	if err != nil {
		return nil, err
	}
	result, _, err := k.stack.Initialize.HandleMiddleware(ctx, in, k)
	o.free.Put(k)
	if err != nil {
		return nil, &smithy.OperationError{ServiceID: kinesis.ServiceID, OperationName: o.schema.ID().Name, Err: err}
	}
	out, _ := result.(*Out)
	return out, nil
}
