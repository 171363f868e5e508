package handler

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/builtin"
	exprconf "github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/vm"

	"github.com/kload/kload/internal/conf"
)

// exprError says what is wrong with an expression and where.
type exprError struct {
	column    int // from 1, in characters
	msg, hint string
}

func (e *exprError) Error() string { return fmt.Sprintf("column %d: %s", e.column, e.msg) }

// located takes the place and the message out of an error of the compiler or of
// the machine.
func located(err error) *exprError {
	if at, ok := errors.AsType[*file.Error](err); ok {
		return &exprError{column: at.From + 1, msg: at.Message}
	}
	return &exprError{column: 1, msg: err.Error()}
}

// program is a compiled expression over a record.
type program struct {
	code    *vm.Program
	machine vm.VM // keeps its stack from run to run
}

// compile compiles an expression over the record. Names become functions that
// look at the record when the machine comes to them: a field behind a condition
// that is false is never parsed.
func (r *record) compile(x expression) (*program, *exprError) {
	if strings.TrimSpace(x.source) == "" {
		return nil, &exprError{column: 1, msg: "empty: write an expression, such as trip_id % 20 == 0"}
	}
	b := &binder{record: r, called: map[ast.Node]bool{}, optional: map[ast.Node]bool{}, locals: map[string]bool{}}
	code, err := expr.Compile(x.source, func(c *exprconf.Config) { b.functions = c.Functions },
		expr.Patch(&marker{b}), expr.Patch(b), expr.Patch(&strict{b}))
	switch {
	case b.err != nil:
		return nil, b.err
	case err != nil:
		return nil, located(err)
	}
	// What some expressions give turns out only when they are evaluated.
	if n := code.Node(); x.gives != reflect.Invalid && !open(n) && n.Type().Kind() != x.gives {
		return nil, misfit(n.Type().String(), x.gives)
	}
	return &program{code: code}, nil
}

// misfit is the error of an expression that gives something else than its setting
// wants.
func misfit(got string, wanted reflect.Kind) *exprError {
	if wanted == reflect.Bool {
		return &exprError{column: 1, msg: fmt.Sprintf("gives %s, not true or false", got), hint: "compare it with something"}
	}
	return &exprError{column: 1, msg: fmt.Sprintf("gives %s, not a name", got), hint: "names are text: put them in quotes, as in 'all'"}
}

// run evaluates the expression for the record looked at.
func (p *program) run() (any, error) {
	v, err := p.machine.Run(p.code, nil)
	if err != nil {
		return nil, located(err)
	}
	return v, nil
}

// holds evaluates a condition.
func (p *program) holds() (bool, error) {
	v, err := p.run()
	if err != nil {
		return false, err
	}
	yes, ok := v.(bool)
	if !ok {
		return false, misfit(class(v), reflect.Bool)
	}
	return yes, nil
}

// binder ties the names in an expression to the record.
type binder struct {
	record    *record
	functions exprconf.FunctionsTable
	called    map[ast.Node]bool // names of functions
	optional  map[ast.Node]bool // what may be missing: somebody asks whether it is
	locals    map[string]bool   // variables declared with let
	err       *exprError        // the first
}

func (b *binder) fail(n ast.Node, msg, hint string) {
	if b.err == nil {
		b.err = &exprError{n.Location().From + 1, msg, hint}
	}
}

// function makes a function known to the compiler and returns its name node.
// Names with a blank cannot be written in expressions.
func (b *binder) function(name string, call getter, typ any) ast.Node {
	b.functions[name] = &builtin.Function{Name: name, Func: call, Types: []reflect.Type{reflect.TypeOf(typ).Elem()}}
	return &ast.IdentifierNode{Value: name}
}

// marker notes what the passes after it need to know of a node's surroundings.
type marker struct{ *binder }

// Visit looks at one node.
func (m *marker) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.CallNode:
		m.called[n.Callee] = true
	case *ast.VariableDeclaratorNode:
		m.locals[n.Name] = true
	case *ast.MemberNode:
		if n.Optional {
			m.mayMiss(n.Node)
		}
	case *ast.BinaryNode:
		_, leftNil := n.Left.(*ast.NilNode)
		_, rightNil := n.Right.(*ast.NilNode)
		if n.Operator == "??" || isEquality(n) && rightNil {
			m.mayMiss(n.Left)
		}
		if isEquality(n) && leftNil {
			m.mayMiss(n.Right)
		}
	}
}

// mayMiss marks a name, and the members it is reached through.
func (m *marker) mayMiss(n ast.Node) {
	for n != nil {
		m.optional[n] = true
		switch inner := n.(type) {
		case *ast.MemberNode:
			n = inner.Node
		case *ast.ChainNode:
			n = inner.Node
		default:
			return
		}
	}
}

func isEquality(n *ast.BinaryNode) bool { return n.Operator == "==" || n.Operator == "!=" }

// Visit replaces one name.
func (b *binder) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.IdentifierNode:
		b.name(node, n)
	case *ast.CallNode:
		b.call(node, n)
	}
}

func (b *binder) name(node *ast.Node, n *ast.IdentifierNode) {
	switch {
	case b.called[n] || b.locals[n.Value]:
	case n.Value == "$env":
		b.fail(n, "$env is not available", "name the fields")
	case strings.HasPrefix(n.Value, "_"):
		get, typ := b.record.meta(n.Value)
		if get == nil {
			b.fail(n, fmt.Sprintf("unknown name %q", n.Value)+conf.DidYouMean(n.Value, metaNames()),
				"there are "+strings.Join(metaNames(), ", ")+`; fields of the payload with such names are written field("_x")`)
			return
		}
		ast.Patch(node, &ast.CallNode{Callee: b.function("meta "+n.Value, get, typ)})
	default:
		b.field(node, n.Value, b.optional[n])
	}
}

// fieldFunction begins the names of the functions that give a field that must be
// there.
const fieldFunction = "field "

// field puts the look-up of a field in a node's place.
func (b *binder) field(node *ast.Node, name string, optional bool) {
	i := b.record.slot(name)
	get, kind := func(...any) (any, error) { return b.record.field(i) }, fieldFunction
	if optional {
		get, kind = func(...any) (any, error) { return b.record.maybe(i) }, "maybe "
	} else if s := &b.record.slots[i]; s.needed == 0 {
		s.needed = (*node).Location().From + 1
	}
	ast.Patch(node, &ast.CallNode{Callee: b.function(kind+name, get, new(func() any))})
}

// call binds field("a name"), and refuses functions that there are not.
func (b *binder) call(node *ast.Node, n *ast.CallNode) {
	callee, ok := n.Callee.(*ast.IdentifierNode)
	if !ok || b.locals[callee.Value] || b.functions[callee.Value] != nil {
		return
	}
	if callee.Value != "field" {
		b.fail(n, fmt.Sprintf("unknown function %q", callee.Value)+conf.DidYouMean(callee.Value, append([]string{"field"}, builtin.Names...)), "")
		return
	}
	if len(n.Arguments) == 1 {
		if name, ok := n.Arguments[0].(*ast.StringNode); ok {
			b.field(node, name.Value, b.optional[n])
			return
		}
	}
	b.fail(n, "field takes one name in quotes", `write field("user-id")`)
}
