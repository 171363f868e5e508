package results

import (
	"os"
	"path/filepath"
)

// appendLog is a file that grows by whole entries. When an entry cannot be
// written whole, what was written of it is cut off again, so that entries after
// a passing shortage of space stay readable. It is used from one goroutine.
type appendLog struct {
	dir  *Dir
	name string
	f    *os.File
	size int64 // of the whole entries
	bad  bool  // the tail behind size is still there
}

func (d *Dir) newAppendLog(name string) (*appendLog, error) {
	f, err := os.OpenFile(filepath.Join(d.path, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, d.note(name, err)
	}
	return &appendLog{dir: d, name: name, f: f}, nil
}

// Write appends one entry. Its error is the system's: the caller notes it.
func (l *appendLog) Write(entry []byte) (int, error) {
	if l.bad {
		l.bad = l.f.Truncate(l.size) != nil // later entries overwrite the tail anyway
	}
	n, err := l.f.WriteAt(entry, l.size)
	if err != nil {
		l.bad = l.f.Truncate(l.size) != nil
		return n, err
	}
	l.size += int64(n)
	return n, nil
}

func (l *appendLog) sync() error { return l.dir.note(l.name, l.f.Sync()) }

func (l *appendLog) close() error { return l.dir.note(l.name, l.f.Close()) }
