package arch

import (
	"fmt"
	"go/ast"
	"slices"
)

// The budgets, in lines and fields. Tests and generated files are exempt; they
// were measured on admired Go code bases, where half of all functions are no
// longer than 12 lines.
const (
	maxFile    = 700
	p95File    = 450
	maxFunc    = 100
	p95Func    = 60
	maxFields  = 25
	tableLines = 10 // a literal this long without code in it is a table
)

// Spread summarises lengths in lines by nearest rank.
type Spread struct{ N, P50, P95, Max int }

// Shape is how long files and functions of the product are. Median function
// length is watched, not limited.
type Shape struct{ Files, Funcs Spread }

// String gives the shape on one line.
func (s Shape) String() string {
	return fmt.Sprintf("%d files of %d/%d/%d lines, %d functions of %d/%d/%d lines (p50/p95/max)",
		s.Files.N, s.Files.P50, s.Files.P95, s.Files.Max, s.Funcs.N, s.Funcs.P50, s.Funcs.P95, s.Funcs.Max)
}

func (r *report) checkSizes() Shape {
	var files, funcs []int
	for _, f := range r.files {
		if f.test || f.generated {
			continue
		}
		files = append(files, f.lines)
		if f.lines > maxFile {
			r.whole(f.path, fmt.Sprintf("has %d lines, more than %d", f.lines, maxFile), "give each concept its own file")
		}
		funcs = append(funcs, r.checkDecls(f)...)
	}
	shape := Shape{Files: spread(files), Funcs: spread(funcs)}
	if p := shape.Files.P95; p > p95File {
		r.whole(".", fmt.Sprintf("19 of 20 files must have at most %d lines; now it is %d", p95File, p), "give each concept its own file")
	}
	if p := shape.Funcs.P95; p > p95Func {
		r.whole(".", fmt.Sprintf("19 of 20 functions must have at most %d lines; now it is %d", p95Func, p), "split the longest functions by step")
	}
	return shape
}

// checkDecls returns the lengths of a file's functions.
func (r *report) checkDecls(f *file) (funcs []int) {
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			length := r.length(n) - r.tables(n)
			funcs = append(funcs, length)
			if length > maxFunc {
				r.at(f, n, fmt.Sprintf("function %s has %d lines, more than %d", n.Name.Name, length, maxFunc), "split it by step")
			}
		case *ast.StructType:
			if fields := n.Fields.NumFields(); fields > maxFields {
				r.at(f, n, fmt.Sprintf("struct has %d fields, more than %d", fields, maxFields), "group the fields that change together")
			}
		}
		return true
	})
	return funcs
}

func (r *report) length(n ast.Node) int {
	return r.fset.Position(n.End()).Line - r.fset.Position(n.Pos()).Line + 1
}

// tables returns how many lines of a function are tables: they are read by
// scanning, not by following.
func (r *report) tables(fn ast.Node) (lines int) {
	ast.Inspect(fn, func(n ast.Node) bool {
		lit, ok := n.(*ast.CompositeLit)
		if !ok || r.length(lit) < tableLines || hasCode(lit) {
			return true
		}
		lines += r.length(lit) - 1
		return false
	})
	return lines
}

func hasCode(n ast.Node) (found bool) {
	ast.Inspect(n, func(n ast.Node) bool {
		_, ok := n.(*ast.FuncLit)
		found = found || ok
		return !found
	})
	return found
}

func spread(lengths []int) Spread {
	n := len(lengths)
	if n == 0 {
		return Spread{}
	}
	slices.Sort(lengths)
	rank := func(percent int) int { return lengths[(n*percent+99)/100-1] }
	return Spread{N: n, P50: rank(50), P95: rank(95), Max: lengths[n-1]}
}
