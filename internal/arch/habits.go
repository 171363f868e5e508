package arch

import (
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"strings"
)

// pacer is the only package that sleeps: everything else waits for something.
const pacer = "internal/pace"

// maxNolint is how many exceptions from the linters the whole module may have.
const maxNolint = 10

func (r *report) checkHabits() {
	exceptions := 0
	for _, f := range r.files {
		r.checkSleep(f)
		exceptions += countNolint(f)
		for _, d := range f.syntax.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil && d.Name.Name == "init" {
					r.at(f, d, "has func init", "register values in "+registry+" and pass state as parameters instead")
				}
			case *ast.GenDecl:
				if d.Tok == token.VAR && !f.test {
					r.checkGlobals(f, d)
				}
			}
		}
	}
	if exceptions > maxNolint {
		r.whole(".", fmt.Sprintf("has %d nolint comments, more than %d", exceptions, maxNolint), "do what the linter asks, or switch off a rule that is wrong for all")
	}
}

func countNolint(f *file) (n int) {
	for _, group := range f.syntax.Comments {
		for _, c := range group.List {
			if strings.HasPrefix(c.Text, "//nolint") {
				n++
			}
		}
	}
	return n
}

func (r *report) checkSleep(f *file) {
	if f.dir == pacer && !f.test {
		return
	}
	instead := "it does not end with its context: select on a timer and ctx.Done(), or use " + pacer + " instead"
	if f.test {
		instead = "wait for what must happen (a channel, a callback, synctest.Wait in a bubble) instead"
	}
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok && sel.Sel.Name == "Sleep" && isPackage(f, sel.X, "time") {
			r.at(f, sel, "uses time.Sleep", instead)
		}
		return true
	})
}

// checkGlobals finds package-level state with a life of its own. A channel,
// pool or lock made outside a testing/synctest bubble breaks virtual time
// inside it, and two runs in one process would share it.
func (r *report) checkGlobals(f *file, d *ast.GenDecl) {
	for _, spec := range d.Specs {
		v, ok := spec.(*ast.ValueSpec)
		if !ok {
			continue
		}
		for _, x := range append([]ast.Expr{v.Type}, v.Values...) {
			if isShared(f, x) {
				r.at(f, v, "has package-level state "+v.Names[0].Name, "make it a field of what uses it instead")
				break
			}
		}
	}
}

// isShared tells a channel or map in the making, and types of package sync.
func isShared(f *file, x ast.Expr) bool {
	switch x := x.(type) {
	case *ast.ChanType:
		return true
	case *ast.CallExpr:
		fun, ok := x.Fun.(*ast.Ident)
		return ok && fun.Name == "make"
	case *ast.CompositeLit:
		return isShared(f, x.Type)
	case *ast.UnaryExpr:
		return isShared(f, x.X)
	case *ast.StarExpr:
		return isShared(f, x.X)
	case *ast.SelectorExpr:
		return isPackage(f, x.X, "sync") || isPackage(f, x.X, "sync/atomic")
	}
	return false
}

// isPackage tells whether x names the imported package.
func isPackage(f *file, x ast.Expr, importPath string) bool {
	id, ok := x.(*ast.Ident)
	if !ok {
		return false
	}
	for i, s := range f.imports() {
		name := path.Base(s.path)
		if alias := f.syntax.Imports[i].Name; alias != nil {
			name = alias.Name
		}
		if s.path == importPath && name == id.Name {
			return true
		}
	}
	return false
}
