//go:build !unix

package journal

import (
	"errors"
	"os"
)

// lockDir refuses: without a lock that ends with the process, two writers could
// destroy each other's log.
func lockDir(path string) (*os.File, error) {
	return nil, locked(path, errors.ErrUnsupported)
}
