package origin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/kload/kload"
)

// files is an origin over a file system.
type files struct {
	fsys fs.FS
	only string // the one file that was asked for, or ""
}

// Files returns an origin of all files in fsys, at any depth.
func Files(fsys fs.FS) Origin { return &files{fsys: fsys} }

func parseFile(name string) (Origin, error) {
	if name == "" {
		return nil, kload.WithHint(errors.New("file:// without a path"), "write file:///data/trips or file://trips")
	}
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return nil, kload.WithHint(fmt.Errorf("looking for recorded data: %w", err),
			"file:// takes a path as it stands; a relative one starts at the working directory")
	case info.IsDir():
		return Files(os.DirFS(name)), nil
	case !info.Mode().IsRegular():
		return nil, kload.WithHint(fmt.Errorf("looking for recorded data: %s is neither a file nor a directory", name),
			"copy its data into a file")
	}
	return &files{fsys: os.DirFS(filepath.Dir(name)), only: filepath.Base(name)}, nil
}

func (f *files) List(ctx context.Context) (Listing, error) {
	var l Listing
	if f.only != "" {
		return l, l.addNamed(f.fsys, f.only)
	}
	err := fs.WalkDir(f.fsys, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case d.IsDir():
			return nil
		}
		return l.add(f.fsys, name)
	})
	if err != nil {
		return Listing{}, fmt.Errorf("listing recorded data: %w", err)
	}
	// A walk goes directory by directory, which is not the order of whole names:
	// "a.json" sorts before "a/b.json".
	slices.SortFunc(l.Objects, func(a, b Object) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(l.Skipped, func(a, b Skipped) int { return cmp.Compare(a.Name, b.Name) })
	return l, nil
}

// add lists one entry of a walk, following a link to a file.
func (l *Listing) add(fsys fs.FS, name string) error {
	info, err := fs.Stat(fsys, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		l.Skipped = append(l.Skipped, Skipped{name, "broken link"})
		return nil
	case err != nil:
		return err
	}
	why := Unusable(name, info.Size())
	switch {
	case info.IsDir():
		why = "link to a directory"
	case !info.Mode().IsRegular():
		why = "not a regular file"
	}
	if why != "" {
		l.Skipped = append(l.Skipped, Skipped{name, why})
		return nil
	}
	l.Objects = append(l.Objects, object(name, info))
	return nil
}

// addNamed lists a file that was asked for by name, whatever it is called.
func (l *Listing) addNamed(fsys fs.FS, name string) error {
	info, err := fs.Stat(fsys, name)
	if err != nil {
		return fmt.Errorf("listing recorded data: %w", err)
	}
	if info.Size() == 0 {
		l.Skipped = append(l.Skipped, Skipped{name, "empty"})
		return nil
	}
	l.Objects = append(l.Objects, object(name, info))
	return nil
}

func object(name string, info fs.FileInfo) Object {
	return Object{Name: name, Size: info.Size(), Modified: info.ModTime()}
}

func (f *files) Open(_ context.Context, o Object, offset, size int64) (io.ReadCloser, error) {
	file, err := f.fsys.Open(o.Name)
	if err != nil {
		return nil, err
	}
	if err := position(file, o, offset); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return limited{io.LimitReader(file, size), file}, nil
}

// limited is the part of a file that was asked for.
type limited struct {
	io.Reader
	io.Closer
}

// position moves to the offset, by seeking where the file can, else by reading.
func position(file fs.File, o Object, offset int64) error {
	info, err := file.Stat()
	switch {
	case err != nil:
		return err
	case info.Size() != o.Size || !info.ModTime().Equal(o.Modified):
		return Changed()
	case offset == 0:
		return nil
	}
	if s, ok := file.(io.Seeker); ok {
		_, err = s.Seek(offset, io.SeekStart)
	} else {
		_, err = io.CopyN(io.Discard, file, offset)
	}
	if err != nil {
		return fmt.Errorf("seeking to byte %d: %w", offset, err)
	}
	return nil
}
