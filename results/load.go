package results

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/kload/kload"
)

// ErrNotComparable says that a run has no usable results, or that two runs have
// nothing in common. The command line exits with 6.
var ErrNotComparable = errors.New("runs not comparable")

// Load reads the summary of a run directory. That of a run that was killed is
// drawn up from its logs and says so: its verdict is [Partial].
func Load(dir string) (*Summary, error) {
	path := filepath.Join(dir, FileSummary)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && exists(filepath.Join(dir, FileRun)) {
		return loadPartial(dir)
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil, missingSummary(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the results of a run: %w", err)
	}
	s := NewSummary("", "")
	s.Schema = ""
	if err := json.Unmarshal(data, s); err != nil {
		return nil, damaged(path, err)
	}
	if s.Schema != Schema {
		err := fmt.Errorf("decoding %s: %w: schema %q, expected %q", path, ErrNotComparable, s.Schema, Schema)
		by := "the kload version that wrote it"
		if h := readHeader(dir); h != nil && h.Kload != "" {
			by = "kload " + h.Kload + ", which wrote it"
		}
		return nil, kload.WithHint(err, "use "+by+", or run the scenario again")
	}
	if err := s.hollow(); err != nil {
		return nil, damaged(path, err)
	}
	return s, nil
}

// damaged is the error of a file that kload did not leave like this.
func damaged(path string, err error) error {
	err = fmt.Errorf("decoding %s: %w: %w", path, ErrNotComparable, err)
	if filepath.Base(path) == FileSummary {
		return kload.WithHint(err, "it was damaged after the run: without it the run is read from its logs, as one that was killed")
	}
	return kload.WithHint(err, "it was damaged after the runs, whose own directories may be whole")
}

// hollow is the error of a summary that has nulls where counts belong.
func (s *Summary) hollow() error { return errors.Join(hollow(s.Load), hollow(s.Consumers)) }

func hollow[V any](counts map[string]*V) error {
	for name, c := range counts {
		if c == nil {
			return fmt.Errorf("the counts of %q are null", name)
		}
	}
	return nil
}

func missingSummary(dir string) error {
	err := fmt.Errorf("reading the results of a run: %w: %s has no %s", ErrNotComparable, dir, FileSummary)
	switch _, statErr := os.Stat(dir); {
	case statErr != nil:
		return kload.WithHint(err, "there is no such directory: give the directory that kload run printed or that --out named")
	}
	return kload.WithHint(err, "this is not a run directory: give the one that kload run printed or that --out named")
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
