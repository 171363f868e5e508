package file

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"

	"github.com/kload/kload"
	"github.com/kload/kload/consumers/checkpoints"
)

// A log is lines, each an entry as JSON after its checksum:
//
//	crc32c of the JSON, 8 hex digits  space  JSON  newline
//
// The first says which version it is.
const (
	version   = 1
	sumDigits = 8
)

// History is folded into a new log when it is at least so many entries, and most
// of the log.
const (
	minHistory    = 2000
	historyFactor = 4
)

// entry is a lease as it was stored, or the partition of one that was deleted.
type entry struct {
	Version int          `json:"version,omitempty"`
	Lease   *kload.Lease `json:"lease,omitempty"`
	Deleted string       `json:"deleted,omitempty"`
}

// log is the log of a directory and what it leads to. It is used under the lock.
type log struct {
	dir     string
	file    *os.File // nil before the first use
	end     int64    // of what was read
	entries int      // of what was read
	torn    int64
	leases  checkpoints.Table
}

func newLog(dir string) *log { return &log{dir: dir, leases: checkpoints.Table{}} }

func (l *log) path() string { return filepath.Join(l.dir, "leases.log") }

// catchUp reads what others have done since the last call, and cuts off what one
// of them was killed at.
func (l *log) catchUp() error {
	if err := l.follow(); err != nil {
		return fmt.Errorf("opening the log of leases: %w", err)
	}
	fresh, err := io.ReadAll(io.NewSectionReader(l.file, l.end, 1<<62))
	if err != nil {
		return fmt.Errorf("reading the log of leases: %w", err)
	}
	if l.end == 0 && !begun(fresh) {
		return kload.WithHint(fmt.Errorf("reading the log of leases %s: %w: it is no log of leases", l.path(), kload.ErrInvalid),
			"it was left as it is: give the leases a directory of their own")
	}
	good, err := l.scan(fresh)
	if err != nil {
		return fmt.Errorf("reading the log of leases %s at offset %d: %w", l.path(), l.end+int64(good), err)
	}
	l.end += int64(good)
	if rest := len(fresh) - good; rest > 0 {
		l.torn += int64(rest)
		if err := l.file.Truncate(l.end); err != nil {
			return fmt.Errorf("cutting an interrupted write off the log of leases: %w", err)
		}
	}
	if l.end == 0 {
		return l.begin()
	}
	return nil
}

