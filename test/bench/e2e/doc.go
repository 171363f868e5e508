// Package e2e runs the scenario max-throughput as a user does and says what a
// record costs, and where:
//
//	make bench-e2e
//
// Costs are CPU time: that of the target's process, and that of kload's, which a
// CPU profile splits by the label that its engines give their goroutines. A replay
// of recorded data follows, for the share that reading it takes, and one load on ten
// shards and on a thousand, in processes of their own. The ordinary test run does the
// same with a small load and only checks that it works.
package e2e
