//go:build unix

package file_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/kload/kload"
	"github.com/kload/kload/consumers/checkpoints/file"
	"github.com/kload/kload/consumers/checkpoints/storetest"
)

func TestStore(t *testing.T) {
	storetest.RunShared(t, func(t *testing.T) func() kload.Store {
		dir := filepath.Join(t.TempDir(), "leases")
		return func() kload.Store { return open(t, dir) }
	})
}

func open(t *testing.T, dir string) *file.Store {
	t.Helper()
	s, err := file.Open(t.Context(), file.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func leases(t *testing.T, s kload.Store) []kload.Lease {
	t.Helper()
	l, err := s.Leases(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// written returns a log of three leases, the last of which was changed last, and
// those.
func written(t testing.TB) (log []byte, stored []kload.Lease) {
	dir := t.TempDir()
	s, err := file.Open(t.Context(), file.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for i := range 3 {
		l, err := s.Create(t.Context(), kload.Lease{Partition: fmt.Sprint("p", i), Position: kload.Position{Start: kload.After, Sequence: "7"}})
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, l)
	}
	if stored[2], err = s.Update(t.Context(), stored[2], stored[2]); err != nil {
		t.Fatal(err)
	}
	if log, err = os.ReadFile(filepath.Join(dir, "leases.log")); err != nil {
		t.Fatal(err)
	}
	return log, stored
}

func put(t *testing.T, log []byte) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "leases.log"), log, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// A write that was cut off anywhere leaves what had been written before, and the
// log goes on behind that.
func TestTornTail(t *testing.T) {
	log, stored := written(t)
	last := bytes.LastIndexByte(log[:len(log)-1], '\n') + 1
	before := stored[2]
	before.Counter--
	for cut := last; cut < len(log); cut++ {
		dir := put(t, log[:cut])
		s := open(t, dir)
		if diff := cmp.Diff([]kload.Lease{stored[0], stored[1], before}, leases(t, s)); diff != "" {
			t.Fatalf("cut at %d (-want +got):\n%s", cut, diff)
		}
		if s.Torn() != int64(cut-last) {
			t.Errorf("cut at %d: %d bytes were torn", cut, s.Torn())
		}
		l, err := s.Update(t.Context(), before, before)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]kload.Lease{stored[0], stored[1], l}, leases(t, open(t, dir))); diff != "" {
			t.Fatalf("written anew at %d (-want +got):\n%s", cut, diff)
		}
	}
}

func TestFirstLineTorn(t *testing.T) {
	log, _ := written(t)
	for cut := range bytes.IndexByte(log, '\n') + 1 {
		if l := leases(t, open(t, put(t, log[:cut]))); len(l) != 0 {
			t.Errorf("cut at %d: %v", cut, l)
		}
	}
}

func TestDamage(t *testing.T) {
	log, _ := written(t)
	second := bytes.IndexByte(log, '\n') + 1
	for name, test := range map[string]struct {
		log  []byte
		want error
		hint bool
	}{
		"a bit of an older entry": {flip(log, second+20), nil, true},
		"its checksum":            {flip(log, second), nil, true},
		"the first line":          {flip(log, 12), nil, true},
		"without its first line":  {log[second:], kload.ErrInvalid, true},
		"what is no log":          {[]byte("not a log\n\x00\xff"), kload.ErrInvalid, true},
		"a line of something":     {[]byte("not a log"), kload.ErrInvalid, true},
		"another version":         {file.Line(`{"version":2}`), kload.ErrInvalid, true},
		"another format":          {append(bytes.Clone(log), file.Line(`{"deleted":"p0","colour":1}`)...), kload.ErrInvalid, true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := put(t, test.log)
			_, err := file.Open(t.Context(), file.Config{Dir: dir})
			var hint *kload.HintError
			if err == nil || test.want != nil && !errors.Is(err, test.want) || errors.As(err, &hint) != test.hint {
				t.Errorf("got error %v", err)
			}
			if after, _ := os.ReadFile(filepath.Join(dir, "leases.log")); !bytes.Equal(after, test.log) {
				t.Error("the log was changed")
			}
		})
	}
}

func flip(log []byte, at int) []byte {
	log = bytes.Clone(log)
	log[at] ^= 1
	return log
}

// Two stores go on with the same leases when one of them folds the log.
func TestSnapshot(t *testing.T) {
	dir := t.TempDir()
	a, b := open(t, dir), open(t, dir)
	l, err := a.Create(t.Context(), kload.Lease{Partition: "p"})
	if err != nil {
		t.Fatal(err)
	}
	var largest int64
	for i := range 5000 {
		l.Switches++
		s := a
		if i%7 == 0 {
			s = b
		}
		if l, err = s.Update(t.Context(), l, l); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(filepath.Join(dir, "leases.log"))
		if err != nil {
			t.Fatal(err)
		}
		largest = max(largest, info.Size())
	}
	for _, s := range []kload.Store{a, b, open(t, dir)} {
		if diff := cmp.Diff([]kload.Lease{l}, leases(t, s)); diff != "" || l.Counter != 5000 {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	if info, err := os.Stat(filepath.Join(dir, "leases.log")); err != nil || info.Size() > largest*2/3 {
		t.Errorf("the log was never folded: %d of %d bytes, %v", info.Size(), largest, err)
	}
}

// A snapshot that was interrupted before it got its name changes nothing.
func TestHalfSnapshot(t *testing.T) {
	log, stored := written(t)
	dir := put(t, log)
	if err := os.WriteFile(filepath.Join(dir, "leases.log.new"), log[:100], 0o600); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(stored, leases(t, open(t, dir))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Whoever waits for a process that hangs does not hang with it.
func TestHungHolder(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	holder, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close()
	if err := syscall.Flock(int(holder.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = s.Leases(ctx)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want the context's", err)
	}
	if _, err := file.Open(ctx, file.Config{Dir: dir}); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v of opening, want the context's", err)
	}
	if err := syscall.Flock(int(holder.Fd()), syscall.LOCK_UN); err != nil {
		t.Fatal(err)
	}
	if l := leases(t, s); len(l) != 0 {
		t.Errorf("%v", l)
	}
}

func TestNoDirectory(t *testing.T) {
	taken := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(taken, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := file.Open(t.Context(), file.Config{Dir: taken}); err == nil {
		t.Error("a file was taken for a directory")
	}
}

// Whatever is in a log, what is good of it reads the same without the rest, and
// so does it when written anew.
func FuzzLog(f *testing.F) {
	log, _ := written(f)
	f.Add(log)
	f.Add(log[:len(log)-3])
	f.Add(append(file.Line(`{"version":1}`), file.Line(`{"lease":{"Partition":"q"},"deleted":"q"}`)...))
	f.Add(append(file.Line(`{"version":1}`), file.Line(`{"lease":{"Owner":"q"}}`)...))
	f.Fuzz(func(t *testing.T, log []byte) {
		leases, good, err := file.Scan(log)
		if err != nil {
			return
		}
		again, all, err := file.Scan(log[:good])
		if diff := cmp.Diff(leases, again); err != nil || all != good || diff != "" {
			t.Errorf("%d of %d bytes, error %v (-before +after):\n%s", all, good, err, diff)
		}
		anew, _, err := file.Scan(file.Write(leases))
		if diff := cmp.Diff(leases, anew, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Errorf("error %v (-before +after):\n%s", err, diff)
		}
	})
}
