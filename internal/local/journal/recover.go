package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/filelock"
)

// Recovered says what opening a log found.
type Recovered struct {
	Segments int   `json:"segments"`
	Bytes    int64 `json:"bytes"` // of them, without the torn tail
	// TornTail is how many bytes of an interrupted write were truncated. Nobody had
	// been told that they were committed.
	TornTail int64 `json:"torn_tail"`
}

// Entry is a payload read back, valid until the callback returns.
type Entry struct {
	Segment uint64
	// Newest says that it belongs to the newest segment, whose head has the state
	// that all entries before it led to.
	Newest bool
	// Head says that Data is the state at a segment's head.
	Head bool
	Data []byte
}

// Open opens the log in a directory, which it creates if need be, as its only
// writer. A log that is not new must be replayed next, and needs a Cut before it
// is appended to, as a new one does.
func Open(dir string, o Options) (_ *Log, err error) {
	l := &Log{dir: dir, opts: o}
	l.idle.L = &l.mu
	defer func() {
		if err != nil {
			if l.lock != nil {
				l.lock.Close()
			}
			err = fmt.Errorf("opening the log in %s: %w", dir, err)
		}
	}()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("%w: %w", kload.ErrInvalid, err)
	}
	if l.lock, err = lockDir(filepath.Join(dir, "lock")); err != nil {
		return nil, err
	}
	return l, l.find()
}

// Recovered returns what opening the log found.
func (l *Log) Recovered() Recovered { return l.recovered }

// Head returns the state at the head of the newest segment, nil for a new log.
// It is valid until Replay.
func (l *Log) Head() []byte {
	if l.last == nil {
		return nil
	}
	_, state, err := firstHead(l.last, l.segments[len(l.segments)-1])
	if err != nil { // find has read it
		return nil
	}
	return state
}

// find looks for the newest segment with a whole head and for those it names,
// and deletes the others.
func (l *Log) find() error {
	have, err := l.list()
	if err != nil {
		return err
	}
	for n := len(have); n > 0; n-- {
		newest := have[n-1]
		b, err := os.ReadFile(l.path(newest))
		if err != nil {
			return err
		}
		kept, _, err := firstHead(b, newest)
		if errors.Is(err, errTorn) { // it was just being begun, and the older ones are all there
			l.recovered.TornTail += int64(len(b))
			if err := os.Remove(l.path(newest)); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("segment %s: %w", filepath.Base(l.path(newest)), err)
		}
		l.last, l.segments = b, append(kept, newest)
		return l.tidy(have[:n-1], kept)
	}
	return nil
}

// tidy deletes segments that a deletion under way left, and misses those that
// are wanted.
func (l *Log) tidy(have, kept []uint64) error {
	for _, n := range kept {
		if !slices.Contains(have, n) {
			return kload.WithHint(fmt.Errorf("segment %s is missing", filepath.Base(l.path(n))),
				"restore the directory from a copy, or start with an empty one")
		}
	}
	for _, n := range have {
		if !slices.Contains(kept, n) {
			if err := os.Remove(l.path(n)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *Log) list() (segments []uint64, err error) {
	files, err := os.ReadDir(l.dir)
	for _, f := range files {
		name, ok := strings.CutSuffix(f.Name(), suffix)
		if n, err := strconv.ParseUint(name, 16, 64); ok && err == nil && len(name) == 16 {
			segments = append(segments, n)
		}
	}
	return segments, err // sorted, as names of one length are
}

// firstHead reads the head of a segment.
func firstHead(b []byte, segment uint64) (kept []uint64, state []byte, err error) {
	stop := errors.New("read")
	_, err = scan(b, segment, func(payload []byte) error {
		var err error
		if kept, state, err = parseHead(payload); err != nil {
			return err
		}
		return stop
	})
	switch {
	case errors.Is(err, stop):
		return kept, state, nil
	case err == nil:
		return nil, nil, errTorn
	}
	return nil, nil, err
}

// Replay gives f every entry, oldest first, and truncates a torn tail. An error
// of f ends it.
func (l *Log) Replay(f func(Entry) error) error {
	for i, n := range l.segments {
		newest := i == len(l.segments)-1
		b := l.last
		if !newest {
			var err error
			if b, err = os.ReadFile(l.path(n)); err != nil {
				return fmt.Errorf("replaying the log in %s: %w", l.dir, err)
			}
		}
		if err := l.replay(n, b, newest, f); err != nil {
			return fmt.Errorf("replaying the log in %s: segment %s: %w", l.dir, filepath.Base(l.path(n)), err)
		}
	}
	l.last = nil
	return nil
}

func (l *Log) replay(segment uint64, b []byte, newest bool, f func(Entry) error) error {
	first := true
	good, err := scan(b, segment, func(payload []byte) error {
		e := Entry{Segment: segment, Newest: newest, Head: first, Data: payload}
		if first {
			first = false
			var err error
			if _, e.Data, err = parseHead(payload); err != nil {
				return err
			}
		}
		return f(e)
	})
	l.recovered.Segments++
	l.recovered.Bytes += int64(good)
	if !errors.Is(err, errTorn) {
		return err
	}
	if !newest {
		return kload.WithHint(fmt.Errorf("it ends at offset %d in the middle of an entry, and newer segments follow", good),
			"the machine crashed before the file was synced, or the file was changed: restore the directory from a copy, or start with an empty one")
	}
	l.recovered.TornTail += int64(len(b) - good)
	return truncate(l.path(segment), int64(good))
}

func truncate(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		return err
	}
	return f.Sync()
}

// lockDir takes the lock that makes this process the only writer: without one that
// ends with the process, two could destroy each other's log.
func lockDir(path string) (*os.File, error) {
	f, err := filelock.Take(path, os.O_CREATE|os.O_RDWR, 0o600)
	switch {
	case errors.Is(err, filelock.ErrHeld), errors.Is(err, errors.ErrUnsupported):
		return nil, locked(path, err)
	case err != nil:
		return nil, err
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = fmt.Fprintln(f, os.Getpid())
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// locked is the error for a directory that another process writes to.
func locked(path string, cause error) error {
	owner, err := os.ReadFile(path)
	who := "another process"
	if pid := strings.TrimSpace(string(owner)); err == nil && pid != "" {
		who = "process " + pid
	}
	return kload.WithHint(fmt.Errorf("%w: the directory is in use by %s: %w", kload.ErrInvalid, who, cause), "end that process, or give each its own directory")
}
