package md5lanes

import "golang.org/x/sys/cpu"

// wide says whether this machine can run compress.
func wide() bool { return cpu.X86.HasAVX2 }

// compress takes the next blocks of 64 bytes, at least one, of every message.
//
//go:noescape
func compress(state *[4][lanes]uint32, data *[lanes]*byte, blocks int, k *[64]uint32)
