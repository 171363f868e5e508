package md5lanes

import "golang.org/x/sys/cpu"

// compressions returns those that this machine can run, for eight lanes and for
// all of them.
func compressions() (half, full compression) {
	if cpu.X86.HasAVX2 {
		half = compressAVX2
		if cpu.X86.HasAVX512F && cpu.X86.HasAVX512VL {
			full = compressAVX512
		}
	}
	return half, full
}

// compressAVX2 leaves out the second half of the lanes.
//
//go:noescape
func compressAVX2(w *work, blocks int)

//go:noescape
func compressAVX512(w *work, blocks int)
