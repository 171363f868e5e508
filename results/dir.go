package results

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/filelock"
)

// The files of a run directory.
const (
	FileRun      = "run.json"
	FileScenario = "scenario.yaml"
	FileResolved = "scenario.resolved.yaml"
	FileHlog     = "latency.hlog"
	FileSeries   = "series.ndjson"
	FileEvents   = "events.ndjson"
	FileSummary  = "summary.json"
	FileVerify   = "verify.json"
	FileBench    = "bench.txt"
	// FileCheckpoint says how far replays of recorded data have come.
	FileCheckpoint = "checkpoint.json"
	dirHgrm        = "hgrm"
	dirSink        = "sink"
)

// DefaultPath returns where the results of a run go unless the user says
// otherwise: kload-results/<utc>-<name>-<id>.
func DefaultPath(now time.Time, name, id string) string {
	leaf := now.UTC().Format("20060102T150405Z") + "-" + FileName(name) + "-" + FileName(id)
	return filepath.Join("kload-results", leaf)
}

// Dir is a run directory. It is safe for concurrent use. Failed writes are
// returned and also remembered, for [Dir.Incomplete].
type Dir struct {
	path string
	file string   // whose existence says whose directory it is
	made []string // directories that Create made, the innermost first
	lock *os.File // while the run is at work, nil where there are no locks

	mu struct {
		sync.Mutex
		order  []string
		failed map[string]*failure
	}
}

// failure sums up what could not be written to one file.
type failure struct {
	first error
	times int
}

// Create makes the run directory, which must not exist or be empty, and claims
// it: of two runs that want the same directory one gets it. Until [Dir.Release],
// or the process's end, it is known to be at work.
func Create(path string) (*Dir, error) { return CreateGroup(path, FileRun) }

// CreateGroup makes a directory for several runs, as Create does. file is what
// will describe them.
func CreateGroup(path, file string) (*Dir, error) {
	d := &Dir{path: path, file: file, made: missing(path)}
	if err := os.MkdirAll(path, 0o755); err != nil {
		return nil, createError(err)
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, createError(err)
	}
	if len(entries) > 0 {
		return nil, notEmpty(path)
	}
	if err := d.claim(); err != nil {
		return nil, err
	}
	d.mu.failed = map[string]*failure{}
	return d, nil
}

// claim creates the first file of the run, which nobody else may have done.
func (d *Dir) claim() error {
	f, err := os.OpenFile(filepath.Join(d.path, d.file), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	switch {
	case errors.Is(err, fs.ErrExist):
		return notEmpty(d.path)
	case err != nil:
		return createError(errors.Join(err, d.removeMade()))
	}
	if err := f.Close(); err != nil {
		return createError(err)
	}
	d.lock, err = filelock.Take(d.path, os.O_RDONLY, 0)
	if err != nil {
		d.lock = nil // a run that ends by itself needs none
	}
	return nil
}

// Release says that nothing more will be written.
func (d *Dir) Release() {
	if d.lock != nil {
		d.lock.Close()
		d.lock = nil
	}
}

// Running reports whether the run, or the series of runs, of a directory is still
// at work, as far as this machine can tell.
func Running(dir string) bool { return filelock.Held(dir) }

func notEmpty(path string) error {
	err := fmt.Errorf("creating run directory %s: %w: it is not empty", path, kload.ErrInvalid)
	return kload.WithHint(err, "choose another --out or empty it: results of different runs are never mixed")
}

// missing lists the directories that path lacks, the innermost first.
func missing(path string) []string {
	var out []string
	for p := filepath.Clean(path); ; p = filepath.Dir(p) {
		if _, err := os.Stat(p); err == nil || p == filepath.Dir(p) {
			return out
		}
		out = append(out, p)
	}
}

// Discard takes back what the run has put there before it began: its files, and
// the directories that Create made, if nothing else is in them.
func (d *Dir) Discard() error {
	d.Release()
	var errs []error
	for _, name := range []string{d.file, FileScenario, FileResolved, FileCheckpoint} {
		if err := os.Remove(filepath.Join(d.path, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	errs = append(errs, os.RemoveAll(filepath.Join(d.path, dirSink)), d.removeMade())
	return errors.Join(errs...)
}

// removeMade removes the directories that Create made and that are empty.
func (d *Dir) removeMade() error {
	for _, dir := range d.made {
		switch err := os.Remove(dir); {
		case errors.Is(err, syscall.ENOTEMPTY), errors.Is(err, fs.ErrExist):
			return nil // somebody uses it
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return err
		}
	}
	return nil
}

func createError(err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return kload.WithHint(fmt.Errorf("creating run directory: %w: %w", kload.ErrInvalid, err), "choose an --out in a directory you may write to")
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, fs.ErrExist):
		return kload.WithHint(fmt.Errorf("creating run directory: %w: %w", kload.ErrInvalid, err), "a file of that name is in the way: choose another --out")
	}
	return kload.WithHint(fmt.Errorf("creating run directory: %w", err), writeHint(err, "choose another --out"))
}

// writeHint returns advice for a failed write, or other where the error needs
// none of its own.
func writeHint(err error, other string) string {
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return "the disk is full: free some space or choose an --out on another disk"
	case errors.Is(err, syscall.EDQUOT):
		return "the disk quota is used up: free some space or choose an --out on another disk"
	case errors.Is(err, syscall.EFBIG):
		return "the file size limit is reached: raise it (ulimit -f) or choose an --out on another disk"
	}
	return other
}

// Path returns the directory's path as given to Create.
func (d *Dir) Path() string { return d.path }

// SinkPath makes the directory for what the run's sinks store and returns it.
func (d *Dir) SinkPath() (string, error) {
	path := filepath.Join(d.path, dirSink)
	return path, d.note(dirSink, os.MkdirAll(path, 0o755))
}

// WriteFile writes a file of the run directory whole or not at all: under
// another name first, synced, then renamed. name may lie in a subdirectory.
func (d *Dir) WriteFile(name string, data []byte) error {
	return d.note(name, writeWhole(filepath.Join(d.path, name), data))
}

// WriteJSON writes v as an indented JSON file.
func (d *Dir) WriteJSON(name string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return d.note(name, fmt.Errorf("encoding %s: %w", name, err))
	}
	return d.WriteFile(name, append(data, '\n'))
}

func writeWhole(path string, data []byte) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close(), os.Chmod(f.Name(), 0o644)); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// note remembers a failed write and returns it with advice; nil stays nil.
func (d *Dir) note(name string, err error) error {
	if err == nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.mu.failed[name] == nil {
		d.mu.failed[name] = &failure{first: err}
		d.mu.order = append(d.mu.order, name)
	}
	d.mu.failed[name].times++
	path := filepath.Join(d.path, name)
	hint := writeHint(err, "results of this run are incomplete; check "+d.path)
	return kload.WithHint(fmt.Errorf("writing %s: %w", path, err), hint)
}

// Incomplete lists what could not be written, one line per file, in the order of
// the first failures.
func (d *Dir) Incomplete() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []string
	for _, name := range d.mu.order {
		f := d.mu.failed[name]
		line := name + ": " + reason(f.first)
		if f.times > 1 {
			line += fmt.Sprintf(" (%d writes failed)", f.times)
		}
		out = append(out, line)
	}
	return out
}

// reason returns the system's words without operation and temporary path, which
// tell a reader of the summary nothing.
func reason(err error) string {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return path.Err.Error()
	}
	return strings.ReplaceAll(err.Error(), "\n", "; ")
}
