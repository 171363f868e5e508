package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/kload/kload"
)

// Commit returns when everything up to lsn is on disk as the policy says, or
// with the error that keeps it from getting there.
func (l *Log) Commit(lsn int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.written < lsn && l.err == nil {
		if l.writing {
			l.idle.Wait()
		} else {
			l.lead()
		}
	}
	if l.written >= lsn {
		return nil
	}
	return l.err
}

// lead writes what was appended, for all who wait. l.mu is held, and let go of
// meanwhile.
func (l *Log) lead() {
	buf, cuts, upTo := l.buf, l.cuts, l.appended
	l.buf, l.cuts = nil, nil
	if spare, ok := l.spare.Get().(*[]byte); ok {
		l.buf = (*spare)[:0]
	}
	l.writing = true
	l.mu.Unlock()
	err := l.write(buf, cuts)
	l.mu.Lock()
	l.writing = false
	l.idle.Broadcast()
	if err != nil {
		l.fail(err)
	}
	if l.err != nil {
		l.buf = nil
		return
	}
	l.spare.Put(&buf)
	l.written = upTo
	l.syncLater()
}

// fail makes the first error the log's. l.mu is held.
func (l *Log) fail(err error) {
	if l.err == nil {
		l.err = kload.WithHint(fmt.Errorf("writing the log in %s: %w", l.dir, err),
			"nothing more is stored until kload is started again: look at the disk's free space and health before")
	}
}

// sync is due an interval after the first write that was not synced. Writes go
// on meanwhile, to the same file or the next: each is synced when it ends.
func (l *Log) sync() {
	l.mu.Lock()
	defer l.mu.Unlock()
	file, upTo := l.file, l.written
	if file == nil || l.err != nil {
		return
	}
	l.mu.Unlock()
	err := l.syncFile(file)
	l.mu.Lock()
	if err != nil && !errors.Is(err, os.ErrClosed) {
		l.fail(err)
	}
	if l.timer = nil; l.written > upTo {
		l.syncLater()
	}
}

// syncLater sees to it that what was written is synced as the policy says. l.mu
// is held.
func (l *Log) syncLater() {
	if l.opts.Sync > 0 && l.timer == nil && l.err == nil {
		l.timer = time.AfterFunc(time.Duration(l.opts.Sync), l.sync)
	}
}

func (l *Log) syncFile(f *os.File) error {
	l.count(&l.stats.Syncs)
	return f.Sync()
}

func (l *Log) count(n *uint64) {
	l.mu.Lock()
	*n++
	l.mu.Unlock()
}

// write writes a batch, over several segments if need be.
func (l *Log) write(buf []byte, cuts []cut) error {
	from := 0
	for _, c := range cuts {
		if err := l.put(buf[from:c.at]); err != nil {
			return err
		}
		if err := l.turnTo(c); err != nil {
			return err
		}
		from = c.at
	}
	if err := l.put(buf[from:]); err != nil {
		return err
	}
	if len(cuts) == 0 {
		if l.opts.Sync == Always {
			return l.syncFile(l.file)
		}
		return nil
	}
	return l.settle(cuts)
}

// settle makes new segments safe whatever the policy: after that, older ones may
// go.
func (l *Log) settle(cuts []cut) error {
	if err := l.syncFile(l.file); err != nil {
		return err
	}
	if err := syncDir(l.dir); err != nil {
		return err
	}
	for _, c := range cuts {
		for _, n := range c.dead {
			if err := os.Remove(l.path(n)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *Log) put(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	l.count(&l.stats.Writes)
	_, err := l.file.Write(b)
	return err
}

// turnTo ends the segment being written and begins another.
func (l *Log) turnTo(c cut) error {
	if l.file != nil {
		if err := l.syncFile(l.file); err != nil {
			return err
		}
		if err := l.file.Close(); err != nil {
			return err
		}
	}
	f, err := os.OpenFile(l.path(c.segment), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	l.mu.Lock()
	l.file = f
	l.mu.Unlock()
	return l.put(appendHeader(nil, c.segment, c.salt))
}

// syncDir makes created and deleted files of a directory last.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func (l *Log) path(segment uint64) string {
	return filepath.Join(l.dir, fmt.Sprintf("%016x%s", segment, suffix))
}
