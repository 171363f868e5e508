//go:build !amd64

package md5lanes

// wide says whether this machine can run compress.
func wide() bool { return false }

// compress is never called: see wide.
func compress(*[4][lanes]uint32, *[lanes]*byte, int, *[64]uint32) {}
