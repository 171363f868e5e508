// Package stats holds the statistics behind comparisons: permutation tests of
// whole runs and the block bootstrap of a single one. It knows nothing of
// latencies; callers hand in logarithms, so that differences are ratios.
//
// # Whole runs
//
// [MaxT] judges many metrics of two groups of runs together. Nothing is assumed
// but that under the null hypothesis the labels of the runs are exchangeable:
// within a run values may depend on each other in any way. The metrics of a run
// move together, and the test keeps them together (Westfall and Young,
// Resampling-Based Multiple Testing, 1993, step-down max-T): with five runs on
// each side there are 126 ways to part them, and a correction that does not look
// at the dependence, such as Holm's, could never reject for more than six metrics.
//
// # Single runs
//
// Consecutive seconds of one run resemble each other. [CorrelationTime] says for
// how long, and [Blocks] draws whole blocks of them (circular block bootstrap,
// Politis and Romano, 1992).
//
// All functions are pure; what is random follows from the generator handed in.
package stats
