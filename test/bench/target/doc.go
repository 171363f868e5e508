// Package target measures the embedded target as a process, beside a null server
// and other people's Kinesis-compatible servers in the same run:
//
//	make bench-local
//
// Costs are the CPU time of the server's process, not wall time. Each sample is
// printed as a Go benchmark line, for benchstat; medians and ratios follow. The
// ordinary test run does the same with tiny sizes and only checks that it works.
//
// The null server is the floor: net/http reading the body into a pooled buffer
// and writing a canned answer. kinesalite and kinesis-local need node and npm.
package target
