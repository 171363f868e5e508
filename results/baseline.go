package results

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/filelock"
)

// Baselines keeps runs under names, to compare later ones with. Each is a
// directory with copies of what comparisons need of the runs, so that the run
// directories may go. One process at a time changes the store.
type Baselines struct{ Dir string }

// BaselineDir returns where the user's baselines are: kload/baselines in the
// user's data directory ($XDG_DATA_HOME or ~/.local/share; on macOS and Windows
// the application data).
func BaselineDir() (string, error) {
	base := os.Getenv("XDG_DATA_HOME")
	if runtime.GOOS == "darwin" || runtime.GOOS == "windows" {
		var err error
		if base, err = os.UserConfigDir(); err != nil {
			return "", fmt.Errorf("finding the user's data directory: %w", err)
		}
	}
	if !filepath.IsAbs(base) {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("finding the user's data directory: %w", err)
		}
		base = filepath.Join(home, ".local", "share")
	}
	return filepath.Join(base, "kload", "baselines"), nil
}

// Baseline is one entry of the store.
type Baseline struct {
	Name     string    `json:"name"`
	Set      time.Time `json:"set"`
	Scenario string    `json:"scenario"`
	Kload    []string  `json:"kload"`             // versions that measured the runs; none of other tools' files
	Damaged  string    `json:"damaged,omitempty"` // why its runs cannot be read
	Runs     []RunRef  `json:"runs"`
}

// Set keeps copies of the runs under a name and replaces what was there. They
// must be whole and comparable with each other, or force given.
func (b Baselines) Set(name string, runs []*Run, force bool) error {
	if err := checkBaselineName(name); err != nil {
		return err
	}
	if reasons := unfit(runs); len(reasons) > 0 && !force {
		err := fmt.Errorf("setting baseline %s: %w:\n%s", name, ErrNotComparable, strings.Join(reasons, "\n"))
		return kload.WithHint(err, "keep whole runs of one scenario, or use --force")
	}
	if err := b.replace(name, runs); err != nil {
		return kload.WithHint(fmt.Errorf("setting baseline %s: %w", name, err), writeHint(err, "check that you may write to "+b.Dir+", or choose another --dir"))
	}
	return nil
}

