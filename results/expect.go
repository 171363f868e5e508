package results

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"

	"github.com/kload/kload"
)

const (
	resultPass = "pass"
	resultFail = "fail"
)

// Expectation is a compiled condition on a summary, such as
//
//	fares.lost == 0 && fares.e2e.read.p99 < 1s
//
// Names are <load or consumer>.<counter> and <load or consumer>.<hop>.<stat>,
// with stats p50 p90 p99 p999 max mean count over_range negative
// below_resolution; the owner may be left out where only one has the rest.
// wall_s and process.<kload or target>.<figure> are of the whole run.
// @phase behind a name narrows it to a phase: latencies of the records due in it,
// counters of what happened while it lasted. Numbers may carry a unit; times need
// one. [Names.List] has all names.
type Expectation struct {
	Expr    string
	program *vm.Program
	refs    map[string]ref
	consts  map[string]literal
}

// ExprError says what is wrong with an expectation and where.
type ExprError struct {
	Index  int // in the list given to Compile
	Expr   string
	Column int // from 1, in characters
	Msg    string
}

// Error names the expectation, the column and the problem.
func (e *ExprError) Error() string {
	return fmt.Sprintf("expectation %q: column %d: %s", e.Expr, e.Column, e.Msg)
}

// Unwrap makes the error one of an invalid scenario.
func (e *ExprError) Unwrap() error { return kload.ErrInvalid }

