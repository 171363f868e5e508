package s3

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// description is what is kept about an object beside its data.
type description struct {
	Key  string `json:"key"`
	ETag string `json:"etag"` // without quotes
	// Headers are returned with the object: its type, its metadata.
	Headers  map[string]string `json:"headers,omitempty"`
	Checksum *checksum         `json:"checksum,omitempty"`
	Parts    []int64           `json:"parts,omitempty"` // sizes, where it was uploaded in parts
}

// version says which state of an object a description belongs to.
type version struct {
	size     int64
	modified time.Time
}

func versionOf(info fs.FileInfo) version { return version{info.Size(), info.ModTime()} }

// describedAt returns where the description of one version of an object is kept.
func describedAt(at location, v version) string {
	h := sha256.Sum256(fmt.Appendf(nil, "%s\n%d\n%d", at.key, v.size, v.modified.UnixNano()))
	return metaDir + "/" + at.bucket + "/" + hex.EncodeToString(h[:]) + ".json"
}

// describe writes the description of a version.
func (s *store) describe(at location, v version, d description) error {
	if err := s.root.MkdirAll(metaDir+"/"+at.bucket, dirMode); err != nil {
		return err
	}
	d.Key = at.key
	if err := s.writeJSON(describedAt(at, v), d); err != nil {
		return err
	}
	return s.syncDir(metaDir + "/" + at.bucket)
}

// find returns the path and state of the file that holds an object now.
func (s *store) find(at location) (string, fs.FileInfo, error) {
	for _, path := range []string{at.path, at.aside} {
		info, err := s.root.Lstat(path)
		switch {
		case err == nil && info.Mode().IsRegular():
			return path, info, nil
		case err != nil && !absent(err):
			return "", nil, fmt.Errorf("looking for an object: %w", err)
		}
	}
	return "", nil, noSuchKey()
}

// absent reports whether an error of a look-up means that there is no such file.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ENAMETOOLONG)
}

// object is one version of an object, open.
type object struct {
	file *os.File
	version
	description
}

// lastModified returns the time in the resolution of S3's headers.
func (o *object) lastModified() time.Time { return o.modified.UTC().Truncate(time.Second) }

// open opens an object. Of a file that was put there by hand it works out the
// ETag, which takes a pass over the file once and ends early with ctx.
func (s *store) open(ctx context.Context, at location) (*object, error) {
	for {
		path, _, err := s.find(at)
		if err != nil {
			return nil, err
		}
		f, err := s.root.Open(path)
		if absent(err) {
			continue // it was deleted, or moved aside, just now
		}
		if err != nil {
			return nil, fmt.Errorf("opening an object: %w", err)
		}
		o, err := s.opened(ctx, at, f)
		if err != nil {
			_ = f.Close() // nothing was written to it
			return nil, err
		}
		if o != nil {
			return o, nil
		}
		_ = f.Close()
	}
}

// opened describes an open file. It returns nil where the file was replaced and
// its description is gone.
func (s *store) opened(ctx context.Context, at location, f *os.File) (*object, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("opening an object: %w", err)
	}
	o := &object{file: f, version: versionOf(info)}
	if err := s.readJSON(describedAt(at, o.version), &o.description); err == nil {
		return o, nil
	} else if !absent(err) {
		return nil, err
	}
	if _, now, err := s.find(at); err != nil || !os.SameFile(info, now) {
		return nil, nil
	}
	if o.ETag, err = s.hashFile(ctx, f); err != nil {
		return nil, err
	}
	// A disk that is read-only or full does not keep files from being served.
	_ = s.describe(at, o.version, o.description)
	return o, nil
}

// hashFile returns the MD5 of a file in hexadecimal.
func (s *store) hashFile(ctx context.Context, f io.ReaderAt) (string, error) {
	buf := s.buffer()
	defer s.buffers.Put(buf)
	h := md5.New()
	for offset := int64(0); ; {
		n, err := f.ReadAt(*buf, offset)
		h.Write((*buf)[:n])
		offset += int64(n)
		if errors.Is(err, io.EOF) {
			return hex.EncodeToString(h.Sum(nil)), nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return "", fmt.Errorf("hashing an object: %w", err)
		}
	}
}
