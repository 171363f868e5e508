//go:build unix

package results_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/hdr"
	"github.com/kload/kload/results"
)

const limitedDir = "KLOAD_TEST_LIMITED_DIR"

// TestDiskFull runs TestLimited in a process of its own, whose files may not
// grow beyond a few kilobytes: the limit of a process cannot be raised again.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestLimited$", "-test.v")
	cmd.Env = append(os.Environ(), limitedDir+"="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestLimited") {
		t.Fatalf("%v\n%s", err, out)
	}
	// What was written is readable to its end, and nothing is half-written.
	f, err := os.Open(filepath.Join(dir, "latency.hlog"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n := 0
	info, err := hdr.ReadLog(f, func(hdr.LogEntry) error { n++; return nil })
	if err != nil || info.Torn || n == 0 || n >= limitedTicks {
		t.Errorf("%d intervals, torn %v, error %v; want some of %d", n, info.Torn, err, limitedTicks)
	}
	for name, text := range tree(t, dir) {
		if strings.HasPrefix(name, ".") || name == "verify.json" {
			t.Errorf("%s was left behind", name)
		}
		if strings.HasSuffix(name, ".ndjson") && text != "" && !strings.HasSuffix(text, "}\n") {
			t.Errorf("%s ends within a line", name)
		}
	}
	s, err := results.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if s.ExitCode != 1 || len(s.Incomplete) != 3 || s.Hops["trips/put"].Count != limitedTicks {
		t.Errorf("exit %d, incomplete %q, hops %v", s.ExitCode, s.Incomplete, s.Hops)
	}
}

const limitedTicks = 60

func TestLimited(t *testing.T) {
	dir := os.Getenv(limitedDir)
	if dir == "" {
		t.Skip("runs only inside TestDiskFull")
	}
	limit := syscall.Rlimit{Cur: 6000, Max: 6000}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	d, err := results.Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	set := hdr.NewSet("trips")
	r := set.NewRecorder()
	c, err := results.NewCollector(d, began, nil, set)
	if err != nil {
		t.Fatal(err)
	}
	var failures []error
	for i := range limitedTicks {
		record(r, 1)
		if err := c.Tick(began.Add(time.Duration(i+1) * time.Second)); err != nil {
			failures = append(failures, err)
		}
	}
	if err := c.Close(began.Add(time.Hour)); err != nil {
		t.Error(err)
	}
	failures = append(failures, d.WriteFile("verify.json", make([]byte, 10_000)))
	if len(failures) != 3 {
		t.Fatalf("%d failures reported, want one per file: %v", len(failures), failures)
	}
	for _, err := range failures {
		var hint *kload.HintError
		if !errors.Is(err, syscall.EFBIG) || !errors.As(err, &hint) || !strings.Contains(hint.Hint, "file size limit") {
			t.Errorf("error %v with hint %v, want EFBIG and what to do", err, hint)
		}
	}
	s := results.NewSummary("x", "y")
	c.Fill(s)
	s.Judge(results.DefaultDeliveredRatio)
	if err := d.WriteSummary(s); err != nil {
		t.Fatal(err)
	}
}
