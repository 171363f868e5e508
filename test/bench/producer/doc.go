// Package producer measures the producer against its peers and against the
// physical limit. All of it is in the package's tests; make bench-producer runs
// it.
//
// Each figure is taken in a process of its own, by CPU time, against a server in
// another process that reads requests and gives them the answers they want. Rounds
// go through all rows before any row is repeated, so that a machine that gets
// busy does not favour one of them. The KPL is left out where there is no JDK or
// Maven.
package producer
