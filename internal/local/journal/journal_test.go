package journal_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/local/journal"
)

// open opens a log and returns it with what it holds: state at heads as "seg
// head:state", entries as "seg text".
func open(dir string, o journal.Options) (*journal.Log, []string, error) {
	l, err := journal.Open(dir, o)
	if err != nil {
		return nil, nil, err
	}
	var got []string
	err = l.Replay(func(e journal.Entry) error {
		text := string(e.Data)
		if e.Head {
			text = "head:" + text
		}
		got = append(got, fmt.Sprintf("%d %s", e.Segment, text))
		return nil
	})
	if err != nil {
		l.Close()
		return nil, nil, err
	}
	return l, got, nil
}

func mustOpen(t *testing.T, dir string, o journal.Options) (*journal.Log, []string) {
	t.Helper()
	l, got, err := open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l, got
}

func add(l *journal.Log, text string) int64 {
	return l.End(append(l.Begin(), text...)).LSN
}

func commit(t *testing.T, l *journal.Log, lsn int64) {
	t.Helper()
	if err := l.Commit(lsn); err != nil {
		t.Fatal(err)
	}
}

func TestSegments(t *testing.T) {
	for _, policy := range []journal.Policy{journal.Always, journal.Never, journal.DefaultPolicy} {
		dir := t.TempDir()
		l, got := mustOpen(t, dir, journal.Options{SegmentBytes: 200, Sync: policy})
		if l.Head() != nil || got != nil || !l.Full() {
			t.Fatalf("a new log has head %q and entries %q, full %v", l.Head(), got, l.Full())
		}
		l.Cut(nil, []byte("a"))
		add(l, "one")
		l.Begin()
		l.Cancel()
		commit(t, l, add(l, "")) // in one write with the file's beginning
		l.Cut(nil, []byte("b"))
		commit(t, l, add(l, "two"))
		if full := l.Full(); full {
			t.Error("full too early")
		}
		commit(t, l, add(l, strings.Repeat("x", 200)))
		if !l.Full() {
			t.Error("not full")
		}
		commit(t, l, l.Cut([]uint64{1, 2}, []byte("c")).LSN) // 2 is the newest, and stays
		if diff := cmp.Diff([]uint64{2, 3}, l.Segments()); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		if st := l.Stats(); st.Segments != 2 || st.Failed || st.Bytes == 0 || st.Writes == 0 {
			t.Errorf("stats %+v", st)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if err := l.Commit(l.Cut(nil, nil).LSN); !errors.Is(err, kload.ErrClosed) {
			t.Errorf("Commit after Close: %v", err)
		}
		l, got = mustOpen(t, dir, journal.Options{})
		want := []string{"2 head:b", "2 two", "2 " + strings.Repeat("x", 200), "3 head:c"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		if r := l.Recovered(); r.Segments != 2 || r.TornTail != 0 {
			t.Errorf("recovered %+v", r)
		}
	}
}

// TestTornTail cuts a small log off at every byte.
func TestTornTail(t *testing.T) {
	dir := t.TempDir()
	l, _ := mustOpen(t, dir, journal.Options{})
	entries := []string{"1 head:state", "1 one", "1 ", "1 three"}
	ends := []int64{0}
	file := filepath.Join(dir, "0000000000000001.log")
	commit(t, l, l.Cut(nil, []byte("state")).LSN)
	for i := range entries {
		if i > 0 {
			commit(t, l, add(l, entries[i][2:]))
		}
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		ends = append(ends, info.Size())
	}
	l.Close()
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for size := range len(whole) + 1 {
		if err := os.WriteFile(file, whole[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		n := 0
		for n+1 < len(ends) && ends[n+1] <= int64(size) {
			n++
		}
		for again := range 2 { // once truncated, it is no longer torn
			l, got, err := open(dir, journal.Options{})
			if err != nil {
				t.Fatalf("cut at %d: %v", size, err)
			}
			torn := l.Recovered().TornTail
			l.Close()
			if diff := cmp.Diff(entries[:n], append([]string{}, got...)); diff != "" {
				t.Errorf("cut at %d (-want +got):\n%s", size, diff)
			}
			if want := int64(size) - ends[n]; again == 0 && torn != want || again == 1 && torn != 0 {
				t.Errorf("cut at %d, opened %d times before: torn tail of %d bytes, want %d", size, again, torn, want)
			}
		}
	}
}

// TestDamage changes every byte of a log: that is noticed, but for the last
// entry, which may have been torn.
func TestDamage(t *testing.T) {
	dir := t.TempDir()
	l, _ := mustOpen(t, dir, journal.Options{})
	l.Cut(nil, []byte("state"))
	add(l, "one")
	commit(t, l, add(l, "two"))
	file := filepath.Join(dir, "0000000000000001.log")
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	commit(t, l, add(l, "three"))
	l.Close()
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for i := range whole {
		broken := bytes.Clone(whole)
		broken[i] ^= 0x10
		if err := os.WriteFile(file, broken, 0o600); err != nil {
			t.Fatal(err)
		}
		l, got, err := open(dir, journal.Options{})
		if l != nil {
			l.Close()
		}
		if last := int64(i) >= info.Size(); last != (err == nil) || last && len(got) != 3 {
			t.Errorf("byte %d changed: %v, entries %q", i, err, got)
		}
	}
}

func TestRefusals(t *testing.T) {
	older := func(t *testing.T, l *journal.Log) { // three segments
		t.Helper()
		for i := range 3 {
			l.Cut(nil, []byte("state"))
			commit(t, l, add(l, fmt.Sprint("entry ", i)))
		}
		l.Close()
	}
	edit := func(t *testing.T, path string, f func([]byte) []byte) {
		t.Helper()
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	first := "0000000000000001.log"
	for name, tc := range map[string]struct {
		spoil func(t *testing.T, dir string)
		want  string
	}{
		"another version": {func(t *testing.T, dir string) {
			edit(t, filepath.Join(dir, "0000000000000003.log"), func(b []byte) []byte { b[8] = 9; return b })
		}, "version 9, this kload reads version 1"},
		"no log": {func(t *testing.T, dir string) {
			edit(t, filepath.Join(dir, "0000000000000003.log"), func([]byte) []byte { return bytes.Repeat([]byte("x"), 100) })
		}, "not a log of kload"},
		"missing": {func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, first)); err != nil {
				t.Fatal(err)
			}
		}, first + " is missing"},
		"an older one is torn": {func(t *testing.T, dir string) {
			edit(t, filepath.Join(dir, first), func(b []byte) []byte { return b[:len(b)-1] })
		}, "in the middle of an entry"},
		"renamed": {func(t *testing.T, dir string) {
			edit(t, filepath.Join(dir, first), func([]byte) []byte {
				b, err := os.ReadFile(filepath.Join(dir, "0000000000000002.log"))
				if err != nil {
					t.Fatal(err)
				}
				return b
			})
		}, "header is corrupt"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			l, _ := mustOpen(t, dir, journal.Options{})
			older(t, l)
			tc.spoil(t, dir)
			_, _, err := open(dir, journal.Options{})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
	t.Run("a leftover", func(t *testing.T) {
		dir := t.TempDir()
		l, _ := mustOpen(t, dir, journal.Options{})
		older(t, l)
		left := filepath.Join(dir, "0000000000000000.log")
		if err := os.WriteFile(left, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		mustOpen(t, dir, journal.Options{})
		if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("a segment that nobody wants is still there: %v", err)
		}
	})
}

func TestOneWriter(t *testing.T) {
	dir := t.TempDir()
	l, _ := mustOpen(t, dir, journal.Options{})
	_, err := journal.Open(dir, journal.Options{})
	if want := fmt.Sprintf("in use by process %d", os.Getpid()); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
	l.Close()
	mustOpen(t, dir, journal.Options{})
}

func TestWriteError(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	l, _ := mustOpen(t, dir, journal.Options{})
	commit(t, l, l.Cut(nil, nil).LSN)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	before := add(l, "before")
	l.Cut(nil, nil)
	err := l.Commit(add(l, "behind"))
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "writing the log in") {
		t.Errorf("Commit without a directory: %v", err)
	}
	if l.Commit(before) == nil || l.Commit(add(l, "later")) == nil || l.Err() == nil || !l.Stats().Failed {
		t.Error("a log that has failed commits")
	}
}

func TestPolicies(t *testing.T) {
	for text, want := range map[string]string{
		"": "1s", "always": "always", "never": "never", "250ms": "250ms", "0s": "error", "-1s": "error", "often": "error",
	} {
		p, err := journal.ParsePolicy(text)
		if got := p.String(); err == nil && got != want || (err != nil) != (want == "error") {
			t.Errorf("%q: %s, %v; want %s", text, got, err, want)
		}
	}
}

// TestSyncs counts: commits of one moment share a sync, and an interval passes
// between two.
func TestSyncs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for policy, want := range map[journal.Policy]uint64{journal.Never: 0, journal.Policy(2 * time.Second): 2, journal.Always: 5} {
			l, _ := mustOpen(t, t.TempDir(), journal.Options{Sync: policy})
			commit(t, l, l.Cut(nil, nil).LSN)
			<-time.After(10 * time.Second)
			before := l.Stats()
			for range 5 {
				commit(t, l, add(l, "x"))
				<-time.After(900 * time.Millisecond)
			}
			<-time.After(10 * time.Second)
			if got := l.Stats().Syncs - before.Syncs; got != want {
				t.Errorf("%v: %d syncs, want %d", policy, got, want)
			}
			l.Close()
		}
	})
}

