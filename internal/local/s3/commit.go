package s3

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// commit makes a staged file the object, if the conditions hold, and calls then
// while changes of the tree are held up. It returns the version that it has then.
func (s *store) commit(at location, f *staged, d description, when conditions, then func(version)) (version, error) {
	defer f.discard()
	if err := f.seal(s.now()); err != nil {
		return version{}, fmt.Errorf("writing an object: %w", err)
	}
	info, err := s.root.Lstat(f.name) // file systems may round the time
	if err != nil {
		return version{}, fmt.Errorf("writing an object: %w", err)
	}
	v := versionOf(info)
	if err := s.describe(at, v, d); err != nil {
		return version{}, fmt.Errorf("describing an object: %w", err)
	}
	if err := s.publish(at, f, v, when, then); err != nil {
		_ = s.root.Remove(describedAt(at, v)) // of an object that never was
		return version{}, err
	}
	for dir := at.dir; ; dir = dir[:strings.LastIndexByte(dir, '/')] { // any of them may be new
		if err := s.syncDir(dir); err != nil || dir == at.bucket {
			return v, err
		}
	}
}

// publish renames the file to its place and removes the description of the
// version before.
func (s *store) publish(at location, f *staged, v version, when conditions, then func(version)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.windows.changes.Add(1)
	if !s.hasBucket(at.bucket) {
		return noSuchBucket()
	}
	var before *version
	if _, info, err := s.find(at); err == nil {
		v := versionOf(info)
		before = &v
	}
	if err := s.permit(at, before, when); err != nil {
		return err
	}
	path, err := s.place(at)
	if err != nil {
		return err
	}
	if err := f.rename(path); err != nil {
		return fmt.Errorf("renaming an object: %w", err)
	}
	if before != nil && describedAt(at, *before) != describedAt(at, v) {
		_ = s.root.Remove(describedAt(at, *before)) // it describes nothing any more
	}
	then(v)
	return nil
}

// permit checks the conditions of a write on the version before it, nil for none.
func (s *store) permit(at location, before *version, when conditions) error {
	switch {
	case when.noneMatch != "" && when.noneMatch != "*":
		return notImplemented("If-None-Match with an ETag on writes")
	case when.noneMatch != "" && before != nil:
		return preconditionFailed()
	case when.match == "":
		return nil
	case before == nil:
		return noSuchKey()
	}
	var d description
	if err := s.readJSON(describedAt(at, *before), &d); err != nil {
		return refuse(http.StatusConflict, "ConditionalRequestConflict", "The object was changed by another process. Try again.")
	}
	if !holds(when.match, d.ETag) {
		return preconditionFailed()
	}
	return nil
}

// place prepares the folders of an object and returns the path for its file.
// Where a folder must be and an object's file is, the file moves aside; where the
// file must be and a folder is, it is the new file that goes aside.
func (s *store) place(at location) (string, error) {
	if err := s.root.MkdirAll(at.dir, dirMode); err != nil {
		if err := s.makeWay(at); err != nil {
			return "", err
		}
	}
	if info, err := s.root.Lstat(at.path); err == nil && info.IsDir() {
		return at.aside, nil
	}
	if _, err := s.root.Lstat(at.aside); err == nil {
		return at.aside, nil
	}
	return at.path, nil
}

// makeWay makes the folders of an object one by one. Each file in their way is
// linked to its name aside before it goes, so that it can be read all the time.
func (s *store) makeWay(at location) error {
	segments := strings.Split(at.key, "/")
	dir := at.bucket
	for _, segment := range segments[:len(segments)-1] {
		path, beside := dir+"/"+fileName(segment), dir+"/"+asideName(segment)
		dir = path
		info, err := s.root.Lstat(path)
		switch {
		case err == nil && info.IsDir():
			continue
		case err == nil && !info.Mode().IsRegular():
			return refuse(http.StatusForbidden, "AccessDenied", "The key leads through something that is neither file nor folder: %s.", path)
		case err == nil:
			if err := s.root.Link(path, beside); err != nil {
				return fmt.Errorf("moving an object aside: %w", err)
			}
			if err := s.root.Remove(path); err != nil {
				return fmt.Errorf("moving an object aside: %w", err)
			}
		}
		if err := s.root.Mkdir(path, dirMode); err != nil {
			return fmt.Errorf("making a folder: %w", err)
		}
	}
	return nil
}

// remove deletes an object; that there is none is not an error. Folders that are
// left empty go too.
func (s *store) remove(at location) (existed bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.windows.changes.Add(1)
	path, info, err := s.find(at)
	if _, none := errors.AsType[*fault](err); none {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := s.root.Remove(path); err != nil && !absent(err) {
		return false, fmt.Errorf("deleting an object: %w", err)
	}
	_ = s.root.Remove(describedAt(at, versionOf(info))) // it describes nothing any more
	for dir := at.dir; dir != at.bucket; dir = dir[:strings.LastIndexByte(dir, '/')] {
		if s.root.Remove(dir) != nil {
			break // it is not empty
		}
	}
	return true, s.syncDir(at.bucket)
}
