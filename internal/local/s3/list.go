package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

const (
	// windowNames is how many names of one folder a listing holds at a time.
	windowNames = 1024
	// readNames is how many names are read from a folder at a time.
	readNames = 512
)

// query says which part of a bucket to list, and how.
type query struct {
	bucket, prefix, delimiter string
	after                     string // the last key or common prefix already listed
	max                       int
}

// entry is an object or, where path is empty, a common prefix.
type entry struct{ key, path string }

// listing walks the folders of a bucket in the order of the keys. Folders are
// read as often as their names have windows, so that its memory is bounded by the
// window, the depth of the tree and the page.
type listing struct {
	query
	store     *store
	skip      string // the common prefix whose keys are passed over
	entries   []entry
	truncated bool
}

// list returns one page, and whether there is more.
func (s *store) list(ctx context.Context, q query) ([]entry, bool, error) {
	l := &listing{query: q, store: s}
	if q.max == 0 {
		return nil, false, nil
	}
	l.skip = l.commonPrefix(q.after)
	if l.skip != q.after {
		l.skip = ""
	}
	dir, top := q.bucket, q.prefix[:strings.LastIndexByte(q.prefix, '/')+1]
	for segment := range strings.SplitSeq(strings.TrimSuffix(top, "/"), "/") {
		if top != "" {
			dir += "/" + fileName(segment)
		}
	}
	err := l.walk(ctx, dir, top)
	if absent(err) || escapes(err) || !validText(q.prefix) {
		err = nil // nothing begins like that
	}
	return l.entries, l.truncated, err
}

// commonPrefix returns what a key is rolled up to, "" where it is listed itself.
func (l *listing) commonPrefix(key string) string {
	rest, ok := strings.CutPrefix(key, l.prefix)
	if l.delimiter == "" || !ok {
		return ""
	}
	if i := strings.Index(rest, l.delimiter); i >= 0 {
		return key[:len(l.prefix)+i+len(l.delimiter)]
	}
	return ""
}

// name is one name in a folder. Its order is that of the keys: a folder sorts as
// its name with a slash.
type name struct {
	order, file string
	folder      bool
}

// walk lists a folder whose keys begin with top.
func (l *listing) walk(ctx context.Context, dir, top string) error {
	for from := ""; ; {
		names, more, err := l.window(dir, top, from)
		if err != nil {
			return err
		}
		for _, n := range names {
			if err := ctx.Err(); err != nil {
				return err
			}
			if !l.wanted(n) {
				continue
			}
			if n.folder {
				err = l.walk(ctx, dir+"/"+n.file, n.order)
			} else {
				l.add(n.order, dir+"/"+n.file)
			}
			if l.truncated || err != nil && !absent(err) {
				return err
			}
		}
		if !more {
			return nil
		}
		from = names[len(names)-1].order
	}
}

// wanted reports whether a name is, or may hold, something that is yet to be
// listed.
func (l *listing) wanted(n name) bool {
	if l.skip != "" && strings.HasPrefix(n.order, l.skip) {
		return false
	}
	if n.folder {
		return (strings.HasPrefix(n.order, l.prefix) || strings.HasPrefix(l.prefix, n.order)) &&
			(n.order > l.after || strings.HasPrefix(l.after, n.order))
	}
	return strings.HasPrefix(n.order, l.prefix) && n.order > l.after
}

// add lists an object, or the common prefix that it is rolled up to.
func (l *listing) add(key, path string) {
	e := entry{key, path}
	if prefix := l.commonPrefix(key); prefix != "" {
		e, l.skip = entry{key: prefix}, prefix
	}
	switch last := len(l.entries); {
	case last > 0 && l.entries[last-1].key == e.key: // found under its two names
	case last == l.max:
		l.truncated = true
	default:
		l.entries = append(l.entries, e)
	}
}

// window returns the first names of a folder after from that are wanted, in
// order, and whether there are more.
func (l *listing) window(dir, top, from string) (names []name, more bool, err error) {
	f, err := l.store.root.Open(dir)
	if err != nil {
		return nil, false, err
	}
	defer func() { _ = f.Close() }() // it was only read
	byOrder := func(a, b name) int { return strings.Compare(a.order, b.order) }
	for {
		entries, err := f.ReadDir(readNames)
		for _, e := range entries {
			n := name{file: e.Name(), folder: e.IsDir()}
			segment, isAside, ok := segmentOf(n.file)
			if n.order = top + segment; n.folder {
				n.order += "/"
			}
			if ok && (n.folder && !isAside || e.Type().IsRegular()) && n.order > from && l.wanted(n) {
				names = append(names, n)
			}
		}
		if done := errors.Is(err, io.EOF); done || len(names) >= 2*windowNames {
			slices.SortFunc(names, byOrder)
			if len(names) > windowNames {
				names, more = names[:windowNames], true
			}
			if done {
				return names, more, nil
			}
		} else if err != nil {
			return nil, false, fmt.Errorf("reading a folder: %w", err)
		}
	}
}