func checkBaselineName(name string) error {
	if regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*$`).MatchString(name) {
		return nil
	}
	err := fmt.Errorf("%w: %q cannot be the name of a baseline", kload.ErrInvalid, name)
	return kload.WithHint(err, "use letters, digits, '.', '_' and '-'")
}

func unfit(runs []*Run) []string {
	reasons, _ := differences(runs, nil, false)
	for i, r := range runs {
		if r.Partial != "" {
			reasons = append(reasons, labels(runs, nil)[i]+" is partial: "+r.Partial)
		}
	}
	return reasons
}

// replace writes the new copies beside the old ones, which stay, under another
// name, until the new ones have taken their place: whenever it is killed, a whole
// baseline is left.
func (b Baselines) replace(name string, runs []*Run) (err error) {
	if err := os.MkdirAll(b.Dir, 0o755); err != nil {
		return err
	}
	unlock, err := b.lock()
	if err != nil {
		return err
	}
	defer unlock()
	fresh := filepath.Join(b.Dir, ".new-"+name) // of a set that was killed, it may be there
	defer func() {
		if err != nil {
			os.RemoveAll(fresh)
		}
	}()
	if err := errors.Join(os.RemoveAll(fresh), os.Mkdir(fresh, 0o755)); err != nil {
		return err
	}
	units := map[string]float64{}
	for i, r := range runs {
		name := fmt.Sprintf("%03d", i+1)
		if r.Foreign {
			name += filepath.Ext(r.Path) // by which it is known
			units[name] = r.scale
		}
		if err := r.copyTo(filepath.Join(fresh, name)); err != nil {
			return err
		}
	}
	text, err := json.Marshal(units)
	if err == nil && len(units) > 0 {
		err = writeWhole(filepath.Join(fresh, fileUnits), text)
	}
	if err != nil {
		return err
	}
	return b.swap(name, fresh)
}

// fileUnits says how many nanoseconds the values of other tools' files stand for,
// by the names of the copies.
const fileUnits = "units.json"

// swap puts a directory in the place of a baseline.
func (b Baselines) swap(name, fresh string) error {
	place, old := filepath.Join(b.Dir, name), b.old(name)
	if exists(place) {
		if err := errors.Join(os.RemoveAll(old), os.Rename(place, old)); err != nil {
			return err
		}
	}
	return errors.Join(os.Rename(fresh, place), os.RemoveAll(old))
}

// old is where a baseline is while another takes its place.
func (b Baselines) old(name string) string { return filepath.Join(b.Dir, oldPrefix+name) }

const oldPrefix = ".old-"

// path returns where a baseline is; a set that was killed may have left it under
// its other name.
func (b Baselines) path(name string) string {
	place, old := filepath.Join(b.Dir, name), b.old(name)
	if !exists(place) && exists(old) {
		return old
	}
	return place
}

// lock keeps other processes from changing the store, where the system can.
func (b Baselines) lock() (unlock func(), err error) {
	f, err := filelock.Take(b.Dir, os.O_RDONLY, 0)
	switch {
	case errors.Is(err, filelock.ErrHeld):
		return nil, kload.WithHint(fmt.Errorf("%w: another process is changing the baselines in %s", kload.ErrInvalid, b.Dir), "try again when it has finished")
	case err != nil: // whoever uses such a system sees to it himself
		return func() {}, nil
	}
	return func() { f.Close() }, nil
}

// copyTo copies the files that comparisons read.
func (r *Run) copyTo(to string) error {
	if r.Foreign {
		return copyFile(r.Path, to)
	}
	if err := os.Mkdir(to, 0o755); err != nil {
		return err
	}
	for _, name := range []string{FileRun, FileResolved, FileSummary, FileHlog, FileSeries} {
		err := copyFile(filepath.Join(r.Path, name), filepath.Join(to, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return writeWhole(to, data)
}

// Runs returns the paths of a baseline's runs. That there is none is
// [ErrNotComparable].
func (b Baselines) Runs(name string) ([]string, error) {
	if err := checkBaselineName(name); err != nil {
		return nil, err
	}
	path := b.path(name)
	entries, err := os.ReadDir(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, b.missing(name)
	}
	if err != nil {
		return nil, fmt.Errorf("reading baseline %s: %w", name, err)
	}
	var out []string
	for _, e := range entries {
		if e.Name() != fileUnits {
			out = append(out, filepath.Join(path, e.Name()))
		}
	}
	return out, nil
}

// Open opens the runs of a baseline, other tools' files in the units in which they
// were set.
func (b Baselines) Open(name string) ([]*Run, error) {
	paths, err := b.Runs(name)
	if err != nil {
		return nil, err
	}
	units := map[string]float64{}
	data, err := os.ReadFile(filepath.Join(b.path(name), fileUnits))
	if err == nil {
		err = json.Unmarshal(data, &units)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading the units of baseline %s: %w: %w", name, ErrNotComparable, err)
	}
	var out []*Run
	for _, path := range paths {
		u := DefaultUnits()
		if ns := units[filepath.Base(path)]; ns >= 1 {
			u = Units{Hlog: time.Duration(ns), Hgrm: time.Duration(ns)}
		}
		runs, err := Open(path, u)
		if err != nil {
			return nil, fmt.Errorf("reading baseline %s: %w", name, err)
		}
		out = append(out, runs...)
	}
	return out, nil
}

func (b Baselines) missing(name string) error {
	err := fmt.Errorf("%w: there is no baseline %q", ErrNotComparable, name)
	names, _ := b.names()
	if len(names) == 0 {
		return kload.WithHint(err, "make one of some runs: 'kload baseline set "+name+" RUN...'")
	}
	return kload.WithHint(err, "there are: "+strings.Join(names, ", "))
}

func (b Baselines) names() ([]string, error) {
	entries, err := os.ReadDir(b.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing baselines: %w", err)
	}
	var out []string
	for _, e := range entries {
		if name := strings.TrimPrefix(e.Name(), oldPrefix); e.IsDir() && checkBaselineName(name) == nil {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// List returns all baselines, by name. One that cannot be read is listed as
// damaged: it does not hide the others, and can be deleted.
func (b Baselines) List() ([]Baseline, error) {
	names, err := b.names()
	if err != nil {
		return nil, err
	}
	out := []Baseline{}
	for _, name := range names {
		one, err := b.Show(name)
		if err != nil {
			one = &Baseline{Name: name, Damaged: err.Error()}
		}
		out = append(out, *one)
	}
	return slices.Clip(out), nil
}

// Show returns one baseline.
func (b Baselines) Show(name string) (*Baseline, error) {
	runs, err := b.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(b.path(name))
	if err != nil {
		return nil, fmt.Errorf("reading baseline %s: %w", name, err)
	}
	if len(runs) == 0 {
		return nil, fmt.Errorf("reading baseline %s: %w: it holds no run", name, ErrNotComparable)
	}
	return &Baseline{
		Name: name, Set: info.ModTime().UTC(), Scenario: runs[0].Summary.Scenario, Kload: versions(runs), Runs: references(runs),
	}, nil
}

// versions lists the versions of kload that measured runs, each once.
func versions(runs []*Run) []string {
	out := []string{}
	for _, r := range runs {
		if v := r.head().Kload; v != "" && !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

// Delete removes a baseline.
func (b Baselines) Delete(name string) error {
	if _, err := b.Runs(name); err != nil {
		return err
	}
	unlock, err := b.lock()
	if err != nil {
		return fmt.Errorf("deleting baseline %s: %w", name, err)
	}
	defer unlock()
	if err := errors.Join(os.RemoveAll(b.old(name)), os.RemoveAll(filepath.Join(b.Dir, name))); err != nil {
		return fmt.Errorf("deleting baseline %s: %w", name, err)
	}
	return nil
}
