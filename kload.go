// Package kload holds the nouns and contracts of kload, the load-generation
// and benchmarking toolkit for Amazon Kinesis Data Streams. It has no logic
// and imports only the standard library; every other package may import it.
//
// # The life of a record
//
// A [Source] yields [Record] values. The load loop stamps each with its
// intended send time (T0) and hands batches to an [Ingress], which reports
// exactly one [Outcome] per accepted record. On the other side a [Reader]
// returns a [Batch] of stream records; de-aggregation fills in its user
// records, the tap shows them to the ledger, and a [Host] runs a handler whose
// results a [Sink] makes durable.
//
// # Times
//
// Every time stored as an int64 is Unix time in nanoseconds on the clock of the
// run (package internal/pace). The names T0 … T10 follow docs/TERMS.md.
//
// # Memory
//
// Contracts work on batches and say who owns memory. The rule for bytes going
// in is that of io.Writer: an implementation must not keep a caller's slice
// after it returns. A [Batch] coming out is shared and counted: its last holder
// releases it.
package kload
