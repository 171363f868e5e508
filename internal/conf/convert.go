package conf

import (
	"fmt"
	"strconv"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// converter turns the YAML parser's tree into nodes and collects what this
// package does not take.
type converter struct {
	doc      *Document
	problems Problems
}

// refuse notes a problem and returns the node that stands for it.
func (c *converter) refuse(pos position, path, msg, hint string) *node {
	c.problems.add(c.doc, pos, path, msg, hint)
	return &node{kind: kindBroken, pos: pos}
}

func (c *converter) convert(n ast.Node, path string, depth int) *node {
	if depth > maxDepth {
		return c.refuse(at(n), path, tooDeepMsg, "")
	}
	switch n := n.(type) {
	case *ast.MappingNode:
		return c.block(n, n.Values, path, depth)
	case *ast.MappingValueNode:
		return c.block(n, []*ast.MappingValueNode{n}, path, depth)
	case *ast.SequenceNode:
		list := &node{kind: kindList, pos: at(n)}
		for i, item := range n.Values {
			list.items = append(list.items, c.convert(item, join(path, strconv.Itoa(i)), depth+1))
		}
		return list
	case *ast.AnchorNode, *ast.AliasNode:
		return c.refuse(at(n), path, "anchors and aliases are not supported",
			"define the value once under vars and use it as ${name}; put quotes around text that starts with & or *")
	case *ast.TagNode:
		return c.refuse(at(n), path, fmt.Sprintf("the tag %s is not supported", n.GetToken().Value),
			"put quotes around text; numbers need no tag")
	case *ast.DirectiveNode:
		return c.refuse(at(n), path, "directives are not supported", "remove the line that starts with %")
	}
	return c.scalar(n, path)
}

func (c *converter) scalar(n ast.Node, path string) *node {
	s := &node{pos: at(n)}
	switch n := n.(type) {
	case *ast.NullNode:
		s.kind = kindNull
	case *ast.BoolNode:
		s.kind, s.text = kindBool, strconv.FormatBool(n.Value)
	case *ast.IntegerNode:
		s.kind, s.text = kindInt, n.GetToken().Value
	case *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		s.kind, s.text = kindFloat, n.GetToken().Value
	case *ast.StringNode:
		s.kind, s.text = kindString, n.Value
		s.quoted = n.Token.Type == token.SingleQuoteType || n.Token.Type == token.DoubleQuoteType
	case *ast.LiteralNode:
		s.kind, s.text, s.quoted = kindString, n.Value.Value, true
	default:
		return c.refuse(at(n), path, "this kind of YAML is not supported", "write a plain value, a list or a block of keys")
	}
	return s
}

func (c *converter) block(n ast.Node, values []*ast.MappingValueNode, path string, depth int) *node {
	b := &node{kind: kindBlock, pos: at(n)}
	lines := map[string]int{}
	for i, v := range values {
		pos := at(v.Key)
		if i == 0 && pos.line <= b.pos.line && pos.col < b.pos.col {
			// The parser places a block at its first colon; people see its first key.
			b.pos = pos
		}
		key, ok := c.key(v.Key, path)
		if !ok {
			continue
		}
		if first, twice := lines[key]; twice {
			c.refuse(pos, join(path, key), fmt.Sprintf("the key %q is here twice, first on line %d", key, first), "remove one of them")
			continue
		}
		lines[key] = pos.line
		b.pairs = append(b.pairs, pair{key: key, pos: pos, value: c.convert(v.Value, join(path, key), depth+1)})
	}
	return b
}

// key returns the text of a key.
func (c *converter) key(k ast.MapKeyNode, path string) (string, bool) {
	if k.IsMergeKey() {
		c.refuse(at(k), path, "merge keys are not supported", "use profiles for variants, or write the keys out")
		return "", false
	}
	if _, isBlock := k.(*ast.MappingKeyNode); isBlock {
		c.refuse(at(k), path, "keys that start with ? are not supported", "write key: value")
		return "", false
	}
	n := c.convert(k, path, 0)
	switch {
	case n.kind == kindBroken:
		return "", false
	case !n.scalar() || n.kind == kindNull || n.text == "":
		c.refuse(at(k), path, "a key must be a word", "write key: value")
		return "", false
	}
	return n.text, true
}
