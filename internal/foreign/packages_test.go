//go:build unix

package foreign_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/kload/kload/internal/foreign"
)

// packages returns some whose installation is a line in a log.
func packages(t *testing.T) (p foreign.Packages, installed func() int) {
	t.Helper()
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir()) // where that says it
	dir := t.TempDir()
	log := filepath.Join(dir, "log")
	p = foreign.Packages{
		Lock: filepath.Join(dir, "lock"), Tools: []string{"echo", "sh"}, Hint: "a shell",
		Install: func(ctx context.Context, dir string) []*exec.Cmd {
			return []*exec.Cmd{
				exec.CommandContext(ctx, "sh", "-c", `echo installing >>"$0"`, log),
				exec.CommandContext(ctx, "cp", filepath.Join(filepath.Dir(log), "lock"), filepath.Join(dir, "package")),
			}
		},
	}
	write(t, p.Lock, "one")
	return p, func() int {
		text, err := os.ReadFile(log)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		return strings.Count(string(text), "\n")
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestFolder installs once per content of the lock file, whoever asks, and what
// could not be installed again.
func TestFolder(t *testing.T) {
	p, installed := packages(t)
	folder := func() string {
		dir, err := p.Folder(t.Context(), t.Logf)
		if err != nil {
			t.Error(err)
		}
		return dir
	}
	dirs := make([]string, 4)
	var g sync.WaitGroup
	for i := range dirs {
		g.Go(func() { dirs[i] = folder() })
	}
	g.Wait()
	for _, dir := range dirs {
		if text, err := os.ReadFile(filepath.Join(dir, "package")); err != nil || string(text) != "one" {
			t.Errorf("%s has %q, %v", dir, text, err)
		}
	}
	if n := installed(); n != 1 {
		t.Errorf("installed %d times for four that asked, want once", n)
	}

	write(t, p.Lock, "two")
	good := p.Install
	p.Install = func(ctx context.Context, dir string) []*exec.Cmd {
		return append(good(ctx, dir), exec.CommandContext(ctx, "sh", "-c", "echo no such package >&2; exit 3"))
	}
	if dir, err := p.Folder(t.Context(), t.Logf); err == nil || !strings.Contains(err.Error(), "no such package") {
		t.Errorf("an installation that fails: %q, %v", dir, err)
	}
	p.Install = good
	if dir := folder(); dir == dirs[0] || installed() != 3 {
		t.Errorf("with another lock file %s, installed %d times, want another folder and 3", dir, installed())
	}
}

// TestMissing holds that what cannot be had is told apart from what fails.
func TestMissing(t *testing.T) {
	p, installed := packages(t)
	p.Tools = append(p.Tools, "kload-has-no-such-tool")
	if _, err := p.Folder(t.Context(), t.Logf); !errors.Is(err, exec.ErrNotFound) || !strings.Contains(err.Error(), p.Hint) {
		t.Errorf("without a tool: %v, want %v and what to install", err, exec.ErrNotFound)
	}
	p.Tools, p.Lock = p.Tools[:1], filepath.Join(t.TempDir(), "lock")
	if _, err := p.Folder(t.Context(), t.Logf); !errors.Is(err, os.ErrNotExist) || errors.Is(err, exec.ErrNotFound) {
		t.Errorf("without a lock file: %v, want %v", err, os.ErrNotExist)
	}
	if n := installed(); n != 0 {
		t.Errorf("installed %d times", n)
	}
}
