//go:build !unix

package local

import "os"

// maxRSS returns 0: the platform does not tell.
func maxRSS(*os.ProcessState) int64 { return 0 }
