package arch

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// tree is the parsed source of one module.
type tree struct {
	module string // import path of the root
	fset   *token.FileSet
	files  []*file
}

// file is one Go file, whatever its build constraints say.
type file struct {
	path, dir string // slash-separated; the root's dir is "."
	test      bool   // a _test.go file, a conformance suite, or one of test/ and internal/interop
	generated bool
	lines     int
	syntax    *ast.File
}

// importSpec is one import of a file.
type importSpec struct {
	node ast.Node
	path string
}

func load(fsys fs.FS) (*tree, error) {
	t := &tree{fset: token.NewFileSet()}
	mod, err := fs.ReadFile(fsys, "go.mod")
	if err != nil {
		return nil, fmt.Errorf("reading the module's go.mod: %w", err)
	}
	if t.module = modulePath(mod); t.module == "" {
		return nil, errors.New("reading the module's go.mod: it has no module line")
	}
	err = fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && skipped(fsys, p):
			return fs.SkipDir
		case d.IsDir() || path.Ext(p) != ".go":
			return nil
		}
		return t.parse(fsys, p)
	})
	if err != nil {
		return nil, fmt.Errorf("reading the source tree: %w", err)
	}
	return t, nil
}

func modulePath(mod []byte) string {
	for line := range strings.Lines(string(mod)) {
		if name, ok := strings.CutPrefix(line, "module "); ok {
			return strings.TrimSpace(name)
		}
	}
	return ""
}

// skipped tells the folders that the go command skips too, nested modules
// included.
func skipped(fsys fs.FS, dir string) bool {
	if dir == "." {
		return false
	}
	name := path.Base(dir)
	if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") ||
		slices.Contains([]string{"testdata", "vendor", "node_modules"}, name) {
		return true
	}
	_, err := fs.Stat(fsys, path.Join(dir, "go.mod"))
	return err == nil
}

func (t *tree) parse(fsys fs.FS, name string) error {
	src, err := fs.ReadFile(fsys, name)
	if err != nil {
		return err
	}
	syntax, err := parser.ParseFile(t.fset, name, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	dir := path.Dir(name)
	t.files = append(t.files, &file{
		path:      name,
		dir:       dir,
		test:      strings.HasSuffix(name, "_test.go") || isSuite(dir) || outside(room(dir)),
		generated: ast.IsGenerated(syntax),
		lines:     bytes.Count(src, []byte("\n")),
		syntax:    syntax,
	})
	return nil
}

func (f *file) imports() []importSpec {
	specs := make([]importSpec, 0, len(f.syntax.Imports))
	for _, s := range f.syntax.Imports {
		if p, err := strconv.Unquote(s.Path.Value); err == nil {
			specs = append(specs, importSpec{s, p})
		}
	}
	return specs
}

// local turns an import path of this module into a folder.
func (t *tree) local(importPath string) (dir string, ok bool) {
	if importPath == t.module {
		return ".", true
	}
	return strings.CutPrefix(importPath, t.module+"/")
}
