// Package interop holds tests against independent implementations, to catch what
// an encoder and a decoder written by the same hand would agree on wrongly.
//
// The tests need tools that a Go checkout does not bring, so they hide behind a
// build tag:
//
//	go test -tags interop ./test/interop/
//
// Without the tools they skip; with KLOAD_INTEROP=must, as in CI, they fail. Each
// tool has a folder of its own, with its versions locked, beside the test that
// uses it: kpl holds AWS's Node.js decoder of aggregated records.
package interop
