// Package invariants holds checks that cost nothing in a release build. They
// are on under the build tag "invariants" and under the race detector; with
// [Enabled] a constant, the compiler drops them elsewhere.
package invariants

import "fmt"

// Check panics with the formatted message when ok is false. Only in builds with
// invariants on.
func Check(ok bool, format string, args ...any) {
	if Enabled && !ok {
		panic("invariant broken: " + fmt.Sprintf(format, args...))
	}
}

// Poison overwrites released memory, so that a reader that kept it sees garbage
// at once. Only in builds with invariants on.
func Poison(b []byte) {
	if !Enabled {
		return
	}
	for i := range b {
		b[i] = 0xDB
	}
}
