package scenarios

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/conf"
	"github.com/kload/kload/results"
)

// Setting is one value of an axis of a matrix, as it would be written behind
// --set path=.
type Setting string

// MarshalText returns the setting.
func (s Setting) MarshalText() ([]byte, error) { return []byte(s), nil }

// UnmarshalText takes anything; whether it fits is found out with its cell.
func (s *Setting) UnmarshalText(text []byte) error {
	*s = Setting(text)
	return nil
}

// maxCells bounds a matrix: each cell is a run.
const maxCells = 500

// cell is one combination of a matrix: a scenario of its own.
type cell struct {
	*Scenario
	name     string
	settings []results.Setting
	stop     *results.Expectation // nil for none
}

// cells works out the combinations of a matrix, the last axis changing fastest.
// The first of them that is not valid is the error.
func (s *Scenario) expand(o OpenOptions) error {
	m := s.Spec.Matrix
	if m.Len() == 0 {
		if s.Spec.StopWhen != "" {
			return conf.Problems{s.doc.Problem("stop_when", "has no effect without a matrix", "remove it, or add matrix: {stream.shards: [1, 2, 4]}")}
		}
		return nil
	}
	combinations := [][]results.Setting{nil}
	for path, values := range m.All() {
		if len(values) == 0 {
			return conf.Problems{s.doc.Problem("matrix", path+" has no values", "write "+path+": [a, b]")}
		}
		if slices.ContainsFunc(o.Sets, func(set string) bool { return strings.HasPrefix(set, path+"=") }) {
			return conf.Problems{s.doc.Problem("matrix."+path, "--set "+path+" has no effect: the matrix sets it in each cell", "change the values with --set 'matrix={"+path+": [a, b]}', or run one with --set matrix=null")}
		}
		var next [][]results.Setting
		for _, c := range combinations {
			for _, v := range values {
				next = append(next, append(slices.Clip(c), results.Setting{Path: path, Value: string(v)}))
			}
		}
		if combinations = next; len(next) > maxCells {
			return conf.Problems{s.doc.Problem("matrix", fmt.Sprintf("there are more than %d combinations", maxCells), "leave some values out")}
		}
	}
	for i, settings := range combinations {
		c, err := s.cell(i, settings, o)
		if err != nil {
			return err
		}
		s.cells = append(s.cells, c)
	}
	s.plan = s.cells[0].plan
	return nil
}

// cell works out one combination.
func (s *Scenario) cell(i int, settings []results.Setting, o OpenOptions) (*cell, error) {
	o.Sets, o.cell = slices.Clone(o.Sets), true
	parts := []string{fmt.Sprintf("%02d", i+1)}
	for _, set := range settings {
		o.Sets = append(o.Sets, set.Path+"="+set.Value)
		parts = append(parts, results.FileName(set.Label(settings)), results.FileName(set.Value))
	}
	name := strings.Join(parts, "-")
	name = name[:min(len(name), 100)]
	scenario, err := decode(s.File, s.Source, o)
	if err != nil {
		return nil, s.inCell(err, name, settings)
	}
	c := &cell{Scenario: scenario, name: name, settings: settings}
	if s.Spec.StopWhen == "" {
		return c, nil
	}
	stop, err := results.Compile([]string{s.Spec.StopWhen}, c.plan.names())
	switch {
	case err != nil:
		return nil, conf.Problems{s.doc.Problem("stop_when", err.Error(), hintOf(err))}
	case c.Spec.Search != nil:
		return nil, conf.Problems{s.doc.Problem("stop_when", "judges runs, and these are searches", "remove it")}
	}
	c.stop = &stop[0]
	return c, nil
}

// inCell says of the problems of a combination which it is, and places what is
// wrong with one of its settings where the matrix has it.
func (s *Scenario) inCell(err error, name string, settings []results.Setting) error {
	var problems conf.Problems
	if !errors.As(err, &problems) {
		return fmt.Errorf("working out cell %s of the matrix: %w", name, err)
	}
	out := make(conf.Problems, len(problems))
	for i, p := range problems {
		p.Msg += fmt.Sprintf(" (in cell %s of the matrix)", name)
		for _, set := range settings {
			if p.File == "--set "+set.Path+"="+set.Value {
				p = s.doc.Problem("matrix."+set.Path, fmt.Sprintf("%s: %s", set.Value, p.Msg), p.Hint)
			}
		}
		out[i] = p
	}
	return out
}

// stops reports whether stop_when is true of a run.
func (c *cell) stops(s *results.Summary) bool {
	if c.stop == nil || s == nil {
		return false
	}
	judged, _ := c.stop.Judge(s)
	return judged.Passed()
}

// sameRow reports whether two cells differ in the last axis only.
func (c *cell) sameRow(o *cell) bool {
	last := len(c.settings) - 1
	return slices.Equal(c.settings[:last], o.settings[:last])
}

// RunMatrix carries out every combination of a scenario's matrix, one after the
// other, each in a directory of its own. One that fails or cannot be run does not
// keep the others from being run; once stop_when is true of one, those that differ
// from it only in the last axis and come later are skipped. When ctx ends, what was
// done up to then is returned. A nil result means that nothing was started.
func RunMatrix(ctx context.Context, s *Scenario, o RunOptions) (*results.Matrix, error) {
	plans := make([]*plan, len(s.cells))
	for i, c := range s.cells {
		plans[i] = c.plan
	}
	if err := affordable(plans...); err != nil {
		return nil, err
	}
	dir, err := createGroup(s, o, results.FileMatrix)
	if err != nil {
		return nil, err
	}
	defer dir.Release()
	m := results.NewMatrix(s.Spec.Name, s.Spec.Matrix.Names(), len(s.cells))
	note := func(format string, args ...any) {
		if o.Note != nil {
			o.Note(fmt.Sprintf(format, args...))
		}
	}
	var stopped *cell
	for i, c := range s.cells {
		if ctx.Err() != nil {
			m.Interrupt()
			break
		}
		if stopped != nil && c.sameRow(stopped) {
			m.Skip(c.name, c.settings, s.Spec.StopWhen+" was true of "+stopped.name)
			continue
		}
		note("%d of %d: %s", i+1, len(s.cells), c.name)
		result, summary := c.run(ctx, dir, o)
		m.Add(result)
		if result.Error != "" {
			note("%s: %s", c.name, result.Error)
		}
		if c.stops(summary) {
			stopped = c
		}
		if err = dir.WriteJSON(results.FileMatrix, m); err != nil {
			return m, err
		}
	}
	if ctx.Err() != nil {
		m.Interrupt()
	}
	return m, dir.WriteJSON(results.FileMatrix, m)
}

// run carries out one cell.
func (c *cell) run(ctx context.Context, dir *results.Dir, o RunOptions) (results.Cell, *results.Summary) {
	o.Out, o.Started = filepath.Join(dir.Path(), c.name), nil
	if o.Memories != nil {
		o.Memory = o.Memories()
	}
	result := results.Cell{Name: c.name, Settings: c.settings}
	var err error
	if c.Spec.Search != nil {
		result.Search, err = RunSearch(ctx, c.Scenario, o)
	} else {
		result.Summary, err = Run(ctx, c.Scenario, o)
	}
	if err != nil {
		result.Error = strings.TrimSpace(err.Error())
		if hint, ok := errors.AsType[*kload.HintError](err); ok && ctx.Err() == nil {
			result.Error += "; " + hint.Hint
		}
		result.ExitCode = exitCode(err)
	}
	return result, result.Summary
}
