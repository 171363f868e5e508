// Package consumer measures the way of a record out of the stream, up to the
// ledger's verdict on it, against what Go programs use otherwise: the SDK as it
// comes and awslabs' de-aggregation. All of it is in the package's tests; make
// bench-consumer runs it.
//
// Each figure is the CPU time of a process of its own, per user record; the
// server that it reads from is another one. Rounds go through all rows before any
// row is repeated.
package consumer