// TestConcurrent has many goroutines append, commit and cut.
func TestConcurrent(t *testing.T) {
	const workers, each = 8, 200
	dir := t.TempDir()
	l, _ := mustOpen(t, dir, journal.Options{SegmentBytes: 4 << 10, Sync: journal.Never})
	l.Cut(nil, nil)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				if err := l.Commit(add(l, fmt.Sprintf("%d-%03d", w, i))); err != nil {
					t.Error(err)
				}
				if l.Full() {
					l.Cut(nil, nil)
				}
			}
		})
	}
	wg.Wait()
	st := l.Stats()
	l.Close()
	_, got := mustOpen(t, dir, journal.Options{})
	last := map[string]string{}
	n := 0
	for _, text := range got {
		if _, entry, _ := strings.Cut(text, " "); !strings.HasPrefix(entry, "head:") {
			n++
			if w := entry[:1]; entry <= last[w] {
				t.Fatalf("%s after %s", entry, last[w])
			} else {
				last[w] = entry
			}
		}
	}
	if n != workers*each || st.Segments < 4 {
		t.Errorf("%d entries in %d segments", n, st.Segments)
	}
}

// FuzzOpen opens what may be in a file: it must not panic, and what it replays
// can be replayed again.
func FuzzOpen(f *testing.F) {
	dir := f.TempDir()
	l, _, err := open(dir, journal.Options{})
	if err != nil {
		f.Fatal(err)
	}
	l.Cut(nil, []byte("state"))
	add(l, "one")
	if err := l.Close(); err != nil {
		f.Fatal(err)
	}
	whole, err := os.ReadFile(filepath.Join(dir, "0000000000000001.log"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:len(whole)-2])
	f.Add([]byte("kloadlog"))
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "0000000000000001.log"), b, 0o600); err != nil {
			t.Fatal(err)
		}
		l, got, err := open(dir, journal.Options{})
		if err != nil {
			return
		}
		l.Close()
		l, again, err := open(dir, journal.Options{})
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		if diff := cmp.Diff(got, again); diff != "" {
			t.Fatal(diff)
		}
	})
}

func BenchmarkCommit(b *testing.B) {
	for _, policy := range []journal.Policy{journal.Never, journal.Always} {
		b.Run("sync="+policy.String(), func(b *testing.B) {
			l, err := journal.Open(b.TempDir(), journal.Options{Sync: policy, SegmentBytes: 64 << 20})
			if err != nil {
				b.Fatal(err)
			}
			defer l.Close()
			l.Cut(nil, nil)
			data := make([]byte, 1<<20)
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if err := l.Commit(l.End(append(l.Begin(), data...)).LSN); err != nil {
					b.Fatal(err)
				}
				if l.Full() {
					l.Cut(l.Segments(), nil)
				}
			}
		})
	}
}
