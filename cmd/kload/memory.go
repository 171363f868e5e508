package main

import (
	"os"
	"runtime/debug"
)

// memoryLimit is where the garbage collector starts to work harder, in bytes:
// it keeps the process below 256 MiB even when requests of many megabytes are
// encoded and decoded. GOMEMLIMIT overrides it.
const memoryLimit = 176 << 20

// limitMemory applies memoryLimit unless the user has set a limit.
func limitMemory() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
}
