package replay

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/jsonfield"
)

// filter is an expression over the top-level attributes of a row, such as
// trip_id % 20 == 0. Only the attributes that it names are decoded. A missing one
// is nil.
type filter struct {
	program *vm.Program
	fields  []filterField
	env     map[string]any
	vm      vm.VM
}

type filterField struct {
	name string
	find jsonfield.Finder
}

const filterHint = "write a condition over attributes of a row, such as trip_id % 20 == 0 or payment_type == '1' && total_amount > 10"

func newFilter(text string) (*filter, error) {
	tree, err := parser.Parse(text)
	if err != nil {
		return nil, kload.WithHint(fmt.Errorf("%w filter: %w", kload.ErrInvalid, err), filterHint)
	}
	f := &filter{env: map[string]any{}}
	names := &attributes{}
	ast.Walk(&tree.Node, names)
	for _, name := range names.found {
		f.fields = append(f.fields, filterField{name, jsonfield.NewFinder(name)})
		f.env[name] = nil
	}
	f.program, err = expr.Compile(text, expr.AsBool(), expr.AllowUndefinedVariables())
	if err != nil {
		return nil, kload.WithHint(fmt.Errorf("%w filter: %w", kload.ErrInvalid, err), filterHint)
	}
	return f, nil
}

// attributes collects the names that an expression uses.
type attributes struct{ found []string }

// Visit is called for each node of the expression.
func (a *attributes) Visit(n *ast.Node) {
	if id, ok := (*n).(*ast.IdentifierNode); ok && !slices.Contains(a.found, id.Value) {
		a.found = append(a.found, id.Value)
	}
}

// match judges a row. An expression that cannot be evaluated, as when it
// calculates with a missing attribute, is an error.
func (f *filter) match(line []byte) (bool, error) {
	for i := range f.fields {
		field := &f.fields[i]
		value, err := attribute(field.find, line)
		if err != nil {
			return false, fmt.Errorf("decoding attribute %q: %w", field.name, err)
		}
		f.env[field.name] = value
	}
	out, err := f.vm.Run(f.program, f.env)
	if err != nil {
		return false, err
	}
	ok, _ := out.(bool) // nil, as of a missing attribute, is false
	return ok, nil
}

// attribute decodes one attribute: nil if there is none, an int for a whole
// number, as an expression has it, and what encoding/json makes of all others.
func attribute(find jsonfield.Finder, line []byte) (any, error) {
	var v any
	raw, isString, ok := find.Lookup(line)
	switch {
	case !ok:
		return v, nil
	case isString && bytes.IndexByte(raw, '\\') < 0:
		return string(raw), nil
	case isString:
		raw = slices.Concat([]byte{'"'}, raw, []byte{'"'})
	}
	if n, err := strconv.Atoi(string(raw)); err == nil {
		return n, nil
	}
	err := json.Unmarshal(raw, &v)
	return v, err
}
