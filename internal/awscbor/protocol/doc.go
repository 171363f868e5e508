// Package protocol makes the AWS SDK speak CBOR to Kinesis instead of JSON: the
// same operations and answers for a third of the CPU, since blobs travel as they
// are.
//
//	p := protocol.New(protocol.Options{})
//	client := kinesis.NewFromConfig(cfg, p.Use)
//
// SubscribeToShard stays in JSON, and so does whatever a service answers in JSON
// although it was asked in CBOR. Errors are those that the JSON protocol yields.
//
// # Memory
//
// Requests are written into buffers that are reused when the call has returned.
// That is safe with every HTTP client: the SDK takes the body away from the
// transport before it returns.
//
// Who owns what an answer holds depends on the call:
//
//   - By default everything is a copy, as with JSON.
//   - Under [Options.Alias] the blobs of one answer share the memory of the
//     response. Keeping one of them keeps all of them.
//   - A call made with [WithBuffer] reads the response into memory of the
//     caller's, and blobs point into it until the caller uses it again.
//
// Strings are never part of the response's memory. Those of GetRecords and
// PutRecords are allocated many at a time.
package protocol
