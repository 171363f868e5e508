// Package origin gives access to the places recorded data comes from: a
// directory or file, or a data set inside the program.
//
// An [Origin] lists its objects in key order and opens each at a byte offset,
// which is all that a replay needs to read on after a failure. Another kind of
// place is one more implementation and one more case in [Parse].
package origin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/replay/builtin"
)

// Object is one recorded object: a file, or an object of a bucket.
type Object struct {
	Name     string // its path below the origin, with slashes, or its key
	Size     int64  // bytes as stored
	Modified time.Time
	ETag     string // what tells its content from that of other versions; "" where there is none
}

// Skipped is an object that is there but holds no data to replay.
type Skipped struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

// Listing is what an origin holds.
type Listing struct {
	Objects []Object  // in order of their names' bytes, as S3 lists keys
	Skipped []Skipped // in the same order
}

// Origin is a place with recorded data. It is safe for concurrent use.
type Origin interface {
	// List returns what there is. An origin without data is not an error here.
	List(ctx context.Context) (Listing, error)
	// Open returns size bytes of an object that was listed, from the given offset
	// on, or what is left of them. The context governs the reads as well. If the
	// object is not the one that was listed any more, the error is ErrChanged, and
	// if it has gone, fs.ErrNotExist.
	Open(ctx context.Context, o Object, offset, size int64) (io.ReadCloser, error)
}

// ErrChanged is the error for an object that was replaced after it was listed.
var ErrChanged = errors.New("the object changed after it was listed")

// Changed returns ErrChanged with a hint.
func Changed() error {
	return kload.WithHint(ErrChanged, "replay data that nobody writes to: copy it first, or run again")
}

// Parse returns the origin on this machine that a scenario's "from" names:
// builtin:NAME, file://DIR or file://FILE. Paths are taken as they stand, relative
// ones from the working directory.
func Parse(from string) (Origin, error) {
	if name, ok := strings.CutPrefix(from, "builtin:"); ok {
		data, err := builtin.Open(name)
		if err != nil {
			return nil, kload.WithHint(err, "the built-in data sets are: "+strings.Join(builtin.Names(), ", "))
		}
		return Files(data), nil
	}
	if name, ok := strings.CutPrefix(from, "file://"); ok {
		return parseFile(name)
	}
	return nil, kload.WithHint(
		fmt.Errorf("unknown origin %q", from),
		"use s3://BUCKET/PREFIX, file://DIR, file://FILE, local:nyc-taxi, builtin:nyc-taxi, or env:NAME for what an environment variable names")
}

// Unusable says why an object is not replayed, or returns "". Data sets carry
// documentation, checksums and markers beside their data.
func Unusable(name string, size int64) string {
	base := path.Base(name)
	upper := strings.ToUpper(base)
	switch {
	case hidden(name):
		return "hidden"
	case strings.HasPrefix(base, "_"):
		return "marker"
	case isDocument(upper):
		return "documentation"
	case isChecksums(upper):
		return "checksums"
	case size == 0:
		return "empty"
	}
	return ""
}

func hidden(name string) bool {
	return strings.HasPrefix(name, ".") || strings.Contains(name, "/.")
}

func isDocument(upper string) bool {
	stem, _, _ := strings.Cut(upper, ".")
	return stem == "README" || stem == "LICENSE" || stem == "NOTICE"
}

// isChecksums knows SHA256SUMS, MD5SUMS.txt, part-0.sha256 and the like.
func isChecksums(upper string) bool {
	for _, sum := range []string{"MD5", "SHA1", "SHA256", "SHA512", "B2", "CRC"} {
		if strings.HasPrefix(upper, sum+"SUM") || strings.HasSuffix(upper, "."+sum) {
			return true
		}
	}
	return false
}
