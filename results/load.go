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
		return nil, fmt.Errorf("decoding %s: %w: %w", path, ErrNotComparable, err)
	}
	if s.Schema != Schema {
		err := fmt.Errorf("decoding %s: %w: schema %q, expected %q", path, ErrNotComparable, s.Schema, Schema)
		by := "the kload version that wrote it"
		if h := readHeader(dir); h != nil && h.Kload != "" {
			by = "kload " + h.Kload + ", which wrote it"
		}
		return nil, kload.WithHint(err, "use "+by+", or run the scenario again")
	}
	return s, nil
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