// follow opens the log that now has the name, unless that is open already.
func (l *log) follow() error {
	if l.file != nil {
		mine, err := l.file.Stat()
		if err != nil {
			return err
		}
		named, err := os.Stat(l.path())
		if err == nil && os.SameFile(mine, named) {
			return nil
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	f, err := os.OpenFile(l.path(), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	l.turnTo(f)
	return nil
}

// turnTo makes f, of which nothing was read yet, the log.
func (l *log) turnTo(f *os.File) {
	l.close()
	l.file, l.end, l.entries, l.leases = f, 0, 0, checkpoints.Table{}
}

// begin writes the first line of a new log.
func (l *log) begin() error {
	if err := l.write(appendLine(nil, entry{Version: version}), true); err != nil {
		return err
	}
	return syncDir(l.dir)
}

// begun reports whether b begins as a log does, perhaps one of another version, or is
// what is left of one that was interrupted at its first line.
func begun(b []byte) bool {
	if bytes.HasPrefix(appendLine(nil, entry{Version: version}), b) {
		return true
	}
	line, _, whole := bytes.Cut(b, []byte{'\n'})
	_, ok := parseLine(line)
	return whole && ok
}

// scan takes in the good lines at the beginning of b and returns how long they
// are. What follows is half an entry; anything else is an error.
func (l *log) scan(b []byte) (good int, err error) {
	for good < len(b) {
		line, _, whole := bytes.Cut(b[good:], []byte{'\n'})
		text, ok := parseLine(line)
		if !whole || !ok {
			return good, damage(b[good+len(line):])
		}
		if err := l.take(text); err != nil {
			return good, err
		}
		good += len(line) + 1
	}
	return good, nil
}

// damage tells half an entry, behind which there is nothing, from a broken one.
func damage(rest []byte) error {
	for line := range bytes.Lines(rest) {
		if _, ok := parseLine(bytes.TrimSuffix(line, []byte{'\n'})); ok {
			return kload.WithHint(errors.New("the entry is corrupt, and valid ones follow"),
				"the disk or another program changed the file: restore the directory from a copy, or start with an empty one")
		}
	}
	return nil
}

// take makes an entry's change.
func (l *log) take(text []byte) error {
	var e entry
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil || l.entries == 0 && e.Version != version {
		return kload.WithHint(fmt.Errorf("%w: the entry is not one of version %d", errors.Join(kload.ErrInvalid, err), version),
			"open it with the kload that wrote it, or give another directory")
	}
	l.entries++
	if e.Lease != nil {
		l.leases.Put(e.Lease.Partition, *e.Lease)
	}
	delete(l.leases, e.Deleted)
	return nil
}

// put appends a partition's new lease, the zero one if it is gone.
func (l *log) put(partition string, lease kload.Lease) error {
	before, existed := l.leases[partition]
	e := entry{Lease: &lease}
	if lease.Partition == "" {
		e = entry{Deleted: partition}
	}
	durable := !existed || e.Lease == nil || before.Position != lease.Position
	if err := l.write(appendLine(nil, e), durable); err != nil {
		return err
	}
	l.leases.Put(partition, lease)
	if l.entries > minHistory && l.entries > historyFactor*len(l.leases) {
		return l.snapshot()
	}
	return nil
}

// write appends a line. If it fails, the next catchUp finds what became of it.
func (l *log) write(line []byte, durable bool) error {
	_, err := l.file.WriteAt(line, l.end)
	if err == nil && durable {
		err = l.file.Sync()
	}
	if err != nil {
		return kload.WithHint(fmt.Errorf("writing the log of leases: %w", err), "look at the disk's free space and health")
	}
	l.end += int64(len(line))
	l.entries++
	return nil
}

// snapshot replaces the log by one without history.
func (l *log) snapshot() error {
	lines := newLines(l.leases.Sorted())
	f, err := os.OpenFile(l.path()+".new", os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("creating a new log of leases: %w", err)
	}
	_, err = f.Write(lines)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = os.Rename(f.Name(), l.path())
	}
	if err != nil {
		f.Close()
		return fmt.Errorf("writing a new log of leases: %w", err)
	}
	l.turnTo(f)
	if _, err := l.scan(lines); err != nil {
		return err
	}
	l.end = int64(len(lines))
	return syncDir(l.dir)
}

func (l *log) close() error {
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("syncing the directory of the leases: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("syncing the directory of the leases: %w", err)
	}
	return nil
}

// newLines returns a log of leases without history.
func newLines(leases []kload.Lease) []byte {
	b := appendLine(nil, entry{Version: version})
	for i := range leases {
		b = appendLine(b, entry{Lease: &leases[i]})
	}
	return b
}

// appendLine appends an entry, which can always be encoded, to b.
func appendLine(b []byte, e entry) []byte {
	text, _ := json.Marshal(e)
	return fmt.Appendf(b, "%08x %s\n", sum(text), text)
}

// parseLine returns the JSON of a line that has its checksum.
func parseLine(line []byte) (text []byte, ok bool) {
	if len(line) <= sumDigits || line[sumDigits] != ' ' {
		return nil, false
	}
	text = line[sumDigits+1:]
	return text, string(line[:sumDigits]) == fmt.Sprintf("%08x", sum(text))
}

func sum(text []byte) uint32 { return crc32.Checksum(text, crc32.MakeTable(crc32.Castagnoli)) }
