// Package units holds the quantities of scenario files, each with its unit, and
// the forms in which results show them.
//
// # In files
//
// [Bytes] ("50KiB"), [Rate] ("5k/s"), [ByteRate] ("1MiB/s"), [Percent] ("80%"),
// [Count] ("10k") and durations ("200ms", see [ParseDuration]) are written
// without spaces. Where a unit is possible it is required: a bare number does
// not say what it counts. Each type parses exactly or not at all: a value that
// would have to be rounded is an error. String gives the shortest form that
// parses back to the same value. Digits may be grouped by underscores.
//
// # In results
//
// [Duration], [Thousands], [Size] and [PerSecond] are for people: rounded to
// what a reader can use, and not meant to be parsed.
package units
