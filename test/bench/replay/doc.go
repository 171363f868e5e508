// Package replay measures the replay of recorded data as processes of their own:
//
//	make bench-replay
//
// Every row is a fresh process: how many rows it reads, scans, paces and hands to
// an ingress that takes everything, per second of its CPU time; how long from
// opening the data to its first row; and its peak memory. The floor, in the same
// run, is what the data demands at least: to decode it, and to find each line's
// end, its timestamp's name and its digits. Rows out of S3 read the embedded
// target's, in another process. How late trips leave that are due evenly, in
// percentiles, stands beside a bare loop that sleeps until each is due, in turn in
// the same run: no trip leaves early, and the latest hardly later than in the loop.
//
// Each sample is printed as a Go benchmark line, for benchstat; medians follow.
// The ordinary test run does the same with tiny sizes and only checks that it
// works.
package replay