// Compile compiles expectations against the names a run will have. The error
// joins one [ExprError] per bad expectation.
func Compile(exprs []string, names Names) ([]Expectation, error) {
	var errs []error
	x, lex := newIndex(names), newLexicon()
	out := make([]Expectation, len(exprs))
	for i, e := range exprs {
		s := &scan{src: e, names: x, refs: map[string]ref{}, consts: map[string]literal{}, lex: lex}
		var p *problem
		if out[i], p = s.compile(); p != nil {
			errs = append(errs, &ExprError{Index: i, Expr: e, Column: utf8.RuneCountInString(e[:p.at]) + 1, Msg: p.msg})
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return out, nil
}

func (s *scan) compile() (Expectation, *problem) {
	if strings.TrimSpace(s.src) == "" {
		return Expectation{}, &problem{0, "empty: write a condition, such as reader.lost == 0"}
	}
	if p := s.run(); p != nil {
		return Expectation{}, p
	}
	if len(s.refs) == 0 {
		return Expectation{}, &problem{0, "names no figure of the run: 'kload explain' lists them"}
	}
	text := s.out.String()
	tree, err := parser.Parse(text)
	if err != nil {
		return Expectation{}, s.located(err)
	}
	check := unitCheck{scan: s}
	if ast.Walk(&tree.Node, &check); check.found != nil {
		return Expectation{}, check.found
	}
	program, err := expr.Compile(text, append(functions(), expr.Env(s.env(nil)), expr.AsBool())...)
	if err != nil {
		return Expectation{}, s.located(err)
	}
	return Expectation{Expr: s.src, program: program, refs: s.refs, consts: s.consts}, nil
}

func functions() []expr.Option {
	out := []expr.Option{expr.DisableAllBuiltins()}
	for _, name := range []string{"abs", "min", "max", "ceil", "floor", "round"} {
		out = append(out, expr.EnableBuiltin(name))
	}
	return out
}

// env returns the variables of the rewritten text; without values the names
// stand for 0.
func (s *scan) env(values map[string]float64) map[string]float64 {
	return variables(s.refs, s.consts, values)
}

func variables(refs map[string]ref, consts map[string]literal, values map[string]float64) map[string]float64 {
	env := make(map[string]float64, len(refs)+len(consts))
	for name := range refs {
		env[name] = values[name]
	}
	for name, lit := range consts {
		env[name] = lit.value
	}
	return env
}

// located turns a compiler error into a problem at its place.
func (s *scan) located(err error) *problem {
	var at *file.Error
	if !errors.As(err, &at) {
		return &problem{0, err.Error()}
	}
	return &problem{s.offset(at.From), at.Message}
}

// offset turns a position in characters into one in bytes.
func (s *scan) offset(runes int) int {
	for i := range s.src {
		if runes == 0 {
			return i
		}
		runes--
	}
	return len(s.src)
}

// unitCheck finds what mixes times and plain numbers: "p99 < 500" would mean
// nanoseconds and fail for reasons nobody sees.
type unitCheck struct {
	scan  *scan
	found *problem
}

// Visit checks one node of the syntax tree.
func (c *unitCheck) Visit(node *ast.Node) {
	does, at := "compares a time with a plain number", (*node).Location().From
	var together []ast.Node
	switch n := (*node).(type) {
	case *ast.BinaryNode:
		if n.Operator == "+" || n.Operator == "-" {
			does = "reckons with a time and a plain number"
		}
		if slices.Contains([]string{"<", "<=", ">", ">=", "==", "!=", "+", "-", "in", ".."}, n.Operator) {
			together = []ast.Node{n.Left, n.Right}
		}
	case *ast.BuiltinNode:
		together = n.Arguments
	case *ast.ConditionalNode:
		together, at = []ast.Node{n.Exp1, n.Exp2}, n.Exp1.Location().From
	case *ast.ArrayNode:
		together = n.Nodes
	}
	if c.found == nil && c.mixed(together) {
		c.found = &problem{c.scan.offset(at), does + ": write times with a unit, such as 500ms, and figures in _s or _ns without"}
	}
}

// mixed reports whether nodes stand for different powers of time.
func (c *unitCheck) mixed(nodes []ast.Node) bool {
	first, known := c.firstKnown(nodes...)
	return known && slices.ContainsFunc(nodes, func(n ast.Node) bool {
		power, known := c.power(n)
		return known && power != first
	})
}

// power returns the power of time that a node stands for: 1 for a time, 0 for a
// plain number. Of 0 it is not known: it may be either.
func (c *unitCheck) power(n ast.Node) (power int, known bool) {
	switch n := n.(type) {
	case *ast.IdentifierNode:
		if r, ok := c.scan.refs[n.Value]; ok {
			return oneIf(r.duration()), true
		}
		lit, ok := c.scan.consts[n.Value]
		return oneIf(lit.duration), ok
	case *ast.IntegerNode:
		return 0, n.Value != 0
	case *ast.FloatNode:
		return 0, n.Value != 0
	case *ast.UnaryNode:
		return c.power(n.Node)
	case *ast.BuiltinNode:
		return c.firstKnown(n.Arguments...)
	case *ast.ConditionalNode:
		return c.firstKnown(n.Exp1, n.Exp2)
	case *ast.ArrayNode:
		return c.firstKnown(n.Nodes...)
	case *ast.BinaryNode:
		return c.powerOf(n)
	}
	return 0, false
}

func (c *unitCheck) powerOf(n *ast.BinaryNode) (power int, known bool) {
	left, leftKnown := c.power(n.Left)
	right, rightKnown := c.power(n.Right)
	switch n.Operator {
	case "*":
		return left + right, leftKnown && rightKnown
	case "/":
		return left - right, leftKnown && rightKnown
	case "+", "-", "%", "..":
		return c.firstKnown(n.Left, n.Right)
	}
	return 0, false
}

func (c *unitCheck) firstKnown(nodes ...ast.Node) (power int, known bool) {
	for _, n := range nodes {
		if power, known = c.power(n); known {
			return power, true
		}
	}
	return 0, false
}

func oneIf(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// Judge judges the expectation on a summary, also of a run under way. One that
// refers to a hop without samples, or to something that was not measured, fails
// and says so; what it asks is then not known.
func (e Expectation) Judge(s *Summary) (res ExpectResult, known bool) {
	values, shown, missing := map[string]float64{}, []string{}, false
	for _, name := range slices.Sorted(maps.Keys(e.refs)) {
		r := e.refs[name]
		v, problem := r.value(s)
		values[name] = v
		text := problem
		if missing = missing || problem != ""; problem == "" {
			text = r.show(v)
		}
		shown = append(shown, r.full+" = "+text)
		if len(e.refs) == 1 {
			shown[0] = text
		}
	}
	res = ExpectResult{Expr: e.Expr, Result: resultFail, Value: strings.Join(slices.Compact(shown), ", ")}
	if missing {
		return res, false
	}
	got, err := expr.Run(e.program, variables(e.refs, e.consts, values))
	if err != nil {
		res.Value = err.Error()
	} else if got == true {
		res.Result = resultPass
	}
	return res, err == nil
}

// OnlyAtEnd returns a name in the expectation whose figure means nothing while a
// run is under way, "" if there is none.
func (e Expectation) OnlyAtEnd() string {
	for _, name := range slices.Sorted(maps.Keys(e.refs)) {
		r := e.refs[name]
		if !r.load && (slices.Contains([]string{"lost", "unread", "sunk"}, r.counter) || strings.HasPrefix(r.counter, "sinks.")) || strings.HasPrefix(r.counter, targetPrefix) {
			return r.full
		}
	}
	return ""
}
