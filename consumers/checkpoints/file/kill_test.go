//go:build unix

package file_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/kload/kload"
	"github.com/kload/kload/consumers/checkpoints/file"
)

// countVerb makes this binary a process that counts on a lease until it is
// killed, and prints every count it was told is stored.
const countVerb = "count"

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == countVerb {
		fmt.Fprintln(os.Stderr, count(os.Args[2]))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func count(dir string) error {
	ctx := context.Background()
	s, err := file.Open(ctx, file.Config{Dir: dir})
	if err != nil {
		return err
	}
	for {
		leases, err := s.Leases(ctx)
		if err != nil {
			return err
		}
		next := leases[0]
		next.Switches++
		next.Owner = strconv.Itoa(os.Getpid())
		if next.Switches%3 == 0 {
			next.Position = kload.Position{Start: kload.After, Sequence: strconv.FormatInt(next.Switches, 10)}
		}
		switch l, err := s.Update(ctx, leases[0], next); {
		case err == nil:
			fmt.Fprintln(os.Stdout, l.Counter)
		case !errors.Is(err, kload.ErrConflict):
			return err
		}
	}
}

// Two processes share the leases; again and again one is killed in the middle of
// whatever it does. What any was told is stored, stays, and nothing is stored
// twice.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if _, err := s.Create(t.Context(), kload.Lease{Partition: "p"}); err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	var told, killed int64
	for range 20 {
		a, b := start(t, dir), start(t, dir)
		for range 1 + random.IntN(60) {
			a.next(t)
		}
		told += a.kill(t) + b.kill(t)
		killed += 2
		l := leases(t, s)[0]
		if l.Counter != l.Switches {
			t.Fatalf("counter %d, but %d changes", l.Counter, l.Switches)
		}
		if l.Counter < told || l.Counter > told+killed {
			t.Fatalf("counter %d after %d changes that were reported and %d that may not have been", l.Counter, told, killed)
		}
		told = l.Counter // what was stored and not reported is not to be again
		killed = 0
	}
}

type counter struct {
	cmd   *exec.Cmd
	lines *bufio.Scanner
	told  int64
}

func start(t *testing.T, dir string) *counter {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], countVerb, dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return &counter{cmd: cmd, lines: bufio.NewScanner(out)}
}

func (c *counter) next(t *testing.T) {
	t.Helper()
	if !c.lines.Scan() {
		t.Fatalf("the process ended: %v", c.cmd.Wait())
	}
	c.told++
}

// kill returns how many changes the process has reported.
func (c *counter) kill(t *testing.T) int64 {
	t.Helper()
	if err := c.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for c.lines.Scan() {
		c.told++
	}
	if err := c.cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the process ended by itself: %v", err)
	}
	return c.told
}
