package handler

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/jsonfield"
)

const routeSetting = "route"

// router names the sinks that records are for.
type router struct {
	program *program          // nil for no routes
	names   map[string]string // those there are, to themselves
	field   *jsonfield.Finder // of the field that is the whole expression, nil for any other
	always  string            // what the expression always gives, "" if that depends

	chosen []string // one for each record of the batch
}

// newRouter returns a router to the named sinks. What needs no machine goes without:
// a field alone, and a name alone.
func newRouter(r *record, p *program, names []string) router {
	to := router{program: p, names: make(map[string]string, len(names))}
	for _, name := range names {
		to.names[name] = name
	}
	switch n := p.code.Node().(type) {
	case *ast.StringNode:
		to.always = to.names[n.Value]
	case *ast.CallNode:
		if callee, ok := n.Callee.(*ast.IdentifierNode); ok {
			if name, isField := strings.CutPrefix(callee.Value, fieldFunction); isField {
				finder := r.slots[r.slot(name)].finder
				to.field = &finder
			}
		}
	}
	return to
}

// begin makes room for the routes of a batch.
func (to *router) begin(n int) {
	if to.program == nil {
		return
	}
	to.chosen = slices.Grow(to.chosen[:0], n)[:n]
	clear(to.chosen)
}

// choose returns the name of the sink for the record with this payload, at which the
// expression looks.
func (to *router) choose(payload []byte) (string, error) {
	switch {
	case to.program == nil:
		return "", nil
	case to.always != "":
		return to.always, nil
	case to.field != nil:
		raw, isText, _ := to.field.Lookup(payload)
		if name, known := to.names[string(raw)]; known && isText {
			return name, nil
		}
	}
	return to.evaluate()
}

func (to *router) evaluate() (string, error) {
	v, err := to.program.run()
	if err != nil {
		return "", err
	}
	text, ok := v.(string)
	if !ok {
		return "", misfit(class(v), reflect.String)
	}
	name, known := to.names[text]
	if !known {
		return "", &exprError{column: 1, msg: fmt.Sprintf("gives %.100q, and no sink has that name", text)}
	}
	return name, nil
}

// set keeps the route of record i until the batch is done.
func (to *router) set(i int, name string) {
	if to.program != nil {
		to.chosen[i] = name
	}
}

// commit gives the records their routes.
func (to *router) commit(users []kload.Delivery) {
	for i, name := range to.chosen {
		users[i].Route = name
	}
}

// Routes reports whether the handler gives records a route.
func (c *Config) Routes() bool { return c.Route != "" }

// Name is a name that stands in a route.
type Name struct {
	Text   string
	Column int // in the expression, from 1, in characters
}

// Names lists the names that the route can give as far as they stand in it, and
// reports whether it gives no others.
func (c *Config) Names() (names []Name, all bool) {
	if c.Route == "" {
		return nil, false
	}
	p, err := new(record).compile(expression{routeSetting, c.Route, reflect.String})
	if err != nil {
		return nil, false
	}
	return namesIn(p.code.Node())
}

func namesIn(n ast.Node) (names []Name, all bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return []Name{{n.Value, n.Location().From + 1}}, true
	case *ast.ConditionalNode:
		one, allOfOne := namesIn(n.Exp1)
		other, allOfOther := namesIn(n.Exp2)
		return append(one, other...), allOfOne && allOfOther
	case *ast.BinaryNode:
		if n.Operator == "??" {
			left, allOfLeft := namesIn(n.Left)
			right, allOfRight := namesIn(n.Right)
			return append(left, right...), allOfLeft && allOfRight
		}
	case *ast.VariableDeclaratorNode:
		return namesIn(n.Expr)
	case *ast.SequenceNode:
		return namesIn(n.Nodes[len(n.Nodes)-1])
	}
	return nil, false
}
