package s3

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kload/kload"
)

// Folders of the endpoint's own, next to those of the buckets. No bucket can be
// called like the first.
const (
	controlDir = ".kload-s3"
	metaDir    = controlDir + "/meta"    // <bucket>/<hash of key, size and time>.json
	uploadsDir = controlDir + "/uploads" // <upload>/upload.json and its parts
	stagingDir = controlDir + "/tmp"     // files that are being written
)

const (
	dirMode  = 0o755
	fileMode = 0o644
	// bufferSize is of the reads and writes of object data.
	bufferSize = 256 << 10
	// leftover is the age from which a file in stagingDir is nobody's any more.
	leftover = 24 * time.Hour
)

// store keeps objects in the tree of one folder, which nothing it does can leave:
// all names go through os.Root.
//
// An object becomes visible by a rename, and what describes it lies under a name
// made of its size and time: readers need no lock to see data and description
// that belong together.
type store struct {
	root    *os.Root
	durable bool
	// mu orders changes of the tree: conditions and renames must see the same
	// state. It is held over renames and the like, never over object data.
	mu      sync.Mutex
	stamp   atomic.Int64 // the last modification time given, Unix nanoseconds
	buffers sync.Pool    // of *[]byte
	windows windows
}

func openStore(dir string, durable bool) (*store, error) {
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return nil, fmt.Errorf("creating the folder of the buckets: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the folder of the buckets: %w", err)
	}
	s := &store{root: root, durable: durable}
	s.buffers.New = func() any { b := make([]byte, bufferSize); return &b }
	for _, name := range []string{metaDir, uploadsDir, stagingDir} {
		if err := root.MkdirAll(name, dirMode); err != nil {
			_ = root.Close() // the first error counts
			return nil, kload.WithHint(fmt.Errorf("preparing %s: %w", dir, err), "the S3 endpoint needs to write to its folder")
		}
	}
	s.sweep()
	return s, nil
}

// sweep removes what earlier processes were writing when they died.
func (s *store) sweep() {
	entries, err := fs.ReadDir(s.root.FS(), stagingDir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > leftover {
			_ = s.root.Remove(stagingDir + "/" + e.Name()) // it only takes space
		}
	}
}

func (s *store) buffer() *[]byte { return s.buffers.Get().(*[]byte) }

// now returns the time as a modification time that no other object of this store
// has, so that it can tell two versions of an object apart.
func (s *store) now() time.Time {
	for {
		last := s.stamp.Load()
		next := max(time.Now().UnixNano(), last+1)
		if s.stamp.CompareAndSwap(last, next) {
			return time.Unix(0, next)
		}
	}
}

// syncDir makes renames in a folder survive a loss of power.
func (s *store) syncDir(name string) error {
	if !s.durable {
		return nil
	}
	d, err := s.root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// readJSON reads a small file of the endpoint's own.
func (s *store) readJSON(name string, into any) error {
	b, err := s.root.ReadFile(name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, into); err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	return nil
}

// writeJSON writes a small file so that it appears whole or not at all.
func (s *store) writeJSON(name string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	f, err := s.stage()
	if err != nil {
		return err
	}
	defer f.discard()
	if _, err := f.Write(b); err != nil {
		return err
	}
	if err := f.seal(time.Time{}); err != nil {
		return err
	}
	return f.rename(name)
}

// staged is a file that nobody sees yet.
type staged struct {
	*os.File
	store *store
	name  string // "" when it has its own name
}

func (s *store) stage() (*staged, error) {
	name := stagingDir + "/" + randomID()
	f, err := s.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_RDWR, fileMode)
	if err != nil {
		return nil, fmt.Errorf("creating a file: %w", err)
	}
	return &staged{f, s, name}, nil
}

// seal ends the writing. A time that is not zero becomes the modification time.
func (f *staged) seal(modified time.Time) error {
	if f.store.durable {
		if err := f.Sync(); err != nil {
			return err
		}
	}
	if err := f.Close(); err != nil || modified.IsZero() {
		return err
	}
	return f.store.root.Chtimes(f.name, modified, modified)
}

// rename gives the file its name.
func (f *staged) rename(name string) error {
	if err := f.store.root.Rename(f.name, name); err != nil {
		return err
	}
	f.name = ""
	return nil
}

// discard removes the file unless it was renamed. It may be called in any state.
func (f *staged) discard() {
	if f.name != "" {
		_ = f.Close() // again, as a rule
		_ = f.store.root.Remove(f.name)
		f.name = ""
	}
}
