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
		into         any
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
		if err := errors.Join(json.Unmarshal(data, &head), json.Unmarshal(data, group.into)); err != nil {
			return nil, fmt.Errorf("decoding %s: %w: %w", path, ErrNotComparable, err)
		}
		if head.Schema != group.schema {
			err := fmt.Errorf("decoding %s: %w: schema %q, expected %q", path, ErrNotComparable, head.Schema, group.schema)
			return nil, kload.WithHint(err, "use the kload version that wrote it, or run the scenario again")
		}
		return group.into, nil
	}
	return nil, nil
}
