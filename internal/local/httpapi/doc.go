// Package httpapi is the plumbing that the embedded AWS-compatible services
// share: reading requests into pooled memory, a JSON lexer that works in that
// memory, typed access to request members with the service's own complaints
// about wrong types, the ValidationException grammar, error answers and request
// ids.
//
// # From request to answer
//
// A service reads the body with [ReadBody], then either walks it with a [Lexer]
// (hot paths: no tree, no copies) or parses it with [Parse] into a [Value] and
// asks a [Members] for typed members (everything else). Problems of type are
// SerializationException and end the request; broken constraints are collected
// in [Violations] and reported together. What a service wants to refuse it
// returns as an [Error].
package httpapi
