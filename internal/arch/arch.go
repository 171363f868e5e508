// Package arch checks the house rules of kload on its source text: who may
// import whom, that every plug-in is wired, how long files, functions and
// structs may grow, a few habits that virtual time depends on, and whether the
// documents that comments refer to exist. It needs no tool and no build, so it
// runs with every go test.
//
// # The rules
//
// A package belongs to the room named by its first path element. The root
// (nouns and contracts) imports the standard library only. internal packages
// are leaves under the engines: they import the root and each other. The
// engines (producer, replay, consumers, results) import the root and internal
// packages, and never each other. scenarios wires them; cmd talks to scenarios
// and results. Tests keep the same direction, except those of the root, of
// test/ and of internal/interop, which stand outside the house and may use all of it.
//
// A plug-in is one folder, and scenarios/registry.go is the one place that
// imports it. Packages whose name ends in "test" are conformance suites: they
// count as tests, and only tests import them.
//
// Each message says what to do instead.
package arch

import (
	"cmp"
	"fmt"
	"go/ast"
	"io/fs"
	"slices"
)

// Violation is one broken rule.
type Violation struct {
	// Path is a slash-separated file or folder below the root of the module.
	Path string
	// Line counts from 1. It is 0 where the whole file, folder or tree is meant.
	Line int
	// What states the breach, Instead what to do about it.
	What, Instead string
}

// String formats the violation as "path:line: what <- instead".
func (v Violation) String() string {
	at := v.Path
	if v.Line > 0 {
		at = fmt.Sprintf("%s:%d", v.Path, v.Line)
	}
	return fmt.Sprintf("%s: %s <- %s", at, v.What, v.Instead)
}

// Check reads the Go module at the root of fsys and returns its shape and every
// violation, sorted by place. Files that do not parse are an error.
func Check(fsys fs.FS) (Shape, []Violation, error) {
	t, err := load(fsys)
	if err != nil {
		return Shape{}, nil, err
	}
	r := &report{tree: t}
	r.checkImports()
	r.checkRegistry()
	r.checkHabits()
	r.checkLinks(fsys)
	shape := r.checkSizes()
	slices.SortStableFunc(r.found, func(a, b Violation) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Line, b.Line))
	})
	return shape, r.found, nil
}

// report collects what the checks find.
type report struct {
	*tree
	found []Violation
}

// at reports a breach at a node of a file.
func (r *report) at(f *file, n ast.Node, what, instead string) {
	r.found = append(r.found, Violation{f.path, r.fset.Position(n.Pos()).Line, what, instead})
}

// whole reports a breach by a whole file, folder or tree.
func (r *report) whole(path, what, instead string) {
	r.found = append(r.found, Violation{Path: path, What: what, Instead: instead})
}
