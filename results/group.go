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

// LoadGroup reads what a directory of several runs says of them: a [*Matrix],
// [*Search] or [*AB], also of one that was killed; nil where it is none of these.
func LoadGroup(dir string) (any, error) {
	for _, group := range []struct {
		file, schema string
		into         interface{ hollow() error }
	}{
		{FileMatrix, MatrixSchema, &Matrix{}}, {FileSearch, SearchSchema, &Search{}}, {FileAB, ABSchema, &AB{}},
	} {
		path := filepath.Join(dir, group.file)
		data, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading the results of several runs: %w", err)
		}
		if len(data) == 0 {
			return nil, nothingYet(dir)
		}
		var head struct {
			Schema string `json:"schema"`
		}
		if err := json.Unmarshal(data, &head); err != nil {
			return nil, damaged(path, err)
		}
		if head.Schema != group.schema {
			err := fmt.Errorf("decoding %s: %w: schema %q, expected %q", path, ErrNotComparable, head.Schema, group.schema)
			return nil, kload.WithHint(err, "use the kload version that wrote it, or run the scenario again")
		}
		if err := json.Unmarshal(data, group.into); err != nil {
			return nil, damaged(path, err)
		}
		if err := group.into.hollow(); err != nil {
			return nil, damaged(path, err)
		}
		return group.into, nil
	}
	return nil, nil
}

// hollow is the error of a result that lacks what its reader relies on.
func (r *AB) hollow() error { return nil }

func (s *Search) hollow() error {
	for _, step := range s.Steps {
		if step.Summary == nil {
			return fmt.Errorf("step %q has no summary", step.Dir)
		}
		if err := step.Summary.hollow(); err != nil {
			return fmt.Errorf("step %q: %w", step.Dir, err)
		}
	}
	return nil
}

func (m *Matrix) hollow() error {
	for _, cell := range m.Cells {
		var err error
		switch {
		case cell.Search != nil:
			err = cell.Search.hollow()
		case cell.Summary != nil:
			err = cell.Summary.hollow()
		}
		if err != nil {
			return fmt.Errorf("cell %q: %w", cell.Name, err)
		}
	}
	return nil
}
