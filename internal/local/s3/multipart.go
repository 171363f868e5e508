package s3

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// maxPart is S3's limit on part numbers.
	maxPart = 10000
	// minPartSize is S3's limit on the size of all parts but the last.
	minPartSize = 5 << 20
)

// upload is what is kept about a multipart upload, in a folder with its parts.
type upload struct {
	ID        string            `json:"-"`
	Bucket    string            `json:"bucket"`
	Key       string            `json:"key"`
	Headers   map[string]string `json:"headers"`
	Algorithm string            `json:"algorithm,omitempty"` // of the checksums of its parts
	Type      string            `json:"type,omitempty"`      // of the object's checksum
	Started   time.Time         `json:"started"`
}

// part is an uploaded part. All about it is in its file's name, so that it
// appears whole.
type part struct {
	number   int
	etag     string // without quotes
	checksum string // base64, "" for none
	file     string // without the folder
	version
}

func partName(number int, etag, checksum string) string {
	return fmt.Sprintf("%05d-%s-%s", number, etag, strings.NewReplacer("/", "_", "+", ".").Replace(checksum))
}

func parsePart(name string) (part, bool) {
	fields := strings.SplitN(name, "-", 3)
	if len(fields) != 3 || len(fields[1]) != 2*md5.Size {
		return part{}, false
	}
	number, err := strconv.Atoi(fields[0])
	sum := strings.NewReplacer("_", "/", ".", "+").Replace(fields[2])
	return part{number: number, etag: fields[1], checksum: sum, file: name}, err == nil
}

func uploadDir(id string) string { return uploadsDir + "/" + id }

// startUpload makes the folder of an upload.
func (s *store) startUpload(u upload) (string, error) {
	id := randomID()
	if err := s.root.Mkdir(uploadDir(id), dirMode); err != nil {
		return "", fmt.Errorf("starting an upload: %w", err)
	}
	if err := s.writeJSON(uploadDir(id)+"/upload.json", u); err != nil {
		return "", fmt.Errorf("starting an upload: %w", err)
	}
	return id, nil
}

// upload returns an upload by its id. What is not an id names none.
func (s *store) upload(id string) (upload, error) {
	u := upload{ID: id}
	if raw, err := hex.DecodeString(id); err != nil || len(raw) != 16 || strings.ToLower(id) != id {
		return u, noSuchUpload()
	}
	err := s.readJSON(uploadDir(id)+"/upload.json", &u)
	if absent(err) {
		return u, noSuchUpload()
	}
	return u, err
}

// uploadFor returns an upload if it is one for that object.
func (s *store) uploadFor(at location, id string) (upload, error) {
	u, err := s.upload(id)
	if err == nil && (u.Bucket != at.bucket || u.Key != at.key) {
		err = noSuchUpload()
	}
	return u, err
}

// uploadAlgorithm returns the checksum algorithm of an upload, "" for none.
func (s *store) uploadAlgorithm(id string) string {
	u, err := s.upload(id)
	if err != nil {
		return ""
	}
	return u.Algorithm
}

// uploads returns all uploads of a bucket, ordered by key and time.
func (s *store) uploads(bucket string) ([]upload, error) {
	entries, err := fs.ReadDir(s.root.FS(), uploadsDir)
	if err != nil {
		return nil, fmt.Errorf("listing uploads: %w", err)
	}
	var out []upload
	for _, e := range entries {
		if u, err := s.upload(e.Name()); err == nil && u.Bucket == bucket {
			out = append(out, u)
		}
	}
	slices.SortFunc(out, func(a, b upload) int {
		if a.Key != b.Key {
			return strings.Compare(a.Key, b.Key)
		}
		return a.Started.Compare(b.Started)
	})
	return out, nil
}

// dropUploads forgets the uploads of a bucket.
func (s *store) dropUploads(bucket string) error {
	all, err := s.uploads(bucket)
	for _, u := range all {
		err = errors.Join(err, s.dropUpload(u.ID))
	}
	return err
}

// dropUpload removes an upload: first that which makes it one.
func (s *store) dropUpload(id string) error {
	if err := s.root.Remove(uploadDir(id) + "/upload.json"); err != nil {
		if absent(err) {
			return noSuchUpload()
		}
		return err
	}
	return s.root.RemoveAll(uploadDir(id))
}

// addPart makes a staged file a part. Of those with the same number, the latest
// counts.
func (s *store) addPart(u upload, f *staged, p part) error {
	defer f.discard()
	if err := f.seal(s.now()); err != nil {
		return fmt.Errorf("writing a part: %w", err)
	}
	p.file = partName(p.number, p.etag, p.checksum)
	if err := f.rename(uploadDir(u.ID) + "/" + p.file); err != nil {
		if absent(err) {
			return noSuchUpload()
		}
		return fmt.Errorf("writing a part: %w", err)
	}
	return s.syncDir(uploadDir(u.ID))
}

