package awsclient

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyrand "github.com/aws/smithy-go/rand"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/kload/kload/internal/sigv4"
)

// kept is the SDK's stack of middlewares for one operation. Those of Initialize see
// each call, then it makes the call itself: it serializes, asks for credentials,
// addresses, signs, sends and deserializes. The headers that do not change from call
// to call are those that the middlewares of Serialize and Build have set once; what
// becomes of a call that failed is for those of Deserialize. It does what these
// others do for a client that does not retry: OperationSerializer, ClientRequestID,
// Retry, ResolveAuthScheme, GetIdentity, ResolveEndpointV2, ComputePayloadHash,
// Signing, OperationDeserializer and RecordResponseTiming. It is for one call at a
// time.
type kept struct {
	caller  *Caller
	stack   *middleware.Stack
	schema  *smithy.OperationSchema
	output  func() smithy.Deserializable // returns a new one
	request *http.Request                // with what all requests have in common
	ids     *smithyrand.UUID             // of calls
	signer  sigv4.Signer
	date    string // of the latest answer
}

// errKept stops the SDK before it would go on.
var errKept = errors.New("the stack is kept")

// firstAttempt is what the header of retries says of a call that is not retried. The
// SDK adds until when the call lasts, once the service's clock is known to be ahead.
const firstAttempt = "attempt=1; max=1"

// learn has the SDK prepare a request, of no use in itself.
func (k *kept) learn(ctx context.Context, in any) error {
	last := middleware.HandlerFunc(func(_ context.Context, in any) (any, middleware.Metadata, error) {
		if req, ok := in.(*smithyhttp.Request); ok {
			k.request = &http.Request{Method: req.Method, URL: req.URL, Header: req.Header}
			k.request.Header["Amz-Sdk-Request"] = []string{firstAttempt}
		}
		return nil, middleware.Metadata{}, errKept
	})
	_, _, err := middleware.DecorateHandler(last, k.stack.Serialize, k.stack.Build).Handle(ctx, in)
	if k.request == nil {
		return err
	}
	k.ids = smithyrand.NewUUID(bufio.NewReader(rand.Reader))
	return nil
}

// Handle makes a call that has passed Initialize. It implements
// [middleware.Handler].
func (k *kept) Handle(ctx context.Context, in any) (any, middleware.Metadata, error) {
	input, ok := in.(smithy.Serializable)
	if !ok {
		return nil, middleware.Metadata{}, fmt.Errorf("input %T is not Serializable", in)
	}
	own := k.request.WithContext(ctx)
	own.Header = maps.Clone(k.request.Header)
	req := &smithyhttp.Request{Request: own}
	if err := k.caller.options.Protocol.SerializeRequest(ctx, k.schema, input, req); err != nil {
		return nil, middleware.Metadata{}, err
	}
	if req.Request != own { // a copy, which JSON makes, knows nothing of the context
		req.Request = req.WithContext(ctx)
	}
	body, err := k.caller.http.body(ctx, req.GetStream(), req.ContentLength)
	if err != nil {
		return nil, middleware.Metadata{}, err
	}
	defer body.Release()
	if err := k.prepare(ctx, req.Request, body.Digest()); err != nil {
		return nil, middleware.Metadata{}, err
	}
	sent := time.Now()
	resp, err := k.caller.http.sendBody(req.Request, body)
	if err != nil {
		return nil, middleware.Metadata{}, k.fail(ctx, req, nil, err)
	}
	defer resp.Body.Close() // has been read to its end, if only by fail
	k.follow(resp, sent)
	answer, out := &smithyhttp.Response{Response: resp}, k.output()
	if err := k.caller.options.Protocol.DeserializeResponse(ctx, k.schema, kinesis.TypeRegistry, answer, out); err != nil {
		return nil, middleware.Metadata{}, k.fail(ctx, req, answer, err)
	}
	return out, middleware.Metadata{}, nil
}

// prepare makes the request the one of this call.
func (k *kept) prepare(ctx context.Context, req *http.Request, hash string) error {
	id, err := k.ids.GetUUID()
	if err != nil {
		return err
	}
	req.Header["Amz-Sdk-Invocation-Id"] = []string{id}
	if err := ctx.Err(); err != nil {
		return err
	}
	creds, err := k.caller.options.Credentials.Retrieve(ctx)
	if err != nil {
		return fmt.Errorf("get identity: get credentials: %w", err)
	}
	to, err := k.caller.endpointFor(ctx, creds.AccountID)
	if err != nil {
		return err
	}
	to.address(req)
	skew := time.Duration(k.caller.skew.Load())
	if deadline, ok := ctx.Deadline(); ok && skew > 0 {
		req.Header["Amz-Sdk-Request"] = []string{firstAttempt + deadline.Add(skew).Format("; ttl=20060102T150405Z")}
	}
	k.signer.Sign(req, sigv4.Key{ID: creds.AccessKeyID, Secret: creds.SecretAccessKey, Token: creds.SessionToken},
		hash, to.region, to.service, time.Now().Add(skew))
	return nil
}

// fail returns what the SDK's middlewares make of a call that was not answered, or
// whose answer is, or is read with, an error.
func (k *kept) fail(ctx context.Context, req *smithyhttp.Request, answer *smithyhttp.Response, err error) error {
	var last middleware.Handler = middleware.HandlerFunc(func(context.Context, any) (any, middleware.Metadata, error) {
		return answer, middleware.Metadata{}, err
	})
	if answer == nil {
		last = smithyhttp.NewClientHandlerWithOptions(smithyhttp.ClientDoFunc(func(*http.Request) (*http.Response, error) {
			return nil, err
		}))
	}
	_, _, err = k.stack.Deserialize.HandleMiddleware(ctx, req, last)
	return err
}

// trusted is how long a call may take for its answer's date to be that of now; the
// SDK's.
const trusted = 15 * time.Minute

// follow learns the service's clock, to which requests are signed: one that is wrong
// here spoils one call at most. Answers of the same second say the same.
func (k *kept) follow(resp *http.Response, sent time.Time) {
	date := resp.Header.Get("Date")
	if date == k.date || resp.Header.Get("Age") != "" || k.caller.options.DisableClockSkewCorrection {
		return
	}
	k.date = date
	got := time.Now()
	if at, err := smithyhttp.ParseTime(date); err == nil && got.Sub(sent) <= trusted {
		k.caller.skew.Store(int64(at.Sub(got)))
	}
}
