package results

import (
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
)

// Baselines keeps runs under names, to compare later ones with. Each is a
// directory with copies of what comparisons need of the runs, so that the run
// directories may go. Sets and deletes of one name must not run at the same time.
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
		return fmt.Errorf("setting baseline %s: %w", name, err)
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

// replace writes the new copies beside the old ones before those go.
func (b Baselines) replace(name string, runs []*Run) (err error) {
	if err := os.MkdirAll(b.Dir, 0o755); err != nil {
		return err
	}
	fresh, err := os.MkdirTemp(b.Dir, ".new-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.RemoveAll(fresh)
		}
	}()
	for i, r := range runs {
		if err := r.copyTo(filepath.Join(fresh, fmt.Sprintf("%03d", i+1))); err != nil {
			return err
		}
	}
	if err := os.Chmod(fresh, 0o755); err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Join(b.Dir, name)); err != nil {
		return err
	}
	return os.Rename(fresh, filepath.Join(b.Dir, name))
}

// copyTo copies the files that comparisons read. Another tool's file keeps its
// ending, by which it is known.
func (r *Run) copyTo(to string) error {
	if r.Foreign {
		return copyFile(r.Path, to+filepath.Ext(r.Path))
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
	entries, err := os.ReadDir(filepath.Join(b.Dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, b.missing(name)
	}
	if err != nil {
		return nil, fmt.Errorf("reading baseline %s: %w", name, err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, filepath.Join(b.Dir, name, e.Name()))
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
		if e.IsDir() && checkBaselineName(e.Name()) == nil {
			out = append(out, e.Name())
		}
	}
	return out, nil
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
	paths, err := b.Runs(name)
	if err != nil {
		return nil, err
	}
	runs, err := OpenAll(paths, DefaultUnits())
	if err != nil {
		return nil, fmt.Errorf("reading baseline %s: %w", name, err)
	}
	info, err := os.Stat(filepath.Join(b.Dir, name))
	if err != nil {
		return nil, fmt.Errorf("reading baseline %s: %w", name, err)
	}
	if len(runs) == 0 {
		return nil, fmt.Errorf("reading baseline %s: %w: it holds no run", name, ErrNotComparable)
	}
	return &Baseline{Name: name, Set: info.ModTime().UTC(), Scenario: runs[0].Summary.Scenario, Runs: references(runs)}, nil
}

// Delete removes a baseline.
func (b Baselines) Delete(name string) error {
	if _, err := b.Runs(name); err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Join(b.Dir, name)); err != nil {
		return fmt.Errorf("deleting baseline %s: %w", name, err)
	}
	return nil
}
