// Package interop holds tests against independent implementations, to catch what
// a client and a service, or an encoder and a decoder, written by the same hand
// would agree on wrongly. docs/INTEROP.md says what they prove, with versions.
//
// The tests need tools that a Go checkout does not bring, so they hide behind a
// build tag:
//
//	go test -tags interop ./internal/interop/
//
// Without the tools they skip; with KLOAD_INTEROP=must, as in CI, they fail. Each
// folder locks its packages: node, python and java hold programs that are clients
// and decoders, the others services, which serve.js starts. What is downloaded is
// kept in $XDG_CACHE_HOME/kload-ci/interop, in a folder for each lock file.
// KplBench.java is for the producer's benchmark, which shares them.
//
// The programs are unmodified applications of their libraries: they are told the
// endpoint by the environment variables that AWS tools read, print what they saw
// as JSON, and end with their standard input.
package interop
