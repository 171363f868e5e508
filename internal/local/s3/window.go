package s3

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// windowNames is how many names of one folder are held at a time. Folders are
	// read from their beginning for each window: the memory of a listing is bounded
	// by the window, and its time grows with the square of windows.
	windowNames = 8192
	// readNames is how many names are read from a folder at a time.
	readNames = 512
	// keptFrom is the number of names from which a window is kept for the next
	// page, and keptWindows how many are.
	keptFrom    = 1000
	keptWindows = 8
	// settled is how old a folder's modification time must be for its next change
	// to show.
	settled = time.Second
)

// name is one name in a folder. Its order is that of the keys: a folder sorts as
// its name with a slash.
type name struct {
	order, file string
	folder      bool
}

// window is a part of a folder's names in order, from one on.
type window struct {
	from  string
	names []name
	more  bool // there are names after these
	// A window is right as long as neither of these has changed.
	modified time.Time // of the folder
	changes  uint64    // made by this process, anywhere
}

// covers reports whether the window has the names from one on.
func (w *window) covers(from string) bool {
	return w.from <= from && (!w.more || from <= w.names[len(w.names)-1].order)
}

// windows are those of large folders, kept from one page of a listing to the next.
type windows struct {
	mu      sync.Mutex
	kept    map[string]*window // by folder
	changes atomic.Uint64
}

func (k *windows) get(dir string) *window {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.kept[dir]
}

func (k *windows) keep(dir string, w *window) {
	if len(w.names) < keptFrom || time.Since(w.modified) < settled {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.kept == nil || len(k.kept) >= keptWindows {
		k.kept = map[string]*window{}
	}
	k.kept[dir] = w
}

// window returns the first names of a folder from one on, in order, and whether
// there are more.
func (s *store) window(dir, top, from string) (names []name, more bool, err error) {
	changes := s.windows.changes.Load()
	f, err := s.root.Open(dir)
	if err != nil {
		return nil, false, err
	}
	defer func() { _ = f.Close() }() // it was only read
	info, err := f.Stat()
	if err != nil {
		return nil, false, err
	}
	w := s.windows.get(dir)
	if w == nil || w.changes != changes || !w.modified.Equal(info.ModTime()) || !w.covers(from) {
		w = &window{from: from, modified: info.ModTime(), changes: changes}
		if err := w.read(f, top); err != nil {
			return nil, false, fmt.Errorf("reading a folder: %w", err)
		}
		s.windows.keep(dir, w)
	}
	at, _ := slices.BinarySearchFunc(w.names, from, func(n name, from string) int { return strings.Compare(n.order, from) })
	return w.names[at:], w.more, nil
}

// read fills the window with the names of an open folder whose keys begin with top.
func (w *window) read(f *os.File, top string) error {
	for {
		entries, err := f.ReadDir(readNames)
		for _, e := range entries {
			segment, isAside, ok := segmentOf(e.Name())
			if !ok || e.IsDir() && isAside || !e.IsDir() && !e.Type().IsRegular() {
				continue
			}
			n := name{top + segment, e.Name(), e.IsDir()}
			if n.folder {
				n.order += "/"
			}
			if n.order >= w.from {
				w.names = append(w.names, n)
			}
		}
		done := errors.Is(err, io.EOF)
		if done || len(w.names) >= 2*windowNames {
			slices.SortFunc(w.names, func(a, b name) int { return strings.Compare(a.order, b.order) })
			if len(w.names) > windowNames {
				w.names, w.more = slices.Clip(w.names[:windowNames]), true
			}
		}
		switch {
		case done:
			return nil
		case err != nil:
			return err
		}
	}
}
