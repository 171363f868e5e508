package handler

import (
	"fmt"
	"reflect"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/vm/runtime"
)

// strict makes errors of what the language takes for false or nil without a word:
// members that an object does not have, and comparing text with a number.
type strict struct{ *binder }

// Visit replaces one node.
func (s *strict) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.MemberNode:
		s.member(node, n)
	case *ast.BinaryNode:
		switch {
		case isEquality(n):
			s.equality(node, n)
		case n.Operator == "in":
			s.among(n)
		}
	}
}

// open reports whether the type of a node is known only when it is evaluated.
func open(n ast.Node) bool { return n.Type().Kind() == reflect.Interface }

func (s *strict) member(node *ast.Node, n *ast.MemberNode) {
	name, ok := n.Property.(*ast.StringNode)
	if !ok || n.Optional || s.called[n] || !open(n.Node) && n.Node.Type().Kind() != reflect.Map {
		return
	}
	get := s.function("member of", func(args ...any) (any, error) { return member(args[0], args[1].(string)) }, new(func(any, string) any))
	if s.optional[n] {
		get = s.function("member if any of", func(args ...any) (any, error) { return memberIfAny(args[0], args[1].(string)) }, new(func(any, string) any))
	}
	ast.Patch(node, &ast.CallNode{Callee: get, Arguments: []ast.Node{n.Node, name}})
}

func member(of any, name string) (any, error) {
	m, ok := of.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%s has no field %q", class(of), name)
	}
	v, ok := m[name]
	if !ok {
		return nil, fmt.Errorf("the object has no field %q", name)
	}
	return v, nil
}

// memberIfAny takes a missing field for null, and so the fields of null.
func memberIfAny(of any, name string) (any, error) {
	m, ok := of.(map[string]any)
	if !ok && of != nil {
		return nil, fmt.Errorf("%s has no field %q", class(of), name)
	}
	return m[name], nil
}

// equality compares values of one class only, whatever they turn out to be.
func (s *strict) equality(node *ast.Node, n *ast.BinaryNode) {
	_, leftNil := n.Left.(*ast.NilNode)
	_, rightNil := n.Right.(*ast.NilNode)
	if leftNil || rightNil || !open(n.Left) && !open(n.Right) {
		return
	}
	equal := s.function("are equal", func(args ...any) (any, error) { return equal(args[0], args[1]) }, new(func(any, any) bool))
	call := &ast.CallNode{Callee: equal, Arguments: []ast.Node{n.Left, n.Right}}
	if n.Operator == "==" {
		ast.Patch(node, call)
		return
	}
	call.SetLocation(n.Location())
	call.SetType(reflect.TypeFor[bool]())
	ast.Patch(node, &ast.UnaryNode{Operator: "!", Node: call})
}

func equal(a, b any) (any, error) {
	if err := alike(a, b); err != nil {
		return nil, err
	}
	return runtime.Equal(a, b), nil
}

// among wants what is looked for in a list written out to be like its elements.
func (s *strict) among(n *ast.BinaryNode) {
	list, ok := n.Right.(*ast.ArrayNode)
	if !ok || len(list.Nodes) == 0 || !open(n.Left) {
		return
	}
	first := list.Nodes[0]
	switch first.(type) {
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode:
	default:
		return
	}
	like := s.function("like", func(args ...any) (any, error) { return args[0], alike(args[0], args[1]) }, new(func(any, any) any))
	call := &ast.CallNode{Callee: like, Arguments: []ast.Node{n.Left, first}}
	call.SetLocation(n.Left.Location())
	n.Left = call
}

// alike refuses values that can never be equal. Null is like everything.
func alike(a, b any) error {
	if of, to := class(a), class(b); of != to && a != nil && b != nil {
		return fmt.Errorf("compares %s with %s", of, to)
	}
	return nil
}

// class names the class of a value.
func class(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "true or false"
	case string:
		return "text"
	case int, float64, int64, uint64, int32, uint32, int16, uint16, int8, uint8, uint, float32:
		return "a number"
	case map[string]any, map[any]any:
		return "an object"
	}
	if k := reflect.TypeOf(v).Kind(); k == reflect.Slice || k == reflect.Array {
		return "a list"
	}
	return "a " + reflect.TypeOf(v).String()
}
