//go:build unix

package file_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/kload/kload"
)

// room is how large a file may grow in the process with the full disk.
const room = 1 << 12

// fullDisk names the directory to write in and marks that process.
const fullDisk = "KLOAD_TEST_FULL_DISK"

// TestFullDisk runs itself again in a process that cannot write large files.
func TestFullDisk(t *testing.T) {
	if dir := os.Getenv(fullDisk); dir != "" {
		fillDisk(t, dir)
		return
	}
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFullDisk$", "-test.v")
	cmd.Env = append(os.Environ(), fullDisk+"="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "written: ") {
		t.Fatalf("%v\n%s", err, out)
	}
	_, count, _ := strings.Cut(string(out), "written: ")
	count, _, _ = strings.Cut(count, "\n")
	if got := lines(t, filepath.Join(dir, "out.jsonl")); fmt.Sprint(len(got)) != count || len(got) == 0 {
		t.Errorf("%d lines in the file, %s written", len(got), count)
	}
}

// fillDisk writes until there is no room.
func fillDisk(t *testing.T, dir string) {
	signal.Ignore(syscall.SIGXFSZ)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: room, Max: room}); err != nil {
		t.Fatal(err)
	}
	s := create(t, dir)
	line := `{"text":"` + strings.Repeat("x", 290) + `"}` // no divisor of room
	var err error
	for n := uint64(0); err == nil; n += 3 {
		if s.Written() != n || n > room/290 {
			t.Fatalf("%d records written after %d were taken", s.Written(), n)
		}
		err = s.Write(t.Context(), nil, users(line, line, line))
	}
	h, hinted := errors.AsType[*kload.HintError](err)
	if !hinted || !strings.Contains(h.Hint, "--out") || !strings.Contains(err.Error(), filepath.Join(dir, "out.jsonl")) {
		t.Errorf("%v, want the file's name and a hint", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	t.Logf("written: %d", s.Written())
}
