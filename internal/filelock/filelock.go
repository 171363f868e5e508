// Package filelock tells which files and directories a process is at work on, by
// locks that end with their process, however that ends. They bind nobody who does
// not ask.
package filelock

import (
	"errors"
	"os"
)

// ErrHeld says that another open file holds the lock.
var ErrHeld = errors.New("locked")

// Take opens a file, as os.OpenFile does, or a directory, and locks it; closing
// what it returns unlocks it. That the lock is taken is [ErrHeld], that the system
// has no such locks [errors.ErrUnsupported].
func Take(path string, flag int, perm os.FileMode) (*os.File, error) {
	f, err := os.OpenFile(path, flag, perm)
	if err != nil {
		return nil, err
	}
	if err := lock(f); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Held reports whether the lock of a file or directory is taken. Where that cannot
// be found out it says no.
func Held(path string) bool {
	f, err := Take(path, os.O_RDONLY, 0)
	if err == nil {
		f.Close()
	}
	return errors.Is(err, ErrHeld)
}
