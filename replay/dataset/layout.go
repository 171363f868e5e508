// Package dataset makes data sets for replays: lz4-compressed JSON lines in the
// order of their times, one folder per year, as the public NYC taxi data set has
// it:
//
//	dropoff_year=2018/part-00000-1f3c…-c000.json.lz4
//
// [Convert] makes one of CSV tables or of whatever a replay can read; [Sample]
// makes a smaller one.
package dataset

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pierrec/lz4/v4"

	"github.com/kload/kload"
	"github.com/kload/kload/replay"
)

// Written says what was written.
type Written struct {
	Objects   int    `json:"objects"`
	Rows      uint64 `json:"rows"`
	Bytes     uint64 `json:"bytes"`        // of JSON, with line ends
	Stored    int64  `json:"stored_bytes"` // compressed
	Malformed uint64 `json:"malformed"`    // rows that had no usable time
	// Samples are the first of them, a few.
	Samples []replay.Malformed `json:"malformed_samples,omitempty"`
}

// maxSamples is how many malformed rows are kept with their place.
const maxSamples = 10

// reject adds malformed rows, of which there may be samples.
func (w *Written) reject(n uint64, samples ...replay.Malformed) {
	w.Malformed += n
	w.Samples = append(w.Samples, samples[:min(len(samples), maxSamples-len(w.Samples))]...)
}

// rowsPerObject is how many rows go into one object: about 120 MB of taxi trips.
const rowsPerObject = 250_000

// sumsFile lists the checksums of all objects.
const sumsFile = "SHA256SUMS"

// layout writes rows, which come in the order of their times, into objects.
type layout struct {
	dir, id, partition string
	perObject          uint64
	object             *object // nil between objects
	year               int
	inObject           uint64
	sums               strings.Builder
	made               []string // paths of the objects, complete or not
	Written
}

// newLayout makes the directory, which must be new or empty. Objects are named
// after what they were made of, so that the same input gives the same names.
func newLayout(dir, input, timestamp string) (*layout, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w: making a data set: %w", kload.ErrInvalid, err)
	}
	if len(entries) > 0 {
		return nil, kload.WithHint(fmt.Errorf("%w: making a data set: %s is not empty", kload.ErrInvalid, dir), "name a new directory")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("making a data set: %w", err)
	}
	sum := sha256.Sum256([]byte(input))
	h := hex.EncodeToString(sum[:16])
	return &layout{
		dir: dir, id: strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-"),
		partition: strings.TrimSuffix(timestamp, "_datetime") + "_year=", perObject: rowsPerObject,
	}, nil
}

// write adds a row, without a line's end.
func (l *layout) write(at int64, line []byte) error {
	year := time.Unix(0, at).UTC().Year()
	if l.object != nil && (year != l.year || l.inObject == l.perObject) {
		if err := l.end(); err != nil {
			return err
		}
	}
	if l.object == nil {
		name := fmt.Sprintf("%s%04d/part-%05d-%s-c000.json.lz4", l.partition, year, l.Objects, l.id)
		var err error
		path := filepath.Join(l.dir, filepath.FromSlash(name))
		l.made = append(l.made, path, hidden(path))
		if l.object, err = create(name, path); err != nil {
			return err
		}
		l.year, l.inObject = year, 0
		l.Objects++
	}
	l.inObject++
	l.Rows++
	l.Bytes += uint64(len(line)) + 1
	return l.object.line(line)
}

// end completes the current object.
func (l *layout) end() error {
	if l.object == nil {
		return nil
	}
	sum, size, err := l.object.close()
	if err != nil {
		return err
	}
	fmt.Fprintf(&l.sums, "%s  %s\n", sum, l.object.name)
	l.Stored += size
	l.object = nil
	return nil
}

// close completes the data set.
func (l *layout) close() error {
	if err := l.end(); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(l.dir, sumsFile), []byte(l.sums.String()), 0o644); err != nil {
		return fmt.Errorf("writing checksums: %w", err)
	}
	return nil
}

// abandon removes what was written: part of a data set looks like one.
func (l *layout) abandon() {
	if l.object != nil {
		l.object.file.Close()
	}
	for _, path := range l.made {
		os.Remove(path)
		os.Remove(filepath.Dir(path)) // fails until it is empty
	}
	os.Remove(filepath.Join(l.dir, sumsFile))
	os.Remove(l.dir)
}

// object is one file of the data set, under another name until it is complete.
type object struct {
	name, path string
	file       *os.File
	out        *bufio.Writer
	lz4        *lz4.Writer
	sum        hash.Hash
}

func create(name, path string) (*object, error) {
	o := &object{name: name, path: path, sum: sha256.New()}
	if err := os.MkdirAll(filepath.Dir(o.path), 0o755); err != nil {
		return nil, fmt.Errorf("making a data set: %w", err)
	}
	var err error
	if o.file, err = os.OpenFile(hidden(path), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644); err != nil {
		return nil, fmt.Errorf("making a data set: %w", err)
	}
	o.lz4 = lz4.NewWriter(io.MultiWriter(o.file, o.sum))
	if err := o.lz4.Apply(lz4.BlockSizeOption(lz4.Block4Mb), lz4.ChecksumOption(true)); err != nil {
		return nil, errors.Join(fmt.Errorf("compressing %s: %w", name, err), o.file.Close())
	}
	o.out = bufio.NewWriterSize(o.lz4, 64<<10)
	return o, nil
}

// hidden is where an object is until it is complete.
func hidden(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path))
}

func (o *object) line(line []byte) error {
	_, err := o.out.Write(line)
	if err == nil {
		err = o.out.WriteByte('\n')
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", o.name, err)
	}
	return nil
}

func (o *object) close() (sum string, size int64, err error) {
	err = errors.Join(o.out.Flush(), o.lz4.Close())
	info, statErr := o.file.Stat()
	if err = errors.Join(err, statErr, o.file.Close()); err == nil {
		err = os.Rename(o.file.Name(), o.path)
	}
	if err != nil {
		return "", 0, fmt.Errorf("writing %s: %w", o.name, err)
	}
	return hex.EncodeToString(o.sum.Sum(nil)), info.Size(), nil
}
