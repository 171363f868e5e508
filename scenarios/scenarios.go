// Package scenarios turns a scenario file into a run. It is the only package
// that wires engines to each other.
//
// [Open] decodes and validates a file or a scenario of the library; all problems
// are reported at once, with positions. [Run] carries it out: it starts the
// target, creates the stream, positions the consumers, sends the load, drains,
// accounts for every record, and writes the run directory.
//
// Plug-ins are listed in registry.go; a scenario names them as single-key maps.
package scenarios

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/conf"
	"github.com/kload/kload/replay"
)

// OpenOptions adjusts a scenario from the command line.
type OpenOptions struct {
	Sets   []string // path=value, in order
	Target string   // "local" or "aws": sets target.kind and applies the profile of that name
	Seed   *uint64
	cell   bool // one cell of a matrix: the matrix is left out
}

// Scenario is a decoded and validated scenario.
type Scenario struct {
	Spec   Spec
	File   string // where it came from
	Source []byte // as given
	plan   *plan
	doc    *conf.Document
	cells  []*cell                      // of the matrix
	replan func(*Spec) (*plan, error)   // works out another version of the scenario
	resume map[string]replay.Checkpoint // by load; nil where nothing is resumed
}

// Open reads a scenario: the name of one in the library, or the path of a file.
// Problems with its content are [conf.Problems]; all errors wrap
// [kload.ErrInvalid].
func Open(ref string, o OpenOptions) (*Scenario, error) {
	file, src, err := read(ref)
	if err != nil {
		return nil, err
	}
	return decode(file, src, o)
}

// read finds the scenario. A path separator or a .yaml ending says it is a file.
func read(ref string) (file string, src []byte, err error) {
	if !isPath(ref) {
		if src, err := Show(ref); err == nil {
			return ref + ".yaml", src, nil
		}
	}
	src, err = readFile(ref)
	switch {
	case err == nil:
		return ref, src, nil
	case errors.Is(err, fs.ErrNotExist) && !isPath(ref):
		return "", nil, kload.WithHint(fmt.Errorf("%w: no scenario called %q in the library, and no such file%s", kload.ErrInvalid, ref, nearest(ref)),
			"'kload list' shows the library")
	case errors.Is(err, fs.ErrNotExist):
		return "", nil, kload.WithHint(fmt.Errorf("%w: there is no file %s", kload.ErrInvalid, ref), "check the path; 'kload list' shows the scenarios that need no file")
	}
	return "", nil, fmt.Errorf("%w: reading the scenario: %w", kload.ErrInvalid, err)
}

// readFile reads a file, no more of it than tells that it is too large.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxScenario+1))
}

// maxScenario is above what the decoder takes, which tells the user.
const maxScenario = 2 << 20

func isPath(ref string) bool {
	return strings.ContainsRune(ref, filepath.Separator) || strings.HasSuffix(ref, ".yaml") || strings.HasSuffix(ref, ".yml")
}

func decode(file string, src []byte, o OpenOptions) (*Scenario, error) {
	doc, err := conf.Parse(file, src)
	if err != nil {
		return nil, err
	}
	if err := adjust(doc, o); err != nil {
		return nil, err
	}
	s := &Scenario{File: file, Source: src, doc: doc}
	err = doc.Decode(&s.Spec, newRegistry().kinds())
	var broken conf.Problems
	if err != nil && !errors.As(err, &broken) {
		return nil, err
	}
	// What decoded is checked further, so that all problems come at once.
	if o.cell {
		s.Spec.Matrix, s.Spec.StopWhen = conf.Map[[]Setting]{}, ""
	}
	if s.plan, err = newPlan(&s.Spec, doc, broken); err != nil {
		return nil, err
	}
	s.replan = func(spec *Spec) (*plan, error) { return newPlan(spec, doc, nil) }
	return s, s.expand(o)
}

// adjust applies the command line to the document: first the profile, then
// single values, so that --set has the last word.
func adjust(doc *conf.Document, o OpenOptions) error {
	if o.Target != "" {
		if o.Target != "local" && o.Target != "aws" {
			return kload.WithHint(fmt.Errorf("%w target %q", kload.ErrInvalid, o.Target), "use --target local or --target aws")
		}
		// A profile is optional: without one the scenario runs there as it is.
		if err := doc.Overlay("profiles." + o.Target); err != nil && hasProfile(doc, o.Target) {
			return err
		}
		if err := doc.Set("target.kind", o.Target); err != nil {
			return err
		}
	}
	if o.Seed != nil {
		if err := doc.Set("seed", strconv.FormatUint(*o.Seed, 10)); err != nil {
			return err
		}
	}
	for _, set := range o.Sets {
		path, value, ok := strings.Cut(set, "=")
		if !ok || path == "" {
			return kload.WithHint(fmt.Errorf("%w --set %q", kload.ErrInvalid, set), "write --set path=value, such as --set stream.shards=4")
		}
		if err := doc.Set(path, value); err != nil {
			return err
		}
	}
	return nil
}

func hasProfile(doc *conf.Document, name string) bool {
	return doc.Has("profiles." + name)
}
