package conf

import (
	"fmt"
	"strings"
)

// maxExpanded bounds the text a variable can grow to.
const maxExpanded = 64 << 10

// Vars returns the variables of the document with their values, in file order,
// variables inside them filled in. A value that has a problem is empty;
// [Document.Decode] reports it.
func (d *Document) Vars() Map[string] {
	x := d.newExpander()
	var m Map[string]
	for _, p := range x.vars.pairs {
		m.Put(p.key, x.variable(p.key).text)
	}
	return m
}

// expander fills variables into a copy of the document.
type expander struct {
	doc      *Document
	vars     *node
	done     map[string]*node
	open     map[string]bool // variables being worked out, to find circles
	problems Problems
}

func (d *Document) newExpander() *expander {
	x := &expander{doc: d, vars: &node{kind: kindBlock}, done: map[string]*node{}, open: map[string]bool{}}
	vars, pos := d.root.child("vars")
	switch {
	case vars == nil:
	case vars.kind != kindBlock:
		x.report(pos, "vars", "expected a block of variables, found "+vars.describe(), "write vars: {speedup: 10}")
	default:
		x.vars = vars
	}
	return x
}

func (x *expander) report(pos position, path, msg, hint string) {
	x.problems.add(x.doc, pos, path, msg, hint)
}

// expand replaces variables in every scalar below n. Profiles that were not
// chosen are left alone.
func (x *expander) expand(n *node, path string) {
	for i := range n.pairs {
		p := &n.pairs[i]
		switch sub := join(path, p.key); {
		case sub == "profiles":
		case sub == "vars":
			for j, v := range p.value.pairs {
				p.value.pairs[j].value = x.variable(v.key)
			}
		case p.value.kind == kindString || p.value.raw != "":
			p.value = x.scalar(p.value, sub)
		default:
			x.expand(p.value, sub)
		}
	}
	for i, item := range n.items {
		sub := join(path, fmt.Sprint(i))
		if item.kind == kindString || item.raw != "" {
			n.items[i] = x.scalar(item, sub)
			continue
		}
		x.expand(item, sub)
	}
}

// variable returns the value of a variable, nil if there is none.
func (x *expander) variable(name string) *node {
	if n, ok := x.done[name]; ok {
		return n
	}
	v, pos := x.vars.child(name)
	path := "vars." + name
	broken := &node{kind: kindBroken, pos: pos}
	switch {
	case v == nil:
		return nil
	case !v.scalar() || v.kind == kindNull:
		x.report(pos, path, "a variable is a single value, found "+v.describe(), "give lists and blocks where they are used, or use profiles")
		v = broken
	case x.open[name]:
		x.report(pos, path, "the variable is defined by itself", "remove ${"+name+"} from it or from the variables it uses")
		v = broken
	default:
		x.open[name] = true
		v = x.scalar(v, path)
		delete(x.open, name)
	}
	x.done[name] = v
	return v
}

// scalar returns n with its variables filled in. A value that is one variable
// and nothing else takes the type of the variable.
func (x *expander) scalar(n *node, path string) *node {
	text := n.text
	if n.raw != "" {
		text = n.raw
	}
	if !strings.Contains(text, "${") {
		if !n.scalar() {
			x.expand(n, path)
		}
		return n
	}
	var out strings.Builder
	for rest := text; rest != ""; {
		before, ref, after := nextReference(rest)
		out.WriteString(before)
		rest = after
		if ref == "" {
			continue
		}
		v := x.lookup(ref, n.pos, path)
		if v.kind == kindBroken {
			return v
		}
		if ref == text {
			c := *v
			c.pos = n.pos
			return &c
		}
		out.WriteString(v.text)
		if out.Len() > maxExpanded {
			x.report(n.pos, path, "the text with its variables is longer than 64 KiB", "use shorter variables")
			return &node{kind: kindBroken, pos: n.pos}
		}
	}
	if n.raw != "" {
		return setValue(out.String(), n.pos)
	}
	c := *n
	c.text = out.String()
	return &c
}

// nextReference splits text at its first variable, which is returned with its
// braces. "$${" stands for "${" as such.
func nextReference(text string) (before, ref, after string) {
	i := strings.Index(text, "${")
	if i < 0 {
		return text, "", ""
	}
	if i > 0 && text[i-1] == '$' {
		return text[:i-1] + "${", "", text[i+2:]
	}
	end := strings.IndexByte(text[i:], '}')
	if end < 0 {
		return text[:i], text[i:], ""
	}
	return text[:i], text[i : i+end+1], text[i+end+1:]
}

// lookup returns the value of a reference such as ${name} or ${name:default}.
func (x *expander) lookup(ref string, pos position, path string) *node {
	broken := &node{kind: kindBroken, pos: pos}
	inner, closed := strings.CutSuffix(strings.TrimPrefix(ref, "${"), "}")
	name, def, hasDefault := strings.Cut(inner, ":")
	if !closed || !validName(name) {
		x.report(pos, path, fmt.Sprintf("bad variable %q", cut(ref, 40)), "write ${name} or ${name:default}; write $${ for ${ itself")
		return broken
	}
	if v := x.variable(name); v != nil {
		return v
	}
	if hasDefault {
		return setValue(def, pos).scalarOr(def)
	}
	x.report(pos, path, fmt.Sprintf("unknown variable %q", name)+didYouMean(name, x.vars.keys()),
		"define it under vars, or give a default: ${"+name+":value}")
	return broken
}

// scalarOr returns the node if it is a single value, else text as a string.
func (n *node) scalarOr(text string) *node {
	if n.scalar() && n.kind != kindNull {
		n.raw = ""
		return n
	}
	return &node{kind: kindString, text: text, pos: n.pos}
}

// validPath reports whether a path of keys and list indexes may be used in a [Map]
// of paths.
func validPath(path string) bool {
	for part := range strings.SplitSeq(path, ".") {
		index := strings.Trim(part, "0123456789") == ""
		if part == "" || !index && !validName(part) {
			return false
		}
	}
	return true
}

// validName reports whether a name may be used for a variable or in a [Map]:
// letters, digits, "_" and "-", a letter first.
func validName(name string) bool {
	for i, r := range name {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || !(r >= '0' && r <= '9' || r == '_' || r == '-')) {
			return false
		}
	}
	return name != ""
}
