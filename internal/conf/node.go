package conf

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// kind says what a node is.
type kind uint8

const (
	kindNull kind = iota
	kindBool
	kindInt
	kindFloat
	kindString
	kindList
	kindBlock
	// kindBroken is a value that has a problem already: it counts as present and
	// is not looked at again.
	kindBroken
)

// node is a value of the document: the part of YAML that configurations use,
// with the place each value came from.
type node struct {
	kind   kind
	text   string // of a scalar, without quotes
	quoted bool   // a string that was quoted or a block of text
	// raw is the text behind --set where YAML reads it as something else than a
	// string, for fields that are text.
	raw   string
	pos   position
	pairs []pair  // of a block, in file order
	items []*node // of a list
}

// pair is one key of a block. Of two keys that exclude each other the one from
// the higher layer wins: the file is layer 0, each overlay and --set adds one.
type pair struct {
	key   string
	pos   position
	layer int
	value *node
}

// position is a place in the file, counted from 1 in characters, or the --set
// that gave the value.
type position struct {
	line, col int
	set       string
}

func (n *node) scalar() bool { return n.kind <= kindString }

// plain reports whether the node is a string that was not quoted.
func (n *node) plain() bool { return n.kind == kindString && !n.quoted }

// find returns the index of a key, or -1.
func (n *node) find(key string) int {
	return slices.IndexFunc(n.pairs, func(p pair) bool { return p.key == key })
}

// child returns the value under a key or list index, nil if there is none, and
// the place of the key.
func (n *node) child(segment string) (*node, position) {
	if n.kind == kindList {
		if i, err := strconv.Atoi(segment); err == nil && i >= 0 && i < len(n.items) {
			return n.items[i], n.items[i].pos
		}
		return nil, position{}
	}
	if i := n.find(segment); i >= 0 {
		return n.pairs[i].value, n.pairs[i].pos
	}
	return nil, position{}
}

// locate returns the place of the value at path below n: the value itself for a
// scalar, its key for anything larger, at or what is nearest above if the path
// is absent from the file.
func (n *node) locate(at position, path string) position {
	for segment := range strings.SplitSeq(path, ".") {
		next, pos := n.child(segment)
		if next == nil {
			return at
		}
		n, at = next, pos
	}
	if n.scalar() {
		return n.pos
	}
	return at
}

// clone copies the tree.
func (n *node) clone() *node {
	c := *n
	c.pairs = slices.Clone(n.pairs)
	for i := range c.pairs {
		c.pairs[i].value = c.pairs[i].value.clone()
	}
	c.items = slices.Clone(n.items)
	for i := range c.items {
		c.items[i] = c.items[i].clone()
	}
	return &c
}

// describe names the node as the user sees it, for messages.
func (n *node) describe() string {
	switch n.kind {
	case kindNull:
		return "nothing"
	case kindBool:
		return n.text
	case kindInt, kindFloat:
		return "the number " + n.text
	case kindString:
		return fmt.Sprintf("the text %q", cut(n.text, 40))
	case kindList:
		return "a list"
	}
	return "a block of keys"
}

// cut shortens text to n characters for messages.
func cut(text string, n int) string {
	if r := []rune(text); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return text
}

// join appends a segment to a path.
func join(path, segment string) string {
	if path == "" || segment == "" {
		return path + segment
	}
	return path + "." + segment
}
