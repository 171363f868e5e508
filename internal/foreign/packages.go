//go:build unix

// Package foreign gives programs in other languages, which tests and benchmarks
// hold kload against, what they run with: it finds their tools and downloads their
// packages, once, into the user's cache.
package foreign

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// installing bounds one download of packages.
const installing = 5 * time.Minute

// Packages are what a lock file asks for.
type Packages struct {
	Lock  string   // file, in the folder of the programs that use the packages
	Tools []string // that are needed; the first prints its version when told --version
	Hint  string   // what to install where a tool is missing
	// Install returns the commands that put the packages into a folder.
	Install func(ctx context.Context, dir string) []*exec.Cmd
}

// Folder returns a folder that holds the packages. It is made once per content of
// the lock file and version of the first tool, in kload-ci/interop of the user's
// cache; other processes wait meanwhile. say is told what takes long. The error of
// a missing tool is [exec.ErrNotFound].
func (p Packages) Folder(ctx context.Context, say func(format string, args ...any)) (dir string, err error) {
	for _, tool := range p.Tools {
		if _, err := exec.LookPath(tool); err != nil {
			return "", fmt.Errorf("finding %s: %w", p.Hint, err)
		}
	}
	if dir, err = p.name(ctx); err != nil {
		return "", err
	}
	unlock, err := lockFile(dir + ".lock")
	if err != nil {
		return "", err
	}
	defer unlock()
	done := filepath.Join(dir, ".installed")
	if _, err := os.Stat(done); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("making room for packages: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, installing)
	defer cancel()
	for _, c := range p.Install(ctx, dir) {
		say("once per lock file: %s", c)
		if _, err := Output(c); err != nil {
			return "", err
		}
	}
	if err := os.WriteFile(done, nil, 0o644); err != nil {
		return "", fmt.Errorf("keeping packages: %w", err)
	}
	return dir, nil
}

// name returns the name of the folder, in one that exists.
func (p Packages) name(ctx context.Context) (string, error) {
	text, err := os.ReadFile(p.Lock)
	if err != nil {
		return "", fmt.Errorf("reading the lock file: %w", err)
	}
	version, err := Output(exec.CommandContext(ctx, p.Tools[0], "--version"))
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding the user's cache: %w", err)
	}
	parent := filepath.Join(cache, "kload-ci", "interop")
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return "", fmt.Errorf("making room for packages: %w", err)
	}
	sum := sha256.Sum256(append(text, version...))
	return filepath.Join(parent, fmt.Sprintf("%s-%x", filepath.Base(filepath.Dir(p.Lock)), sum[:8])), nil
}

// lockFile keeps other processes out until the returned function is called.
func lockFile(name string) (unlock func(), err error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("locking packages: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("locking packages: %w", err)
	}
	return func() { f.Close() }, nil
}

// Output runs a command and returns what it printed. The error of one that fails
// has that too, and what it wrote to standard error.
func Output(c *exec.Cmd) ([]byte, error) {
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		return nil, fmt.Errorf("running %s: %w\n%s%s", c, err, out, &stderr)
	}
	return out, nil
}
