package protocol

import (
	"context"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/schemas"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/aws/smithy-go/transport/http/protocol/awsjson"

	"github.com/kload/kload/internal/awscbor"
)

// Options says how answers use memory.
type Options struct {
	// Alias lets the blobs of an answer share the memory of the response instead
	// of being copied one by one. Default: copies.
	Alias bool
}

// Protocol is a [smithyhttp.ClientProtocol] for kinesis.Options.Protocol. It is
// safe for concurrent use.
type Protocol struct {
	opts      Options
	json      smithyhttp.ClientProtocol
	bodies    Bodies    // of ordinary requests, a few hundred bytes each
	puts      Bodies    // of PutRecords: up to 10 MiB, which a small request must not hold
	responses sync.Pool // of *Buffer
}

var _ smithyhttp.ClientProtocol = (*Protocol)(nil)

// New returns a protocol.
func New(o Options) *Protocol {
	return &Protocol{
		opts:      o,
		json:      awsjson.New11(schemas.Kinesis_20131202),
		responses: sync.Pool{New: func() any { return new(Buffer) }},
	}
}

// Use makes a client speak the protocol; it is an option function for
// kinesis.NewFromConfig or for a single call. Setting the Protocol field alone
// works too but allocates every request anew.
func (p *Protocol) Use(o *kinesis.Options) {
	o.Protocol = p
	o.APIOptions = append(o.APIOptions, p.lend, digestBody)
}

// lend gives each call a body until it has returned; see [Body] for who may hold
// it longer.
func (p *Protocol) lend(s *middleware.Stack) error {
	return s.Initialize.Add(middleware.InitializeMiddlewareFunc("kload.LendBody",
		func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (
			middleware.InitializeOutput, middleware.Metadata, error,
		) {
			bodies := &p.bodies
			if _, put := in.Parameters.(*kinesis.PutRecordsInput); put {
				bodies = &p.puts
			}
			b := bodies.Get()
			defer b.Release()
			return next.HandleInitialize(context.WithValue(ctx, bodyKey{}, b), in)
		}), middleware.Before)
}

// ID identifies the protocol.
func (p *Protocol) ID() smithy.ShapeID {
	return smithy.ShapeID{Namespace: "aws.protocols", Name: "awsCbor1_1"}
}

// SerializeRequest writes the request. The SDK calls it.
func (p *Protocol) SerializeRequest(ctx context.Context, op *smithy.OperationSchema, in smithy.Serializable, req *smithyhttp.Request) error {
	if op.IsInputEventStream() || op.IsOutputEventStream() {
		return p.json.SerializeRequest(ctx, op, in, req)
	}
	b, ok := ctx.Value(bodyKey{}).(*Body)
	if !ok {
		b = new(Body)
	}
	b.reset()
	if op.Input == nil {
		b.buf = awscbor.AppendMap(b.buf, 0)
	} else {
		b.buf = slices.Grow(b.buf, sizeHint(in))
		in.Serialize(b)
	}
	if b.err != nil {
		return &smithy.SerializationError{Err: b.err}
	}
	req.Method = http.MethodPost
	if req.URL.Path == "" {
		req.URL.Path = "/"
	}
	if err := b.stream(req); err != nil {
		return fmt.Errorf("setting the request body: %w", err)
	}
	if len(req.Header["X-Amz-Target"]) == 0 { // else there is an earlier request's header
		req.Header["X-Amz-Target"] = []string{schemas.Kinesis_20131202.ID().Name + "." + op.ID().Name}
		req.Header["Content-Type"] = []string{awscbor.Media}
	}
	return nil
}

// sizeHint estimates the size of large requests, so that a new buffer need not
// grow while it is written.
func sizeHint(in smithy.Serializable) int {
	put, ok := in.(*kinesis.PutRecordsInput)
	if !ok {
		return 0
	}
	const heads = 80 // of one entry, and an explicit hash key
	n := 4 * heads
	for i := range put.Records {
		n += len(put.Records[i].Data) + len(aws.ToString(put.Records[i].PartitionKey)) + heads
	}
	return n
}

// DeserializeResponse reads the answer into out, or returns the error in it. The
// SDK calls it.
func (p *Protocol) DeserializeResponse(
	ctx context.Context, op *smithy.OperationSchema, types *smithy.TypeRegistry, resp *smithyhttp.Response, out smithy.Deserializable,
) error {
	if op.IsInputEventStream() || op.IsOutputEventStream() || isJSON(resp.Header.Get("Content-Type")) {
		return p.json.DeserializeResponse(ctx, op, types, resp, out)
	}
	failed := resp.StatusCode < 200 || resp.StatusCode >= 300
	if !failed && op.Output == nil {
		return nil
	}
	buf, lent := ctx.Value(bufferKey{}).(*Buffer)
	copies := failed || !lent && !p.opts.Alias
	switch {
	case lent:
	case copies:
		buf, _ = p.responses.Get().(*Buffer)
		defer p.responses.Put(buf)
	default:
		buf = new(Buffer)
	}
	if err := buf.fill(resp.Response); err != nil {
		return &smithy.DeserializationError{Err: err}
	}
	if failed {
		return decodeError(types, resp.Header.Get("X-Amzn-ErrorType"), buf.b)
	}
	if len(buf.b) == 0 {
		return nil
	}
	d := deserializer{Decoder: awscbor.NewDecoder(buf.b), copies: copies}
	d.results, _ = ctx.Value(resultsKey{}).(*Results)
	if err := d.read(out); err != nil {
		return &smithy.DeserializationError{Err: err}
	}
	return nil
}

// isJSON tells the media types of JSON. A service, or a proxy before it, that
// does not know CBOR answers so.
func isJSON(contentType string) bool {
	if contentType == awscbor.Media { // what there is to be, without parsing it
		return false
	}
	media, _, _ := mime.ParseMediaType(contentType)
	return media == "application/json" || media == "application/x-amz-json-1.0" || media == "application/x-amz-json-1.1"
}

// HasInitialEventMessage and the methods below serve SubscribeToShard, in JSON.
func (p *Protocol) HasInitialEventMessage() bool { return p.json.HasInitialEventMessage() }

// SerializeEventMessage implements [smithyhttp.ClientProtocol].
func (p *Protocol) SerializeEventMessage(schema, variant *smithy.Schema, v smithy.Serializable, w io.Writer) error {
	return p.json.SerializeEventMessage(schema, variant, v, w)
}

// DeserializeEventMessage implements [smithyhttp.ClientProtocol].
func (p *Protocol) DeserializeEventMessage(schema *smithy.Schema, types *smithy.TypeRegistry, r io.Reader) (smithy.Deserializable, error) {
	return p.json.DeserializeEventMessage(schema, types, r)
}

// SerializeInitialRequest implements [smithyhttp.ClientProtocol].
func (p *Protocol) SerializeInitialRequest(schema *smithy.Schema, v smithy.Serializable, w io.Writer) error {
	return p.json.SerializeInitialRequest(schema, v, w)
}

// DeserializeInitialResponse implements [smithyhttp.ClientProtocol].
func (p *Protocol) DeserializeInitialResponse(schema *smithy.Schema, r io.Reader, out smithy.Deserializable) error {
	return p.json.DeserializeInitialResponse(schema, r, out)
}
