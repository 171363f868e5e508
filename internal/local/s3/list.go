package s3

import (
	"context"
	"strings"
)

// query says which part of a bucket to list, and how.
type query struct {
	bucket, prefix, delimiter string
	after                     string // the last key or common prefix already listed
	max                       int
}

// entry is an object or, where path is empty, a common prefix.
type entry struct{ key, path string }

// listing walks the folders of a bucket in the order of the keys, a window of
// names at a time.
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

// walk lists a folder whose keys begin with top.
func (l *listing) walk(ctx context.Context, dir, top string) error {
	for from := l.start(top); ; {
		names, more, err := l.store.window(dir, top, from)
		if err != nil {
			return err
		}
		for _, n := range names {
			if err := ctx.Err(); err != nil || l.beyond(n) {
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
		from = names[len(names)-1].order + "\x00" // keys have no such character: it is what comes next
	}
}

// start returns what the first name of interest in a folder cannot be before.
func (l *listing) start(top string) string {
	from := top
	for _, bound := range []string{l.prefix, l.after} {
		if rest, ok := strings.CutPrefix(bound, top); ok {
			segment, _, _ := strings.Cut(rest, "/")
			from = max(from, top+segment)
		}
	}
	return from
}

// beyond reports whether neither a name nor what comes after it begins with the
// prefix.
func (l *listing) beyond(n name) bool {
	return n.order > l.prefix && !strings.HasPrefix(n.order, l.prefix) && !strings.HasPrefix(l.prefix, n.order)
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
