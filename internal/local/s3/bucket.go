package s3

import (
	"fmt"
	"io/fs"
	"net/http"
	"time"
)

// bucket is a folder.
type bucket struct {
	name    string
	created time.Time
}

func (s *store) hasBucket(name string) bool {
	info, err := s.root.Lstat(name)
	return err == nil && info.IsDir() && validBucket(name)
}

func (s *store) buckets() ([]bucket, error) {
	entries, err := fs.ReadDir(s.root.FS(), ".")
	if err != nil {
		return nil, fmt.Errorf("listing buckets: %w", err)
	}
	var out []bucket
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.IsDir() && validBucket(e.Name()) {
			out = append(out, bucket{e.Name(), info.ModTime()})
		}
	}
	return out, nil
}

func (s *store) createBucket(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !validBucket(name) {
		return badRequest("InvalidBucketName", "The specified bucket is not valid.")
	}
	if s.hasBucket(name) {
		return refuse(http.StatusConflict, "BucketAlreadyOwnedByYou",
			"Your previous request to create the named bucket succeeded and you already own it.")
	}
	if err := s.root.Mkdir(name, dirMode); err != nil {
		return fmt.Errorf("creating a bucket: %w", err)
	}
	return s.syncDir(".")
}

// deleteBucket deletes a bucket that holds nothing but empty folders.
func (s *store) deleteBucket(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.hasBucket(name) {
		return noSuchBucket()
	}
	if err := s.removeEmpty(name); err != nil {
		return refuse(http.StatusConflict, "BucketNotEmpty", "The bucket you tried to delete is not empty")
	}
	if err := s.root.RemoveAll(metaDir + "/" + name); err != nil {
		return fmt.Errorf("deleting a bucket: %w", err)
	}
	return s.dropUploads(name)
}

// removeEmpty removes a folder and the folders in it, and nothing else.
func (s *store) removeEmpty(dir string) error {
	if s.root.Remove(dir) == nil {
		return nil
	}
	entries, err := fs.ReadDir(s.root.FS(), dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.IsDir() {
			return fs.ErrExist
		}
		if err := s.removeEmpty(dir + "/" + e.Name()); err != nil {
			return err
		}
	}
	return s.root.Remove(dir)
}