// parts returns the parts of an upload in order; of one that was sent again, the
// latest.
func (s *store) parts(u upload) ([]part, error) {
	entries, err := fs.ReadDir(s.root.FS(), uploadDir(u.ID))
	if err != nil {
		return nil, fmt.Errorf("listing parts: %w", err)
	}
	var out []part
	for _, e := range entries {
		p, ok := parsePart(e.Name())
		info, err := e.Info()
		if !ok || err != nil {
			continue
		}
		p.version = versionOf(info)
		switch last := len(out) - 1; {
		case last < 0 || out[last].number != p.number:
			out = append(out, p)
		case p.modified.After(out[last].modified):
			out[last] = p
		}
	}
	return out, nil
}

// choose returns the parts that a completion lists, which must be ascending, as
// they were sent, and all but the last of some size.
func choose(have []part, numbers []int, etags []string) ([]part, error) {
	if len(numbers) == 0 {
		return nil, badRequest("MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
	}
	out := make([]part, 0, len(numbers))
	for i, number := range numbers {
		if i > 0 && number <= numbers[i-1] {
			return nil, badRequest("InvalidPartOrder", "The list of parts was not in ascending order. Parts must be ordered by part number.")
		}
		at, ok := slices.BinarySearchFunc(have, number, func(p part, n int) int { return p.number - n })
		if !ok || strings.Trim(etags[i], `"`) != have[at].etag {
			return nil, badRequest("InvalidPart",
				"One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.")
		}
		if i > 0 && out[i-1].size < minPartSize {
			return nil, badRequest("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")
		}
		out = append(out, have[at])
	}
	return out, nil
}

// concatenate copies the parts of an upload into one file, in the kernel where
// it can and nothing is to be worked out on the way.
func (s *store) concatenate(ctx context.Context, u upload, parts []part, sum hash.Hash) (*staged, error) {
	f, err := s.stage()
	if err != nil {
		return nil, err
	}
	for _, p := range parts {
		if err = ctx.Err(); err == nil {
			err = s.appendPart(f, uploadDir(u.ID)+"/"+p.file, sum)
		}
		if err != nil {
			f.discard()
			return nil, fmt.Errorf("putting parts together: %w", err)
		}
	}
	return f, nil
}

func (s *store) appendPart(f *staged, name string, sum hash.Hash) error {
	src, err := s.root.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = src.Close() }() // it was only read
	if sum == nil {
		_, err = io.Copy(f.File, src)
		return err
	}
	buf := s.buffer()
	defer s.buffers.Put(buf)
	_, err = io.CopyBuffer(struct{ io.Writer }{io.MultiWriter(f.File, sum)}, struct{ io.Reader }{src}, *buf)
	return err
}

// describeWhole returns what an object of these parts is described as. Its ETag
// is the MD5 of theirs, with their number.
func describeWhole(u upload, parts []part, sum hash.Hash) (description, error) {
	d := description{Headers: u.Headers}
	h := md5.New()
	for _, p := range parts {
		raw, err := hex.DecodeString(p.etag)
		if err != nil {
			return d, fmt.Errorf("reading the ETag of part %d: %w", p.number, err)
		}
		h.Write(raw)
		d.Parts = append(d.Parts, p.size)
	}
	d.ETag = hex.EncodeToString(h.Sum(nil)) + "-" + strconv.Itoa(len(parts))
	switch {
	case sum != nil:
		d.Checksum = &checksum{u.Algorithm, base64.StdEncoding.EncodeToString(sum.Sum(nil)), fullObject}
	case u.Algorithm != "":
		var err error
		if d.Checksum, err = compose(u.Algorithm, parts); err != nil {
			return d, err
		}
	}
	return d, nil
}

// complete makes the object of an upload.
func (c *call) complete(id string, numbers []int, etags []string) (description, error) {
	u, err := c.store.uploadFor(c.at, id)
	if err != nil {
		return description{}, err
	}
	have, err := c.store.parts(u)
	if err != nil {
		return description{}, err
	}
	parts, err := choose(have, numbers, etags)
	if err != nil {
		return description{}, err
	}
	var sum hash.Hash
	if u.Type == fullObject {
		if sum, err = newHash(u.Algorithm); err != nil {
			return description{}, err
		}
	}
	f, err := c.store.concatenate(c.request.Context(), u, parts, sum)
	if err != nil {
		return description{}, err
	}
	d, err := describeWhole(u, parts, sum)
	if err == nil {
		err = c.expected(d)
	}
	if err != nil {
		f.discard()
		return description{}, err
	}
	if _, err := c.commit(f, d, "CompleteMultipartUpload"); err != nil {
		return description{}, err
	}
	d.Checksum.headers(c.w.headers)
	// The object is there; what is left of its parts only takes space.
	_ = c.store.dropUpload(u.ID)
	return d, nil
}

// expected compares the checksum that a completion states with that of the whole.
func (c *call) expected(d description) error {
	for name, values := range c.request.Header {
		algorithm, ok := strings.CutPrefix(name, checksumPrefix)
		if !ok || d.Checksum == nil || !strings.EqualFold(algorithm, d.Checksum.Algorithm) {
			continue
		}
		if given, _, _ := strings.Cut(values[0], "-"); given != strings.SplitN(d.Checksum.Value, "-", 2)[0] {
			return refuse(http.StatusBadRequest, "BadDigest", "The %s you specified did not match the calculated checksum.", d.Checksum.Algorithm)
		}
	}
	return nil
}
