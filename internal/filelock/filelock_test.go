//go:build unix

package filelock_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/kload/kload/internal/filelock"
)

// TestLock holds that one of two gets the lock of a file or directory, and that
// closing gives it back.
func TestLock(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct {
		path string
		flag int
	}{
		{filepath.Join(dir, "lock"), os.O_CREATE | os.O_RDWR},
		{dir, os.O_RDONLY},
	} {
		if filelock.Held(tt.path) {
			t.Errorf("%s is held by nobody", tt.path)
		}
		f, err := filelock.Take(tt.path, tt.flag, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := filelock.Take(tt.path, tt.flag, 0o600); !errors.Is(err, filelock.ErrHeld) || !filelock.Held(tt.path) {
			t.Errorf("%s a second time: %v, want %v", tt.path, err, filelock.ErrHeld)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		if filelock.Held(tt.path) {
			t.Errorf("%s is held after it was given back", tt.path)
		}
	}
}
