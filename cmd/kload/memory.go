package main

import (
	"os"
	"runtime/debug"
)

// memoryLimit is where the garbage collector starts to work harder, in bytes:
// it keeps the process below 256 MiB even when requests of many megabytes are
// encoded and decoded. A scenario that asks for more memory raises it, and
// GOMEMLIMIT overrides it.
const memoryLimit = 176 << 20

// limitMemory applies memoryLimit, and what the scenario needs beyond its
// defaults, unless the user has set a limit.
func limitMemory(extra int64) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit + extra)
	}
}
