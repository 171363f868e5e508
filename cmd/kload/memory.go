package main

import (
	"os"
	"runtime/debug"
)

// limitMemory applies a scenario's memory limit, unless the user has set one.
func limitMemory(bytes int64) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(bytes)
	}
}
