// Package journal is an append-only log on disk for state that is held in
// memory: what was committed survives the process, and with the right [Policy]
// the machine.
//
// # Files
//
// A directory has one writer, which holds a lock on it. The log is a row of
// segments, files of checksummed entries. Each segment begins with a head: which
// older segments are still wanted, and the owner's whole state but for what
// those segments hold. So an old segment can be deleted as soon as nothing in it
// is wanted ([Log.Cut]), and a missing one is noticed.
//
// # Group commit
//
// Entries are appended to memory under a lock ([Log.Begin], [Log.End]). Whoever
// then needs them on disk calls [Log.Commit]: the first one there writes what
// everybody appended, in one write, while the others wait and new entries
// collect. No goroutine runs but the timer of [Policy] intervals.
//
// # Errors
//
// The first failed write or sync is the last: what is on disk behind it is not
// known. Commit returns it from then on, until the log is opened anew.
//
// # Recovery
//
// A write that was cut off leaves a torn tail, which is truncated and counted:
// nobody was told that it had been committed. Anything else that does not check
// out (a broken entry with a valid one behind it, a missing segment, another
// version) is an error that names the place, never a loss in silence.
package journal

import (
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/kload/kload"
)

// Options say how a log is kept. The zero value syncs always and never asks for
// a new segment.
type Options struct {
	// SegmentBytes is when [Log.Full] asks for a new segment. 0: never.
	SegmentBytes int64
	Sync         Policy
}

// Log is an open log. It is safe for concurrent use.
type Log struct {
	dir  string
	opts Options
	lock *os.File

	mu       sync.Mutex
	idle     sync.Cond // writing has ended
	buf      []byte    // appended, nobody writes it yet
	cuts     []cut     // where new segments begin in buf
	spare    sync.Pool // of *[]byte, written: the collector takes what is not needed
	appended int64     // bytes of entries since the log was opened
	written  int64     // of these, committed
	segments []uint64  // that are wanted; the last one is being appended to
	size     int64     // of the last one
	salt     uint32    // of the last one
	writing  bool      // somebody does
	timer    *time.Timer
	err      error
	stats    Stats

	file *os.File // written to by whoever is writing; set under the lock

	last      []byte // the newest segment found, until Replay
	recovered Recovered
}

// Stats is what a log counted since it was opened.
type Stats struct {
	Segments int    `json:"segments"`  // files, now
	Bytes    uint64 `json:"bytes"`     // committed
	Writes   uint64 `json:"writes"`    // system calls; several calls share one
	Syncs    uint64 `json:"syncs"`     // of files
	Failed   bool   `json:"failed"`    // nothing is committed any more
	TornTail int64  `json:"torn_tail"` // bytes of an interrupted write that were truncated when it was opened
}

// cut is where a segment begins, and which ones are not wanted from then on.
type cut struct {
	at      int
	segment uint64
	salt    uint32
	dead    []uint64
}

// Position is a place in the log.
type Position struct {
	// LSN grows with every entry; it is what [Log.Commit] takes.
	LSN int64
	// Segment holds the entry.
	Segment uint64
}

// Begin locks the log and returns a buffer to append one entry to. It must be
// followed by End, or by Cancel.
func (l *Log) Begin() []byte {
	l.mu.Lock()
	return append(l.buf, make([]byte, frameHead)...)
}

// Cancel ends what Begin began without an entry.
func (l *Log) Cancel() { l.mu.Unlock() }

// End completes the entry in b, which Begin returned, and unlocks the log. The
// log must have a segment.
func (l *Log) End(b []byte) Position {
	defer l.mu.Unlock()
	start := len(l.buf)
	endFrame(b[start:], l.salt)
	return l.grown(b)
}

// grown takes over the buffer with more in it. l.mu is held.
func (l *Log) grown(b []byte) Position {
	n := int64(len(b) - len(l.buf))
	l.appended += n
	l.size += n
	if l.err == nil {
		l.buf = b
	}
	return Position{LSN: l.appended, Segment: l.segments[len(l.segments)-1]}
}

// Full reports whether the newest segment is large enough, or there is none.
func (l *Log) Full() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.segments) == 0 || l.opts.SegmentBytes > 0 && l.size >= l.opts.SegmentBytes
}

// Cut begins a segment, with state at its head, and gives up the segments named
// dead: they are deleted when the new one is safely on disk. The newest segment
// is never dead.
func (l *Log) Cut(dead []uint64, state []byte) Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	next := uint64(1)
	if n := len(l.segments); n > 0 {
		next = l.segments[n-1] + 1
		newest := l.segments[n-1]
		dead = slices.DeleteFunc(slices.Clone(dead), func(s uint64) bool { return s == newest })
	}
	kept := slices.DeleteFunc(slices.Clone(l.segments), func(s uint64) bool { return slices.Contains(dead, s) })
	c := cut{at: len(l.buf), segment: next, salt: newSalt(), dead: dead}
	l.segments, l.salt, l.size = append(slices.Clip(kept), next), c.salt, int64(headerSize)
	b := append(l.buf, make([]byte, frameHead)...)
	b = append(appendNumbers(b, kept), state...)
	endFrame(b[c.at:], c.salt)
	if l.err == nil {
		l.cuts = append(l.cuts, c)
	}
	return l.grown(b)
}

// Segments returns the segments that are wanted, oldest first.
func (l *Log) Segments() []uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.segments)
}

// Appended returns the LSN of what was appended last.
func (l *Log) Appended() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.appended
}

// Err returns why nothing is committed any more, nil while it is.
func (l *Log) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Stats returns the counters so far.
func (l *Log) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	st := l.stats
	st.Segments, st.Bytes, st.Failed = len(l.segments), uint64(l.written), l.err != nil
	st.TornTail = l.recovered.TornTail
	return st
}

// Close commits and syncs what was appended, whatever the policy, and gives the
// directory free. Nothing may be appended any more.
func (l *Log) Close() error {
	err := l.Commit(l.Appended())
	l.mu.Lock()
	for l.writing {
		l.idle.Wait()
	}
	if l.timer != nil {
		l.timer.Stop()
	}
	file := l.file
	l.file = nil
	if l.err == nil {
		l.err = fmt.Errorf("the log is closed: %w", kload.ErrClosed)
	}
	l.mu.Unlock()
	if file != nil {
		if syncErr := file.Sync(); err == nil {
			err = syncErr
		}
		file.Close()
	}
	if l.lock != nil {
		l.lock.Close()
	}
	if err != nil {
		return fmt.Errorf("closing the log in %s: %w", l.dir, err)
	}
	return nil
}
